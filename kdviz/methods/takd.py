"""Teacher-assistant distillation: a model of middle size bridges the capacity gap. Mirzadeh et al., AAAI 2020."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kdviz.methods.kd import KD


@dataclass
class TAKD(KD):
    """Teacher → assistant → student, plain KD each.

    assistant        : a Model between the two in size, made by kd.build_student with the same task
    assistant_epochs : of its own distillation, None for the run's
    """

    assistant: Any = None
    assistant_epochs: int | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.assistant is None:
            raise ValueError("TAKD needs assistant=…: a model between student and teacher, see kd.build_student")

    def setup(self, ctx):
        plain = KD(self.alpha, self.temperature, self.rows)
        self._taught = ctx.distill("assistant", self.assistant, plain, epochs=self.assistant_epochs)

    def teacher_for(self, phase):
        return self._taught

    def describe(self):
        return super().describe() | {"assistant": self.assistant.fingerprint()[:16]}

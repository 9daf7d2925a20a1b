"""Pro-KD as we read it (after Rezagholizadeh et al., COLING 2022, of which only the abstract could be read)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kdviz.methods.annealing import LABEL_SHARE, label_phase, split_epochs
from kdviz.methods.base import Method, Phase


@dataclass
class ProKD(Method):
    """Follow the teacher's own path: its checkpoints in training order, then the labels. The objective is [ours].

    With checkpoints T_1 … T_n: ‖z_S - φ_j·z_{T_j}‖² for equal shares of the first stage, in order; then cross-entropy
    alone from the best student of the last checkpoint, with a new optimiser, as in Annealing-KD. φ_j = 1, or
    φ_j = j/n when `annealed` (Annealing-KD's Φ with τ_max = n). With fewer epochs than checkpoints, evenly spaced
    ones are followed, the last among them.

    checkpoints  : in training order: Models, epochs of the packaged teacher's trajectory as whole numbers (loaded when
                   their turn comes), or None for the run's teacher, which belongs at the end
    annealed     : whether the checkpoints' logits are annealed as well
    label_epochs : as in `AnnealingKD`
    """

    checkpoints: Sequence
    annealed: bool = False
    label_epochs: int | None = None
    needs = frozenset({"logits"})
    any_kind = True
    _task: object = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self):
        self.checkpoints = tuple(self.checkpoints)
        if not self.checkpoints:
            raise ValueError("checkpoints is empty: pass the teacher's, in training order, or use AnnealingKD")

    def setup(self, ctx):
        self._task = ctx.task

    def followed(self, epochs: int) -> dict[int, int]:
        """Checkpoint number (from 0) -> its epochs, of the first stage's epochs."""
        n = len(self.checkpoints)
        stops = min(n, epochs)
        chosen = [n - 1 - (stops - 1 - k) * n // stops for k in range(stops)]
        return {j: (k + 1) * epochs // stops - k * epochs // stops for k, j in enumerate(chosen)}

    def phases(self, epochs):
        last = split_epochs(epochs, self.label_epochs, LABEL_SHARE)
        shares = self.followed(epochs - last)
        path = [Phase(f"checkpoint {j + 1}", share, reset_optimizer=j == min(shares)) for j, share in shares.items()]
        return [*path, label_phase(last, self.label_epochs, self.needs)]

    def teacher_for(self, phase):
        if phase.name == "labels":
            return None
        chosen = self.checkpoints[_number(phase.name)]
        if not isinstance(chosen, int):
            return chosen
        from kdviz.models.teachers import load_teacher

        return load_teacher("minilm", self._task, checkpoint=chosen)

    def loss(self, student, teacher, batch, ctx):
        if ctx.at.phase == "labels":
            return {"labels": ctx.kind.hard(student["logits"], batch.labels)}
        return {"logits": ctx.kind.squared(student["logits"], self.phi(ctx.at.phase) * teacher["logits"])}

    def phi(self, phase: str) -> float:
        """φ_j in the phase named "checkpoint j"."""
        return (_number(phase) + 1) / len(self.checkpoints) if self.annealed else 1.0

    def describe(self):
        """Settings; a checkpoint that is a Model by its fingerprint, so that a resumed run is the same run."""
        names = [one.fingerprint()[:12] if hasattr(one, "fingerprint") else str(one) for one in self.checkpoints]
        return super().describe() | {"checkpoints": ", ".join(names)}


def _number(phase: str) -> int:
    return int(phase.removeprefix("checkpoint ")) - 1

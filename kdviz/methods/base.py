"""What a distillation method is: an objective, a schedule, and at most a few hooks.

A method says which fields of the teacher it `needs`, how training is divided into `phases`, and the named terms of its
`loss`. The loop (`kdviz.training.loop`) does the rest: batches, the teacher's outputs (from a cache: the teacher itself
is rarely in memory), optimiser, evaluation, checkpoints, plots. A whole method, with one phase for the teacher's logits
on all text and one for the labels:

>>> class LogitsThenLabels(Method):
...     needs = frozenset({"logits"})
...
...     def phases(self, epochs):
...         return [Phase("logits", epochs - 1), Phase("labels", 1, rows="labelled", restart="best")]
...
...     def loss(self, student, teacher, batch, ctx):
...         if ctx.at.phase == "labels":
...             return {"labels": ctx.kind.hard(student["logits"], batch.labels)}
...         return {"logits": logits.mse(student["logits"], teacher["logits"])}

`kdviz.fields` lists the fields with their shapes, `kdviz.training.context` what hooks may ask of the run;
docs/methods.md shows how the course's methods use the hooks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from kdviz import fields
from kdviz.data.kinds import CLASSIFICATION, Kind
from kdviz.fields import Fields
from kdviz.losses import contextual

if TYPE_CHECKING:
    from kdviz.data.batches import Batch
    from kdviz.models.model import Model

Context = Any  # what the loop hands to hooks: `kdviz.training.context.Context`, of a room above this one
ROWS = ("all", "labelled", "unlabelled", "prompts")


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one objective.

    name     : shown in the history and in plots; `at.phase`
    epochs   : passes over its rows (≥ 0; a phase of 0 epochs is left out)
    rows     : "all", "labelled" or "unlabelled" texts of train and transfer. An unlabelled row has label -100. Of
               language modelling "all" have a completion, and "prompts" are these and the others
    restart : which student of the phase before this one starts from: its "last", or its "best" on dev
    reset_optimizer : a new optimiser and a new warm-up; False goes on with those of the phase before
    lr       : peak learning rate, None for the run's
    schedule : "linear" (warm-up, then decay to 0 over the phases that share an optimiser) or "constant" (warm-up only)
    needs    : teacher fields of this phase, None for the method's
    student_needs : student fields, None for `needs` and "logits"
    passes   : most passes over its rows, None for no limit: what is too much for them goes to the phases before this
               one, in proportion. The first phase has no limit
    """

    name: str
    epochs: int
    rows: str = "all"
    restart: str = "last"
    reset_optimizer: bool = True
    lr: float | None = None
    schedule: str = "linear"
    needs: frozenset[str] | None = None
    student_needs: frozenset[str] | None = None
    passes: int | None = None

    def __post_init__(self):
        for name, value, offered in (
            ("rows", self.rows, ROWS),
            ("restart", self.restart, ("last", "best")),
            ("schedule", self.schedule, ("linear", "constant")),
        ):
            if value not in offered:
                raise ValueError(f"phase {self.name!r}: {name}={value!r}, choose among {', '.join(offered)}")
        if self.epochs < 0:
            raise ValueError(f"phase {self.name!r}: epochs={self.epochs}, must be 0 or more")
        if self.passes is not None and self.passes < 1:
            raise ValueError(f"phase {self.name!r}: passes={self.passes}, must be 1 or more, or None for no limit")
        fields.check((self.needs or frozenset()) | (self.student_needs or frozenset()), f"phase {self.name!r}")


def stages(name: str, first: int, epochs: int, needs: frozenset[str], then: Callable[[int], Phase]) -> list[Phase]:
    """A first phase on all text that reads only `needs`, then another one for the epochs that are left."""
    if not 0 < first < epochs:
        words = f"both phases need one or more, as with epochs={max(1, first) + 1}"
        raise ValueError(f"{first} of {epochs} epochs for {name!r} leave {epochs - first}: {words}")
    return [Phase(name, first, needs=needs, student_needs=needs), then(epochs - first)]


@dataclass(frozen=True)
class StepInfo:
    """Where training stands.

    phase        : name of the phase              index : its number, from 0
    epoch, epochs: inside the phase, from 0       step  : of the run, from 0
    phase_step, phase_steps : inside the phase, from 0
    steps        : of the whole run               last_of_epoch : the epoch's last step
    """

    phase: str
    index: int
    epoch: int
    epochs: int
    step: int
    phase_step: int
    phase_steps: int
    steps: int
    last_of_epoch: bool = False

    @property
    def fraction(self) -> float:
        """Part of the phase that is done before this step, in [0, 1)."""
        return self.phase_step / max(1, self.phase_steps)


At = StepInfo  # a shorter name for lessons


class Method:
    """Base of all methods: override `needs` and `loss`, and of the rest only what the paper asks for.

    rows               : of a method of one phase: the texts that it trains on, see `Phase`
    needs              : teacher fields
    needs_live_teacher : hold the teacher in memory, for methods that show it text made on the fly. Fields of the
                         task's own rows still come from the cache
    any_kind           : reads labels and answers through ``ctx.kind`` alone, so it serves every kind of task
                         (`kdviz.data.kinds`); another method is refused where the task is not classification.
                         `serves` says it where this is not all
    returns            : which student is the result: the "best" on dev of all phases' epochs (of equal phases the
                         later, of equal epochs the first), or the "last"
    """

    rows: str = "all"
    needs: frozenset[str] = frozenset()
    needs_live_teacher: bool = False
    any_kind: bool = False
    returns: str = "best"

    @property
    def name(self) -> str:
        """Shown in tables and figures."""
        return type(self).__name__

    def serves(self, kind: Kind) -> bool:
        """Whether it can train on tasks of this kind; a run on another kind is refused by name."""
        return self.any_kind or kind == CLASSIFICATION

    def phases(self, epochs: int) -> list[Phase]:
        """How `epochs` are spent."""
        return [Phase("distil", epochs, rows=self.rows)]

    def layer_map(self, teacher_layers: int, student_layers: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Indices of the compared hidden states, (teacher's, student's); 0 is the embedding."""
        return contextual.layer_map(teacher_layers, student_layers)

    def loss(self, student: Fields, teacher: Fields, batch: Batch, ctx: Context) -> dict[str, Tensor]:
        """Named terms, weighted; the loop adds them up and logs them by name.

        A term is a scalar, or (B,) per row: the loop weighs it by `weights` and takes the mean.
        Rows with batch.labels == -100 have no label: no cross-entropy for them.
        """
        raise TypeError(f"{type(self).__name__} must define loss(student, teacher, batch, ctx)")

    def setup(self, ctx: Context) -> None:
        """Once, before the first step (also of a resumed run)."""

    def select(self, batch: Batch, ctx: Context) -> Batch | None:
        """The rows to train on in the place of those drawn (Glitter); None lets the student rest (MATE-KD)."""
        return batch

    def perturb(self, batch: Batch, ctx: Context) -> dict[str, Tensor] | None:
        """Inputs of a second forward pass of student and teacher, or None for no second pass (MATE-KD)."""
        return None

    def weights(self, terms: dict[str, Tensor], ctx: Context) -> dict[str, Tensor]:
        """(B,) weights for the per-row terms, by name; a term that is not named keeps weight 1 (RW-KD)."""
        return {}

    def teacher_for(self, phase: Phase) -> Model | None:
        """The teacher of that phase, None for the run's (Pro-KD, TAKD)."""
        return None

    def after_step(self, ctx: Context) -> None:
        """After each update of the weights (SWA)."""

    def finish(self, ctx: Context) -> None:
        """At the end, with the chosen student in ctx.student, before the test (SWA)."""

    def describe(self) -> dict[str, Any]:
        """Settings by name, for tables and for the check that a resumed run is the same run."""
        plain = (str, int, float, bool, type(None))
        settings = {
            key: value for key, value in sorted(vars(self).items()) if isinstance(value, plain) and key[0] != "_"
        }
        wrapped = {key: value.describe() for key, value in vars(self).items() if isinstance(value, Method)}
        return {"method": self.name} | settings | wrapped

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.describe().items() if key != "method")
        return f"{type(self).__name__}({settings})"

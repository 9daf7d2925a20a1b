"""What a distillation method is: an objective, a schedule, and at most a few hooks.

A method is a small class. It says which fields of the teacher it `needs`, how training is divided into
`phases`, and the named terms of its `loss`. The loop (`kdviz.training.loop`) does the rest: batches, the teacher's
outputs (from a cache, the teacher itself is rarely in memory), optimiser, evaluation, checkpoints, plots.

>>> class LogitsByMSE(Method):
...     needs = frozenset({"logits"})
...     def loss(self, student, teacher, batch, at):
...         return {"logits": (student["logits"] - teacher["logits"]).square().mean()}

Fields, of the teacher and, computed alike, of the student (M matched layers, the embedding is the first;
`layer_map` chooses them; n tokens, padded; everything float32):

    logits (B, C)             cls (B, M, d)  first token         sentence (B, d)  mean of the last layer's real tokens
    hidden (B, M, n, d)       mean (B, M, d) mean of real tokens last (B, n, d)   last layer
    word_gram (B, M, n, n)    layer_gram (B, n, M, M)            qkv (B, 3, h, n, d/h)  last layer
    attentions, scores (B, M-1, h, n, n)      ffn (B, M-1, n, d)      the matched layers without the embedding

Can these hooks carry every method of the course? One line each, checked before they were fixed:

    CKD             needs logits, word_gram, layer_gram; a relation-only first Phase(needs=…, rows="unlabelled")
    KroneckerBERT   needs hidden, scores, ffn, logits; layer_map one to one; phases "general" (all text), then "task"
    Glitter         setup: ctx.add_rows(pool); select: score candidates with ctx.student_fields, no gradient,
                    return ctx.rows(originals + worst k); batch.index >= pool start tells them apart
    SWA             setup: ctx.keep("average", …); after_step: update it; finish: copy it into ctx.student;
                    Phase(schedule="constant"); keep = "last"; wraps any other method
    Annealing-KD    phases [Phase("teacher", …, rows="all"), Phase("labels", …, restart="best")]; Φ from at.epoch, at.epochs
    Continuation-KD ψ, φ from at.epoch; labels of unlabelled rows are -100
    Pro-KD          a Phase per checkpoint, fresh=False; teacher_for(phase) gives that checkpoint; each has its own cache
    RW-KD           loss returns per-sample terms (B,); weights: one backward on ctx.sample("train", …) and one JVP
                    through ctx.student with ctx.batch; ctx.record keeps λ for its picture
    Noisy labels    co-distillation: ctx.train("peer", second student), forward it in loss;
                    refinement: refined targets made by ctx.distill on folds, looked up by batch.index
    Universal-KD    layer_map returns all layers; needs mean, logits; setup fits the teacher's probes on ctx.teacher_fields;
                    the student's probes by ctx.train; phases "layers", "labels"
    ALP-KD          needs mean or cls at all layers; a Projection by ctx.train when widths differ
    MATE-KD         needs_live_teacher; generator and its optimiser by ctx.keep; perturb ascends every k steps, then
                    returns {"one_hot": …}: student["perturbed"], teacher["perturbed"] hold the second pass
    Combined-KD     Annealing's phases with MATE's perturb
    DistilBERT, PKD, MobileBERT, TinyBERT, MiniLM, RKD   needs + loss (+ phases, + ctx.train of a Projection)
    PD              a masked-word phase: perturb returns masked input_ids, head by ctx.train; then soft targets
    TAKD            setup: assistant = ctx.distill(…); teacher_for returns it;   BAN: KD with a student of the teacher's size
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn

from kdviz.losses import contextual

if TYPE_CHECKING:
    from kdviz.data.batches import Batch
    from kdviz.data.task import Task
    from kdviz.models.model import Model

FIELDS = frozenset(
    "logits hidden cls mean last sentence word_gram layer_gram attentions scores qkv ffn".split()
)
Fields = dict[str, Any]  # field name -> tensor; "perturbed" -> the Fields of a second pass
ROWS = ("all", "labelled", "unlabelled")


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one objective.

    name     : shown in the history and in plots; `at.phase`
    epochs   : passes over its rows (≥ 0; a phase of 0 epochs is left out)
    rows     : "all", "labelled" or "unlabelled" texts of train and transfer. An unlabelled row has label -100
    restart  : which student of the phase before this one starts from: its "last", or its "best" on dev
    fresh    : a new optimiser and a new warm-up; False goes on with those of the phase before
    lr       : peak learning rate, None for the run's
    schedule : "linear" (warm-up, then decay to 0 over the phases that share an optimiser) or "constant" (warm-up only)
    needs    : teacher fields of this phase, None for the method's
    student_needs : student fields, None for `needs` and "logits"
    """

    name: str
    epochs: int
    rows: str = "all"
    restart: str = "last"
    fresh: bool = True
    lr: float | None = None
    schedule: str = "linear"
    needs: frozenset[str] | None = None
    student_needs: frozenset[str] | None = None

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
        unknown = sorted(((self.needs or frozenset()) | (self.student_needs or frozenset())) - FIELDS)
        if unknown:
            raise ValueError(f"phase {self.name!r} needs {', '.join(unknown)}; fields are {', '.join(sorted(FIELDS))}")


@dataclass(frozen=True)
class At:
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


class Context(Protocol):
    """What the loop offers to hooks. `setup` may keep a reference to it."""

    student: Model
    teacher: Model | None  # of this phase; on the student's device only for methods with needs_live_teacher
    task: Task
    seed: int
    at: At  # from the first step on
    batch: Batch | None  # of this step

    def train(self, name: str, module: nn.Module) -> nn.Module:
        """Train `module` beside the student: same optimiser, clipped and checkpointed with it. Call it in setup."""

    def keep(self, name: str, thing: Any) -> Any:
        """Put something with state_dict and load_state_dict (a generator, its optimiser) into checkpoints. In setup."""

    def add_rows(self, dataset) -> range:
        """More texts (columns text[, text_b][, label]); returns their row numbers. Teacher fields included. In setup."""

    def rows(self, index: Tensor) -> Batch:
        """The batch of these row numbers: train first, then transfer, then what add_rows added."""

    def sample(self, split: str, size: int) -> Batch:
        """`size` labelled rows of "train" or "dev", chosen by the seed and the step alone. Never of a test split."""

    def student_fields(self, batch: Batch, needs: frozenset[str], **replaced: Tensor) -> Fields:
        """Forward the student now. `replaced` are inputs that take the batch's place (one_hot, input_ids, …)."""

    def teacher_fields(self, batch: Batch, needs: frozenset[str]) -> Fields:
        """The teacher's fields of these rows, from the cache when there is one."""

    def evaluate(self, model: nn.Module | None = None) -> dict[str, float]:
        """Scores on dev (accuracy, loss) of `model`, None for the student."""

    def distill(
        self, name: str, student: Model, method: Method, *, teacher: Model | None = None, task: Task | None = None,
        epochs: int | None = None,
    ) -> Model:
        """A run inside this run, with its settings unless replaced; resumed with it. Returns the distilled model."""

    def log(self, **numbers: float) -> None:
        """More columns in this step's row of the history."""

    def record(self, name: str, value: Tensor) -> None:
        """Keep a tensor for a picture: run.records[name] is [(step, tensor), …], saved with the run."""


class Method:
    """Base of all methods: override `needs` and `loss`, and of the rest only what the paper asks for.

    needs              : teacher fields
    needs_live_teacher : hold the teacher in memory, for methods that show it text made on the fly. Fields of the
                         task's own rows still come from the cache
    keep               : which student of the last phase is the result: "best" on dev, or the "last"
    """

    needs: frozenset[str] = frozenset()
    needs_live_teacher: bool = False
    keep: str = "best"

    @property
    def name(self) -> str:
        """Shown in tables and figures."""
        return type(self).__name__

    def phases(self, epochs: int) -> list[Phase]:
        """How `epochs` are spent."""
        return [Phase("distil", epochs)]

    def layer_map(self, teacher_layers: int, student_layers: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Indices of the compared hidden states, (teacher's, student's); 0 is the embedding."""
        return contextual.layer_map(teacher_layers, student_layers)

    def loss(self, student: Fields, teacher: Fields, batch: Batch, at: At) -> dict[str, Tensor]:
        """Named terms, weighted; the loop adds them up and logs them by name.

        A term is a scalar, or (B,) per row: the loop weighs it by `weights` and takes the mean.
        Rows with batch.labels == -100 have no label: no cross-entropy for them.
        """
        raise TypeError(f"{type(self).__name__} must define loss(student, teacher, batch, at)")

    # Hooks: None means the loop leaves the step out.
    setup: Callable[[Context], None] | None = None
    """setup(ctx): once, before the first step (also of a resumed run)."""
    select: Callable[[Batch, Context], Batch] | None = None
    """select(batch, ctx) -> Batch: train on other rows than those drawn (Glitter)."""
    perturb: Callable[[Batch, Context], dict[str, Tensor] | None] | None = None
    """perturb(batch, ctx) -> inputs of a second forward pass of student and teacher, or None (MATE-KD)."""
    weights: Callable[[dict[str, Tensor], Context], dict[str, Tensor]] | None = None
    """weights(losses, ctx) -> (B,) weights for the per-row terms, by name (RW-KD)."""
    teacher_for: Callable[[Phase], Model | None] | None = None
    """teacher_for(phase) -> the teacher of that phase, None for the run's (Pro-KD, TAKD)."""
    after_step: Callable[[Context], None] | None = None
    """after_step(ctx): after each update of the weights (SWA)."""
    finish: Callable[[Context], None] | None = None
    """finish(ctx): at the end, with the kept student in ctx.student, before the test (SWA)."""

    def describe(self) -> dict[str, Any]:
        """Settings by name, for tables and for the check that a resumed run is the same run."""
        plain = (str, int, float, bool, type(None))
        settings = {key: value for key, value in sorted(vars(self).items()) if isinstance(value, plain) and key[0] != "_"}
        wrapped = {key: value.describe() for key, value in vars(self).items() if isinstance(value, Method)}
        return {"method": self.name} | settings | wrapped

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.describe().items() if key != "method")
        return f"{type(self).__name__}({settings})"

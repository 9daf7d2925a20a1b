"""The settings of a run, and all that changes while it trains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from kdviz.data.batches import Rows
from kdviz.methods.base import Method, Phase, StepInfo
from kdviz.training.history import History
from kdviz.training.progress import Progress
from kdviz.training.snapshots import Snapshots

TRAINING_SPLITS = ("train", "transfer")
PRECISIONS = (None, "no", "bf16", "fp16")
NONE_YET = {"score": -float("inf"), "step": None, "weights": None}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run trains, whatever its method: the defaults of `kdviz.distill`, which says what each is for."""

    epochs: int = 5
    seed: int = 0
    batch_size: int = 32
    lr: float = 5e-4
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    max_length: int = 128
    steps_per_epoch: int | None = None
    cache: bool = True
    cache_dtype: str = "float32"
    cache_top: int | None = None
    mixed_precision: str | None = None

    def __post_init__(self):
        for name, least in (("epochs", 0), ("batch_size", 1), ("max_length", 3), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}: must be {least} or more")
        for name in ("lr", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)}: must be positive")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup={self.warmup}: the share of steps that warm up, from 0 to below 1")
        if self.steps_per_epoch is not None and self.steps_per_epoch < 1:
            raise ValueError(f"steps_per_epoch={self.steps_per_epoch}: must be 1 or more, or None for all rows")
        if self.cache_top is not None and (self.cache_top < 1 or not self.cache):
            problem = f"cache_top={self.cache_top}, cache={self.cache}"
            raise ValueError(f"{problem}: keep 1 token or more in a cache, or leave cache_top out")
        if self.mixed_precision not in PRECISIONS:
            offered = ", ".join(map(repr, PRECISIONS))
            raise ValueError(f"mixed_precision={self.mixed_precision!r}: choose among {offered}")


class RunState:
    """What a run holds. The loop moves it; a checkpoint is its `state()`."""

    def __init__(
        self,
        student,
        teacher,
        task,
        method: Method,
        settings: Settings,
        accelerator,
        folder=None,
        progress=None,
        checkpoint_every: int = 200,
    ):
        self.student, self.run_teacher, self.task, self.method = student.to(accelerator.device), teacher, task, method
        self.settings, self.accelerator = settings, accelerator
        self.progress = Progress("off", method.name) if progress is None else progress
        self.checkpoint_every = checkpoint_every
        self.folder = None if folder is None else Path(folder)
        self.seed, self.device = settings.seed, accelerator.device
        tokenizer = getattr(teacher if teacher is not None else student, "tokenizer", None)
        self.table, self.dev = (Rows(tokenizer, settings.max_length, task.kind) for _ in range(2))
        for split in TRAINING_SPLITS:
            if split in task.splits:
                self.table.add(task[split])
        self.dev.add(task["dev"])
        self.task_rows = len(self.table)  # a phase draws from these; what a method adds is for it to pick
        self.added_modules, self.added_states = nn.ModuleDict(), {}
        self.history, self.records = History(), {}
        self.snapshots: Snapshots | None = None
        self.at: StepInfo | None = None
        self.batch = None
        self.optimizer = None
        self.best = self.kept = NONE_YET  # the best student on dev of this phase, and of the phases before it

    def parameters(self) -> list[nn.Parameter]:
        """All that the optimiser trains: the student, then what the method added."""
        return [p for p in (*self.student.parameters(), *self.added_modules.parameters()) if p.requires_grad]

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of the student's weights."""
        return {name: tensor.detach().clone() for name, tensor in self.student.state_dict().items()}

    def take_snapshot(self) -> None:
        """What the student makes, every so many steps, of the texts asked for."""
        if self.snapshots is not None and self.at.step % self.snapshots.every == 0:
            self.snapshots.take(self.student, self.at.step)

    def checkpoint_due(self) -> bool:
        return (self.at.step + 1) % self.checkpoint_every == 0

    def end_phase(self) -> None:
        """Set the phase's best student against that of the phases before it; of equals the later is kept."""
        self.kept = max(self.best, self.kept, key=lambda one: one["score"])  # max takes the first of equals
        self.best = NONE_YET

    def step_info(self, index: int, phase: Phase, step: int, steps: int, first: int, total: int) -> StepInfo:
        """Where training stands at `step` of `steps` of a phase, which begins at step `first` of `total`."""
        epoch = step * phase.epochs // steps
        return StepInfo(
            phase=phase.name,
            index=index,
            epoch=epoch,
            epochs=phase.epochs,
            step=first + step,
            phase_step=step,
            phase_steps=steps,
            steps=total,
            last_of_epoch=(step + 1) * phase.epochs // steps > epoch,
        )

    def state(self) -> dict:
        """Everything that the next step depends on, and the history so far."""
        return {
            "student": self.weights(),
            "modules": self.added_modules.state_dict(),
            "states": {name: thing.state_dict() for name, thing in self.added_states.items()},
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "kept": self.kept,
            "history": self.history.rows(),
            "records": self.records,
            "snapshots": None if self.snapshots is None else self.snapshots.state(),
        }

    def load_state(self, state: dict) -> None:
        """Go back to a `state()`; the optimiser must have been made already."""
        self.student.load_state_dict(state["student"])
        self.added_modules.load_state_dict(state["modules"])
        for name, thing in self.added_states.items():
            thing.load_state_dict(state["states"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best, self.kept = state["best"], state["kept"]
        self.history = History(state["history"])
        self.records = {name: [tuple(pair) for pair in pairs] for name, pairs in state["records"].items()}
        if self.snapshots is not None:
            self.snapshots.load_state(state["snapshots"])

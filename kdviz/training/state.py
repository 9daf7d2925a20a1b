"""What a run holds while it trains; hooks of methods see it as their `Context` (kdviz.methods.base)."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from kdviz.methods.base import At, Fields, Method, Phase
from kdviz.training.cache import TeacherCache
from kdviz.fields import OF_NO_LAYER, compute, wanted
from kdviz.training.history import History
from kdviz.training.metrics import evaluate
from kdviz.training.memory import set_aside
from kdviz.training.progress import Progress
from kdviz.data.batches import UNLABELLED, Rows
from kdviz.training.snapshots import Snapshots

TRAINING_SPLITS = ("train", "transfer")


@dataclass(frozen=True)
class Settings:
    """How a run trains, whatever its method; `kdviz.training.distill.distill` explains each."""

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


class Training:
    """State of one run. The loop moves it; a checkpoint is its `state()`."""

    def __init__(
        self, student, teacher, task, method: Method, settings: Settings, accelerator,
        folder=None, progress=None, checkpoint_every: int = 200,
    ):
        self.student, self.run_teacher, self.task, self.method = student.to(accelerator.device), teacher, task, method
        self.settings, self.accelerator = settings, accelerator
        self.progress = Progress("off", method.name) if progress is None else progress
        self.checkpoint_every = checkpoint_every
        self.folder = None if folder is None else Path(folder)
        self.seed, self.device = settings.seed, accelerator.device
        self.teacher, self.at, self.batch = self._ready(teacher), None, None
        tokenizer = getattr(teacher if teacher is not None else student, "tokenizer", None)
        self.table, self.dev = Rows(tokenizer, settings.max_length), Rows(tokenizer, settings.max_length)
        for split in TRAINING_SPLITS:
            if split in task.splits:
                self.table.add(task[split])
        self.dev.add(task["dev"])
        self.own_rows = len(self.table)  # a phase draws from these; what hooks add is theirs to pick
        self.extras, self.kept = nn.ModuleDict(), {}
        self.history, self.records = History(), {}
        self.snapshots: Snapshots | None = None
        self.phase, self.optimizer, self.best = None, None, {"accuracy": -1.0, "weights": None}
        self._caches: dict[tuple, TeacherCache] = {}

    # ── the Context of hooks ────────────────────────────────────────────────────────────────────────────────────
    def train(self, name: str, module: nn.Module) -> nn.Module:
        self.extras[name] = module.to(self.device)
        return module

    def keep(self, name: str, thing):
        self.kept[name] = thing
        return thing

    def add_rows(self, dataset) -> range:
        self._caches.clear()
        return self.table.add(dataset)

    def rows(self, index):
        return self.table.batch(torch.as_tensor(index).cpu().numpy(), self.device)

    def sample(self, split: str, size: int):
        tables = {"train": self.table, "dev": self.dev}
        if split not in tables:
            raise ValueError(f"cannot sample from {split!r}: choose train or dev (a test split is for the end)")
        table = tables[split]
        labelled = np.flatnonzero(table.labels != UNLABELLED)
        step = 0 if self.at is None else self.at.step
        rng = np.random.default_rng([self.seed, step, zlib.crc32(split.encode())])
        return table.batch(rng.choice(labelled, min(size, len(labelled)), replace=False), self.device)

    def student_fields(self, batch, needs, **replaced) -> Fields:
        return self._forward(self.student, 1, batch, needs, replaced)

    def teacher_fields(self, batch, needs) -> Fields:
        if not needs:
            return {}
        if self.teacher is None:
            raise ValueError(f"{self.method.name} needs {', '.join(sorted(needs))} of a teacher, but teacher is None")
        if self.settings.cache:
            return self._cache(frozenset(needs)).batch(batch.index.cpu().numpy(), needs, self.device)
        return self.live_teacher_fields(batch, needs)

    def live_teacher_fields(self, batch, needs, **replaced) -> Fields:
        """The teacher read now: without a cache, or for inputs that were made on the fly."""
        with torch.no_grad():
            return self._forward(self.teacher, 0, batch, needs, replaced)

    def evaluate(self, model=None) -> dict[str, float]:
        return evaluate(self.student if model is None else model, self.dev, self.accelerator)[0]

    def distill(self, name, student, method, *, teacher=None, task=None, epochs=None):
        from kdviz.training.distill import distill

        settings = asdict(self.settings)
        if epochs is not None:
            settings["epochs"] = epochs
        folder = None if self.folder is None else self.folder / name
        teacher = self.run_teacher if teacher is None else teacher
        run = distill(
            student, teacher, task or self.task, method, **settings,
            folder=folder, resume=folder is not None, progress=self.progress.mode, score=(),
        )  # fmt: skip
        return run.student

    def log(self, **numbers: float) -> None:
        self.history.extra |= {name: float(value) for name, value in numbers.items()}

    def record(self, name: str, value) -> None:
        self.records.setdefault(name, []).append((self.at.step, value.detach().cpu().clone()))

    # ── for the loop ────────────────────────────────────────────────────────────────────────────────────────────
    def layers(self, side: int, needs) -> tuple[int, ...]:
        """Matched hidden states, side 0 the teacher's, 1 the student's; () when no field asks for layers."""
        if not set(needs) - OF_NO_LAYER:
            return ()
        if self.teacher is None:
            return tuple(range(self.student.layers + 1))
        return tuple(self.method.layer_map(self.teacher.layers, self.student.layers)[side])

    def _forward(self, model, side, batch, needs, replaced) -> Fields:
        if not needs:
            return {}
        inputs = {
            "input_ids": batch.input_ids,
            "attention_mask": batch.attention_mask,
            "token_type_ids": batch.token_type_ids,
        } | replaced
        with self.accelerator.autocast():
            outputs = model(**inputs, want=wanted(needs))
        return compute(outputs, needs, self.layers(side, needs), inputs["attention_mask"])

    def _cache(self, needs: frozenset[str]) -> TeacherCache:
        layers = self.layers(0, needs)
        for (teacher, there, of_layers), cache in self._caches.items():
            if teacher == id(self.teacher) and needs <= there and of_layers in (layers, ()):
                return cache
        self._caches[id(self.teacher), needs, layers] = cache = TeacherCache.open(
            self.teacher, self.table, needs, layers,
            dtype=self.settings.cache_dtype, device=self.device, say=self.progress.say,
        )  # fmt: skip
        set_aside(self.teacher)
        return cache

    def _ready(self, teacher):
        """The teacher where it is read, without dropout: seen to once, for it takes a hundredth of a step's time."""
        return None if teacher is None else teacher.to(self.device).eval()

    def open_teacher(self, phase: Phase, needs) -> None:
        """Bring in the teacher of a phase and make sure that its fields are at hand."""
        chosen = self.method.teacher_for(phase) if self.method.teacher_for else None
        chosen = self.run_teacher if chosen is None else chosen
        if chosen is not self.teacher:
            self._caches.clear()  # they go by id, and the id of a teacher that is let go may become another's
        self.teacher = self._ready(chosen)
        if needs and self.settings.cache and self.teacher is not None:
            self._cache(frozenset(needs))

    def photograph(self) -> None:
        """A snapshot, every so many steps, of what the student makes of the texts asked for."""
        if self.snapshots is not None and self.at.step % self.snapshots.every == 0:
            self.snapshots.take(self.student, self.at.step)

    def checkpoint_due(self) -> bool:
        return (self.at.step + 1) % self.checkpoint_every == 0

    def parameters(self) -> list[nn.Parameter]:
        """All that the optimiser trains: the student, then what methods added."""
        return [p for p in (*self.student.parameters(), *self.extras.parameters()) if p.requires_grad]

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of the student's weights."""
        return {name: tensor.detach().clone() for name, tensor in self.student.state_dict().items()}

    def state(self) -> dict:
        """Everything that the next step depends on, and the history so far."""
        return {
            "student": self.weights(),
            "extras": self.extras.state_dict(),
            "kept": {name: thing.state_dict() for name, thing in self.kept.items()},
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "history": self.history.rows(),
            "records": {name: [list(pair) for pair in pairs] for name, pairs in self.records.items()},
            "snapshots": None if self.snapshots is None else self.snapshots.state(),
        }

    def load_state(self, state: dict) -> None:
        """Go back to a `state()`; the optimiser must have been made already."""
        self.student.load_state_dict(state["student"])
        self.extras.load_state_dict(state["extras"])
        for name, thing in self.kept.items():
            thing.load_state_dict(state["kept"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best = state["best"]
        self.history = History(state["history"])
        self.records = {name: [tuple(pair) for pair in pairs] for name, pairs in state["records"].items()}
        if self.snapshots is not None:
            self.snapshots.load_state(state["snapshots"])

    def where(self, index, phase, step, per_epoch, first, total) -> At:
        epoch, place = divmod(step, per_epoch)
        return At(
            phase=phase.name, index=index, epoch=epoch, epochs=phase.epochs, step=first + step, phase_step=step,
            phase_steps=per_epoch * phase.epochs, steps=total, last_of_epoch=place == per_epoch - 1,
        )  # fmt: skip

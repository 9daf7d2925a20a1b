"""A run as its method sees it: what hooks and `loss` may ask for, on top of `RunState`."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import torch
from torch import nn

from kdviz import fields
from kdviz.data.batches import Batch
from kdviz.fields import Fields
from kdviz.methods.base import Phase
from kdviz.models.predict import predict
from kdviz.training.metrics import evaluate
from kdviz.training.state import RunState
from kdviz.training.teacher import Cached, Live


class Context(RunState):
    """What the loop hands to hooks and to `loss`; `setup` may keep a reference to it.

    student, task, seed : of the run         teacher : of this phase
    at    : where training stands, a `StepInfo`, from the first step on
    batch : of this step
    nested : `kdviz.distill`, for runs inside this one. The other arguments are those of `RunState`.
    """

    def __init__(self, *state, nested: Callable | None = None, **more):
        super().__init__(*state, **more)
        self.nested = nested
        self.use_teacher(self.run_teacher)

    @property
    def teacher(self):
        """The teacher of this phase, in eval mode, on the student's device once it is read; or None."""
        return self.reader.model

    def add_module(self, name: str, module: nn.Module) -> nn.Module:
        """Train `module` beside the student: same optimiser, clipped and checkpointed with it. Call it in setup."""
        self.added_modules[name] = module.to(self.device)
        return module

    def add_state(self, name: str, thing):
        """Put something with state_dict and load_state_dict (a generator, its optimiser) into checkpoints. In setup."""
        self.added_states[name] = thing
        return thing

    def add_rows(self, dataset) -> range:
        """More texts (columns text[, text_b][, label]), teacher fields included; returns their numbers. In setup."""
        self.reader.forget()
        return self.table.add(dataset)

    @property
    def kind(self):
        """The task's kind: its losses with the labels (`hard`) and with the teacher (`soft`) for this step's batch."""
        return self.task.kind.of(self.batch)

    def rows(self, index) -> Batch:
        """The batch of these row numbers: train first, then transfer, then what add_rows added."""
        return self.table.batch(torch.as_tensor(index).cpu().numpy(), self.device)

    def sample(self, split: str, size: int) -> Batch:
        """`size` labelled rows of "train" or "dev", chosen by the seed and the step alone. Never of a test split."""
        tables = {"train": self.table, "dev": self.dev}
        if split not in tables:
            raise ValueError(f"cannot sample from {split!r}: choose train or dev (a test split is for the end)")
        table = tables[split]
        labelled = np.flatnonzero(table.kind.known(table.labels))
        step = 0 if self.at is None else self.at.step
        rng = np.random.default_rng([self.seed, step, zlib.crc32(split.encode())])
        return table.batch(rng.choice(labelled, min(size, len(labelled)), replace=False), self.device)

    def student_fields(self, batch, needs, **replaced) -> Fields:
        """Forward the student now. `replaced` are inputs that take the batch's place (one_hot, input_ids, …)."""
        return self.forward(self.student, 1, batch, needs, replaced)

    def teacher_fields(self, batch, needs, **replaced) -> Fields:
        """The teacher's fields of these rows, from the cache when there is one; read now when inputs are replaced."""
        if not needs:
            return {}
        if self.teacher is None:
            raise ValueError(f"{self.method.name} needs {', '.join(sorted(needs))} of a teacher, but teacher is None")
        if replaced:
            return self.reader.live_fields(batch, needs, replaced)
        return self.reader.fields(batch, needs, self.layers(0, needs))

    def evaluate(self, model=None) -> dict[str, float]:
        """Scores on dev, those of the task's kind, of `model`, None for the student."""
        return evaluate(self.student if model is None else model, self.dev, self.accelerator)[0]

    def distill(self, name: str, student, method, *, teacher=None, task=None, epochs: int | None = None):
        """A run inside this run, with its settings unless replaced; resumed with it. Returns the distilled model."""
        settings = asdict(self.settings) | ({} if epochs is None else {"epochs": epochs})
        folder = None if self.folder is None else self.folder / name
        teacher = self.run_teacher if teacher is None else teacher
        where = {"folder": folder, "resume": folder is not None, "progress": self.progress.mode, "score": ()}
        return self.nested(student, teacher, task or self.task, method, **where, **settings).student

    def log(self, **numbers: float) -> None:
        """More columns in this step's row of the history."""
        self.history.extra |= {name: float(value) for name, value in numbers.items()}

    def record(self, name: str, value) -> None:
        """Keep a tensor for a picture: run.records[name] is [(step, tensor), …], saved with the run."""
        self.records.setdefault(name, []).append((self.at.step, value.detach().cpu().clone()))

    # ── for the loop ────────────────────────────────────────────────────────────────────────────────────────────
    def layers(self, side: int, needs) -> tuple[int, ...]:
        """Matched hidden states, side 0 the teacher's, 1 the student's; () when no field depends on them."""
        if not fields.layered(needs):
            return ()
        if self.teacher is None:
            return tuple(range(self.student.layers + 1))
        return tuple(self.method.layer_map(self.teacher.layers, self.student.layers)[side])

    def forward(self, model, side: int, batch, needs, replaced: dict) -> Fields:
        """Run a model on a batch, `replaced` inputs in the place of the batch's, and compute the fields."""
        if not needs:
            return {}
        inputs = {
            "input_ids": batch.input_ids,
            "attention_mask": batch.attention_mask,
            "token_type_ids": batch.token_type_ids,
        } | replaced
        with self.accelerator.autocast():
            outputs = model(**inputs, want=fields.wanted(needs))
        return fields.compute(outputs, needs, self.layers(side, needs), inputs["attention_mask"])

    def settle(self) -> None:
        """What the kind of task chooses on dev once the weights are final: a threshold of question answering."""
        if self.kind.tokens and not self.kind.writes:
            self.student.threshold = self.kind.threshold(predict(self.student, self.dev, self.accelerator), self.dev)

    def use_teacher(self, model) -> None:
        """Read this teacher from now on."""
        if self.settings.cache:
            settings = self.table, self.settings.cache_dtype, self.progress.say, self.settings.cache_top
            self.reader = Cached(model, self.device, self.forward, *settings)
        else:
            self.reader = Live(model, self.device, self.forward)

    def open_teacher(self, phase: Phase, needs) -> None:
        """Bring in the teacher of a phase and make sure that its fields are at hand."""
        chosen = self.method.teacher_for(phase)
        chosen = self.run_teacher if chosen is None else chosen
        if chosen is not self.teacher:
            self.use_teacher(chosen)
        self.reader.prepare(needs, self.layers(0, needs))

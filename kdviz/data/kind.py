"""What a kind of task is: the seam between tasks and everything that trains, scores or draws.

Loop, evaluation, checkpoints, runs, pictures, comparison and search ask ``task.kind``; none of them says "accuracy" or
"argmax" by itself. A new kind is a subclass of `Kind`, put on a task with ``Task(…, kind=MyKind())`` and
into `kdviz.data.kinds.KINDS`, so that saved runs and models find it by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch

from kdviz.losses import logits as losses


class Kind(ABC):
    """Base of all kinds. Logits are (B, C) where nothing else is said, C the number of the task's `labels`.

    name    : in files, messages and saved runs
    primary : of `scores`, the one that dev is judged by; higher is better
    spread  : what its interval follows from: "share" of the rows, "correlation", or None
    problem : what transformers calls it in a config (problem_type); None where it finds out by itself
    head    : of transformers' classes for it, AutoModelFor<head>
    named   : whether outputs go by names, which a model and a task must share
    tokens  : whether the logits of a row are (n, C), some for each token; such a kind cuts its rows itself (`encode`)
    writes  : whether the answer is text, written word by word after what is read
    """

    name: str = ""
    primary: str = ""
    spread: str | None = None
    problem: str | None = None
    head: str = "SequenceClassification"
    named: bool = False
    tokens: bool = False
    writes: bool = False

    def __eq__(self, other) -> bool:
        """Two of one class are one kind: a task may be copied, or come from another process."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def of(self, batch) -> Kind:
        """The kind as the losses of this batch need it: a kind that counts some tokens only learns here which."""
        return self

    def targets(self, labels, input_ids, attention_mask):
        """Labels of a batch, from those of its rows and the ids (B, n) that are read."""
        return labels

    def kept(self, logits, labels):
        """What `judged` and `given` need of the logits of a batch: all of them, unless the kind knows better."""
        return logits

    def choices(self, labels: tuple[str, ...]) -> int:
        """Texts that a row consists of, `labels` those of the task: 1, and K for multiple choice."""
        return 1

    def outputs(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """What a head puts out for one text, by name."""
        return tuple(labels)

    def shaped(self, logits, labels: tuple[str, ...]):
        """Logits by rows, from a network's, which are by texts."""
        return logits

    @abstractmethod
    def unlabelled(self, rows: int, shape: tuple[int, ...] = ()) -> np.ndarray:
        """Labels of so many rows that have none, as the column ``label`` holds them; shape : of a row's label."""

    @abstractmethod
    def known(self, labels):
        """(N,) truth values: which rows have a label. labels : an array or a tensor, rows first."""

    def inside(self, logits, input_ids, attention_mask, token_type_ids, tokenizer):
        """The logits of a network, without those that can be no answer."""
        return logits

    @abstractmethod
    def strata(self, labels) -> np.ndarray:
        """(N,) small integers by which rows are drawn, so that a part has what the whole has."""

    @abstractmethod
    def hard(self, logits, labels, *, reduction="mean"):
        """The loss with the labels; rows without one do not count."""

    @abstractmethod
    def soft(self, student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
        """The loss with the teacher's answers; no gradient to the teacher."""

    def squared(self, student_logits, teacher_logits, *, reduction="mean"):
        """Mean squared distance of the logits themselves, for methods that soften nothing."""
        return losses.mse(student_logits, teacher_logits, reduction=reduction)

    @abstractmethod
    def answers(self, logits) -> torch.Tensor:
        """(N,) what the model says: class numbers, or values."""

    @abstractmethod
    def said(self, logits, labels: tuple[str, ...]) -> dict:
        """Columns of a table of answers, `labels` the names of the outputs."""

    @abstractmethod
    def scores(self, logits, labels) -> dict[str, float]:
        """Scores of labelled rows, the primary one first, "loss" (mean of `hard`) among them."""

    # What is asked of a whole split, where an answer may need more than one row. rows : `kdviz.data.batches.Rows`
    def judged(self, logits, rows, threshold: float = 0.0) -> dict[str, float]:
        """`scores` of all labelled rows."""
        known = torch.from_numpy(self.known(rows.labels))
        return self.scores(logits[known], torch.from_numpy(rows.labels)[known])

    def counted(self, rows) -> int:
        """How many answers `judged` looks at."""
        return int(self.known(rows.labels).sum())

    def given(self, logits, rows, threshold: float = 0.0) -> torch.Tensor:
        """`answers` to all rows, for a run to keep."""
        return self.answers(logits)

    def threshold(self, logits, rows) -> float:
        """What is best chosen on dev once training has ended; models keep it and hand it to `judged` and `given`."""
        return 0.0

"""What kind of answer a task asks for: the one place that knows labels, losses, answers and scores.

Loop, evaluation, checkpoints, runs, pictures, comparison and search ask ``task.kind``; none of them says "accuracy" or
"argmax" by itself. A new kind is a subclass of `Kind`, put on a task with ``Task(…, kind=MyKind())`` and
into `KINDS`, so that saved runs and models find it by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch.nn import functional as F

from kdviz.losses import logits as losses
from kdviz.losses.logits import UNLABELLED


class Kind(ABC):
    """Base of all kinds. Logits are (B, C) where nothing else is said, C the number of the task's `labels`.

    name    : in files, messages and saved runs
    primary : of `scores`, the one that dev is judged by; higher is better
    spread  : what its interval follows from: "share" of the rows, "correlation", or None
    problem : what transformers calls it in a config (problem_type); None where it finds out by itself
    """

    name: str = ""
    primary: str = ""
    spread: str | None = None
    problem: str | None = None

    def __eq__(self, other) -> bool:
        """Two of one class are one kind: a task may be copied, or come from another process."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @abstractmethod
    def unlabelled(self, rows: int) -> np.ndarray:
        """Labels of so many rows that have none, as the column ``label`` holds them."""

    @abstractmethod
    def known(self, labels):
        """(N,) truth values: which rows have a label. labels : an array or a tensor, rows first."""

    @abstractmethod
    def strata(self, labels) -> np.ndarray:
        """(N,) small integers by which rows are drawn, so that a part has what the whole has."""

    @abstractmethod
    def hard(self, logits, labels, *, reduction="mean"):
        """The loss with the labels; rows without one do not count."""

    @abstractmethod
    def soft(self, student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
        """The loss with the teacher's answers; no gradient to the teacher."""

    @abstractmethod
    def answers(self, logits) -> torch.Tensor:
        """(N,) what the model says: class numbers, or values."""

    @abstractmethod
    def said(self, logits, labels: tuple[str, ...]) -> dict:
        """Columns of a table of answers, `labels` the names of the outputs."""

    @abstractmethod
    def scores(self, logits, labels) -> dict[str, float]:
        """Scores of labelled rows, the primary one first, "loss" (mean of `hard`) among them."""


class Classification(Kind):
    """One of several classes. labels (N,) integers, -100 for none; accuracy, macro F1."""

    name, primary = "classification", "accuracy"
    spread: str | None = "share"

    def unlabelled(self, rows):
        return np.full(rows, UNLABELLED)

    def known(self, labels):
        return labels != UNLABELLED

    def strata(self, labels):
        return np.asarray(labels)

    def hard(self, logits, labels, *, reduction="mean"):
        return losses.cross_entropy(logits, labels, reduction=reduction)

    def soft(self, student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
        return losses.soft_kl(student_logits, teacher_logits, temperature, reduction=reduction)

    def answers(self, logits):
        return logits.argmax(-1)

    def said(self, logits, labels):
        shares = logits.softmax(-1)
        names = [labels[index] for index in shares.argmax(-1).tolist()]
        return {"label": names} | {f"p({label})": shares[:, place].numpy() for place, label in enumerate(labels)}

    def scores(self, logits, labels):
        from sklearn.metrics import f1_score

        guesses = logits.argmax(-1)
        return {
            "accuracy": (guesses == labels).double().mean().item(),
            "loss": F.cross_entropy(logits.double(), labels).item(),
            "macro_f1": float(f1_score(labels, guesses, average="macro")),
        }


class Regression(Kind):
    """A number for each text (STS-B). labels (N,) floats, NaN for none; logits (B, 1); Pearson and Spearman.

    There is nothing to soften: the soft loss is the squared distance to the teacher's value, whatever the temperature.
    """

    name, primary, problem = "regression", "pearson", "regression"
    spread: str | None = "correlation"
    parts = 10  # of equal size, from which rows are drawn

    def unlabelled(self, rows):
        return np.full(rows, np.nan)

    def known(self, labels):
        return labels == labels  # noqa: PLR0124  NaN is not equal to itself, in arrays and in tensors

    def strata(self, labels):
        order = np.argsort(np.argsort(np.asarray(labels, float), kind="stable"), kind="stable")
        return order * self.parts // max(1, len(order))

    def hard(self, logits, labels, *, reduction="mean"):
        known, labels = self.known(labels), labels.float()
        gaps = torch.where(known, logits.float().squeeze(-1) - torch.where(known, labels, 0), 0).square()
        return gaps if reduction == "none" else gaps.sum() / known.sum().clamp(min=1)

    def soft(self, student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
        return losses.mse(student_logits, teacher_logits, reduction=reduction)

    def answers(self, logits):
        return logits.squeeze(-1)

    def said(self, logits, labels):
        return {labels[0]: logits.squeeze(-1).numpy()}

    def scores(self, logits, labels):
        from scipy import stats

        values, labels = logits.squeeze(-1).double(), labels.double()
        varied = len(labels) > 1 and float(values.std()) > 0 and float(labels.std()) > 0
        found = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}
        made = {name: float(of(values, labels).statistic) if varied else 0.0 for name, of in found.items()}
        return made | {"loss": float((values - labels).square().mean())}


CLASSIFICATION, REGRESSION = Classification(), Regression()
KINDS: dict[str, Kind] = {kind.name: kind for kind in (CLASSIFICATION, REGRESSION)}


def kind_of(name: str) -> Kind:
    """The kind of this name. ValueError naming those that there are."""
    if name not in KINDS:
        raise ValueError(f"no kind of task {name!r}: choose among {', '.join(KINDS)}")
    return KINDS[name]

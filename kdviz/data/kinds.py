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
    head    : of transformers' classes for it, AutoModelFor<head>
    named   : whether outputs go by names, which a model and a task must share
    """

    name: str = ""
    primary: str = ""
    spread: str | None = None
    problem: str | None = None
    head: str = "SequenceClassification"
    named: bool = False

    def __eq__(self, other) -> bool:
        """Two of one class are one kind: a task may be copied, or come from another process."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

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

    name, primary, named = "classification", "accuracy", True
    spread: str | None = "share"

    def unlabelled(self, rows, shape=()):
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

    def unlabelled(self, rows, shape=()):
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


class MultiLabel(Kind):
    """Any number of labels for each text. labels (N, C) of 0 and 1, rows of NaN for none; logits (B, C); F1, exact.

    Each label is a question of its own with the answers yes and no: logits (z, 0), probabilities σ(z) and 1 - σ(z).
    The losses are those of two classes, mean over the labels; so the soft one is their τ²·KL [ours].
    """

    name, primary, problem, named = "multi-label", "micro_f1", "multi_label_classification", True

    def unlabelled(self, rows, shape=()):
        return np.full((rows, *(shape or (1,))), np.nan)

    def known(self, labels):
        return labels[:, 0] == labels[:, 0]

    def strata(self, labels):
        """By the rarest label that a row has, so that rare ones are drawn too [ours]."""
        said = np.nan_to_num(np.asarray(labels, float))
        return np.where(said.any(1), np.where(said > 0, said.sum(0), np.inf).argmin(1), said.shape[1])

    def hard(self, logits, labels, *, reduction="mean"):
        if logits.shape != labels.shape:
            shapes = f"labels {tuple(labels.shape)} for logits {tuple(logits.shape)}"
            raise ValueError(f"{shapes}: pass a 0 or a 1 for each row and label")
        known, labels = self.known(labels), labels.float().nan_to_num()
        rows = F.binary_cross_entropy_with_logits(logits.float(), labels, reduction="none").mean(-1)
        rows = torch.where(known, rows, 0)
        return rows if reduction == "none" else rows.sum() / known.sum().clamp(min=1)

    def soft(self, student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
        yes_or_no = [torch.stack([z, torch.zeros_like(z)], -1) for z in (student_logits, teacher_logits)]
        rows = losses.soft_kl(*yes_or_no, temperature, reduction="none").mean(-1)
        return rows if reduction == "none" else rows.mean()

    def answers(self, logits):
        """(N, C) bool: which labels have a probability above ½."""
        return logits > 0

    def said(self, logits, labels):
        names = [tuple(label for label, yes in zip(labels, row) if yes) for row in self.answers(logits).tolist()]
        shares = logits.sigmoid().numpy()
        return {"labels": names} | {f"p({label})": shares[:, place] for place, label in enumerate(labels)}

    def scores(self, logits, labels):
        from sklearn.metrics import f1_score

        guesses, truth = self.answers(logits).numpy(), labels.numpy() > 0
        f1 = {f"{how}_f1": float(f1_score(truth, guesses, average=how, zero_division=0)) for how in ("micro", "macro")}
        loss = self.hard(logits, labels).item()
        return {
            "micro_f1": f1["micro_f1"],
            "macro_f1": f1["macro_f1"],
            "exact": float((guesses == truth).all(1).mean()),
            "loss": loss,
        }


class MultipleChoice(Classification):
    """Which of K endings fits a beginning (HellaSwag). labels (N,) as of classification; logits (B, K); accuracy.

    A row is K texts, the beginning with each ending, and what a network makes of texts is by texts: inputs (B·K, n),
    hidden states (B·K, L+1, n, d), one logit for each. The K logits of a row are its classes.
    """

    name, head, named = "multiple-choice", "MultipleChoice", False

    def choices(self, labels):
        return len(labels)

    def outputs(self, labels):
        return ("fits",)

    def shaped(self, logits, labels):
        if not labels or logits.numel() % len(labels):
            raise ValueError(f"{logits.numel()} texts for {len(labels)} endings: pass all endings of each row")
        return logits.reshape(-1, len(labels))


CLASSIFICATION, REGRESSION, MULTI_LABEL, MULTIPLE_CHOICE = (
    Classification(),
    Regression(),
    MultiLabel(),
    MultipleChoice(),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in (CLASSIFICATION, REGRESSION, MULTI_LABEL, MULTIPLE_CHOICE)}


def kind_of(name: str) -> Kind:
    """The kind of this name. ValueError naming those that there are."""
    if name not in KINDS:
        raise ValueError(f"no kind of task {name!r}: choose among {', '.join(KINDS)}")
    return KINDS[name]

"""How good a model is on labelled rows."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from kdviz.data.batches import UNLABELLED, Rows
from kdviz.models.predict import predict


@torch.no_grad()
def evaluate(model, rows: Rows, accelerator=None) -> tuple[dict[str, float], torch.Tensor]:
    """Scores and logits (N, C), in row order, of all rows. Several processes share the work.

    Scores: accuracy, loss (mean cross-entropy) and macro_f1 over the labelled rows. Raises ValueError when none is.
    """
    known = torch.from_numpy(rows.labels != UNLABELLED)
    if not known.any():
        raise ValueError(f"none of these {len(rows)} rows has a label: there is nothing to score")
    logits = predict(model, rows, accelerator)
    labels, chosen = torch.from_numpy(rows.labels)[known], logits[known]
    guesses = chosen.argmax(-1)
    scores = {
        "accuracy": (guesses == labels).double().mean().item(),
        "loss": F.cross_entropy(chosen.double(), labels).item(),
        "macro_f1": macro_f1(guesses, labels, logits.shape[1]),
    }
    return scores, logits


def macro_f1(guesses: torch.Tensor, labels: torch.Tensor, classes: int) -> float:
    """Mean over the classes that occur of 2·hits / (guessed + true)."""
    hits = torch.bincount(labels[guesses == labels], minlength=classes).double()
    total = torch.bincount(guesses, minlength=classes) + torch.bincount(labels, minlength=classes)
    occurs = total > 0
    return (2 * hits[occurs] / total[occurs]).mean().item()


def wilson(share: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share seen in `count` trials (Wilson 1927)."""
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)

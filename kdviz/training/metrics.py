"""How good a model is on labelled rows."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.analysis import macro_f1
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
        "macro_f1": macro_f1(guesses, labels),
    }
    return scores, logits

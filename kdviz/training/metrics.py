"""How good a model is on labelled rows."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional as F

from kdviz.data.rows import UNLABELLED, Rows

BATCH = 64


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


@torch.no_grad()
def predict(model, rows: Rows, accelerator=None) -> torch.Tensor:
    """Logits (N, C) on the CPU, in row order, with dropout off."""
    was_training, rank, world = model.training, 0, 1
    if accelerator is not None:
        rank, world = accelerator.process_index, accelerator.num_processes
    device = next(model.parameters()).device
    order = np.argsort(rows.lengths, kind="stable")[rank::world]
    model.eval()
    logits = None
    for start in range(0, len(order), BATCH):
        index = order[start : start + BATCH]
        batch = rows.batch(index, device)
        out = model(batch.input_ids, batch.attention_mask, batch.token_type_ids, want=frozenset({"logits"})).logits
        if logits is None:
            logits = torch.zeros(len(rows), out.shape[-1], device=device)
        logits[torch.from_numpy(index).to(device)] = out.float()
    model.train(was_training)
    if world > 1:
        logits = accelerator.reduce(logits, "sum")
    return logits.cpu()


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

"""How good a model is on labelled rows."""

from __future__ import annotations

import torch

from kdviz.data.batches import Rows
from kdviz.models.predict import predict


@torch.no_grad()
def evaluate(model, rows: Rows, accelerator=None) -> tuple[dict[str, float], torch.Tensor]:
    """Scores and logits (see `predict`), in row order, of all rows. Several processes share the work.

    Scores are those of the rows' kind (`kdviz.data.kinds`), of classification accuracy, loss (mean cross-entropy) and
    macro_f1, over the labelled rows. Raises ValueError when none is.
    """
    if not rows.kind.known(rows.labels).any():
        raise ValueError(f"none of these {len(rows)} rows has a label: there is nothing to score")
    logits = predict(model, rows, accelerator)
    return rows.kind.judged(logits, rows, getattr(model, "threshold", 0.0)), logits

"""What a model answers to rows of a task: the one predictor of evaluation, attacks and lessons."""

from __future__ import annotations

import numpy as np
import torch

from kdviz.data.batches import Rows, encode_split

BATCH = 64


@torch.no_grad()
def predict(model, rows: Rows, accelerator=None) -> torch.Tensor:
    """Logits (N, C) on the CPU, in row order, with dropout off. Several processes share the work.

    Raises ValueError when there are no rows.
    """
    if not len(rows):
        raise ValueError("no rows to predict: add a split or texts first")
    was_training, rank, world = model.training, 0, 1
    if accelerator is not None:
        rank, world = accelerator.process_index, accelerator.num_processes
    device = next(model.parameters(), torch.empty(0)).device  # an exported model has no parameters
    order = np.argsort(rows.lengths, kind="stable")
    mine = order[rank::world]
    model.eval()
    logits = None
    for start in range(0, max(len(mine), 1), BATCH):
        index = mine[start : start + BATCH]
        batch = rows.batch(index if len(index) else order[:1], device)  # who has no row learns C from another's
        out = model(batch.input_ids, batch.attention_mask, batch.token_type_ids, want=frozenset({"logits"})).logits
        if logits is None:
            logits = torch.zeros(len(rows), out.shape[-1], device=device)
        logits[torch.from_numpy(index).to(device)] = out.float()[: len(index)]
    model.train(was_training)
    if world > 1:
        logits = accelerator.reduce(logits, "sum")
    return logits.cpu()


def accuracy(model, dataset) -> float:
    """Share of the labelled rows of a split that the model has right. Raises ValueError when none has a label."""
    rows = encode_split(dataset, model.tokenizer)
    known = rows.kind.known(rows.labels)
    if not known.any():
        raise ValueError(f"none of these {len(rows)} rows has a label")
    return (predict(model, rows).argmax(-1).numpy() == rows.labels)[known].mean().item()

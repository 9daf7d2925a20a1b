"""What a model answers to rows of a task: the one predictor of evaluation, attacks and lessons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from kdviz.data import questions
from kdviz.data.batches import Rows, encode_split
from kdviz.data.kinds import QUESTION_ANSWERING
from kdviz.states import checked

BATCH = 64


@torch.no_grad()
def predict(model, rows: Rows, accelerator=None) -> torch.Tensor:
    """Logits (N, C) on the CPU, in row order, with dropout off; (N, n, C), padded, where each token has its own; of
    language modelling what it keeps of them (`LanguageModelling.kept`), (N, n, 3).

    Several processes share the work.

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
        out = rows.kind.kept(out, batch.labels)
        if logits is None:
            shape = (len(rows), int(rows.lengths.max()), out.shape[-1]) if out.ndim == 3 else (len(rows), out.shape[-1])
            logits = torch.zeros(shape, device=device)
        place = torch.from_numpy(index).to(device)
        if out.ndim == 3:
            logits[place, : out.shape[1]] = out.float()[: len(index)]
            logits[place, out.shape[1] :] = 0.0 if rows.kind.writes else questions.AWAY  # no token, so no answer
        else:
            logits[place] = out.float()[: len(index)]
    model.train(was_training)
    if world > 1:
        logits = accelerator.reduce(logits, "sum")
    return logits.cpu()


def answer(model, texts: list, max_length: int):
    """Answers to (question, context) pairs, a row each, see `Model.predict`.

    Raises TypeError or ValueError, naming the row, for what is no pair, and what `questions.windows` refuses.
    """
    firsts, seconds = checked(texts)
    if seconds is None:
        raise TypeError(
            f"{firsts[0]!r:.40} comes alone: pass (question, context) tuples to a model that answers questions"
        )
    rows = encode_split(
        list(zip(firsts, seconds)), model.tokenizer, min(max_length, model.max_length), QUESTION_ANSWERING
    )
    found = questions.answers(predict(model, rows), rows.about)
    spans = found.chosen(model.threshold)
    scores = np.where(spans[:, 1] > 0, found.scores, found.none)
    about = {"question": firsts, "answer": found.texts(model.threshold)}
    return pd.DataFrame(about | {"start": spans[:, 0], "end": spans[:, 1], "score": scores})


def accuracy(model, dataset) -> float:
    """Share of the labelled rows of a split that the model has right. Raises ValueError when none has a label."""
    rows = encode_split(dataset, model.tokenizer)
    known = rows.kind.known(rows.labels)
    if not known.any():
        raise ValueError(f"none of these {len(rows)} rows has a label")
    return (predict(model, rows).argmax(-1).numpy() == rows.labels)[known].mean().item()

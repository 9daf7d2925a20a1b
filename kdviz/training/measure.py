"""What models cost and what they know: size, time, accuracy, side by side."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save

from kdviz.analysis import of_score
from kdviz.data.batches import encode_split
from kdviz.data.kinds import kind_of
from kdviz.models.onnx import Exported
from kdviz.training.metrics import evaluate

BATCHES = (1, 32)
WARM_UP = 2  # passes that set things up and do not count


def measure(models, texts, task=None, *, repeats: int = 20, max_length: int = 128) -> pd.DataFrame:
    """Size, speed and, with a task, accuracy of models, a row each.

    Times are of a forward pass from token ids to logits, with as many threads as torch uses now. The models take turns,
    so that a busy moment of the machine meets all of them.

    Parameters
    ----------
    models : name -> Model, or a list of Models with names of their own; also what ``model.export(folder)`` returns
    texts : texts, (text, second text) pairs, or a split of a task; of multiple choice (beginning, endings); of few,
        some are read twice to fill a batch of 32
    task : score on its test split
    repeats : timed passes of each model and batch size

    Returns
    -------
    DataFrame
        weights; megabytes (10⁶ bytes, as safetensors or ONNX); ms_1, ms_32: milliseconds a batch of 1 and of 32 texts,
        median, and ms_1_spread, ms_32_spread from the first to the third quartile; tokens_per_second at 32, padding
        not counted; accuracy, accuracy_low, accuracy_high (95 % interval), or what the task's kind is judged by

    Raises
    ------
    ValueError
        when two models share a name, there is no text, or repeats < 1
    """
    named = models if isinstance(models, dict) else {model.name: model for model in models}
    if len(named) != len(models):
        raise ValueError(
            f"{len(models)} models share {len(named)} names ({', '.join(named)}): pass a dict, name -> model"
        )
    if not len(texts) or repeats < 1:
        raise ValueError(f"{len(texts)} texts, repeats={repeats}: both must be 1 or more")
    work = {name: _batches(model, texts, max_length) for name, model in named.items()}
    times = {name: {size: [] for size in BATCHES} for name in named}
    for turn in range(-WARM_UP, repeats):
        for name, model in named.items():
            for size in BATCHES:
                seconds = _seconds(model, work[name][size])
                if turn >= 0:
                    times[name][size].append(1000 * seconds)
    rows = {}
    for name, model in named.items():
        row = dict(zip(("weights", "megabytes"), _size(model)))
        for size, found in times[name].items():
            low, middle, high = np.percentile(found, [25, 50, 75])
            row |= {f"ms_{size}": middle, f"ms_{size}_spread": high - low}
        row["tokens_per_second"] = work[name][32].attention_mask.sum().item() / row["ms_32"] * 1000
        if task is not None:
            table = encode_split(task["test"], model.tokenizer, max_length, task.kind)
            name_of_score = task.kind.primary
            score = evaluate(model, table)[0][name_of_score]
            low, high = of_score(task.kind.spread, score, table.kind.counted(table))
            row |= {name_of_score: score, f"{name_of_score}_low": low, f"{name_of_score}_high": high}
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def _batches(model, texts, max_length: int) -> dict:
    rows = encode_split(texts, model.tokenizer, max_length, kind_of(getattr(model, "task_kind", "classification")))
    return {size: rows.batch(np.arange(size) % len(rows), model.device) for size in BATCHES}


@torch.inference_mode()
def _seconds(model, batch) -> float:
    was_training = model.training
    model.eval()
    started = time.perf_counter()
    model(batch.input_ids, batch.attention_mask, batch.token_type_ids).logits.sum().item()  # a number: a GPU has ended
    seconds = time.perf_counter() - started
    model.train(was_training)
    return seconds


def _size(model) -> tuple[int, float]:
    """Weights, and megabytes of their file: of ONNX as it is, else as safetensors, where what is shared counts once."""
    if isinstance(model, Exported):
        return model.weights, model.bytes / 1e6
    once = {tensor.data_ptr(): (name, tensor) for name, tensor in model.state_dict().items()}.values()
    file = save({name: tensor.detach().cpu().contiguous() for name, tensor in once})
    return sum(p.numel() for p in model.parameters()), len(file) / 1e6

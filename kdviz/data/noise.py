"""Wrong labels on purpose: with a seed, in train alone, and never in the texts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import datasets
import numpy as np
import pyarrow as pa

from kdviz.data.kinds import CLASSIFICATION
from kdviz.losses.logits import UNLABELLED

if TYPE_CHECKING:
    from kdviz.data.task import Task

CLEAN = "clean_label"  # the column that keeps the true label, for pictures; no method reads it


def symmetric(classes: int, rate: float) -> np.ndarray:
    """(C, C): a label stays with probability 1 - rate, else it becomes any other, all alike."""
    matrix = np.full((classes, classes), _checked(rate) / max(1, classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


def neighbours(classes: int, rate: float) -> np.ndarray:
    """(C, C): a wrong label is one beside the right one, as people misjudge stars."""
    matrix = np.zeros((classes, classes))
    for label in range(classes):
        beside = [other for other in (label - 1, label + 1) if 0 <= other < classes]
        matrix[label, beside] = _checked(rate) / max(1, len(beside))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


def flip_labels(task: Task, transition, seed: int = 0) -> Task:
    """The task with noisy labels in train; dev and test stay clean, texts and their order stay as they are.

    transition : (C, C), row c the probabilities of the labels that a row of class c is given: `symmetric`,
                 `neighbours`, or one of yours
    seed       : of the draw, one number a row. With a higher rate of the same kind, what was wrong stays wrong, so
                 that noise levels can be compared.
    Train gets a column ``clean_label``. Raises ValueError when the matrix does not fit the task.
    """
    if task.kind != CLASSIFICATION:
        raise ValueError(f"task {task.name!r} is one of {task.kind.name}: labels are flipped between classes")
    transition, count = np.asarray(transition, dtype=float), len(task.labels)
    if transition.shape != (count, count):
        raise ValueError(f"transition has shape {transition.shape}, task {task.name!r} has {count} labels: pass (C, C)")
    if (transition < 0).any() or not np.allclose(transition.sum(1), 1):
        sums = transition.sum(1).round(4).tolist()
        raise ValueError(f"rows of transition are probabilities: ≥ 0 and of sum 1, got sums {sums}")
    train = task["train"]
    clean = np.asarray(train["label"][:], np.int64)
    draw, pick = np.random.default_rng([seed, 0x6E]).random((2, len(clean)))
    noisy = clean.copy()
    for row in np.flatnonzero(clean != UNLABELLED):
        label = clean[row]
        wrong = transition[label].copy()
        wrong[label] = 0
        if draw[row] < wrong.sum():  # the first number decides whether, the second which
            noisy[row] = np.searchsorted(np.cumsum(wrong) / wrong.sum(), pick[row], side="right")
    others = [name for name in train.column_names if name not in ("label", CLEAN)]
    table = train.select_columns(others).with_format("arrow")[:]
    for name, values in (("label", noisy), (CLEAN, clean)):
        table = table.append_column(name, pa.array(values))
    train = datasets.Dataset(table.replace_schema_metadata())
    note = f"{int((noisy != clean).sum()):,} of {len(clean):,} training labels are wrong on purpose (seed {seed})"
    return replace(task, splits=task.splits | {"train": train}, notes=(*task.notes, note))


def _checked(rate: float) -> float:
    if not 0 <= rate <= 1:
        raise ValueError(f"rate={rate}: the share of wrong labels lies between 0 and 1")
    return rate

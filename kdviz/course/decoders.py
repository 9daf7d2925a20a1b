"""Texts that a source wrote, as a task of language modelling, and a decoder that learned from plenty of them.

The students of block "decoders" read few of its texts. The teacher is trained anew wherever it is needed.
"""

from __future__ import annotations

import functools

import pandas as pd
import torch

from kdviz.course.sources import Source, brackets
from kdviz.data.language import LanguageModelling
from kdviz.data.load import load_task
from kdviz.methods.kd import LabelsOnly
from kdviz.models.students import build_student
from kdviz.training.distill import distill

NAME, LENGTH, SEED = "bracket texts", 20, 100
ROWS = {"train": 64, "dev": 400, "test": 2000}  # train: of the students
READ = 4000  # texts that the teacher learns from


def source() -> Source:
    """Brackets of three kinds, nested at most three deep."""
    return brackets(kinds=3, depth=3)


def _task(rows: dict[str, int], seed: int):
    drawn, splits = torch.Generator().manual_seed(seed), {}
    for split, count in rows.items():
        ids = source().sample(count, LENGTH, drawn)
        splits[split] = pd.DataFrame({"text": [source().text(row) for row in ids]})
    return load_task(**splits, kind=LanguageModelling.name, tokenizer="words")


@functools.cache
def task():
    """64 texts for students, and others to judge them by; the score is the log-likelihood of a word, nats."""
    return _task(ROWS, SEED)


@functools.cache
def teacher():
    """A LLaMA of 3 layers, 48 wide."""
    own = _task(ROWS | {"train": READ}, SEED + 1)
    start = build_student(own, layers=3, hidden=48, heads=4, seed=SEED)
    how = {"epochs": 4, "steps_per_epoch": 200, "batch_size": 32, "lr": 3e-3, "progress": "off", "score": ()}
    model = distill(start, None, own, LabelsOnly(), **how, seed=SEED).student
    model.role = "teacher"
    return model

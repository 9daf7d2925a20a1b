"""The split `attacked` of the recorded tables: adversarial texts on which every recorded student is judged.

Students of some methods are attacked, and what fooled any of them is pooled, once (`kdviz.robustness`). They are trained
with a seed that no recorded row has, so that no student is judged on texts that were made against itself. Only
renamings by the task's own rules are written, so the label of each text is sure.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import datasets
import pyarrow.parquet as pq

from kdviz.data import swaps
from kdviz.data.files import read_table
from kdviz.data.task import Task
from kdviz.disk import write_whole
from kdviz.models.model import Model
from kdviz.paths import data_dir
from kdviz.robustness import Attack, Candidates, attack, pooled
from kdviz.robustness.words import columns

AGAINST = ("labels only", "KD", "PKD", "TinyBERT", "MiniLM", "CKD")
SEED = 100
TEXTS = 400  # of test that are attacked


def pool_path(task: str) -> Path:
    return data_dir() / "results" / f"attacked_{task}.parquet"


def recorded_pool(task: str) -> datasets.Dataset | None:
    """The recorded pool of a task: columns text[, text_b], label, kept, against (see `robustness.pooled`); None when
    there is none."""
    path = pool_path(task)
    return (
        datasets.Dataset(read_table(path, f"Make it again with: kdviz run attacks --task {task}"))
        if path.exists()
        else None
    )


def make_pool(task: Task, students: Mapping[str, Model], path: Path, texts: int = TEXTS) -> list[Attack]:
    """Attack the students on the first `texts` rows of test, write what fooled any of them to `path`, whole.

    A text that the grammar has also drawn for one of the task's splits is left out: a student may have been trained on it.
    Raises ValueError for a task without rules.
    """
    rules = swaps.by_rule(task.name)
    if not rules:
        raise ValueError(
            f"no rules say which words of {task.name!r} may be exchanged: only reviews and entail have them"
        )
    attacks = []
    for name, student in students.items():
        found = attack(student, task["test"], Candidates(rules), limit=texts)
        attacks.append(Attack(name, found.attempted, found.found, found.queries))
    pool, known = pooled(attacks), {row for split in task.splits.values() for row in _texts(split)}
    fresh = [place for place, row in enumerate(_texts(pool)) if row not in known]
    written = io.BytesIO()
    pq.write_table(pool.with_format("arrow").select(fresh)[:], written)
    write_whole(path, written.getvalue())
    return attacks


def _texts(split: datasets.Dataset) -> list[swaps.Row]:
    return list(zip(*(split[name][:] for name in columns(split)), strict=True))

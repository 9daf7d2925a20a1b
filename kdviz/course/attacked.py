"""The split `attacked` of the recorded tables: adversarial texts on which every recorded student is judged.

Students of some methods are attacked, and what fooled any of them is pooled, once (``kdviz run attacks``). They are
trained with a seed that no recorded row has, so that no student is judged on texts that were made against itself. Only
renamings by the task's own rules are written, so the label of each text is sure.
"""

from __future__ import annotations

from pathlib import Path

import datasets

from kdviz.data.files import read_table
from kdviz.paths import data_dir

AGAINST = ("labels only", "KD", "PKD", "TinyBERT", "MiniLM", "CKD")
SEED = 100


def pool_path(task: str) -> Path:
    """Where the pool of a task is kept."""
    return data_dir() / "results" / f"attacked_{task}.parquet"


def recorded_pool(task: str) -> datasets.Dataset | None:
    """The recorded pool of a task, columns as in `kdviz.robustness.pooled`; None when there is none."""
    path, fix = pool_path(task), f"Make it again with: kdviz run attacks --task {task}"
    return datasets.Dataset(read_table(path, fix)) if path.exists() else None

"""A small task of language modelling: sums of two digits, and prompts that nobody has completed."""

from __future__ import annotations

import numpy as np
import pandas as pd

import kdviz as kd


def rows(count: int = 24, seed: int = 0) -> pd.DataFrame:
    """prompt ("3+4=") and completion ("7")."""
    pairs = np.random.default_rng(seed).integers(0, 10, (count, 2)).tolist()
    return pd.DataFrame({"prompt": [f"{a}+{b}=" for a, b in pairs], "completion": [str(a + b) for a, b in pairs]})


def task():
    splits = {"train": rows(), "dev": rows(12, 1), "test": rows(12, 2), "transfer": rows(12, 3)[["prompt"]]}
    return kd.load_task(**splits, kind="language-modelling", tokenizer="characters")

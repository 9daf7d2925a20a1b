"""Images as tasks: a row holds the pixels of one image as whole numbers, where a text's row holds token ids."""

from __future__ import annotations

import datasets
import numpy as np

from kdviz.data.task import Task

SIZES = {"dev": 297, "test": 500}  # of the digits; the other 1,000 are train


def load_digits(seed: int = 0) -> Task:
    """The 1,797 handwritten digits that come with scikit-learn: 8 × 8 pixels from 0 to 16, ten classes, offline.

    seed : of the split into train (1,000), dev (297) and test (500), every class with its share
    Column ``input_ids`` holds the 64 pixels row by row. `Task.with_labels` moves rows to transfer, as with texts.
    """
    from sklearn.datasets import load_digits as stored
    from sklearn.model_selection import train_test_split

    found = stored()
    rows, splits = np.arange(len(found.target)), {}
    for name, size in reversed(SIZES.items()):
        rows, splits[name] = train_test_split(rows, test_size=size, random_state=seed, stratify=found.target[rows])
    splits["train"] = rows
    pixels = found.data.astype(np.int64)
    tables = {
        name: datasets.Dataset.from_dict({"input_ids": pixels[splits[name]], "label": found.target[splits[name]]})
        for name in ("train", "dev", "test")
    }
    return Task("digits", tuple(map(str, found.target_names)), tables)

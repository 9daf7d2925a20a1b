"""Images as tasks: a row holds the pixels of one image as whole numbers, where a text's row holds token ids."""

from __future__ import annotations

import datasets
import numpy as np

from kdviz.data.files import named_labels, read_shards
from kdviz.data.stored import cached_data
from kdviz.data.task import Task, complete

SIZES = {"dev": 297, "test": 500}  # of the digits; the other 1,000 are train
SIDE = 32  # of an image of CIFAR-10
DECODED = 1000  # images at a time


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


def load_cifar10() -> Task:
    """CIFAR-10 from the cache or the hub: colour images of 32 × 32 in ten classes, 50,000 to train, 10,000 to test.

    Column ``input_ids`` holds 3 · 32 · 32 values from 0 to 255: all red ones row by row, then green, then blue.
    A tenth of train becomes dev, always the same rows. Raises FileNotFoundError when neither the cache nor the hub has
    it, ValueError for files that are damaged or hold other images.
    """
    files, _ = cached_data("cifar10")
    splits = {split: read_shards(files, split, ("img", "label"), "cifar10") for split in ("train", "test")}
    labels, splits = named_labels(splits)
    tables = {
        name: datasets.Dataset.from_dict({"input_ids": _pixels(split["img"]), "label": split["label"][:]})
        for name, split in splits.items()
    }
    return complete(Task("cifar10", labels, tables))


def _pixels(images) -> np.ndarray:
    """Encoded images -> (images, 3 · 32 · 32) of uint8, in the order channel, row, column."""
    made = np.empty((len(images), 3, SIDE, SIDE), np.uint8)
    for start in range(0, len(images), DECODED):
        for place, image in enumerate(images[start : start + DECODED], start):
            if image.size != (SIDE, SIDE):
                raise ValueError(
                    f"image {place:,} of CIFAR-10 is {image.size[0]} × {image.size[1]}, not {SIDE} × {SIDE}"
                )
            made[place] = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    return made.reshape(len(images), -1)

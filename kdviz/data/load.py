"""Tasks by name or from files of yours: `load_task`."""

from __future__ import annotations

from pathlib import Path

import datasets

from kdviz.data import images
from kdviz.data.files import (
    TEXTS,
    BadFile,
    checked_labels,
    checked_text,
    named_labels,
    read_rows,
    read_shards,
    read_table,
)
from kdviz.data.task import SPLITS, Task, complete
from kdviz.hub import cached_data
from kdviz.losses.logits import UNLABELLED
from kdviz.paths import data_dir, restore

EMBEDDED = {
    "reviews": ("1 star", "2 stars", "3 stars", "4 stars", "5 stars"),
    "entail": ("entailment", "neutral", "contradiction"),
}
IMAGES = {"digits": images.load_digits, "cifar10": images.load_cifar10}
# GLUE's names of the two texts; its test labels are secret, so that its validation split is our test
GLUE_TEXTS = {
    "cola": ("sentence", None),
    "sst2": ("sentence", None),
    "mrpc": ("sentence1", "sentence2"),
    "rte": ("sentence1", "sentence2"),
    "wnli": ("sentence1", "sentence2"),
    "qqp": ("question1", "question2"),
    "qnli": ("question", "sentence"),
    "mnli": ("premise", "hypothesis"),
}


def load_task(name: str | None = None, *, train=None, dev=None, test=None, transfer=None) -> Task:
    """A task by its name, or from files of yours.

    name : ``"reviews"`` or ``"entail"`` (embedded), ``"digits"`` (images, with scikit-learn), or ``"glue/<name>"`` or
           ``"cifar10"`` (from the cache or the hub)
    train, dev, test, transfer : CSV (UTF-8, commas, header), JSONL or Parquet files with the columns
           text[, text_b], label; transfer needs no label. Missing dev or test are split from train, and it is said.
    Raises ValueError or FileNotFoundError naming file, row, column and the fix.
    """
    files = {"train": train, "transfer": transfer, "dev": dev, "test": test}
    files = {split: path for split, path in files.items() if path is not None}
    if (name is None) == (not files):
        raise ValueError(
            'pass a name, as in load_task("reviews"), or files, as in load_task(train="a.csv", test="b.csv")'
        )
    if name is None:
        if train is None:
            raise ValueError(f"files for {', '.join(files)} but none to train on: pass train=…")
        return _from_files(files)
    if name in EMBEDDED:
        return _embedded(name)
    if name.startswith("glue/"):
        return _glue(name)
    if name in IMAGES:
        return IMAGES[name]()
    known = ", ".join([*EMBEDDED, *IMAGES, "glue/<name>"])
    raise ValueError(f"no task {name!r}: choose {known}, or pass files (train=…, test=…)")


def _embedded(name: str) -> Task:
    folder, splits = data_dir() / name, {}
    fix = f"Restore it with: {restore(f'data/{name}')}"
    for split in SPLITS:
        path = folder / f"{split}.parquet"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing. {fix}")
        table = read_table(path, fix)
        missing = {"text", "label"} - set(table.column_names)
        if missing:
            raise BadFile(path, f"columns {table.column_names}", fix, column=missing.pop())
        splits[split] = datasets.Dataset(table)
    return Task(name, EMBEDDED[name], splits, folder=folder)


def _glue(name: str) -> Task:
    short = name.removeprefix("glue/")
    if short not in GLUE_TEXTS:
        raise ValueError(f"no classification task {name!r}: choose {', '.join(f'glue/{key}' for key in GLUE_TEXTS)}")
    folder = cached_data(name)
    new = dict(zip(GLUE_TEXTS[short], TEXTS))
    columns = {old: text for old, text in new.items() if old is not None}

    def read(split):
        return read_shards(folder, split, (*columns, "label"), name).rename_columns(columns)

    matched = "validation_matched" if short == "mnli" else "validation"
    splits = {"train": read("train"), "test": read(matched)}
    if short == "mnli":
        splits["test_mismatched"] = read("validation_mismatched")
    labels, splits = named_labels(splits)
    return complete(Task(name, labels, splits, notes=("GLUE keeps its test labels: its validation split is our test",)))


def _from_files(files: dict) -> Task:
    splits, labels, pair = {}, None, None
    for split, path in files.items():  # train first: it fixes labels and columns
        rows = read_rows(path)
        pair = "text_b" in rows[0] if pair is None else pair
        if not pair and "text_b" in rows[0]:
            raise BadFile(path, "train has no such column", "Add it to train, or remove it here", column="text_b")
        columns = {column: checked_text(path, rows, column) for column in (TEXTS if pair else TEXTS[:1])}
        if split == "transfer":
            columns["label"] = [UNLABELLED] * len(rows)
        else:
            columns["label"], labels = checked_labels(path, rows, labels)
        splits[split] = datasets.Dataset.from_dict(columns)
    return complete(Task(Path(files["train"]).stem, labels, splits))

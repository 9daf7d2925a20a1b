"""Tasks by name or from files of yours: `load_task`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import datasets

from kdviz.data import images
from kdviz.data.files import TEXTS, BadFile, named_labels, read, read_shards, read_table
from kdviz.data.labels import classes_of, missing
from kdviz.data.real import PACKAGES, load_real
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


def load_task(
    name: str | datasets.DatasetDict | None = None,
    *,
    train=None,
    dev=None,
    test=None,
    transfer=None,
    columns: Mapping[str, str] | None = None,
    labels: Sequence[str] | Mapping | None = None,
) -> Task:
    """A task by its name, or from data of yours.

    Parameters
    ----------
    name : ``"reviews"`` or ``"entail"`` (embedded), ``"tweets"`` or ``"news"`` (written by people, from packages of the
        extra ``real``), ``"digits"`` (images, with scikit-learn), ``"glue/<name>"`` or ``"cifar10"`` (from the cache or
        the hub); or a `datasets.DatasetDict`
    train, dev, test, transfer : CSV (UTF-8, commas, header), JSONL or Parquet files, DataFrames or Datasets with the
        columns text[, text_b], label; transfer needs no label. The same rows mean the same in every format. Missing
        dev or test are split from train, and it is said.
    columns : what your data call these columns, as in ``{"text": "sentence1", "text_b": "sentence2"}``
    labels : names for the classes 0, 1, …, as in ``("neg", "pos")``; or what a label says -> its name

    Raises
    ------
    ValueError, FileNotFoundError, TypeError
        naming file, row, column and the fix
    """
    sources = {"train": train, "transfer": transfer, "dev": dev, "test": test}
    sources = {split: source for split, source in sources.items() if source is not None}
    if (name is None) == (not sources):
        raise ValueError(
            'pass a name, as in load_task("reviews"), or files, as in load_task(train="a.csv", test="b.csv")'
        )
    if isinstance(name, datasets.DatasetDict):
        name, sources = None, _splits_of(name, (columns or {}).get("label", "label"))
    if name is None:
        if "train" not in sources:
            raise ValueError(f"data for {', '.join(sources)} but none to train on: pass train=…")
        return _from_sources(sources, columns or {}, labels)
    if not isinstance(name, str):
        raise TypeError(f"a {type(name).__name__} is no name of a task: pass it as train=…")
    if columns or labels:
        raise ValueError(f"columns= and labels= are for data of yours; {name!r} has its own")
    if name in EMBEDDED:
        return _embedded(name)
    if name in PACKAGES:
        return load_real(name)
    if name in IMAGES:
        return IMAGES[name]()
    if name.startswith("glue/"):
        return _glue(name)
    known = ", ".join([*EMBEDDED, *PACKAGES, *IMAGES, "glue/<name>"])
    raise ValueError(f"no task {name!r}: choose {known}, pass data of yours (train=…, test=…), or a DatasetDict")


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

    def shards(split):
        return read_shards(folder, split, (*columns, "label"), name).rename_columns(columns)

    matched = "validation_matched" if short == "mnli" else "validation"
    splits = {"train": shards("train"), "test": shards(matched)}
    if short == "mnli":
        splits["test_mismatched"] = shards("validation_mismatched")
    labels, splits = named_labels(splits)
    return complete(Task(name, labels, splits, notes=("GLUE keeps its test labels: its validation split is our test",)))


def _splits_of(data: datasets.DatasetDict, label: str) -> dict[str, datasets.Dataset]:
    """Splits by our names. Where the labels of test are secret (-1), the validation split is our test."""
    secret = {split for split, rows in data.items() if label in rows.column_names and rows.unique(label) == [-1]}
    names = {"validation": "test" if "test" in secret else "dev", "unsupervised": "transfer"}
    return {
        names.get(split, split): rows
        for split, rows in data.items()
        if split not in secret or names.get(split, split) == "transfer"
    }


def _from_sources(sources: dict, columns: Mapping[str, str], labels) -> Task:
    """Train comes first: it fixes columns and classes."""
    if unknown := set(columns) - {*TEXTS, "label"}:
        raise ValueError(f"columns= has the key {min(unknown)!r}: choose among text, text_b, label")
    splits, texts, classes = {}, TEXTS[:1], None
    for split in ("train", *(name for name in sources if name != "train")):
        named = {new: old for new, old in columns.items() if split != "transfer" or new != "label"}
        table = read(sources[split], split).called(named)
        if classes is None and "text_b" in table.columns:
            texts = TEXTS
        elif "text_b" in table.columns and texts != TEXTS:
            raise table.bad("train has no such column", "Add it to train, or remove it here", column="text_b")
        for column in texts:
            if column not in table.columns:
                raise missing(table, column)
        made = {column: table.texts(column) for column in texts}
        if split == "transfer":
            made["label"] = [UNLABELLED] * len(table)
        else:
            classes = classes_of(table, labels) if classes is None else classes
            made["label"] = classes.of(table)
        splits[split] = datasets.Dataset.from_dict(made)
    name = Path(sources["train"]).stem if isinstance(sources["train"], (str, Path)) else "data"
    return complete(Task(name, classes.names, splits))

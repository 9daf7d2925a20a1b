"""A task: texts (or images), labels and their splits; embedded, from the hub, or from files of yours."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa

from kdviz.data.files import TEXTS, UNLABELLED, BadFile, checked_labels, checked_text, read_rows, read_table
from kdviz.paths import data_dir

EMBEDDED = {
    "reviews": ("1 star", "2 stars", "3 stars", "4 stars", "5 stars"),
    "entail": ("entailment", "neutral", "contradiction"),
}
IMAGES = ("digits", "cifar10")  # loaded by kdviz.data.images
SPLITS = ("train", "transfer", "dev", "test", "ood_lexicon", "ood_natural", "adversarial")
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
HELD_OUT = 0.1  # share of train that becomes dev, or test, when there is none


@dataclass(frozen=True)
class Task:
    """Texts to classify.

    labels : class names; the column ``label`` holds indices into them, or -100 for "no label"
    splits : name -> datasets.Dataset with columns text[, text_b], label and, in the embedded tasks, metadata
    folder : where an embedded task is kept, else None
    notes  : what was done to the data on the way
    """

    name: str
    labels: tuple[str, ...]
    splits: dict[str, datasets.Dataset]
    folder: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def pair(self) -> bool:
        """Whether every row has two texts."""
        return "text_b" in self.splits["train"].column_names

    def __getitem__(self, split: str) -> datasets.Dataset:
        if split not in self.splits:
            raise KeyError(f"task {self.name!r} has no split {split!r}; it has {', '.join(self.splits)}")
        return self.splits[split]

    def with_labels(self, fraction: float, seed: int = 0) -> Task:
        """The same task when only a share of train has labels: the other rows move to transfer, without theirs.

        Every class keeps its share, and at least one row.
        """
        if not 0 < fraction <= 1:
            raise ValueError(f"fraction={fraction}: choose a share above 0 and up to 1")
        train = self["train"]
        kept = _stratified(train["label"][:], fraction * len(train), seed)
        rest = np.setdiff1d(np.arange(len(train)), kept)
        if not len(rest):
            return self
        bare = train.select(rest).with_format("arrow")[:]  # not as Python objects: an image is thousands of numbers
        place = bare.schema.get_field_index("label")
        bare = bare.set_column(place, "label", pa.array(np.full(len(rest), UNLABELLED), bare.schema.types[place]))
        bare = datasets.Dataset(bare, info=train.info)
        transfer = datasets.concatenate_datasets([self.splits["transfer"], bare]) if "transfer" in self.splits else bare
        note = f"{len(kept):,} of {len(train):,} training rows keep their label (seed {seed})"
        splits = self.splits | {"train": train.select(kept), "transfer": transfer}
        return replace(self, splits=splits, notes=(*self.notes, note))

    def subset(self, rows: int, seed: int = 0) -> Task:
        """At most `rows` rows of every split, drawn class by class: for a quick look, not for a result."""
        if rows < len(self.labels):
            raise ValueError(f"rows={rows}: take at least one row for each of the {len(self.labels)} labels")
        splits = {
            name: split.select(_stratified(split["label"][:], rows, seed)) if len(split) > rows else split
            for name, split in self.splits.items()
        }
        return replace(self, splits=splits, notes=(*self.notes, f"at most {rows:,} rows of every split (seed {seed})"))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of labels, texts or pixels, and class indices of all splits."""
        digest = hashlib.sha256(repr(self.labels).encode())
        for name, split in sorted(self.splits.items()):
            for column in (*TEXTS, "input_ids", "label"):
                if column in split.column_names:
                    digest.update(f"\n{name} {column}\n".encode())
                    digest.update("\0".join(map(str, split[column][:])).encode())
        return digest.hexdigest()

    def __repr__(self) -> str:
        kind = "images" if "input_ids" in self["train"].column_names else "pairs of texts" if self.pair else "texts"
        sizes = ", ".join(f"{name} {len(split):,}" for name, split in self.splits.items())
        lines = [f"{self.name}: {kind}, labels {', '.join(self.labels)}", sizes, *self.notes]
        return "\n  ".join(lines)


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
        from kdviz.data import images

        return getattr(images, f"load_{name}")()
    known = ", ".join([*EMBEDDED, *IMAGES, "glue/<name>"])
    raise ValueError(f"no task {name!r}: choose {known}, or pass files (train=…, test=…)")


def _embedded(name: str) -> Task:
    folder, splits = data_dir() / name, {}
    fix = f"Restore it with: git checkout -- data/{name}"
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
    from kdviz.hub import cached_data

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


def read_shards(folder: Path, split: str, columns, name: str) -> datasets.Dataset:
    """These columns of all Parquet files of a split, as the hub stores data set `name`: ``<split>-00000-of-00002.parquet``."""
    fix, parts = f"Delete the folder and run: kdviz prefetch {name}", sorted(folder.glob(f"{split}-*.parquet"))
    if not parts:
        raise FileNotFoundError(f"{folder} has no {split}-*.parquet. {fix}")
    whole = datasets.concatenate_datasets([datasets.Dataset(read_table(part, fix)) for part in parts])
    for column in columns:
        if column not in whole.column_names:
            raise BadFile(parts[0], f"there are: {', '.join(whole.column_names)}", fix, column=column)
    if not isinstance(whole.features["label"], datasets.ClassLabel):
        raise BadFile(parts[0], "the class names are not in the file", fix, column="label")
    return whole.select_columns(list(columns))


def named_labels(splits: dict) -> tuple[tuple[str, ...], dict]:
    """The class names that train's label column carries, and the splits with labels as plain whole numbers."""
    names = tuple(splits["train"].features["label"].names)
    return names, {key: split.cast_column("label", datasets.Value("int64")) for key, split in splits.items()}


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


def complete(task: Task) -> Task:
    """Split a missing dev or test off train, always the same rows, and say so."""
    splits, notes = dict(task.splits), list(task.notes)
    for missing in ("dev", "test"):
        if missing in splits:
            continue
        train = splits["train"]
        taken = _stratified(train["label"][:], HELD_OUT * len(train), seed=0)
        if len(taken) >= len(train):
            raise ValueError(
                f"task {task.name!r}: {len(train)} training rows are too few to split {missing} off; pass {missing}=…"
            )
        splits[missing] = train.select(taken)
        splits["train"] = train.select(np.setdiff1d(np.arange(len(train)), taken))
        notes.append(f"no {missing} given: {len(taken):,} of {len(train):,} training rows became {missing}")
        print(f"{task.name}: {notes[-1]}")
    order = [name for name in SPLITS if name in splits] + [name for name in splits if name not in SPLITS]
    return replace(task, splits={name: splits[name] for name in order}, notes=tuple(notes))


def _stratified(labels, rows: float, seed: int) -> np.ndarray:
    """Sorted indices of about `rows` rows, every class with its share (rounded) and at least one row."""
    labels = np.asarray(labels)
    random = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        chosen.append(members[: max(1, round(rows * len(members) / len(labels)))])
    return np.sort(np.concatenate(chosen))

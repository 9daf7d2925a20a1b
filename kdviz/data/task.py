"""A task: texts (or images), labels and their splits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from kdviz.data.files import TEXTS
from kdviz.data.kinds import CLASSIFICATION, Kind

SPLITS = ("train", "transfer", "dev", "test", "ood_lexicon", "ood_natural", "adversarial")
HELD_OUT = 0.1  # share of train that becomes dev, or test, when there is none
MOST_SHOWN = 10  # class names in a note


@dataclass(frozen=True)
class Task:
    """Texts, and what is asked about them.

    labels : class names, and the column ``label`` holds indices into them, or -100 for "no label"; of another kind as
             `kdviz.data.kinds` says
    splits : name -> datasets.Dataset with columns text[, text_b], label and, in the embedded tasks, metadata
    kind   : what kind of answer is asked for
    folder : where an embedded task is kept, else None
    notes  : what was done to the data on the way
    tokenizer : for students of this task, unless another is asked for; None is the packaged MiniLM's
    """

    name: str
    labels: tuple[str, ...]
    splits: dict[str, datasets.Dataset]
    folder: Path | None = None
    notes: tuple[str, ...] = ()
    kind: Kind = CLASSIFICATION
    tokenizer: Any = None

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
        kept = stratified(self.kind.strata(train["label"][:]), fraction * len(train), seed)
        rest = np.setdiff1d(np.arange(len(train)), kept)
        if not len(rest):
            return self
        bare = train.select(rest).with_format("arrow")[:]  # not as Python objects: an image is thousands of numbers
        place = bare.schema.get_field_index("label")
        unlabelled = self.kind.unlabelled(len(rest), np.shape(train[0]["label"]))
        bare = bare.set_column(place, "label", pa.array(unlabelled.tolist(), bare.schema.types[place]))
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
            name: split.select(stratified(self.kind.strata(split["label"][:]), rows, seed))
            if len(split) > rows
            else split
            for name, split in self.splits.items()
        }
        return replace(self, splits=splits, notes=(*self.notes, f"at most {rows:,} rows of every split (seed {seed})"))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of labels, texts or pixels, and class indices of all splits."""
        digest = hashlib.sha256(repr(self.labels).encode())
        for name, split in sorted(self.splits.items()):
            for column in (*TEXTS, "endings", "answers", "input_ids", "label"):
                if column in split.column_names:
                    digest.update(f"\n{name} {column}\n".encode())
                    digest.update("\0".join(map(str, split[column][:])).encode())
        return digest.hexdigest()

    def __repr__(self) -> str:
        what = "images" if "input_ids" in self["train"].column_names else "pairs of texts" if self.pair else "texts"
        asked = self.kind.name if self.kind != CLASSIFICATION else ""
        asked += f" labels {', '.join(self.labels)}" if self.kind.named else ""
        sizes = ", ".join(f"{name} {len(split):,}" for name, split in self.splits.items())
        lines = [f"{self.name}: {what}, {asked.strip()}", sizes, *self.notes]
        return "\n  ".join(lines)


def complete(task: Task) -> Task:
    """Split a missing dev or test off train, always the same rows, and say so; say too which classes a split lacks.

    A class that is too rare to be split stays in train.
    """
    splits, notes = dict(task.splits), []
    for missing in ("dev", "test"):
        if missing in splits:
            continue
        train = splits["train"]
        taken = stratified(task.kind.strata(train["label"][:]), HELD_OUT * len(train), seed=0, keep=1)
        if not len(taken):
            problem = f"{len(train)} training rows are too few to split {missing} off"
            raise ValueError(f"task {task.name!r}: {problem}; pass {missing}=…")
        splits[missing] = train.select(taken)
        splits["train"] = train.select(np.setdiff1d(np.arange(len(train)), taken))
        notes.append(f"no {missing} given: {len(taken):,} of {len(train):,} training rows became {missing}")
    for name in ("train", "dev", "test") if task.kind == CLASSIFICATION else ():
        found = set(splits[name]["label"][:])
        lacking = [label for place, label in enumerate(task.labels) if place not in found]
        if lacking:
            shown = ", ".join(lacking[:MOST_SHOWN]) + (", …" if len(lacking) > MOST_SHOWN else "")
            notes.append(f"{name} has no row of {len(lacking)} of {len(task.labels)} classes: {shown}")
    for note in notes:
        print(f"{task.name}: {note}")
    order = [name for name in SPLITS if name in splits] + [name for name in splits if name not in SPLITS]
    return replace(task, splits={name: splits[name] for name in order}, notes=(*task.notes, *notes))


def stratified(labels, rows: float, seed: int, keep: int = 0) -> np.ndarray:
    """Sorted indices of about `rows` rows, every class with its share (rounded) and at least one row.

    keep : rows of each class that are not chosen, should it have no more than these
    """
    labels = np.asarray(labels)
    random = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        chosen.append(members[: min(max(1, round(rows * len(members) / len(labels))), len(members) - keep)])
    return np.sort(np.concatenate(chosen))

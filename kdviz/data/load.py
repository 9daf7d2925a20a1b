"""Tasks by name or from files of yours: `load_task`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import datasets

from kdviz.data import images
from kdviz.data.files import TEXTS, BadFile, Table, again, read, read_parts, read_table
from kdviz.data.kinds import (
    LANGUAGE_MODELLING,
    MULTI_LABEL,
    MULTIPLE_CHOICE,
    QUESTION_ANSWERING,
    REGRESSION,
    Kind,
    kind_of,
)
from kdviz.data.labels import classes_of, missing, other_kind, values_of
from kdviz.data.language import COLUMNS as WRITTEN, written_of
from kdviz.data.lists import chosen_of, endings_of, sets_of
from kdviz.data.questions import SPAN
from kdviz.data.real import PACKAGES, load_real
from kdviz.data.spans import COLUMNS, asked_of
from kdviz.data.stored import ENDINGS, cached_data, is_data
from kdviz.data.symbols import tokenizer_of
from kdviz.data.task import SPLITS, Task, complete
from kdviz.paths import data_dir, restore

EMBEDDED = {
    "reviews": ("1 star", "2 stars", "3 stars", "4 stars", "5 stars"),
    "entail": ("entailment", "neutral", "contradiction"),
}
OF_KINDS = {  # embedded, of another kind
    "scores": (("score",), REGRESSION),
    "endings": (tuple(f"ending_{place}" for place in range(4)), MULTIPLE_CHOICE),
    "answers": (SPAN, QUESTION_ANSWERING),
}
IMAGES = {"digits": images.load_digits, "cifar10": images.load_cifar10}
HELD_OUT = re.compile(r"^(validation|valid|val|dev)(?=_|$)")
# GLUE's names of the two texts
GLUE_TEXTS = {
    "cola": ("sentence", None),
    "sst2": ("sentence", None),
    "mrpc": ("sentence1", "sentence2"),
    "rte": ("sentence1", "sentence2"),
    "wnli": ("sentence1", "sentence2"),
    "qqp": ("question1", "question2"),
    "qnli": ("question", "sentence"),
    "mnli": ("premise", "hypothesis"),
    "stsb": ("sentence1", "sentence2"),
}
STSB = (0, 5)  # its lowest and highest score
SQUAD = ("squad", "squad_v2")
HELLASWAG = {"text": "ctx", "endings": "endings", "label": "label"}


def load_task(
    name: str | datasets.DatasetDict | None = None,
    *,
    train=None,
    dev=None,
    test=None,
    transfer=None,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    labels: Sequence | Mapping | None = None,
    kind: str | None = None,
    tokenizer=None,
) -> Task:
    """A task by its name, or from data of yours.

    Parameters
    ----------
    name : ``"reviews"``, ``"entail"``, ``"scores"``, ``"endings"``, ``"answers"`` (embedded); ``"tweets"``, ``"news"``
        (by people; packages of the extra ``real``); ``"digits"`` (images, with scikit-learn); ``"cifar10"``,
        ``"glue/<name>"``, ``"imdb"`` or any ``"owner/name"`` of the hub, with "/" and a configuration where it has
        several (from the cache or the hub); or a `datasets.DatasetDict`
    train, dev, test, transfer : CSV (UTF-8, commas, header), JSONL or Parquet files, DataFrames or Datasets with the
        columns text[, text_b], label; transfer needs no label. The same rows mean the same in every format. Missing
        dev or test are split from train, and it is said.
    columns : what your data call these columns, as in ``{"text": "sentence1", "text_b": "sentence2"}``; several columns
        of 0 and 1 that hold labels, ``{"label": ["toxic", "threat"]}``, or of endings, ``{"endings": ["a", "b"]}``
    labels : names for the classes 0, 1, …, as in ``("neg", "pos")``; or what a label says -> its name; of regression
        the lowest and the highest value that a label may have, as in ``(0, 5)``
    kind : what the labels of your data are: ``"classification"`` (the default); ``"regression"``, a number in each
        row; ``"multi-label"``, any number of labels in each row, ``["a", "b"]`` or ``"a|b"`` in a column label or
        labels; ``"multiple-choice"``, a text, endings (a list, or columns ending_0, ending_1, …) and as label the
        number of the right one, from 0; ``"question-answering"``, a question, a context and answers as SQuAD has them
        (also its own files, .json), or one answer (nothing for none), with answer_start where it occurs twice;
        ``"language-modelling"``, a prompt and its completion, or a text alone; transfer holds prompts
    tokenizer : for the task's students: a transformers tokenizer; of language modelling also ``"characters"`` or
        ``"words"`` (between spaces), each one that occurs in train, transfer and dev

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
    notes = []
    if isinstance(name, datasets.DatasetDict):
        tables = {split: read(rows, split) for split, rows in name.items()}
        name, (sources, notes) = None, _splits_of(tables, (columns or {}).get("label", "label"))
    if name is None:
        if "train" not in sources:
            raise ValueError(f"data for {', '.join(sources)} but none to train on: pass train=…")
        task = _from_sources(sources, columns or {}, labels, kind_of(kind or "classification"), notes=notes)
        return task if tokenizer is None else replace(task, tokenizer=tokenizer_of(tokenizer, task))
    if not isinstance(name, str):
        raise TypeError(f"a {type(name).__name__} is no name of a task: pass it as train=…")
    if tokenizer is not None or (
        (columns or labels or kind) and name in {**EMBEDDED, **OF_KINDS, **PACKAGES, **IMAGES}
    ):
        raise ValueError(f"columns=, labels=, kind= and tokenizer= are for data of yours; {name!r} has its own")
    if name in EMBEDDED:
        return _embedded(name, SPLITS, labels=EMBEDDED[name])
    if name in OF_KINDS:
        labels, kind = OF_KINDS[name]
        return _embedded(name, SPLITS[:5], labels=labels, kind=kind)
    if name in PACKAGES:
        return load_real(name)
    if name in IMAGES:
        return IMAGES[name]()
    if is_data(name) or ("/" in name and not Path(name).exists() and Path(name).suffix not in ENDINGS):
        return _of_hub(name, columns or {}, labels, kind)
    known = ", ".join([*EMBEDDED, *OF_KINDS, *PACKAGES, *IMAGES, "glue/<name>"])
    hub = 'name a data set of the hub ("owner/name")'
    raise ValueError(f"no task {name!r}: choose {known}, {hub}, pass data of yours (train=…, test=…), or a DatasetDict")


def _embedded(name: str, wanted: Sequence[str], **about) -> Task:
    folder, splits = data_dir() / name, {}
    fix = f"Restore it with: {restore(f'data/{name}')}"
    for split in wanted:
        path = folder / f"{split}.parquet"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing. {fix}")
        table = read_table(path, fix)
        missing = {"text", "label"} - set(table.column_names)
        if missing:
            raise BadFile(path, f"columns {table.column_names}", fix, column=missing.pop())
        splits[split] = datasets.Dataset(table)
    return Task(name, splits=splits, folder=folder, **about)


def _of_hub(name: str, columns: Mapping[str, str], labels, kind: str | None) -> Task:
    if name.startswith("glue/"):
        if name[5:] not in GLUE_TEXTS:
            known = ", ".join(f"glue/{key}" for key in GLUE_TEXTS)
            raise ValueError(f"no task {name!r}: choose {known}")
        columns = columns or {text: own for text, own in zip(TEXTS, GLUE_TEXTS[name[5:]]) if own is not None}
    if name.removeprefix("datasets/").rpartition("/")[2] == "hellaswag":
        columns, kind = columns or HELLASWAG, kind or "multiple-choice"
    squad = any(part in SQUAD for part in name.split("/"))
    if squad:
        kind = kind or "question-answering"
    if name == "glue/stsb":
        kind, labels = kind or "regression", labels or STSB
    asked, label = kind_of(kind or "classification"), columns.get("label", "label")

    def check(card):  # before gigabytes of it are downloaded
        if asked in (MULTI_LABEL, MULTIPLE_CHOICE, QUESTION_ANSWERING, LANGUAGE_MODELLING):
            return
        if not {columns.get("text", "text"), label} <= {*card.columns} and (problem := other_kind(card.columns)):
            raise BadFile(name, *problem)

    files, card = cached_data(name, check)
    tables, fix = {}, again(name)
    for split, paths in files.items():
        table = read_parts(paths, f"{name}, {split}", fix)
        if len(table) != card.rows.get(split, len(table)):
            raise table.bad(f"{len(table):,} rows, but the data set's card says {card.rows[split]:,}", fix)
        coded = {
            key: names for key, names in card.classes.items() if set(map(type, table.columns.get(key, "x"))) == {int}
        }
        tables[split] = replace(table, classes=coded | table.classes)
    splits, notes = _splits_of(tables, label, hidden=squad or name.startswith("glue/"))
    if "train" not in splits:
        raise ValueError(f"{name!r} has no split to train on, only {', '.join(files)}: pass data sets, as in train=…")
    return _from_sources(splits, columns, labels, asked, name, notes)


def _splits_of(tables: dict[str, Table], label: str, hidden: bool = False) -> tuple[dict[str, Table], list[str]]:
    """Splits by our names, and notes. Where the labels of test are secret (-1), the validation split is our test.

    A coded class of -1 (or an empty cell, where all are) is how the hub writes "no label": such a row is left out where
    others have one.
    """
    columns = {split: table.columns.get(label, ()) if isinstance(label, str) else () for split, table in tables.items()}
    without = {split: [value in (-1, "") for value in values] for split, values in columns.items()}
    secret = {split for split, found in without.items() if found and all(found)}
    hidden, splits, notes = hidden or any(split.startswith("test") for split in secret), {}, []
    if hidden:
        notes.append("the labels of test are secret: its validation split is our test")
    for split, table in tables.items():
        name = HELD_OUT.sub("test" if hidden else "dev", split).removesuffix("_matched")
        name = "transfer" if split in ("unsupervised", "unlabelled", "unlabeled") else name
        if split in secret and name != "transfer":
            continue
        if name in splits:
            raise ValueError(
                f"two splits are called {name}, of {', '.join(tables)}: pass them as train=…, dev=…, test=…"
            )
        if isinstance(label, str) and label in table.classes and name != "transfer" and (lost := sum(without[split])):
            kept = [row for row, bare in enumerate(without[split]) if not bare]
            columns = {key: [values[row] for row in kept] for key, values in table.columns.items()}
            notes.append(f"{lost:,} of {len(table):,} rows of {split} have no label (-1) and are left out")
            table = replace(table, columns=columns, lines=())
        splits[name] = table
    return splits, notes


def _from_sources(
    sources: dict, columns: Mapping[str, str], labels, kind: Kind, name: str | None = None, notes=()
) -> Task:
    """Train comes first: it fixes columns and classes."""
    if kind == QUESTION_ANSWERING:
        return _questions(sources, columns, labels, name, notes)
    if kind == LANGUAGE_MODELLING:
        return _written(sources, columns, labels, name, notes)
    keys = ("text", "endings", "label") if kind == MULTIPLE_CHOICE else (*TEXTS, "label")
    if unknown := set(columns) - {*keys}:
        raise ValueError(f"columns= has the key {min(unknown)!r}: choose among {', '.join(keys)}")
    if kind == MULTIPLE_CHOICE and labels is not None:
        raise ValueError(f"labels={labels!r}: the labels of multiple choice are numbers of endings; leave labels out")
    splits, texts, classes, endings = {}, TEXTS[:1], None, None
    lists = {MULTI_LABEL: {"label"}, MULTIPLE_CHOICE: {"endings"}}.get(kind, set())  # read by their own functions
    for key, value in columns.items():
        if key not in lists and not isinstance(value, str):
            raise ValueError(f"columns[{key!r}] is {value!r}: of {kind.name} name one column")
    for split in ("train", *(name for name in sources if name != "train")):
        kept = lists | ({"label"} if split == "transfer" else set())
        table = read(sources[split], split).called({new: old for new, old in columns.items() if new not in kept})
        if classes is None and "text_b" in table.columns:
            texts = TEXTS
        elif "text_b" in table.columns and texts != TEXTS:
            raise table.bad("train has no such column", "Add it to train, or remove it here", column="text_b")
        for column in texts:
            if column not in table.columns and kind == MULTIPLE_CHOICE:
                found, fix = ", ".join(table.columns), 'Say which one holds the beginning: columns={"text": …}'
                raise table.bad(f"the column is missing; there are: {found}", fix, column=column)
            if column not in table.columns:
                raise missing(table, column)
        made = {column: table.texts(column) for column in texts}
        if kind == MULTIPLE_CHOICE:
            made["endings"] = endings_of(table, columns.get("endings"), endings)
            endings = len(made["endings"][0])
        if split == "transfer":
            shape = (len(classes.names),) if kind == MULTI_LABEL else ()
            made["label"] = kind.unlabelled(len(table), shape)
        elif kind == MULTI_LABEL:
            classes, made["label"] = sets_of(table, columns.get("label"), labels, classes)
        elif kind == MULTIPLE_CHOICE:
            made["label"] = chosen_of(table, endings)
        elif kind == REGRESSION:
            made["label"] = values_of(table, labels)
        else:
            classes = classes_of(table, labels) if classes is None else classes
            made["label"] = classes.of(table)
        splits[split] = datasets.Dataset.from_dict(made)
    name = _named(name, sources, notes)
    names = ("score",) if kind == REGRESSION else tuple(f"ending_{place}" for place in range(endings or 0))
    names = names if classes is None else classes.names
    return complete(Task(name, names, splits, notes=tuple(notes), kind=kind))


def _named(name: str | None, sources: dict, notes) -> str:
    """The task's name, once its notes are said."""
    if name is None:
        name = Path(sources["train"]).stem if isinstance(sources["train"], (str, Path)) else "data"
    for note in notes:
        print(f"{name}: {note}")
    return name


def _questions(sources: dict, columns: Mapping[str, str], labels, name: str | None, notes) -> Task:
    """A task of question answering; see `kdviz.data.spans`."""
    if unknown := set(columns) - {*COLUMNS}:
        raise ValueError(f"columns= has the key {min(unknown)!r}: choose among {', '.join(COLUMNS)}")
    if labels is not None:
        raise ValueError(f"labels={labels!r}: answers are parts of their contexts; leave labels out")
    splits, notes = {}, list(notes)
    for split, source in sources.items():
        table = read(source, split)
        own = {key: value for key, value in columns.items() if split != "transfer" or key in COLUMNS[:2]}
        splits[split], found = asked_of(table, own, labelled=split != "transfer")
        notes += found
    name = _named(name, sources, notes)
    return complete(Task(name, SPAN, splits, notes=tuple(notes), kind=QUESTION_ANSWERING))


def _written(sources: dict, columns: Mapping[str, str], labels, name: str | None, notes) -> Task:
    """A task of language modelling; see `kdviz.data.language`."""
    if unknown := set(columns) - {*WRITTEN, "text"}:
        raise ValueError(f"columns= has the key {min(unknown)!r}: choose among {', '.join(WRITTEN)}, text")
    if labels is not None:
        raise ValueError(f"labels={labels!r}: the labels of language modelling are texts; leave labels out")
    splits = {}
    for split, source in sources.items():
        own = {key: value for key, value in columns.items() if split != "transfer" or key == "prompt"}
        splits[split] = written_of(read(source, split), own, labelled=split != "transfer")
    name = _named(name, sources, notes)
    outputs = LANGUAGE_MODELLING.outputs(())
    return complete(Task(name, outputs, splits, notes=tuple(notes), kind=LANGUAGE_MODELLING))

"""What a label says, by one rule for every format; the classes of a task; and data of another kind, called by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

import numpy as np

from kdviz.data.files import BadFile, Table, unreadable

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
# a list or tuple that was written as text; "[UNK]", "(0, 10]" and "{x}" are words
LIST = re.compile(r"\[\s*\]|\[[\d.\s+-]+\]|\[.*[,'\"].*\]|\(.*[,'\"].*\)|\{.*[,'\"].*\}", re.DOTALL)
LABELS = ("label", "labels", "score", "similarity_score")  # columns whose values tell the kind of data
CONTAINERS = (list, tuple, set, dict, np.ndarray)
BOOLEAN = {"false", "true"}
MOST_DIGITS = 30
MOST_SHOWN = 10  # class names in a message
CHOICE = (
    'Pass kind="multiple-choice" and what the data call their columns: columns={"text": …, "endings": […], "label": …}'
)
# columns -> the kind of data that has them, and how it becomes texts with one class each
OTHERS = {
    ("context", "question", "answers"): ("question answering", 'Pass kind="question-answering"'),
    **{(name,): ("multiple choice", CHOICE) for name in ("endings", "ending0", "choices", "choice1")},
    ("tokens",): ("a tag for each token", "Write texts that have one class as a whole"),
    **dict.fromkeys(
        [("image",), ("img",), ("audio",)], ("images or sounds", 'Of these kdviz has "digits" and "cifar10"')
    ),
    **dict.fromkeys(
        [("translation",), ("summary",), ("highlights",)], ("writing", "Choose texts that have one class as a whole")
    ),
}
PAIRS = (("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("question", "sentence"))


class NoClass(ValueError):
    """A value that names no class: `args` are the problem and the fix."""


def class_name(value) -> str:
    """The class that a label names: a word as it stands, without space around it, or a whole number.

    Equal values are equal in every format: "10.0" in a CSV file, 10.0 and 10 in JSONL are the class "10", and the
    truth value true is the word "true". Raises NoClass for everything else.
    """
    shown, fix = f"{value!r:.40}", "Write a word or a whole number; rows without a label go into transfer=…"
    several = LIST.fullmatch(value.strip()) if isinstance(value, str) else isinstance(value, CONTAINERS)
    if several:
        problem = f"{shown} is a list: several labels in a row are multi-label classification"
        raise NoClass(problem, 'Pass kind="multi-label", or keep one label in each row')
    if isinstance(value, (bool, np.bool_)):
        return str(value).lower()
    if value is None or value != value or str(value).strip() == "":
        raise NoClass("the label is empty", fix)
    if isinstance(value, str):
        value = value.strip()
        if problem := unreadable(value):
            raise NoClass(*problem)
        if not NUMBER.fullmatch(value):
            return value
    elif not isinstance(value, (int, float, Decimal, np.number)):
        raise NoClass(f"{shown} is no class", fix)
    number = Decimal(str(value))
    if not number.is_finite() or number.adjusted() > MOST_DIGITS:
        raise NoClass(f"the label {shown} is no class", fix)
    if number != number.to_integral_value():
        problem = f"the label {value} is a fraction: a score for each row is a task of regression"
        fix = 'Pass kind="regression", make classes such as "low" and "high", or write a name as a word ("v2.5")'
        raise NoClass(problem, fix)
    if number < 0:
        raise NoClass(f"the label {value} is negative", "Count classes from 0; rows without a label go into transfer=…")
    return str(int(number))


def values_of(table: Table, limits: Sequence[float] | None = None) -> list[float]:
    """The number in each row's label, for a task of regression. Raises BadFile for what is no finite number.

    limits : (lowest, highest) value that may be written, None for any
    """
    if "label" not in table.columns:
        raise missing(table, "label")
    if limits is not None and (len(limits) != 2 or not all(isinstance(end, int | float) for end in limits)):
        raise ValueError(f"labels={limits!r}: of regression give the lowest and the highest value, as in (0, 5)")
    made = []
    for row, value in enumerate(table.columns["label"], start=1):
        number = value.strip() if isinstance(value, str) else value
        plain = not isinstance(value, str) or NUMBER.fullmatch(number)
        kinds = (str, int, float, Decimal, np.number)
        if (
            not plain
            or isinstance(value, (bool, np.bool_))
            or not isinstance(value, kinds)
            or not isfinite(float(number))
        ):
            fix = "Write a number in every row; rows without one go into transfer=…"
            raise table.bad(f"the label {value!r:.40} is no number", fix, row, "label")
        if limits is not None and not limits[0] <= float(number) <= limits[1]:
            problem = f"the label {number} lies outside {limits[0]:g} to {limits[1]:g}"
            raise table.bad(problem, "Correct it, or widen labels=", row, "label")
        made.append(float(number))
    return made


@dataclass(frozen=True)
class Classes:
    """The classes of a task.

    names : in order
    index : what a label may say (see `class_name`) -> place in `names`
    home  : where they come from, for errors
    """

    names: tuple[str, ...]
    index: dict[str, int]
    home: str = "train"

    def of(self, table: Table) -> list[int]:
        """The class of each row of a table. Raises BadFile for a label that is none of these."""
        found = written(table)
        if self.index.keys() == BOOLEAN:
            found = list(map(str.lower, found))
        return [self.place(name, table, row) for row, name in enumerate(found, start=1)]

    def place(self, name: str, table: Table, row: int) -> int:
        """The class that this name in a row of the table means."""
        if name not in self.index:
            known = ", ".join(list(self.index)[:MOST_SHOWN]) + (", …" if len(self.index) > MOST_SHOWN else "")
            problem = f"the label {name!r} does not occur in {self.home}, which has: {known}"
            fix = f"Correct it, add training rows that have it, or say what it means: labels={{{name!r}: …}}"
            raise table.bad(problem, fix, row, "label")
        return self.index[name]


def classes_of(table: Table, labels: Sequence[str] | Mapping | None = None) -> Classes:
    """The classes that train's labels make: numbers by size, words by the alphabet, or in the order of their source.

    labels : the names in order, where a whole number k stands for the k-th (from 0); or what a label says -> its name
    """
    if labels is None and "label" in table.classes:
        names = table.classes["label"]
    elif labels is None:
        names = _sorted_classes(table)
    else:
        names = tuple(dict.fromkeys(map(str, labels.values() if isinstance(labels, Mapping) else labels)))
        if len(names) < 2 or (not isinstance(labels, Mapping) and len(names) < len(labels)):
            raise ValueError(f"labels={labels!r}: give two different names of classes or more")
    index = {name: place for place, name in enumerate(names)}
    if labels is None:
        return Classes(names, index)
    if isinstance(labels, Mapping):
        try:
            return Classes(names, {class_name(says): index[str(name)] for says, name in labels.items()}, "labels=")
        except NoClass as error:
            raise ValueError("labels=: {}. {}.".format(*error.args)) from error
    counted = {} if any(map(_is_number, names)) else {str(place): place for place in range(len(names))}
    return Classes(names, index | counted, "labels=")


def _sorted_classes(table: Table) -> tuple[str, ...]:
    found = written(table)
    first = {_is_number(name): row for row, name in reversed(list(enumerate(found, start=1)))}
    if len(first) == 2:
        word, number = first[False], first[True]
        problem = f"the label {found[word - 1]!r} is a word, but row {number:,} has the number {found[number - 1]!r}"
        raise table.bad(problem, "Write all labels as words or all as numbers", word, "label")
    if set(map(str.lower, found)) == BOOLEAN:
        found = list(map(str.lower, found))
    names = tuple(sorted(set(found), key=int if True in first else str))
    if len(names) < 2:
        raise table.bad(f"every row has the label {names[0]!r}", "A classifier needs two classes", column="label")
    return names


def written(table: Table) -> list[str]:
    """What the labels of a table say, row by row."""
    if "label" not in table.columns:
        raise missing(table, "label")
    given, names, spelled = table.classes.get("label"), [], {}
    for row, value in enumerate(table.columns["label"], start=1):
        if given is not None and value is not None and 0 <= value < len(given):
            names.append(given[value])
            continue
        try:
            name = class_name(value)
        except NoClass as error:
            raise table.bad(*error.args, row, "label") from error
        spelling = value.strip().split(".")[0] if isinstance(value, str) and _is_number(name) else name
        first, other = spelled.setdefault(name, (row, spelling))
        if other != spelling:
            problem = f"the label {value!r} is the same number as {other!r} in row {first:,}"
            raise table.bad(problem, "Write it in one way, or write a name as a word", row, "label")
        names.append(name)
    return names


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal()


def other_kind(columns) -> tuple[str, str] | None:
    """The problem and the fix, when columns of these names are those of another kind of data."""
    for needed, (kind, fix) in OTHERS.items():
        if set(needed) <= set(columns):
            return f"the columns {', '.join(needed)} are those of {kind}, not of texts and classes", fix
    return None


def missing(table: Table, column: str) -> BadFile:
    """The error of a table without this column: it calls the column otherwise, or is data of another kind."""
    names, other = table.columns, [name for name in table.columns if name not in ("text", "text_b", "label")]
    if problem := other_kind(names):
        return table.bad(*problem)
    for name in (name for name in LABELS if name in names):
        for row, value in enumerate(names[name], start=1):
            try:
                class_name(value)
            except NoClass as error:
                if "regression" in error.args[0] or "multi-label" in error.args[0]:
                    return table.bad(*error.args, row, name)
    if column == "label" and len([name for name in other if set(map(str, names[name])) == {"0", "1"}]) > 1:
        several = [name for name in other if set(map(str, names[name])) <= {"0", "1"}]
        fix = (
            f"Pass kind=\"multi-label\" and columns={{'label': {several}}}, or name one of them: columns={{'label': …}}"
        )
        return table.bad("several columns of 0 and 1 are multi-label classification", fix)
    found = ", ".join(names)
    if len(names) == 1 and any(mark in found for mark in ";\t|"):
        problem = f"the column is missing; there are: {found} (are the cells separated by something else than commas?)"
        return table.bad(problem, "Save the file with commas", column=column)
    what = {"text": "the text", "text_b": "the second text", "label": "the class"}[column]
    size = (lambda name: -len(set(map(str, names[name])))) if column == "label" else lambda name: len(str(names[name]))
    guess = {column: max(other, key=size, default="…")}  # the column of fewest values, or of most characters
    if column == "text":
        guess = next((dict(zip(("text", "text_b"), pair)) for pair in PAIRS if {*pair} <= {*names}), guess)
    fix = f"Rename the column that holds {what}, or say which one it is: columns={guess}"
    fix += {"text_b": "; or leave it out everywhere", "label": "; unlabelled text goes into transfer=…"}.get(column, "")
    return table.bad(f"the column is missing; there are: {found}", fix, column=column)

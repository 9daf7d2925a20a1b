"""Columns that hold several things in a row: the labels of a text, the endings of a beginning."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kdviz.data.files import Table, unreadable
from kdviz.data.labels import CONTAINERS, Classes, NoClass, class_name, classes_of, missing

ENDING = re.compile(r"ending_?(\d+)")  # a column for each ending
MARKS = {"0": False, "false": False, "1": True, "true": True}
NONE_APPLIES = (
    'Write labels, as in ["a", "b"] or "a|b", and [] or nothing where none applies; rows without go into transfer=…'
)


def sets_of(table: Table, column, labels, classes: Classes | None) -> tuple[Classes, list[list[float]]]:
    """The classes of a task of several labels, and for each row a 0 or a 1 for each of them.

    column  : what holds the labels: a column of lists (or of cells "a|b"), or several columns of 0 and 1; None: the
              column "label" or "labels"
    labels  : as in `classes_of`   classes : those of train, None where this is train
    Raises BadFile by row and column.
    """
    if isinstance(column, str) or column is None:
        column = column or next((name for name in ("label", "labels") if name in table.columns), "label")
        names, given = _listed(table, column), table.classes.get(column)
    else:
        names, given = _marked(table, column), tuple(column)
    if classes is None:
        flat = [name for row in names for name in row]
        classes = classes_of(Table(table.name, {"label": flat}), labels or given)
    made = []
    for number, row in enumerate(names, start=1):
        places = [classes.place(name, table, number) for name in row]
        if len(set(places)) < len(places):
            raise table.bad(f"{'|'.join(row)!r:.60} says a label twice", "Say each label once", number, "label")
        made.append([float(place in places) for place in range(len(classes.names))])
    return classes, made


def _listed(table: Table, column: str) -> list[list[str]]:
    if column not in table.columns:
        raise missing(table, "label")
    given, found = table.classes.get(column), []
    for row, value in enumerate(table.columns[column], start=1):
        if value is None or (isinstance(value, float) and value != value):
            raise table.bad("the labels are missing", NONE_APPLIES, row, column)
        items = list(value) if isinstance(value, CONTAINERS) else [value]
        if isinstance(value, str):
            items = value.split("|") if value.strip() else []
        try:
            found.append([class_name(item if given is None else given[item]) for item in items])
        except NoClass as error:
            raise table.bad(error.args[0], NONE_APPLIES, row, column) from error
    return found


def _marked(table: Table, columns: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in range(len(table))]
    for name in columns:
        for row, value in enumerate(table.called({"label": name}).columns["label"], start=1):
            try:
                applies = MARKS[class_name(value)]
            except (NoClass, KeyError) as error:
                raise table.bad(
                    f"{value!r:.40} is neither 0 nor 1", "Write 1 where the label applies", row, name
                ) from error
            if applies:
                found[row - 1].append(name)
    return found


def endings_of(table: Table, column, count: int | None) -> list[list[str]]:
    """The endings of each row, equally many everywhere.

    column : what holds them: a column of lists, or a column for each; None: "endings", or ending_0, ending_1, …
    count  : how many train has, None where this is train
    Raises BadFile by row and column.
    """
    if column is None and "endings" not in table.columns:
        numbered = {int(found[1]): name for name in table.columns if (found := ENDING.fullmatch(name))}
        column = [numbered[number] for number in sorted(numbered)]
    names = [column or "endings"] if isinstance(column, str | None) or not column else list(column)
    for name in names:
        if name not in table.columns:
            found = ", ".join(table.columns)
            fix = 'Say which hold the endings: columns={"endings": ["first", "second", …]}, or name a column of lists'
            raise table.bad(f"the column is missing; there are: {found}", fix, column=name)
    rows = table.columns[names[0]] if len(names) == 1 else list(zip(*(table.columns[name] for name in names)))
    made = []
    for row, endings in enumerate(rows, start=1):
        if not isinstance(endings, CONTAINERS) or len(endings) < 2:
            raise table.bad(f"{endings!r:.40} are no endings", "Write a list of two texts or more", row, names[0])
        count = len(endings) if count is None else count
        if len(endings) != count:
            fix = "Give every row equally many"
            raise table.bad(f"{len(endings)} endings, but other rows have {count}", fix, row, names[0])
        for place, ending in enumerate(endings):
            name = names[place] if len(names) > 1 else names[0]
            if not isinstance(ending, str) or not ending.strip():
                raise table.bad(
                    f"ending {place} is {ending!r:.40}, no text", "Write the ending, or delete the row", row, name
                )
            if problem := unreadable(ending):
                raise table.bad(*problem, row, name)
        made.append(list(endings))
    return made


def chosen_of(table: Table, count: int) -> list[int]:
    """Which ending is right, counted from 0, in each row. Raises BadFile for what is none of them."""
    if "label" not in table.columns:
        raise missing(table, "label")
    made = []
    for row, value in enumerate(table.columns["label"], start=1):
        try:
            name = class_name(value)
        except NoClass as error:
            raise table.bad(
                error.args[0], f"Write the number of the right ending, 0 to {count - 1}", row, "label"
            ) from error
        if not name.isdecimal() or int(name) >= count:
            fix = f"Write 0 to {count - 1}"
            raise table.bad(f"the label {value!r:.40} is none of {count} endings, counted from 0", fix, row, "label")
        made.append(int(name))
    return made

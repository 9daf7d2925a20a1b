"""Questions, their contexts and the answers in them, from SQuAD's columns or from simple ones."""

from __future__ import annotations

from collections.abc import Mapping

import datasets
import numpy as np

from kdviz.data.files import Table, unreadable
from kdviz.losses.logits import UNLABELLED

COLUMNS = ("question", "context", "answers", "answer", "answer_start")
SHAPE = 'Write {"text": ["…"], "answer_start": [0]} as SQuAD does, with empty lists for no answer; or a column answer'
FEATURES = datasets.Features(
    {
        "text": datasets.Value("string"),
        "text_b": datasets.Value("string"),
        "answers": datasets.List(datasets.Value("string")),
        "label": datasets.List(datasets.Value("int64")),
    }
)


def asked_of(table: Table, columns: Mapping[str, str], labelled: bool = True) -> tuple[datasets.Dataset, list[str]]:
    """A split of a task of question answering, and notes.

    The columns of the split: text (the question), text_b (the context), answers (all that count as right) and label
    (the characters, start and end, of the first; (0, 0) without an answer, -100 where `labelled` is false).

    columns : what the table calls `COLUMNS`: question, context, and answers as SQuAD has them, or answer (nothing for
              none) with or without answer_start
    Raises BadFile by row and column for what is no text, and for an answer that is not where it is said to be.
    """
    table = table.called({**columns})
    for column in COLUMNS[:2]:
        if column not in table.columns:
            found, fix = ", ".join(table.columns), f"Rename the one that is meant, or say so: columns={{{column!r}: …}}"
            raise table.bad(f"the column is missing; there are: {found}", fix, column=column)
    made = {"text": table.texts("question"), "text_b": table.texts("context")}
    if not labelled:
        empty = {"answers": [[]] * len(table), "label": [[UNLABELLED] * 2] * len(table)}
        return datasets.Dataset.from_dict(made | empty, features=FEATURES), []
    name = next((name for name in COLUMNS[2:4] if name in table.columns), None)
    if name is None:
        fix = 'Add "answers" or "answer"; questions without any go into transfer=…'
        raise table.bad(f"the column is missing; there are: {', '.join(table.columns)}", fix, column="answers")
    starts = table.columns.get("answer_start", [None] * len(table))
    pairs = [
        _listed(table, row, value) if name == "answers" else _single(table, row, value, start)
        for row, (value, start) in enumerate(zip(table.columns[name], starts), start=1)
    ]
    found = []
    for row, (context, some) in enumerate(zip(made["text_b"], pairs), start=1):
        found.append([(_start(table, row, name, context, text, start), text) for text, start in some])
    spans = [(some[0][0], some[0][0] + len(some[0][1])) if some else (0, 0) for some in found]
    made |= {"answers": [list(dict.fromkeys(text for _, text in some)) for some in found], "label": spans}
    cut = sum(_in_word(context, *span) for context, span in zip(made["text_b"], spans))
    note = f"{cut:,} of {len(table):,} answers begin or end within a word: what is learnt is the tokens that cover them"
    return datasets.Dataset.from_dict(made, features=FEATURES), [f"{table.name}: {note}"] * (cut > 0)


def _listed(table: Table, row: int, value) -> list[tuple]:
    """(text, start) of each answer, as SQuAD's data sets (two lists) and its files (a list of objects) have it."""
    if isinstance(value, list | np.ndarray) and all(isinstance(one, dict) for one in value):
        keys = [(one.get("text"), one.get("answer_start")) for one in value]
    elif isinstance(value, dict) and {"text", "answer_start"} <= value.keys():
        texts, starts = list(value["text"]), list(value["answer_start"])
        if len(texts) != len(starts):
            raise table.bad(f"{len(texts)} texts, but {len(starts)} starts", SHAPE, row, "answers")
        keys = list(zip(texts, starts))
    else:
        raise table.bad(f"{value!r:.40} are no answers", SHAPE, row, "answers")
    for text, start in keys:
        if not isinstance(text, str) or not text.strip() or start is None:
            raise table.bad(f"the answer {text!r:.40} with the start {start!r} is none", SHAPE, row, "answers")
    return keys


def _single(table: Table, row: int, value, start) -> list[tuple]:
    if value is None or (isinstance(value, str) and not value.strip()):
        return []
    if not isinstance(value, str):
        raise table.bad(f"{value!r:.40} is not text", "Write the answer, or nothing for none", row, "answer")
    if problem := unreadable(value):
        raise table.bad(*problem, row, "answer")
    return [(value, None if start is None or str(start).strip() == "" else start)]


def _start(table: Table, row: int, name: str, context: str, text: str, start) -> int:
    """Where the answer begins, in characters; counted where nothing is said."""
    if start is None:
        count = context.count(text)
        if not count:
            problem = f"the context does not hold the answer {text!r:.60}"
            raise table.bad(problem, "Copy it from the context letter by letter", row, name)
        if context.find(text) != context.rfind(text):
            fix = "Say where it begins in a column answer_start, in characters from 0"
            raise table.bad(f"the answer {text!r:.60} occurs more than once in the context", fix, row, name)
        return context.find(text)
    column = name if name == "answers" else "answer_start"
    try:
        place = float(start)
        if isinstance(start, bool) or place != int(place):
            raise ValueError(start)
    except (TypeError, ValueError, OverflowError) as error:
        raise table.bad(f"{start!r:.40} is no whole number", "Count characters from 0", row, column) from error
    place = int(place)
    if not 0 <= place <= len(context) - len(text):
        problem = f"the answer {text!r:.60} would begin at {place}, the context has {len(context)} characters"
        raise table.bad(problem, "Count characters from 0", row, column)
    if (there := context[place : place + len(text)]) != text:
        nearest = context.find(text)
        fix = f"It begins at {nearest}" if nearest >= 0 else "The context does not hold it: correct one of the two"
        raise table.bad(f"at {place} the context has {there!r:.60}, not the answer {text!r:.60}", fix, row, column)
    return place


def _in_word(context: str, start: int, end: int) -> bool:
    edges = [context[place - 1 : place + 1] for place in (start, end) if 0 < place < len(context)]
    return end > 0 and any(edge.isalnum() for edge in edges)

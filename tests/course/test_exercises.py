"""Exercises of the lessons: the stub is empty, the solution passes, typical wrong answers are recognised.

Nothing but a lesson's imports, its stub, its check and its solution is executed, so this is quick; the lessons as a
whole are run by test_lessons.py.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from kdviz.course import check
from kdviz.course.classroom import flavours
from tests.course.test_check import mistakes

LESSONS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
NOTEBOOKS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in LESSONS}
EXERCISES = [(lesson, *cells) for lesson, notebook in NOTEBOOKS.items() for cells in flavours.exercise_cells(notebook)]
by_exercise = pytest.mark.parametrize(
    ("lesson", "name", "stub", "check_cell", "solution"), EXERCISES, ids=[f"{e[0]}-{e[1]}" for e in EXERCISES]
)


def run(lesson: str, *cells: dict) -> tuple[str, dict]:
    """Execute a lesson's imports and then `cells`, in one namespace; returns what they printed, and the namespace."""
    imports = [c for c in NOTEBOOKS[lesson]["cells"] if "imports" in c["metadata"].get("tags", [])]
    assert len(imports) == 1, f"{lesson} needs one cell tagged `imports`"
    namespace, printed = {"__name__": "lesson"}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for cell in imports + list(cells):
            exec(compile("".join(cell["source"]), f"{lesson}.ipynb", "exec"), namespace)
    return printed.getvalue(), namespace


def test_every_lesson_has_two_to_four_exercises():
    assert NOTEBOOKS, "no lessons found"
    for lesson in NOTEBOOKS:
        count = sum(e[0] == lesson for e in EXERCISES)
        assert 2 <= count <= 4, f"{lesson} has {count} exercises"


def test_no_exercise_is_told_twice():
    names = [name for _, name, *_ in EXERCISES]
    assert len(names) == len(set(names))


@by_exercise
def test_the_stub_is_not_attempted_yet(lesson, name, stub, check_cell, solution):
    printed, _ = run(lesson, stub, check_cell)
    assert printed.strip().startswith(f"{name} ○ not attempted yet")


@by_exercise
def test_the_solution_passes_in_the_stubs_place(lesson, name, stub, check_cell, solution):
    printed, _ = run(lesson, solution, check_cell)
    assert printed.strip() == f"{name} ✓ right: {check.exercises()[name].praise}"


@by_exercise
def test_typical_wrong_answers_are_recognised(lesson, name, stub, check_cell, solution):
    """Through the lesson's own check cell: the first mistakes, each with its own diagnosis."""
    _, namespace = run(lesson, solution)
    function = "".join(check_cell["source"]).rsplit(",", 1)[1].strip(" )\n")
    assert function in namespace, f"check of {name} tests {function!r}, which the solution does not define"
    for message, wrong in list(mistakes(check.exercises()[name]).items())[:2]:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec("".join(check_cell["source"]), namespace | {function: wrong[0]})
        assert printed.getvalue().strip() == f"{name} ✗ not yet: {message}"


@by_exercise
def test_stub_and_solution_take_the_same_arguments(lesson, name, stub, check_cell, solution):
    first = [
        next(line for line in "".join(c["source"]).splitlines() if line.startswith("def ")) for c in (stub, solution)
    ]
    assert first[0] == first[1]
    assert solution["metadata"].get("jupyter", {}).get("source_hidden") is True


def test_links_between_lessons_lead_somewhere():
    for lesson, notebook in NOTEBOOKS.items():
        text = "\n".join("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")
        linked = set(re.findall(r"\]\((\w+)\.ipynb\)", text))
        assert linked and linked <= set(NOTEBOOKS), f"{lesson} links to {linked - set(NOTEBOOKS)}"
        assert f"notebooks/{lesson}.ipynb" in text, f"{lesson}'s Binder link opens another lesson"


def test_an_exercise_out_of_order_is_named():
    notebook = {
        "cells": [{"cell_type": "code", "source": "", "metadata": {"tags": ["exercise"], "kdviz": {"exercise": "x"}}}]
    }
    with pytest.raises(ValueError, match="exercise 'x' in cell 0"):
        list(flavours.exercise_cells(notebook))

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

from docs.lessons import versions
from kdviz.cli import main
from kdviz.course import check
from tests.course.test_check import mistakes

LESSONS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
NOTEBOOKS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in LESSONS}
EXERCISES = [(lesson, *cells) for lesson, notebook in NOTEBOOKS.items() for cells in versions.exercise_cells(notebook)]
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


@pytest.mark.parametrize("lesson", NOTEBOOKS)
def test_the_student_version_has_no_solution(lesson):
    cells = versions.student(NOTEBOOKS[lesson])["cells"]
    assert not any("solution" in cell["metadata"].get("tags", []) for cell in cells)
    text = "\n".join("".join(cell["source"]) for cell in cells)
    for _, _, stub, check_cell, solution in (e for e in EXERCISES if e[0] == lesson):
        assert "".join(stub["source"]) in text and "".join(check_cell["source"]) in text
        assert "".join(solution["source"]) not in text


@pytest.mark.parametrize("lesson", NOTEBOOKS)
def test_the_nbgrader_version_grades_every_exercise(lesson):
    """The marked solution still passes, nbgrader's cut leaves a failing assert, and grade ids are unique."""
    made = versions.nbgrader(NOTEBOOKS[lesson])
    graded = [c for c in made["cells"] if "nbgrader" in c["metadata"]]
    names = [e[1] for e in EXERCISES if e[0] == lesson]
    ids = [c["metadata"]["nbgrader"]["grade_id"] for c in graded]
    assert ids == [i for name in names for i in (name, f"{name}-check")]
    for stub, check_cell in zip(graded[::2], graded[1::2]):
        printed, _ = run(lesson, stub, check_cell)
        assert "✓ right" in printed
        lines, keep, inside = stub["source"].splitlines(), [], False
        for line in lines:
            inside = inside or "### BEGIN SOLUTION" in line
            keep += [] if inside else [line]
            inside = inside and "### END SOLUTION" not in line
        cut = {**stub, "source": "\n".join([*keep, "    return None"])}
        with pytest.raises(AssertionError):
            run(lesson, cut, check_cell)


def test_versions_are_written_whole_and_never_over_the_lessons(tmp_path):
    written = versions.write("student", LESSONS[0].parent, tmp_path / "out")
    assert [path.name for path in written] == [path.name for path in LESSONS]
    assert not list((tmp_path / "out").glob(".*"))
    with pytest.raises(ValueError, match="holds the lessons themselves"):
        versions.write("student", LESSONS[0].parent, LESSONS[0].parent)
    with pytest.raises(ValueError, match="choose one of student, nbgrader, solved"):
        versions.write("teacher", LESSONS[0].parent, tmp_path)


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
        list(versions.exercise_cells(notebook))


def test_the_command_writes_the_student_version(tmp_path, capsys):
    assert main(["run", "student-notebooks", "--out", str(tmp_path / "class")]) == 0
    assert sorted(path.name for path in (tmp_path / "class").iterdir()) == [path.name for path in LESSONS]
    assert "student version" in capsys.readouterr().out
    assert main(["run", "student-notebooks", "--out", str(LESSONS[0].parent)]) == 1
    assert "holds the lessons themselves" in capsys.readouterr().err

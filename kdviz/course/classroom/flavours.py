"""Versions of a lesson made from the stored one: for students, for nbgrader, for the instructor, for a projector.

A stored lesson runs from top to bottom and holds everything. An exercise is three cells in a row: the stub (tag
``exercise``, metadata ``{"kdviz": {"exercise": name}}``), its check, and the solution (tag ``solution``). The other
versions follow from that and are never kept by hand. Notebooks are plain JSON dictionaries here; nothing is executed.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator

from kdviz.course import check
from kdviz.course.classroom.grading import points_of

FOLDED = re.compile(r"\s*The solution is folded away[^.]*\.")
ANSWER = re.compile(r"\n?<details>\s*<summary>Answer</summary>(.*?)</details>", re.DOTALL)
CHOICE = re.compile(r"<details><summary>([A-C] · .*?)</summary>(.*?)</details>")  # of a question of the quiz
BINDER = re.compile(r"\n*\*\*▶ \[Open this lesson on Binder\]\(\S+\)\*\*")
LINK = re.compile(
    r"\[([^]]+)\]\((?:(\w+)\.ipynb|\.\./[^)]+)\)"
)  # to a lesson, or to what lies beside the lessons' folder
QUESTION = re.compile(r"(?m)^(?=\*\*\d+\.\*\*)")
HIDDEN = """### BEGIN HIDDEN TESTS
# the autograder of this course does not run this line: it grades the cell above in a process of its own
from kdviz.course.classroom.grading import points
points("{name}", {function})
### END HIDDEN TESTS"""


def exercise_cells(notebook: dict) -> Iterator[tuple[str, dict, dict, dict]]:
    """(name, stub, check, solution) of every exercise, in reading order. ValueError when a cell is out of place."""
    cells = notebook["cells"]
    for index, cell in enumerate(cells):
        if "exercise" not in tags(cell):
            continue
        name = cell["metadata"].get("kdviz", {}).get("exercise")
        asked, solution = (cells[index + 1 : index + 3] + [{}, {}])[:2]
        if not name or f'kd.check.run("{name}"' not in source(asked) or "solution" not in tags(solution):
            raise ValueError(f"exercise {name!r} in cell {index}: a stub is followed by its check, then its solution")
        yield name, cell, asked, solution


def student(notebook: dict, lessons: list[str] | None = None) -> dict:
    """The lesson without solutions, what the quiz says of each choice, and outputs.

    Answers to *What to notice* stay, folded: they say what to see in the student's own run, and earn no points.
    lessons : the names of those handed out; a link to another, or to docs/, becomes plain words; None keeps all
    """
    return unsolved(_blank(notebook), lessons)


def unsolved(notebook: dict, lessons: list[str] | None = None) -> dict:
    """`student` with the outputs that there are."""
    notebook = copy.deepcopy(notebook)
    notebook["cells"] = [cell for cell in notebook["cells"] if "solution" not in tags(cell)]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = BINDER.sub("", FOLDED.sub("", source(cell)))  # Binder opens the stored lesson, with its solutions
            cell["source"] = CHOICE.sub(r"- \1", text).strip("\n")
    notebook["cells"] = [cell for cell in notebook["cells"] if source(cell).strip()]
    return _linked(notebook, lessons)


def solved(notebook: dict) -> dict:
    """Every solution in its stub's place, so that every check should pass."""
    notebook = _blank(notebook)
    for _, stub, _, solution in exercise_cells(notebook):
        stub["source"] = solution["source"]
    return student(notebook)


def instructor(notebook: dict, lessons: list[str] | None = None) -> dict:
    """The lesson with solutions and answers, and a note before each exercise: points, and what students get wrong."""
    notebook = _blank(notebook)
    names = {id(stub): name for name, stub, _, _ in exercise_cells(notebook)}
    cells = []
    for cell in notebook["cells"]:
        if name := names.get(id(cell)):
            cells.append(_markdown(f"note-{name}", _note(name)))
        cells.append(cell)
    return _linked(notebook | {"cells": cells}, lessons)


def nbgrader(notebook: dict, lessons: list[str] | None = None) -> dict:
    """The source for ``nbgrader generate_assignment``: solutions between marks, hidden tests, questions of the quiz.

    Exercises give points part by part (grading.py); a question of the quiz gives one, by hand.
    """
    notebook, quiz = _blank(notebook), None
    for cell in notebook["cells"]:
        if "imports" in tags(cell):
            cell["metadata"]["nbgrader"] = _cell("imports", locked=True)
        quiz = cell if is_quiz(cell) else quiz
    for name, stub, asked, solution in exercise_cells(notebook):
        head, dots, tail = source(stub).rpartition("    ...")
        body = "\n".join(["    ### BEGIN SOLUTION", *_body(source(solution)), "    ### END SOLUTION"])
        if not dots:
            raise ValueError(f"exercise {name!r}: the stub has no line `    ...` for the solution to stand in")
        stub["source"] = head + body + tail
        stub["metadata"]["nbgrader"] = _cell(name, solution=True)
        call = source(asked).strip().splitlines()[-1]
        asked["source"] = f"{call}\n{HIDDEN.format(name=name, function=checked_function(call))}"
        points = sum(points_of(name).values())
        asked["metadata"]["nbgrader"] = _cell(f"{name}-check", grade=True, locked=True, points=points)
    questions = _questions(quiz) if quiz else []
    made = student(notebook, lessons)
    if questions:
        place = next(i for i, cell in enumerate(made["cells"]) if is_quiz(cell))
        made["cells"][place : place + 1] = questions
    return made


FLAVOURS = {"students": student, "nbgrader": nbgrader, "instructor": instructor}


def checked_function(call: str) -> str:
    """The function that a check cell hands over: ``kd.check.run("wr-mask", wr_mask)`` -> wr_mask."""
    for node in ast.walk(ast.parse(call)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "kd.check.run" and len(node.args) == 2:
            return ast.unparse(node.args[1])
    raise ValueError(f"{call!r} is no check of an exercise: kd.check.run(name, function)")


def is_quiz(cell: dict) -> bool:
    """Whether a cell holds the quiz of a lesson."""
    return cell["cell_type"] == "markdown" and re.match(r"## \d+ · Quiz\b", source(cell)) is not None


def tags(cell: dict) -> list[str]:
    """The tags of a cell."""
    return cell.get("metadata", {}).get("tags", [])


def source(cell: dict) -> str:
    """The text of a cell: a string, or a list of lines, nbformat allows both."""
    return "".join(cell.get("source", ""))


def _blank(notebook: dict) -> dict:
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return notebook


def _linked(notebook: dict, lessons: list[str] | None) -> dict:
    """The notebook with words in place of links to what is not handed out; None keeps all links."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown" and lessons is not None:
            cell["source"] = LINK.sub(lambda found: found[0] if found[2] in lessons else found[1], source(cell))
    return notebook


def _body(text: str) -> list[str]:
    """The lines of the (last) function in `text`, without its first line and docstring."""
    function = next(node for node in reversed(ast.parse(text).body) if isinstance(node, ast.FunctionDef))
    first = function.body[1 if ast.get_docstring(function) else 0]
    return text.splitlines()[first.lineno - 1 : function.end_lineno]


def _note(name: str) -> str:
    """What an instructor wants to know of an exercise, as Markdown."""
    exercise = check.exercises()[name]
    parts = ", ".join(f"{part} {points}" for part, points in points_of(name).items())
    _, slips = exercise.answers(*exercise.cases([0])[0])
    lines = [f"> **For the instructor: `{name}`** · points: {parts}", ">", "> The check knows these mistakes:", ">"]
    return "\n".join([*lines, *(f"> - {message}" for message in slips)])


def _questions(quiz: dict) -> list[dict]:
    """The quiz as cells: each question, and a cell for its answer that is graded by hand."""
    heading, *questions = QUESTION.split(source(quiz))
    cells = [_markdown("quiz", heading.strip())]
    for number, question in enumerate(questions, 1):
        asked = CHOICE.sub(r"- \1", question).strip() + "\n\nWhich one, and why?"
        answer = "\n\n".join(f"{choice} {why}" for choice, why in CHOICE.findall(question))
        text = f"### BEGIN SOLUTION\n{answer}\n### END SOLUTION"
        settings = _cell(f"quiz-{number}", "markdown", grade=True, solution=True, points=1)
        cells += [_markdown(f"question-{number}", asked), _markdown(f"answer-{number}", text, nbgrader=settings)]
    return cells


def _markdown(cell_id: str, text: str, **metadata) -> dict:
    return {"cell_type": "markdown", "id": cell_id, "metadata": metadata, "source": text}


def _cell(grade_id: str, kind: str = "code", **settings) -> dict:
    """What nbgrader asks of a cell: `solution`, `grade` and `locked` say what it is; only a graded one has `points`."""
    known = {"schema_version": 3, "grade_id": grade_id, "task": False, "cell_type": kind}
    return known | {"solution": False, "grade": False, "locked": False} | settings

"""kdviz run student-notebooks: versions of a lesson made from the stored one, for students, nbgrader, and tests.

A stored lesson is the instructor's. An exercise is three cells in a row: the stub (tag ``exercise``, metadata
``{"kdviz": {"exercise": name}}``), its check, and the solution (tag ``solution``). The other versions follow from
that and are never kept by hand. Notebooks are plain JSON dictionaries here; nothing is executed.
"""

from __future__ import annotations

import ast
import copy
import json
from collections.abc import Iterator
from pathlib import Path

from kdviz.disk import make_folder, write_whole
from kdviz.paths import clone

POINTS = 1  # nbgrader points of one exercise


def exercise_cells(notebook: dict) -> Iterator[tuple[str, dict, dict, dict]]:
    """(name, stub, check, solution) of every exercise, in reading order. ValueError when a cell is out of place."""
    cells = notebook["cells"]
    for index, cell in enumerate(cells):
        if "exercise" not in _tags(cell):
            continue
        name = cell["metadata"].get("kdviz", {}).get("exercise")
        check, solution = (cells[index + 1 : index + 3] + [{}, {}])[:2]
        if not name or f'kd.check.run("{name}"' not in _source(check) or "solution" not in _tags(solution):
            raise ValueError(f"exercise {name!r} in cell {index}: a stub is followed by its check, then its solution")
        yield name, cell, check, solution


def student(notebook: dict) -> dict:
    """The lesson without solutions and outputs."""
    notebook = _blank(notebook)
    notebook["cells"] = [cell for cell in notebook["cells"] if "solution" not in _tags(cell)]
    return notebook


def solved(notebook: dict) -> dict:
    """Every solution in its stub's place, so that every check should pass."""
    notebook = _blank(notebook)
    for _, stub, _, solution in exercise_cells(notebook):
        stub["source"] = solution["source"]
    return student(notebook)


def nbgrader(notebook: dict) -> dict:
    """The source for ``nbgrader generate_assignment``: solutions between marks, checks that give points."""
    notebook = _blank(notebook)
    for name, stub, check, solution in exercise_cells(notebook):
        head, dots, tail = _source(stub).rpartition("    ...")
        body = "\n".join(["    ### BEGIN SOLUTION", *_body(_source(solution)), "    ### END SOLUTION"])
        if not dots:
            raise ValueError(f"exercise {name!r}: the stub has no line `    ...` for the solution to stand in")
        stub["source"] = head + body + tail
        stub["metadata"]["nbgrader"] = _grading(name)
        call = _source(check).strip().splitlines()[-1]
        check["source"] = f"{call}\nassert {call.replace('.run(', '.diagnose(')}.passed"
        check["metadata"]["nbgrader"] = _grading(f"{name}-check", POINTS)
    return student(notebook)


FLAVOURS = {"student": student, "nbgrader": nbgrader, "solved": solved}


def write(flavour: str, lessons: Path, target: Path) -> list[Path]:
    """Write that version of every notebook in folder `lessons` into folder `target`; returns the new paths."""
    if flavour not in FLAVOURS:
        raise ValueError(f"no version {flavour!r} of a lesson: choose one of {', '.join(FLAVOURS)}")
    make_folder(target)
    if target.resolve() == lessons.resolve():
        raise ValueError(f"{target} holds the lessons themselves: choose another folder")
    written = []
    for path in sorted(lessons.glob("*.ipynb")):
        made = FLAVOURS[flavour](json.loads(path.read_text(encoding="utf-8")))
        written.append(target / path.name)
        write_whole(written[-1], (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode())
    return written


def add_arguments(parser) -> None:
    parser.add_argument(
        "--flavour",
        choices=sorted(FLAVOURS),
        default="student",
        help="student: without solutions; nbgrader: source for nbgrader generate_assignment; "
        "solved: every solution in its stub's place (default: student)",
    )
    parser.add_argument("--out", type=Path, help="folder to write into (default: build/<flavour>)")


def run(args) -> int:
    root = clone()
    out = args.out or root / "build" / args.flavour
    written = write(args.flavour, root / "notebooks", out)
    print(f"{len(written)} lessons, {args.flavour} version, in {out}")
    return 0


def _tags(cell: dict) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def _source(cell: dict) -> str:
    return "".join(cell.get("source", ""))  # a string, or a list of lines: nbformat allows both


def _blank(notebook: dict) -> dict:
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return notebook


def _body(source: str) -> list[str]:
    """The lines of the (last) function in `source`, without its first line and docstring."""
    function = next(node for node in reversed(ast.parse(source).body) if isinstance(node, ast.FunctionDef))
    first = function.body[1 if ast.get_docstring(function) else 0]
    return source.splitlines()[first.lineno - 1 : function.end_lineno]


def _grading(grade_id: str, points: int | None = None) -> dict:
    """What nbgrader asks of a cell: that of a solution, or that of a check, which gives points."""
    graded = points is not None
    settings = {"schema_version": 3, "grade_id": grade_id, "task": False, "cell_type": "code"}
    settings |= {"solution": not graded, "grade": graded, "locked": graded}
    return settings | {"points": points} if graded else settings

"""The table of lessons in docs/instructor.md, as the notebooks say; ``python -m docs.lessons.overview`` writes it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from kdviz.course.classroom.flavours import exercise_cells, source
from kdviz.course.classroom.grading import points_of
from kdviz.disk import write_whole
from kdviz.paths import clone

BEGIN, END = "<!-- made: lessons -->\n", "<!-- end -->"


def row(path: Path) -> str:
    """Number, title, promise, minutes of the student, exercises with their points."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    text = "\n".join(source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    title, promise = re.search(r"^# \d+ · (.+)\n+\*(.+)\*$", text, re.MULTILINE).groups()
    minutes = re.search(r"\*\*Time\*\* (\d+) minutes", text)[1]
    names = [name for name, *_ in exercise_cells(notebook)]
    exercises = ", ".join(f"`{name}` {sum(points_of(name).values())}" for name in names)
    return f"| {path.stem[:2]} | {title} | {promise} | {minutes} | {exercises} |"


def written(text: str) -> str:
    """The guide with its table as the notebooks have it."""
    head, _, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    rows = [row(path) for path in sorted((clone() / "notebooks").glob("*.ipynb"))]
    lines = ["| # | lesson | its promise | minutes | exercises, points |", "| --- | --- | --- | ---: | --- |", *rows]
    return head + BEGIN + "\n".join(lines) + "\n" + end + tail


if __name__ == "__main__":
    guide = clone() / "docs" / "instructor.md"
    write_whole(guide, written(guide.read_text(encoding="utf-8")).encode())

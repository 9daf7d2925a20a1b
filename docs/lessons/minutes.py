"""python -m docs.lessons.minutes: honest minutes of a lesson, section by section; --write puts them into its header.

200 words or 4 lines of code take a minute, an exercise what it says of itself. Imports, parameters, checks, solutions,
formulas, addresses, titles and the list of references cost nothing; answers that are folded away are read. What a quiz
says of a wrong choice is not counted: only who takes it reads it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import nbformat

from kdviz.disk import write_whole
from kdviz.paths import clone, pick

WORDS, LINES = 200, 4  # a minute
LIMIT = 45  # minutes of a sitting: what is read and run, or the exercises
BREAK = "**A good place for a break.**"  # where a lesson of two ideas is left and taken up again
WRONG = r"(?<=</summary>)Not so\..*"
SILENT = re.compile(
    WRONG + r"|\$\$[^$]*\$\$|\$[^$]*\$|\]\([^)]*\)|<[^>]+>|^#+ .*|^(import|from \S+ import|kd\.check\.run).*", re.M
)
EXERCISE = re.compile(r"^\*\*Exercise \d+\*\* \((\d+) min\)", re.M)
HEADER = re.compile(r"(?<=\*\*Time\*\* )[^·]*(?= · )")


def of_cell(cell, text: str) -> float:
    """Minutes that a text of a cell, or its code, takes a reader."""
    spoken = SILENT.sub(" ", text)
    if cell.cell_type == "markdown":
        return len(re.findall(r"\w[\w'’-]*", spoken)) / WORDS
    if {"solution", "parameters", "exercise"} & set(cell.metadata.get("tags", [])):
        return 0.0
    return len([line for line in spoken.splitlines() if line.strip() and not line.lstrip().startswith("#")]) / LINES


def sections(notebook) -> dict[str, float]:
    """Title of a section -> minutes to read and run it; what stands before the first is called Start."""
    found, title = {}, "Start"
    for cell in notebook.cells:
        for part in re.split(r"^(?=## )", cell.source, flags=re.M) if cell.cell_type == "markdown" else [cell.source]:
            heading = re.match(r"## (.+)", part) if cell.cell_type == "markdown" else None
            title = heading[1].strip() if heading else title
            if "References" not in title:
                found[title] = found.get(title, 0.0) + of_cell(cell, part)
    return found


def minutes(notebook) -> tuple[int, int]:
    """(to read and run a lesson, for its exercises)"""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return round(sum(sections(notebook).values())), sum(map(int, EXERCISE.findall(text)))


def sittings(notebook) -> list[int]:
    """Minutes of each sitting: to read and run up to the break and after it, where there is one; the exercises."""
    cells = notebook.cells
    places = [place for place, cell in enumerate(cells) if BREAK in cell.source]
    halves = [cells[: places[0]], cells[places[0] :]] if places else [cells]
    return [*(minutes(nbformat.v4.new_notebook(cells=half))[0] for half in halves), minutes(notebook)[1]]


def header(notebook) -> str:
    """What the lesson's header should say of its time."""
    reading, exercises = minutes(notebook)
    sitting = " in two sittings" if len(sittings(notebook)) > 2 else ""
    return f"{reading} minutes to read and run{sitting}, {exercises} for the exercises"


def write(path: Path) -> None:
    """Put the counted minutes into a lesson's header."""
    text = path.read_text(encoding="utf-8")
    changed, times = HEADER.subn(header(nbformat.read(path, 4)), text, count=1)
    if not times:
        raise SystemExit(f"kdviz: {path.name} has no line **Time** … · **Machine** …")
    if changed != text:
        write_whole(path, changed.encode())


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="parts of lesson names (default: all)")
    parser.add_argument("--write", action="store_true", help="put the minutes into the headers")
    args = parser.parse_args(argv)
    lessons = {path.stem: path for path in sorted((clone() / "notebooks").glob("*.ipynb"))}
    for name in pick(list(lessons), args.names, "lesson"):
        notebook = nbformat.read(lessons[name], 4)
        print(f"{name}: {header(notebook)}")
        if args.names:
            print(*(f"{time:7.1f}  {title}" for title, time in sections(notebook).items()), sep="\n")
        if args.write:
            write(lessons[name])


if __name__ == "__main__":
    main()

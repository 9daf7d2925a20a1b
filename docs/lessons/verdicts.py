"""python -m docs.lessons.verdicts 06 09 --sets 5: would other seeds have given a lesson's verdicts?

Each set of seeds runs the lesson's cells up to its last claim, with seeds that neither the lesson nor a recorded row
has, and adds what `kd.check.claim` printed to data/results/verdicts.csv. Finished sets are not run again.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

import nbformat
import pandas as pd

from docs.lessons.execute import execute
from kdviz.disk import write_whole
from kdviz.paths import clone, pick

COLUMNS = ["lesson", "set", "claim", "difference", "verdict"]
CLAIM = re.compile(r"^Claim: (.+)\n(?:.*\n)*?  difference +(\S+ ± \S+) .*\n  Verdict: (.+)\.$", re.MULTILINE)


def fresh(seeds: list[int], number: int) -> list[int]:
    """As many seeds as the lesson has, of set 1, 2, …: 1000, 1001, … for the first."""
    return [1000 * number + k for k in range(len(seeds))]


def claims(notebook) -> list[tuple[str, str, str]]:
    """(claim, difference, verdict) of all that an executed notebook printed."""
    printed = "".join(
        output.text
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream"
    )
    return CLAIM.findall(printed)


def shortened(notebook):
    """The notebook up to its last live claim: what comes after cannot change a verdict."""
    last = max((i for i, cell in enumerate(notebook.cells) if "kd.check.claim(" in cell.source), default=-1)
    if last < 0:
        raise SystemExit("kdviz: this lesson makes no claim of its own (kd.check.claim)")
    notebook.cells = [cell for cell in notebook.cells[: last + 1] if cell.cell_type == "code"]
    return notebook


def seeds_of(notebook) -> list[int]:
    """The default of the lesson's parameter `seeds`."""
    source = next(c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    found = re.search(r"^seeds = \[([\d, ]+)\]", source, re.MULTILINE)
    if not found:
        raise SystemExit("kdviz: this lesson has no parameter seeds = [...]")
    return [int(seed) for seed in found[1].split(",")]


def judge(lesson: Path, number: int) -> list[dict]:
    """The claims of a lesson with one set of fresh seeds."""
    notebook = nbformat.read(lesson, 4)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / lesson.name, Path(folder) / f"done_{lesson.name}"
        seeds = fresh(seeds_of(notebook), number)
        nbformat.write(shortened(notebook), source)
        result = execute(source, target, {"seeds": seeds})
        if result.error:
            raise SystemExit(f"kdviz: {lesson.stem} with seeds {seeds}: {result.error}")
        found = claims(nbformat.read(target, 4))
    print(f"{lesson.stem}, set {number}: {result.seconds:.0f} s", *(f"  {c}: {d}, {v}" for c, d, v in found), sep="\n")
    return [dict(zip(COLUMNS, (lesson.stem, number, *row), strict=True)) for row in found]


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """lesson, claim -> sets with each verdict; without what never changes, for that comes from recorded rows."""
    live = rows.groupby(["lesson", "claim"]).filter(lambda group: len(group) == 1 or group.difference.nunique() > 1)
    return live.groupby(["lesson", "claim", "verdict"], sort=False).size().unstack(fill_value=0).reset_index()


def table(rows: pd.DataFrame) -> list[str]:
    """Lines of Markdown: lesson, claim, and how many sets of fresh seeds gave which verdict."""
    lines = []
    for (lesson, claim), row in summary(rows).set_index(["lesson", "claim"]).iterrows():
        told = ", ".join(f"{sets} {verdict}" for verdict, sets in row.sort_values(ascending=False).items() if sets)
        lines.append(f"| {lesson[:2]} | {claim} | {told} |")
    return lines


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", help="parts of lesson names")
    parser.add_argument("--sets", type=int, default=5, help="sets of fresh seeds for each lesson")
    args = parser.parse_args(argv)
    table = clone() / "data" / "results" / "verdicts.csv"
    rows = pd.read_csv(table) if table.exists() else pd.DataFrame(columns=COLUMNS)
    lessons = {path.stem: path for path in sorted((clone() / "notebooks").glob("*.ipynb"))}
    for number in range(1, args.sets + 1):
        for name in pick(list(lessons), args.names, "lesson"):
            if not ((rows["lesson"] == name) & (rows["set"] == number)).any():
                rows = pd.concat([rows, pd.DataFrame(judge(lessons[name], number))], ignore_index=True)
                rows = rows.sort_values(["lesson", "set"], kind="stable")
                write_whole(table, rows.to_csv(index=False).encode())
    print(summary(rows).to_string(index=False))


if __name__ == "__main__":
    main()

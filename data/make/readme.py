"""``python -m data.make.readme``: write what README.md tells in numbers, from the recorded rows and from the code.

Each block stands between ``<!-- made: NAME -->`` and ``<!-- end -->``; a test fails while a block differs from what
this script would write.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pandas as pd

from kdviz.analysis import Comparison, compare, interval
from kdviz.course import trials
from kdviz.course.results import Results, keys, recorded
from kdviz.disk import write_whole

ROOT = Path(__file__).resolve().parents[2]
FEW = 0.05  # share of the labels
STEPS = 600
TIMES = (2, 4, 12)  # the steps, in the table of longer runs
METHODS = (
    "labels only",
    "KD",
    "PKD",
    "MobileBERT",
    "TinyBERT",
    "MiniLM",
    "RKD",
    "DistilBERT",
    "Combined-KD",
    "MATE-KD",
    "CKD layer relation",
    "CKD word relation",
    "CKD",
)
FLAGSHIP = "CKD"
LONGER = ("KD", "CKD", "TinyBERT", "MiniLM", "RKD", "CKD relations first")
AFTERNOON = {
    "relations.py": "Gram matrices and all that follows from them: cosines, distances, angles",
    "losses/logits.py": "what the classifier says: soft targets",
    "losses/contextual.py": "contextual distillation: words with words, layers with layers",
    "fields.py": "what of a model may be compared",
    "data/batches.py": "texts as ids, rows, batches, and the order of visits",
    "methods/base.py": "what a method is: an objective, phases, a few hooks",
    "methods/kd.py": "labels alone, and vanilla distillation",
    "methods/ckd.py": "the flagship",
    "training/distill.py": "the call: checks, resume, the one look at the test splits",
    "training/loop.py": "phases, epochs, steps",
}


UNITS = {"modes": (1, 2), "bias": (1, 3)}  # score -> times, decimals; all others are shares, told in per cent

rows_of = functools.cache(recorded)


def cell(table: str, task: str, method: str, labels: float = FEW, score: str = "test") -> str:
    """A score, mean ± half of the 95 % interval over the seeds; empty when it was not recorded."""
    rows, (times, digits) = rows_of(table, task, labels), UNITS.get(score, (100, 1))
    values = (times * rows[rows["method"] == method][score]).tolist()
    if not values:
        return ""
    low, high = interval(values)
    return f"{sum(values) / len(values):.{digits}f} ± {(high - low) / 2:.{digits}f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |").replace("|  |", "| |") for line in lines)


def methods() -> str:
    head = ["method", "`reviews` (five stars)", "`entail` (three classes)"]
    return table(head, [[name, *(cell("methods", task, name) for task in ("reviews", "entail"))] for name in METHODS])


def longer(task: str) -> str:
    head = [f"accuracy on `{task}` after", f"{STEPS} steps", *(f"{STEPS * times:,}" for times in TIMES)]
    lengths = [[cell("steps", task, f"{name}, {times} times the steps") for times in TIMES] for name in LONGER]
    return table(head, [[name, cell("methods", task, name), *cells] for name, cells in zip(LONGER, lengths)])


def beside(block: str) -> dict[str, str]:
    """Method -> the table that holds its rows: those of a block, and of its baseline's block what it is read beside."""
    blocks = trials.plan()["blocks"]
    about, first = blocks[block], blocks[block]["primary"]
    others = blocks[first["of"]]["methods"] if "of" in first else ()
    joined = {name: first["of"] for name in (first["baseline"], FLAGSHIP) if name in others}
    return joined | dict.fromkeys(about["methods"], block)


def compared(block: str, task: str) -> Comparison:
    """The methods of a block minus its baseline, seed by seed."""
    about = trials.plan()["blocks"][block]
    first, labels, home = about["primary"], about["labels"][0], beside(block)
    parts = [
        recorded(table, task, labels, [k for k in home if home[k] == table]) for table in dict.fromkeys(home.values())
    ]
    how = {key: first[key] for key in ("split", "margin", "better") if key in first}
    return compare(pd.concat(parts), paired=first["baseline"], primary=first["method"], **how)


def trial(block: str) -> str:
    """A block of fair trials: the score of its primary question, and the difference to the baseline seed by seed.

    Where the baseline is "of" another block, that block's rows of the baseline and the flagship join the table.
    """
    about, home = trials.plan()["blocks"][block], beside(block)
    labels, baseline, score = about["labels"][0], about["primary"]["baseline"], about["primary"]["split"]
    times, digits = UNITS.get(score, (100, 1))
    done = [task for task in about["tasks"] if finished(block, task)]
    head, columns = ["method"], []
    for task in done:
        told = {
            one.method: f"{times * one.mean:+.{digits}f} ± {times * (one.high - one.low) / 2:.{digits}f}, {one.verdict}"
            for one in compared(block, task).table.itertuples()
        }
        head += [f"`{task}`", f"minus {baseline}, seed by seed"]
        columns.append((task, told))
    head.append("seconds")
    tables = pd.concat([recorded(table, task, labels) for table in {*home.values()} for task in done])
    seconds = tables.groupby("method")["seconds"].median()
    lines = []
    for name, where in home.items():
        cells = [
            part for task, told in columns for part in (cell(where, task, name, labels, score), told.get(name, ""))
        ]
        lines.append([name, *cells, f"{seconds[name]:.0f}"])
    return table(head, lines)


def finished(block: str, task: str) -> bool:
    """Whether every row of a block on a task is recorded."""
    wanted = [one for one in trials.trials() if one.block == block and one.task == task]
    return all(tuple(getattr(one, key) for key in keys(one.table)) in names(one.table) for one in wanted)


@functools.cache
def names(table: str) -> set[tuple]:
    """What tells the rows of a recorded table apart."""
    rows = Results().table(table)
    return set() if rows.empty else set(rows[keys(table)].itertuples(index=False, name=None))


def lines_to_read() -> int:
    """Of the files of the afternoon, together."""
    return sum(len((ROOT / "kdviz" / name).read_text(encoding="utf-8").splitlines()) for name in AFTERNOON)


def afternoon() -> str:
    rows = [[f"[{name}](kdviz/{name})", what] for name, what in AFTERNOON.items()]
    together = f"about {round(lines_to_read(), -2):,} lines together"  # rounded, or every small change would change it
    return table(["file", "what it holds"], [*rows, ["", together]])


BLOCKS = {
    "methods": methods,
    "trial, scratch": lambda: trial("scratch"),
    "trial, controls": lambda: trial("controls"),
    "longer, reviews": lambda: longer("reviews"),
    "longer, entail": lambda: longer("entail"),
    "afternoon": afternoon,
}


def written(text: str) -> str:
    """The README with every block made anew. KeyError for a block that nothing makes."""
    made = lambda match: f"<!-- made: {match[1]} -->\n{BLOCKS[match[1]]()}\n<!-- end -->"
    return re.sub(r"<!-- made: (.+?) -->\n.*?<!-- end -->", made, text, flags=re.DOTALL)


def main() -> None:
    path = ROOT / "README.md"
    write_whole(path, written(path.read_text(encoding="utf-8")).encode())


if __name__ == "__main__":
    main()

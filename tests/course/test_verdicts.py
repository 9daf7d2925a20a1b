"""Whether other seeds would have given a lesson's verdicts."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pandas as pd
import pytest

import kdviz as kd
from docs.lessons import verdicts
from kdviz.paths import clone

LESSONS = sorted(Path(clone(), "notebooks").glob("*.ipynb"))


def test_what_a_claim_prints_is_read_back(capsys):
    scores = {"new": [0.5, 0.6, 0.7], "old": [0.1, 0.3, 0.2], "same": [0.5, 0.6, 0.7]}
    kd.check.claim("new is better: by far", scores, "new", "old")
    kd.check.claim("new is lower", scores, "new", "old", better="lower")
    kd.check.claim("all alike", scores, "new", "same", margin=0.02)
    output = nbformat.v4.new_output("stream", text="before\n" + capsys.readouterr().out + "after\n")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[output])])
    assert verdicts.claims(book) == [
        ("new is better: by far", "+0.400 ± 0.248", "seen here"),
        ("new is lower", "+0.400 ± 0.248", "the opposite is seen"),
        ("all alike", "+0.000 ± 0.000", "no difference of more than 0.02"),
    ]


def test_sets_of_seeds_are_fresh():
    seen = {seed for path in LESSONS for seed in of(path)}
    assert len(seen) > 10
    drawn = [seed for number in range(1, 11) for seed in verdicts.fresh([0] * 5, number)]
    assert len(set(drawn)) == 50 and not seen & set(drawn)


def of(path) -> list[int]:
    try:
        return verdicts.seeds_of(nbformat.read(path, 4))
    except SystemExit:  # a lesson of recorded rows alone
        return []


def test_a_lesson_is_cut_after_its_last_claim():
    cells = ["seeds = [1]", "kd.check.claim('a', b)", "print('long after')"]
    book = nbformat.v4.new_notebook(
        cells=[*map(nbformat.v4.new_code_cell, cells), nbformat.v4.new_markdown_cell("text")]
    )
    assert [cell.source for cell in verdicts.shortened(book).cells] == cells[:2]
    with pytest.raises(SystemExit, match="no claim of its own"):
        verdicts.shortened(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")]))


def test_the_summary_leaves_out_what_comes_from_recorded_rows():
    rows = pd.DataFrame(
        [
            ("06", 1, "live", "+0.1 ± 0.0", "seen here"),
            ("06", 2, "live", "+0.2 ± 0.3", "too noisy to tell"),
            ("06", 1, "recorded", "+0.1 ± 0.1", "seen here"),
            ("06", 2, "recorded", "+0.1 ± 0.1", "seen here"),
        ],
        columns=verdicts.COLUMNS,
    )
    assert verdicts.summary(rows).to_dict("records") == [
        {"lesson": "06", "claim": "live", "seen here": 1, "too noisy to tell": 1}
    ]


def test_the_recorded_verdicts_are_of_claims_that_the_lessons_make():
    """A claim that was reworded or dropped must be recorded again, or renamed in the table."""
    rows = pd.read_csv(clone() / "data" / "results" / "verdicts.csv")
    assert list(rows.columns) == verdicts.COLUMNS and not rows.duplicated(["lesson", "set", "claim"]).any()
    sources = {path.stem: "\n".join(cell.source for cell in nbformat.read(path, 4).cells) for path in LESSONS}
    for lesson, claim in rows[["lesson", "claim"]].drop_duplicates().itertuples(index=False):
        words = claim.split(": ")[-1].split(" (")[0]  # a lesson may put a name before it, a rate behind it
        assert words in sources[lesson], f"{lesson} claims nothing like {claim!r}"


def test_the_guide_tells_how_often_verdicts_come_back():
    text = (clone() / "docs" / "trials.md").read_text(encoding="utf-8")
    lines = verdicts.table(pd.read_csv(clone() / "data" / "results" / "verdicts.csv"))
    assert len(lines) > 15 and [line for line in lines if line not in text] == []

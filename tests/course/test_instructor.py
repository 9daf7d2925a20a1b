"""The instructor's guide says what the lessons, the checks and the packages say."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from docs.lessons import overview
from kdviz.cli import parser_for
from kdviz.course.classroom import flavours
from tests.course.test_exercises import EXERCISES, NOTEBOOKS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "instructor.md").read_text(encoding="utf-8")
LISTED = (ROOT / "docs" / "third-party.md").read_text(encoding="utf-8")


def lines(language: str) -> list[str]:
    """Code of the guide, a block an entry."""
    return [code for of, code in re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", GUIDE) if of == language]


def test_the_table_of_lessons_is_what_the_notebooks_say():
    assert overview.written(GUIDE) == GUIDE, "python -m docs.lessons.overview writes it anew"
    first = re.search(r"(?m)^\| 00 \|.*$", GUIDE)[0]
    assert overview.written(GUIDE.replace(first, "| 00 | something else |")) == GUIDE
    made = GUIDE.partition(overview.BEGIN)[2].partition(overview.END)[0]
    assert len(re.findall(r"(?m)^\| \d\d \| ", made)) == len(NOTEBOOKS)


def test_every_command_of_the_guide_is_understood():
    commands = [one for block in lines("") for one in re.findall(r"kdviz (course [^#&\n]+)", block)]
    assert len(commands) == 7
    for words in commands:
        assert callable(parser_for(words.split()).parse_args(words.split()).run)


def test_every_misconception_names_an_exercise_of_that_lesson():
    rows = [
        row for row in GUIDE.partition("## What students believe")[2].partition("\n## ")[0].splitlines() if '"' in row
    ]
    assert len(rows) >= 15
    where = {name: lesson[:2] for lesson, name, *_ in EXERCISES}
    for row in rows:
        named = re.findall(r"`([\w-]+)` \((\d\d)\)", row)
        assert named, row
        assert all(where[name] == lesson for name, lesson in named), row


def test_plans_and_questions_speak_of_lessons_that_exist():
    plans = GUIDE.partition("## Three plans")[2].partition("\n## ")[0]
    numbers = {lesson[:2] for lesson in NOTEBOOKS}
    semester = plans.partition("A semester")[2]
    assert {
        one
        for row in semester.splitlines()
        if row.startswith("| ")
        for one in re.findall(r"\b\d\d\b", row.split("|")[2])
    } <= numbers
    assert all(one in semester for one in numbers), "a semester has room for every lesson"


def test_the_grader_without_nbgrader_runs(tmp_path, monkeypatch, capsys):
    """The lines for a workflow, on a student's copy with the solution in it."""
    [code] = lines("python")
    made = flavours.solved(NOTEBOOKS["01_soft_targets"])
    (tmp_path / "01_soft_targets.ipynb").write_text(json.dumps(made))
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "kd-loss: 4 of 4 points" in capsys.readouterr().out


def test_every_package_and_everything_included_has_its_licence():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {"kdviz": project["dependencies"], **project["optional-dependencies"]}
    needed = {}
    for extra, requirements in asked.items():
        for one in requirements:
            needed.setdefault(re.match(r"[\w.-]+", one)[0], set()).add(extra)
    rows = re.findall(r"(?m)^\| ([\w.-]+) \| ([\w, -]+) \| (.+) \|$", LISTED.partition("## Packages")[2])
    listed = {name: set(extras.split(", ")) for name, extras, _ in rows if name != "package" and "-" not in name[:1]}
    assert listed == needed
    included = {
        path.name for path in (ROOT / "data").iterdir() if path.is_dir() and path.name not in ("make", "__pycache__")
    }
    assert included == set(re.findall(r"`data/(\w+)`", LISTED))

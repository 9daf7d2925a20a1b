"""Lessons for a class: what each kind of reader gets, and does not get."""

from __future__ import annotations

import json
import re

import nbformat
import pytest

from kdviz.cli import main
from kdviz.course import check
from kdviz.course.classroom import flavours, make
from kdviz.course.classroom.grading import points_of
from tests.course.test_exercises import EXERCISES, LESSONS, NOTEBOOKS, run

by_lesson = pytest.mark.parametrize("lesson", NOTEBOOKS)


def text(cells: list[dict]) -> str:
    return "\n".join(flavours.source(cell) for cell in cells)


def quiz(notebook: dict) -> str:
    [cell] = [cell for cell in notebook["cells"] if flavours.is_quiz(cell)]
    return flavours.source(cell)


@by_lesson
def test_a_student_gets_questions_and_no_answers(lesson):
    whole, made = NOTEBOOKS[lesson], flavours.student(NOTEBOOKS[lesson])
    words = text(made["cells"])
    for _, _, stub, asked, solution in (e for e in EXERCISES if e[0] == lesson):
        assert flavours.source(stub) in words and flavours.source(asked) in words
        assert flavours.source(solution) not in words
    assert "olution is folded" not in words and "mybinder" not in words
    choices = flavours.CHOICE.findall(quiz(whole))
    assert all(f"\n- {choice}" in words and why not in words for choice, why in choices)
    assert "<details>" not in quiz(made) and len(re.findall(r"(?m)^\*\*\d\.\*\*", quiz(made))) == 3
    # answers of "What to notice" stay
    assert words.count("<summary>Answer</summary>") == text(whole["cells"]).count("<summary>Answer</summary>")


@by_lesson
def test_a_quiz_has_three_questions_of_three_choices_one_of_them_right(lesson):
    heading, *questions = flavours.QUESTION.split(quiz(NOTEBOOKS[lesson]))
    assert len(questions) == 3 and "<details>" not in heading
    places = []
    for question in questions:
        asked, *lines = question.strip().split("\n")
        assert asked.endswith("?") and lines[0] == "" and all(flavours.CHOICE.fullmatch(line) for line in lines[1:])
        choices = flavours.CHOICE.findall(question)
        assert [choice[:4] for choice, _ in choices] == ["A · ", "B · ", "C · "]
        verdicts = [re.match(r"(Right|Not so)\. \S", why)[1] for _, why in choices]
        assert sorted(verdicts) == ["Not so", "Not so", "Right"], "every choice says why it is right, or why it is not"
        places.append(verdicts.index("Right"))
    assert sorted(places) == [0, 1, 2], "a letter tells nothing"


def test_a_link_to_a_lesson_that_is_not_handed_out_becomes_words():
    lesson, following = "02_word_relation", "03_layer_transforming_relation"
    link = f"[03 · Layer transforming relation]({following}.ipynb)"
    assert link in text(flavours.student(NOTEBOOKS[lesson], [lesson, following])["cells"])
    alone = text(flavours.student(NOTEBOOKS[lesson], [lesson])["cells"])
    assert "**Next:** 03 · Layer transforming relation, the same idea" in alone and ".ipynb)" not in alone
    for make_one in flavours.FLAVOURS.values():
        words = text(make_one(NOTEBOOKS["00_start_here"], [])["cells"])
        assert re.findall(r"\]\((?!https?:)[^)]*\)", words) == [], "nothing leads to a file that is not handed out"


@by_lesson
def test_the_nbgrader_version_grades_every_exercise(lesson):
    """The marked solution earns all points, nbgrader's cut leaves a stub, ids are unique, the quiz is asked."""
    made = flavours.nbgrader(NOTEBOOKS[lesson])
    graded = {c["metadata"]["nbgrader"]["grade_id"]: c for c in made["cells"] if "nbgrader" in c["metadata"]}
    names = [e[1] for e in EXERCISES if e[0] == lesson]
    ids = [c["metadata"]["nbgrader"]["grade_id"] for c in made["cells"] if "nbgrader" in c["metadata"]]
    assert ids == ["imports", *(i for name in names for i in (name, f"{name}-check")), "quiz-1", "quiz-2", "quiz-3"]
    for name in names:
        stub, asked = graded[name], graded[f"{name}-check"]
        assert asked["metadata"]["nbgrader"]["points"] == sum(points_of(name).values())
        assert asked["metadata"]["nbgrader"]["locked"] and not asked["metadata"]["nbgrader"]["solution"]
        printed, _ = run(lesson, stub, asked)
        most = sum(points_of(name).values())
        assert "✓ right" in printed and f"{name}: {most} of {most} points" in printed
        cut = re.sub(r"    ### BEGIN SOLUTION.*### END SOLUTION", "    ...", stub["source"], flags=re.DOTALL)
        shown = re.sub(r"### BEGIN HIDDEN TESTS.*### END HIDDEN TESTS", "", asked["source"], flags=re.DOTALL)
        printed, _ = run(lesson, {**stub, "source": cut}, {**asked, "source": shown})
        assert printed.strip().startswith(f"{name} ○ not attempted yet")
        assert "points" not in shown
    answers = [graded[f"quiz-{number}"]["source"] for number in (1, 2, 3)]
    assert all(re.fullmatch(r"### BEGIN SOLUTION\n.+\n### END SOLUTION", one, re.DOTALL) for one in answers)
    outside = text([c for c in made["cells"] if not c["metadata"].get("nbgrader", {}).get("solution")])
    for choice, why in flavours.CHOICE.findall(quiz(NOTEBOOKS[lesson])):
        assert f"{choice} {why}" in "".join(answers) and f"- {choice}" in outside and why not in outside
    assert "olution is folded" not in text(made["cells"])


@by_lesson
def test_the_instructor_gets_solutions_answers_and_what_students_get_wrong(lesson):
    made = flavours.instructor(NOTEBOOKS[lesson])["cells"]
    words = text(made)
    for _, name, _, _, solution in (e for e in EXERCISES if e[0] == lesson):
        assert flavours.source(solution) in words
        exercise = check.exercises()[name]
        for message in exercise.answers(*exercise.cases()[0])[1]:
            assert f"> - {message}" in words
    assert len(made) == len(NOTEBOOKS[lesson]["cells"]) + sum(e[0] == lesson for e in EXERCISES)


@pytest.mark.parametrize("kind", ["students", "nbgrader", "instructor"])
def test_every_version_is_a_notebook(kind):
    for notebook in NOTEBOOKS.values():
        nbformat.validate(nbformat.from_dict(flavours.FLAVOURS[kind](notebook)))


# ---- the command ---------------------------------------------------------------------------------------------------

NAMES = [path.stem for path in LESSONS]


def test_ranges_of_lessons():
    assert make.chosen(None, NAMES) == NAMES
    assert [name[:2] for name in make.chosen("16, 00-02,01", NAMES)] == ["00", "01", "02", "16"]
    assert make.chosen("2", NAMES) == ["02_word_relation"]


@pytest.mark.parametrize(
    "words, problem",
    [
        ("07-03", "'07-03' runs backwards; write 03-07"),
        ("99", "there is no lesson 99; lessons are 00 to"),
        ("00,abc", "'abc' is no lesson and no range"),
        ("", "'' is no lesson"),
        ("00-", "'00-' is no lesson"),
    ],
)
def test_a_wrong_range_is_named(tmp_path, capsys, words, problem):
    assert main(["course", "make", "--for", "students", "--lessons", words, str(tmp_path / "out")]) == 1
    assert problem in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_the_command_writes_what_was_asked_and_never_over_anothers_work(tmp_path, capsys):
    words = ["course", "make", "--for", "students", "--lessons", "00,02", str(tmp_path / "class")]
    assert main(words) == 0 and "2 files in" in capsys.readouterr().out
    folder = tmp_path / "class"
    assert sorted(path.name for path in folder.glob("*")) == [".kdviz", "00_start_here.ipynb", "02_word_relation.ipynb"]
    assert main(words) == 0  # again: nothing was changed
    (folder / "00_start_here.ipynb").write_text("of mine")
    (folder / "02_word_relation.ipynb").unlink()
    capsys.readouterr()
    assert main(words) == 1
    assert "00_start_here.ipynb were changed since they were made" in capsys.readouterr().err
    assert (folder / "00_start_here.ipynb").read_text() == "of mine"
    assert not (folder / "02_word_relation.ipynb").exists(), "nothing is written then"


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("mine")
    assert main(["course", "make", "--for", "students", str(tmp_path)]) == 1
    assert "thesis.tex are there already; name another folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert main(["course", "make", "--for", "students", str(LESSONS[0].parent)]) == 1
    assert "holds the lessons themselves" in capsys.readouterr().err


def test_a_course_of_nbgrader_keeps_its_secret(tmp_path):
    words = ["course", "make", "--for", "nbgrader", "--lessons", "00", str(tmp_path / "course")]
    assert main(words) == 0
    first = (tmp_path / "course" / "nbgrader_config.py").read_text()
    [secret] = re.findall(r'c.Grade.secret = "?\'?(\w{32})', first)
    assert main([*words[:5], "00-01", words[-1]]) == 0
    assert (tmp_path / "course" / "nbgrader_config.py").read_text() == first and secret
    made = tmp_path / "course" / "source" / "01_soft_targets" / "01_soft_targets.ipynb"
    assert "### BEGIN HIDDEN TESTS" in text(json.loads(made.read_text())["cells"])


def test_a_class_without_nbgrader_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(make.importlib.util, "find_spec", lambda name: None)
    assert main(["course", "make", "--for", "nbgrader", str(tmp_path / "course")]) == 1
    assert "nbgrader is not installed: pip install nbgrader" in capsys.readouterr().err

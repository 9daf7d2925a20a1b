"""Grades: right answers earn all points on unseen cases, wrong ones do not, and nobody is talked round.

The round trip goes through nbgrader's own commands, with forty submissions of thirteen kinds.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kdviz.cli import main
from kdviz.course import check
from kdviz.course.classroom import flavours, grading, make
from kdviz.course.classroom.remote import Sandbox
from tests.course.test_exercises import EXERCISES, NOTEBOOKS
from tests.course.test_wrong_answers import RIGHT, WRONG

SEED = 20_000
NAME = "01_soft_targets"


@pytest.mark.parametrize("name", check.exercises())
def test_unseen_cases_agree_with_the_check_of_the_lesson(name):
    """Whoever was praised gets all points; who was not does not."""
    for answer in [check.exercises()[name].reference, *(f for other, f in RIGHT if other == name)]:
        grade = grading.grade_function(name, answer, SEED)
        assert grade.points == grade.most, grade.report()
    for words, answer in [(words, f) for other, words, f in WRONG if other == name]:
        grade = grading.grade_function(name, answer, SEED)
        assert grade.points < grade.most, f"{words}: {grade.report()}"


# ---- answers of students, each in a process of its own -------------------------------------------------------------


def imports(lesson: str) -> str:
    return next(flavours.source(c) for c in NOTEBOOKS[lesson]["cells"] if "imports" in flavours.tags(c))


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(seconds=2) as box:
        yield box


@pytest.fixture
def grade(sandbox):
    """(exercise, cell) -> its grade in the sandbox."""
    cells = {
        name: (lesson, flavours.checked_function(flavours.source(asked))) for lesson, name, _, asked, _ in EXERCISES
    }

    def grade(name: str, source: str) -> grading.Grade:
        lesson, function = cells[name]
        return grading.grade_source(sandbox, name, function, source, imports(lesson), SEED)

    return grade


@pytest.mark.parametrize(("lesson", "name"), [e[:2] for e in EXERCISES], ids=[e[1] for e in EXERCISES])
def test_a_lessons_solution_earns_all_points_and_its_stub_none(grade, lesson, name):
    stub, solution = next((flavours.source(e[2]), flavours.source(e[4])) for e in EXERCISES if e[1] == name)
    found = grade(name, solution)
    assert (found.points, found.message) == (found.most, check.exercises()[name].praise), found.report()
    empty = grade(name, stub)
    assert (empty.points, empty.message) == (0, "not attempted.")


KD = """def kd_loss(student_logits, teacher_logits, tau):
    target = (teacher_logits / tau).softmax(-1)
    return tau**2 * F.kl_div((student_logits / tau).log_softmax(-1), target, reduction="batchmean")
"""


def kd(line: str) -> str:
    """The right answer with a line before the last."""
    return KD.replace("    return", f"    {line}\n    return")


SNEAKY = """import builtins, sys, torch.testing
torch.testing.assert_close = torch.allclose = builtins.all = lambda *args, **kwargs: True
kd.check.run = print
class Yes(torch.Tensor):
    def __eq__(self, other): return True
    def __sub__(self, other): return torch.zeros(())
def kd_loss(student_logits, teacher_logits, tau):
    return Yes(student_logits.mean())
"""
ANSWERS = {  # kind -> (cell, points of value, edge and gradient, words of the message)
    "right": (KD, (2, 1, 1), "τ²·KL(teacher ‖ student)"),
    "with calls beside it": (KD + 'kd.check.run("kd-loss", kd_loss)\nprint(3)\n', (2, 1, 1), "τ²·KL"),
    "stub": (
        "def kd_loss(student_logits, teacher_logits, tau):\n    '''A loss.'''\n    ...\n",
        (0, 0, 0),
        "not attempted",
    ),
    "no factor": (KD.replace("tau**2 * ", ""), (0, 0, 0), "τ² is missing"),
    "no gradient": (KD.replace('"batchmean")', '"batchmean").detach()'), (2, 1, 0), "no gradient can flow back"),
    "wrong dtype": (KD.replace('"batchmean")', '"batchmean").half()'), (0, 0, 0), "few digits that torch.float16 has"),
    "sometimes right": (kd("if student_logits[0, 0] > 1: tau = 2 * tau"), (2, 0, 0), "random cases"),
    "the reference": (kd("from kdviz.course import check"), (0, 0, 0), "kdviz.course is left out"),
    "the library": ("def kd_loss(s, t, tau):\n    return logits.soft_kl(s, t, tau)\n", (0, 0, 0), "is left out"),
    "modules cleared": (kd("import sys; sys.modules.clear(); import kdviz.losses.logits"), (0, 0, 0), "left out"),
    "patches": (SNEAKY, (0, 0, 0), "kdviz is left out"),
    "patches, too clever": (SNEAKY.replace("kd.check.run = print\n", ""), (0, 0, 0), ""),
    "a file": (kd(f"open({grading.__file__!r})"), (0, 0, 0), "no file is opened"),
    "a file of torch": (kd("torch.save(tau, '/tmp/x')"), (0, 0, 0), "stopped with"),
    "a program": (kd("import os; os.system('true')"), (0, 0, 0), "os.system is refused"),
    "a child": (kd("import os; os.fork()"), (0, 0, 0), "os.fork is refused"),
    "the network": (kd("import socket; socket.create_connection(('localhost', 1))"), (0, 0, 0), "refused"),
    "the end": (kd("import os; os._exit(0)"), (0, 0, 0), "the process ended"),
    "an endless loop": (kd("while True: pass"), (0, 0, 0), "no answer after 2 seconds"),
    "an endless sleep": (kd("import time; time.sleep(1e6)"), (0, 0, 0), "no answer after 2 seconds"),
    "much memory": (kd("torch.ones(10**10)"), (0, 0, 0), "can't allocate memory"),
    "much memory of Python": (kd("[0] * 10**10"), (0, 0, 0), "MemoryError"),
    "syntax": (KD.replace("tau):", "tau)"), (0, 0, 0), "expected ':' in line 1: `def kd_loss"),
    "another name": (
        KD.replace("def kd_loss", "def my_loss"),
        (0, 0, 0),
        "it defines `my_loss`. Give it its name back",
    ),
    "a name from elsewhere": (kd("plain_kd_loss"), (0, 0, 0), "name 'plain_kd_loss' is not defined"),
    "elsewhere, at once": ("weight = plain\n" + KD, (0, 0, 0), "what it needs must stand in it"),
    "other arguments": (
        "def kd_loss(student_logits):\n    return 0\n",
        (0, 0, 0),
        "(student_logits, teacher_logits, tau)",
    ),
    "no function": ("kd_loss = 3\n", (0, 0, 0), "no function"),
    "nothing": ("", (0, 0, 0), "does not define `kd_loss`"),
    "a wrong reply": (
        kd("import gc\n    [one.write(b'x' * 99) for one in gc.get_objects() if 'Writer' in str(type(one))]"),
        (0, 0, 0),
        "",
    ),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_earns_what_it_deserves(grade, kind):
    cell, points, words = ANSWERS[kind]
    found = grade("kd-loss", cell)
    assert (tuple(earned for earned, _ in found.parts.values()), words in found.message) == (points, True), (
        found.report()
    )
    assert grade("kd-loss", KD).points == 4, "the next student is graded as if nothing had been"


def test_what_an_answer_may_use_it_may_also_name_in_full(grade):
    """Lesson 15 imports kdviz alone: the way to the losses is open, that to the references is not."""
    lines = "    soft = kd.losses.logits.soft_kl\n    old, new = soft(a, b, 1.0), soft(c, d, 1.0)\n"
    right = f"def mate_loss(a, b, c, d, y):\n{lines}    return (F.cross_entropy(a, y) + old + new) / 3\n"
    found = grade("mate-loss", right)
    assert found.points == found.most, found.report()
    for closed in ("kd.check.exercises", "kd.losses.contextual"):
        found = grade("mate-loss", right.replace("kd.losses.logits.soft_kl", closed))
        assert found.points == 0 and "is left out when an answer is graded" in found.message


def test_shape_is_a_part_of_its_own(grade):
    right = "def wr_cosine(hidden):\n    unit = F.normalize(hidden, dim=-1)\n    return unit @ unit.T\n"
    assert {part: most for part, (_, most) in grade("wr-cosine", right).parts.items()} == {
        "shape": 1,
        "value": 2,
        "edge": 1,
    }
    gram = grade("wr-cosine", right.replace("F.normalize(hidden, dim=-1)", "hidden"))
    assert [earned for earned, _ in gram.parts.values()] == [1, 0, 0]
    assert grade("wr-cosine", right.replace("unit @ unit.T", "(unit @ unit.T).sum(-1)")).points == 0
    numbers = "def window(n, width):\n    apart = (torch.arange(n) - torch.arange(n)[:, None]).abs()\n"
    numbers += "    return ((apart > 0) & (apart <= width // 2)).float()\n"
    found = grade("window", numbers)
    assert [earned for earned, _ in found.parts.values()] == [
        0,
        2,
        1,
    ] and "a mask holds True and False" in found.message


def test_grades_can_be_repeated_by_who_knows_the_secret():
    assert grading.seed_of("words", "kd-loss") == grading.seed_of("words", "kd-loss")
    assert len({grading.seed_of(*pair) for pair in [("a", "x"), ("a", "y"), ("b", "x")]}) == 3


def test_an_exercise_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="there is no exercise 'kd-los'; the names are .*kd-loss"):
        grading.points_of("kd-los")


# ---- the round trip ------------------------------------------------------------------------------------------------


def little_lesson(folder: Path) -> Path:
    """Lesson 01 with its title, imports, first two exercises and quiz: what is graded."""
    cells = NOTEBOOKS[NAME]["cells"]
    kept = [cell for cell in cells if "imports" in flavours.tags(cell) or flavours.is_quiz(cell)]
    for _, *three in list(flavours.exercise_cells(NOTEBOOKS[NAME]))[:2]:
        kept += three
    kept = [cells[0], *sorted(kept, key=cells.index)]
    folder.mkdir()
    (folder / f"{NAME}.ipynb").write_text(json.dumps(NOTEBOOKS[NAME] | {"cells": kept}))
    return folder / f"{NAME}.ipynb"


def nbgrader(course: Path, *words: str) -> str:
    home = course.parent / "home"
    environment = {**os.environ, "HOME": str(home), "JUPYTER_PREFER_ENV_PATH": "1"}
    command = [sys.executable, "-m", "nbgrader", *words]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


TEMPERATURE = "def temperature(logits, tau):\n    return (logits / tau).softmax(-1)\n"


def hand_in(released: dict, kind: str) -> dict:
    """The released notebook as a student of that kind returns it."""
    notebook = json.loads(json.dumps(released))
    cells = {c["metadata"]["nbgrader"]["grade_id"]: c for c in notebook["cells"] if "nbgrader" in c["metadata"]}
    cells["temperature"]["source"] = TEMPERATURE
    cells["kd-loss"]["source"] = ANSWERS.get(kind, (KD,))[0]
    if kind == "deleted checks":
        kept = ["temperature", "kd-loss"]
        notebook["cells"] = [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") in kept]
    if kind == "deleted everything":
        notebook["cells"] = notebook["cells"][:1]
    if kind == "changed check":
        cells["kd-loss-check"]["source"] = "4.0"
        cells["kd-loss-check"]["metadata"]["nbgrader"]["points"] = 400
        cells["imports"]["source"] = "raise SystemExit"
    if kind == "answered the quiz":
        cells["quiz-1"]["source"] = "No: the order of the classes is the same."
    return notebook


SUBMITTED = {  # kind -> (students, points of exercise 1 and 2)
    "right": (8, 4, 4),
    "answered the quiz": (2, 4, 4),
    "no factor": (4, 4, 0),
    "no gradient": (4, 4, 3),
    "wrong dtype": (3, 4, 0),
    "the reference": (3, 4, 0),
    "patches, too clever": (3, 4, 0),
    "a file": (2, 4, 0),
    "deleted checks": (2, 4, 4),
    "deleted everything": (1, 0, 0),
    "changed check": (2, 4, 4),
    "an endless loop": (1, 4, 0),
    "much memory": (1, 4, 0),
    "stub": (2, 4, 0),
    "syntax": (1, 4, 0),
    "another name": (1, 4, 0),
}


def test_forty_submissions_from_release_to_moodle(tmp_path, capsys):
    assert sum(count for count, *_ in SUBMITTED.values()) == 40
    course = tmp_path / "course"
    make.make("nbgrader", [little_lesson(tmp_path / "lessons")], course)
    config = (course / "nbgrader_config.py").read_text()
    (course / "nbgrader_config.py").write_text(config.replace("c.Grade.seconds = 10", "c.Grade.seconds = 2"))
    nbgrader(course, "generate_assignment", NAME)

    released = json.loads((course / "release" / NAME / f"{NAME}.ipynb").read_text())
    text = "\n".join("".join(cell["source"]) for cell in released["cells"])
    assert "HIDDEN" not in text and "SOLUTION" not in text and "    ...\n" in text + "\n"
    assert "reduction=" not in text and "Did it change its mind?" in text and "Its logits are the same" not in text
    students = [
        (kind, f"{kind.replace(' ', '-').replace(',', '')}-{i}")
        for kind, (n, *_) in SUBMITTED.items()
        for i in range(n)
    ]
    for kind, student in students:
        folder = course / "submitted" / student / NAME
        folder.mkdir(parents=True)
        (folder / f"{NAME}.ipynb").write_text(json.dumps(hand_in(released, kind)))
    nbgrader(course, "autograde", NAME)

    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        for kind, student in students:
            grades = {one.name: one for one in book.find_submission_notebook(NAME, NAME, student).grades}
            points = [grades[f"{name}-check"].auto_score for name in ("temperature", "kd-loss")]
            assert points == list(SUBMITTED[kind][1:]), (kind, points)
            assert grades["kd-loss-check"].max_score == 4
            answered = kind == "answered the quiz"
            assert (grades["quiz-1"].auto_score, grades["quiz-1"].needs_manual_grade) == (
                (None, True) if answered else (0, False)
            )
            assert grades["quiz-2"].auto_score == 0, "an answer that was not given is no work"

    stored = (course / "autograded" / "no-factor-0" / NAME / f"{NAME}.ipynb").read_text()
    assert "τ² is missing. Softening" in stored and "kd-loss: 0 of 4 points" in stored
    nbgrader(course, "generate_feedback", NAME, "--student", "an-endless-loop-0")
    page = next((course / "feedback" / "an-endless-loop-0").rglob("*.html")).read_text()
    assert "no answer after 2 seconds" in page and "AssertionError" not in page

    shutil.rmtree(course / "submitted" / "stub-0")  # grades stay when files go
    for system, names in {"moodle": "Username", "canvas": "SIS Login ID"}.items():
        assert main(["course", "grades", str(course), str(tmp_path / f"{system}.csv"), "--for", system]) == 0
        assert "40 students" in (said := capsys.readouterr().out) and "2 submissions wait for points by hand" in said
        rows = list(csv.DictReader((tmp_path / f"{system}.csv").read_text().splitlines()))
        scores = {row[names]: row[NAME] for row in rows}
        assert (scores["right-0"], scores["no-gradient-0"], scores["deleted-everything-0"]) == ("8", "7", "0")
        assert len(scores) == 40 + (system == "canvas")
    assert rows[0]["Student"] == "    Points Possible" and rows[0][NAME] == "11"


def test_a_folder_without_grades_is_told(tmp_path, capsys):
    assert main(["course", "grades", str(tmp_path), str(tmp_path / "a.csv")]) == 1
    assert "run `nbgrader autograde`" in capsys.readouterr().err

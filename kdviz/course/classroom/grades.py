"""The grades of a course of nbgrader as a table that Moodle or Canvas reads."""

from __future__ import annotations

import csv
import io
from pathlib import Path

SYSTEMS = {  # columns that name a student -> attribute of nbgrader's student
    "moodle": {"Username": "id", "First name": "first_name", "Last name": "last_name", "Email address": "email"},
    "canvas": {"Student": None, "ID": "lms_user_id", "SIS User ID": None, "SIS Login ID": "id", "Section": None},
}


def table(course: Path, system: str) -> tuple[str, list[str]]:
    """The CSV, a row for each student and a column for each assignment, and what still waits to be graded by hand.

    A cell is empty where nothing was handed in. Late penalties are taken off. Canvas wants a row *Points Possible*.
    Raises ValueError for another system, FileNotFoundError when nothing has been graded in the folder.
    """
    from nbgrader.api import Gradebook

    if system not in SYSTEMS:
        raise ValueError(f"grades for {system!r} are not known: choose one of {', '.join(SYSTEMS)}")
    book = Path(course) / "gradebook.db"
    if not book.is_file():
        raise FileNotFoundError(f"{book} is missing: run `nbgrader autograde` in {course} first, or name its folder")
    text, waiting, columns = io.StringIO(), [], SYSTEMS[system]
    lines = csv.writer(text, lineterminator="\n")
    with Gradebook(f"sqlite:///{book.resolve()}") as grades:
        assignments = sorted(grades.assignments, key=lambda one: one.name)
        lines.writerow([*columns, *(one.name for one in assignments)])
        if system == "canvas":
            possible = [f"{one.max_score:g}" for one in assignments]
            lines.writerow(["    Points Possible", *[""] * (len(columns) - 1), *possible])
        for student in sorted(grades.students, key=lambda one: one.id):
            known = [str(getattr(student, name) or "") if name else "" for name in columns.values()]
            if "Student" in columns:
                known[0] = ", ".join(filter(None, [student.last_name, student.first_name])) or student.id
            handed = {one.assignment.name: one for one in student.submissions}
            scores = []
            for assignment in assignments:
                one = handed.get(assignment.name)
                scores.append("" if one is None else f"{max(0.0, one.score - one.late_submission_penalty):g}")
                if one is not None and one.needs_manual_grade:
                    waiting.append(f"{student.id}: {assignment.name}")
            lines.writerow([*known, *scores])
    return text.getvalue(), waiting

"""``kdviz course make``: the chosen lessons, written for one kind of reader."""

from __future__ import annotations

import importlib.util
import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from kdviz.course.classroom import KINDS
from kdviz.course.classroom.flavours import FLAVOURS
from kdviz.disk import file_sha256, make_folder, read_json, write_json, write_whole
from kdviz.paths import lessons_dir

RECORD = Path(".kdviz") / "course.json"  # file name -> SHA-256 of what was written last time
CONFIG = '''"""A course of nbgrader with lessons of kdviz; docs/instructor.md of kdviz leads from here to grades."""

import os
import sys

from nbgrader.preprocessors import AssignLatePenalties, CheckCellMetadata, ClearOutput, DeduplicateIds
from nbgrader.preprocessors import LimitOutput, OverwriteKernelspec, SaveAutoGrades

from kdviz.course.classroom.autograder import Grade, Restore

# nbgrader starts a program of this environment, alembic, by its name
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])

c = get_config()  # noqa: F821  nbgrader's
c.CourseDirectory.course_id = {course!r}
c.ClearSolutions.code_stub = {{"python": "..."}}

# no cell of a submission is executed: every exercise is graded in a process of its own
c.Autograde.sanitize_preprocessors = [ClearOutput, DeduplicateIds, OverwriteKernelspec, Restore, CheckCellMetadata]
c.Autograde.autograde_preprocessors = [Grade, LimitOutput, SaveAutoGrades, AssignLatePenalties, CheckCellMetadata]
c.Grade.secret = {secret!r}  # the cases are drawn from it: keep this file from students
c.Grade.seconds = 10  # for one exercise of one student
c.Grade.megabytes = 1000
'''


def chosen(text: str | None, names: list[str]) -> list[str]:
    """Those of the lessons `names` that "00-05,16" means, in their order; all for None.

    Raises ValueError naming the part that cannot be read, or that no lesson has.
    """
    if text is None:
        return list(names)
    numbers = {name.partition("_")[0]: name for name in names}
    wanted = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?", part)
        there = f"lessons are {min(numbers)} to {max(numbers)}, e.g. --lessons 00-05,16"
        if not found:
            raise ValueError(f"--lessons {text}: {part!r} is no lesson and no range; {there}")
        first, last = (int(found[group] or found[1]) for group in (1, 2))
        if last < first:
            raise ValueError(f"--lessons {text}: {part!r} runs backwards; write {last:02}-{first:02}")
        missing = [f"{one:02}" for one in range(first, last + 1) if f"{one:02}" not in numbers]
        if missing:
            raise ValueError(f"--lessons {text}: there is no lesson {', '.join(missing)}; {there}")
        wanted |= {f"{one:02}" for one in range(first, last + 1)}
    return [name for number, name in numbers.items() if number in wanted]


def make(kind: str, lessons: list[Path], out: Path, log=print) -> list[Path]:
    """Write the version `kind` of every lesson into folder `out`; returns the new paths.

    Nothing is written when a file there is not what the last call wrote: it may be somebody's work. Raises ValueError
    for an unknown kind, FileExistsError naming such files, OSError when the folder or a browser is missing.
    """
    if kind not in KINDS:
        raise ValueError(f"no version {kind!r} of a lesson: choose one of {', '.join(KINDS)}")
    out = Path(out)
    if any(out.resolve() == lesson.parent.resolve() for lesson in lessons):
        raise ValueError(f"{out} holds the lessons themselves: choose another folder")
    record = read_json(out / RECORD, "name another folder") if (out / RECORD).exists() else {}
    changed = [name for name, sha in record.items() if (out / name).exists() and file_sha256(out / name) != sha]
    foreign = sorted(one.name for one in out.iterdir()) if out.is_dir() and not record else []
    if changed or foreign:
        what = "were changed since they were made" if changed else "are there already"
        raise FileExistsError(f"{out}: {', '.join((changed or foreign)[:5])} {what}; name another folder, or move them")
    make_folder(out)
    written = []
    for name, content in _contents(kind, lessons, record, out, log):
        make_folder((out / name).parent)
        write_whole(out / name, content)
        record[name] = file_sha256(out / name)
        written.append(out / name)
        write_json(out / RECORD, record)  # after every file: a run that is stopped may go on
    return written


def _contents(kind: str, lessons: list[Path], record: dict, out: Path, log) -> Iterator[tuple[str, bytes]]:
    """(name below the folder, content) of every file."""
    if kind in ("slides", "pdf"):
        from kdviz.course.classroom import pages

        yield from pages.contents(kind, lessons, log)
        return
    if kind == "nbgrader":
        if importlib.util.find_spec("nbgrader") is None:
            raise ImportError("nbgrader is not installed: pip install nbgrader, then try again")
        if "nbgrader_config.py" not in record:  # a new secret would change grades that were given
            yield "nbgrader_config.py", CONFIG.format(course="kdviz", secret=secrets.token_hex(16)).encode()
    names = [lesson.stem for lesson in lessons]
    for lesson in lessons:
        made = FLAVOURS[kind](json.loads(lesson.read_text(encoding="utf-8")), names)
        place = f"source/{lesson.stem}/{lesson.name}" if kind == "nbgrader" else lesson.name
        yield place, (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode()


def shipped() -> list[Path]:
    """The lessons that came with kdviz, in their order."""
    return sorted(lessons_dir().glob("[0-9][0-9]_*.ipynb"))

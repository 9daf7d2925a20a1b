"""kdviz run student-notebooks: the lessons for a class, without solutions, or as nbgrader's source."""

from __future__ import annotations

from pathlib import Path

from kdviz.course import versions
from kdviz.paths import clone


def add_arguments(parser) -> None:
    parser.add_argument("--flavour", choices=sorted(versions.FLAVOURS), default="student",
                        help="student: without solutions; nbgrader: source for nbgrader generate_assignment; "
                             "solved: every solution in its stub's place (default: student)")
    parser.add_argument("--out", type=Path, help="folder to write into (default: build/<flavour>)")


def run(args) -> int:
    root = clone()
    out = args.out or root / "build" / args.flavour
    try:
        written = versions.write(args.flavour, root / "notebooks", out)
    except ValueError as error:
        raise SystemExit(f"kdviz: {error}") from error
    print(f"{len(written)} lessons, {args.flavour} version, in {out}")
    return 0

"""kdviz course grades: what nbgrader graded, as a table for Moodle or Canvas."""

from __future__ import annotations

from pathlib import Path


def add_arguments(parser) -> None:
    parser.add_argument(
        "course", metavar="COURSE", type=Path, help="folder that `kdviz course make --for nbgrader` wrote"
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="the .csv file to write")
    parser.add_argument("--for", dest="system", choices=("moodle", "canvas"), default="moodle", help="default: moodle")


def run(args) -> int:
    from kdviz.course.classroom.grades import table
    from kdviz.disk import write_whole

    text, waiting = table(args.course, args.system)
    write_whole(args.out, text.encode())
    print(f"{args.out}: {len(text.splitlines()) - (2 if args.system == 'canvas' else 1)} students")
    if waiting:
        print(f"{len(waiting)} submissions wait for points by hand (nbgrader formgrader): {'; '.join(waiting[:3])} …")
    return 0

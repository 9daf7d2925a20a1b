"""kdviz course make: lessons for a class."""

from __future__ import annotations

from pathlib import Path

from kdviz.course.classroom import KINDS


def add_arguments(parser) -> None:
    parser.add_argument("out", metavar="OUT", type=Path, help="folder to write; files that were changed there are kept")
    parser.add_argument("--lessons", metavar="00-05,16", help="numbers and ranges (default: all)")
    parser.add_argument(
        "--for",
        dest="kind",
        choices=KINDS,
        required=True,
        help="students: without solutions and answers of the quiz; nbgrader: a course folder with points and hidden "
        "tests; instructor: with solutions, points and known mistakes; slides: pages for a projector; pdf: hand-outs",
    )


def run(args) -> int:
    from kdviz.course.classroom.make import chosen, make, shipped

    lessons = {path.stem: path for path in shipped()}
    written = make(args.kind, [lessons[name] for name in chosen(args.lessons, list(lessons))], args.out)
    print(f"{len(written)} files in {args.out}")
    return 0

"""kdviz page: a teacher and its student on a page that runs them in the visitor's browser."""

from __future__ import annotations


def add_arguments(parser) -> None:
    parser.add_argument("out", metavar="OUT", help="folder to write, for any web server")


def run(args) -> int:
    from kdviz.page.build import save_default

    folder = save_default(args.out)
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    print(f"{folder}: {size:.1f} MB; to look at it: python -m http.server --directory {folder}")
    return 0

"""kdviz cache rm: delete what teachers left on disk; it is made again when a run needs it."""

from __future__ import annotations

import sys


def add_arguments(parser) -> None:
    parser.add_argument("keys", nargs="*", metavar="KEY", help="the first letters of a key that `kdviz cache ls` shows")
    parser.add_argument("--all", action="store_true", help="every teacher cache")


def run(args) -> int:
    from kdviz.training.cache import entries, remove

    if args.all == bool(args.keys):
        print("kdviz: name the caches to remove (see `kdviz cache ls`), or pass --all", file=sys.stderr)
        return 2
    for key in [entry["key"] for entry in entries()] if args.all else args.keys:
        print(f"{key[:10]}: {remove(key) / 1e6:,.1f} MB freed")
    return 0

"""kdviz prefetch: fill the hub's cache while there is a network."""

from __future__ import annotations

import sys


def add_arguments(parser) -> None:
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help='a model ("owner/name"), a GLUE task ("glue/sst2"), or cifar10'
    )


def run(args) -> int:
    from kdviz.hub import prefetch

    for name in args.names:
        try:
            [folder] = prefetch([name])
        except (FileNotFoundError, ValueError) as error:
            print(f"kdviz: {error}", file=sys.stderr)
            return 1
        print(f"{name}: {folder}", flush=True)
    return 0

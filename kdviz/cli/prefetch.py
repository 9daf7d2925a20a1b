"""kdviz prefetch: fill the hub's cache while there is a network."""

from __future__ import annotations


def add_arguments(parser) -> None:
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help='a model ("owner/name"), a GLUE task ("glue/sst2"), or cifar10'
    )


def run(args) -> int:
    from kdviz.hub import prefetch

    for name in args.names:
        [folder] = prefetch([name])
        print(f"{name}: {folder}", flush=True)
    return 0

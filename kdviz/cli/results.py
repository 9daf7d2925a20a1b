"""kdviz run results: make the rows of data/results, or make some of them again."""

from __future__ import annotations


def add_arguments(parser) -> None:
    parser.add_argument(
        "--only", metavar="PATTERN", help="rows whose name (table/task/labels/method/seed) fits, e.g. '*/KD/0'"
    )
    parser.add_argument("--again", action="store_true", help="also rows that are finished")
    parser.add_argument("--list", action="store_true", help="print names and what is finished, run nothing")
    parser.add_argument("--folder", help="instead of data/results")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time, each of one thread")


def run(args) -> int:
    from kdviz.course.results import Results, run_many, select

    results, chosen = Results(args.folder), select(args.only)
    if args.list:
        for one in chosen:
            print(f"{'done' if results.done(one) else 'open'}  {one.name}")
        return 0
    return 1 if run_many(chosen, results, args.again, args.workers, lambda text: print(text, flush=True)) else 0

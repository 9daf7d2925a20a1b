"""kdviz run results: make the rows of data/results, or make some of them again."""

from __future__ import annotations


def add_arguments(parser) -> None:
    parser.add_argument(
        "--only", metavar="PATTERN", help="rows whose name (table/task/labels/method/seed) fits, e.g. '*/KD/0'"
    )
    parser.add_argument("--again", action="store_true", help="also rows that are finished")
    parser.add_argument("--list", action="store_true", help="print names and what is finished, run nothing")
    parser.add_argument("--plan", action="store_true", help="print the trials' rows and processor hours by block")
    parser.add_argument("--declare", metavar="BLOCK", nargs="+", help="write down what is planned, before it is run")
    parser.add_argument("--check", action="store_true", help="hold the trials' rows to what was declared")
    parser.add_argument("--folder", help="instead of data/results")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time, each of one thread")


def run(args) -> int:
    from kdviz.course import trials
    from kdviz.course.results import Results, run_many, select

    results = Results(args.folder)
    if args.plan:
        print(trials.hours(results).to_string(index=False, float_format="{:.1f}".format))
        return 0
    if args.declare:
        new = trials.declare(args.declare, results)
        print("\n".join(f"declared: {name}" for name in new) or "all of it was declared before")
        return 0
    if args.check:
        wrong, unfinished = trials.check(results)
        print("\n".join([*unfinished, *wrong, f"{len(wrong)} faults"]))
        return 1 if wrong else 0
    chosen = select(args.only)
    if args.list:
        for one in chosen:
            print(f"{'done' if results.done(one) else 'open'}  {one.name}")
        return 0
    return 1 if run_many(chosen, results, args.again, args.workers, lambda text: print(text, flush=True)) else 0

"""kdviz run attacks: the adversarial texts on which the recorded tables judge every student."""

from __future__ import annotations

from pathlib import Path


def add_arguments(parser) -> None:
    parser.add_argument("--task", choices=("reviews", "entail"), help="one task (default: both)")
    parser.add_argument("--folder", type=Path, help="instead of data/results")


def run(args) -> int:
    from kdviz.course.attacked import make_pool, pool_path
    from kdviz.course.results import TASKS, attackers, load, train

    for task in [args.task] if args.task else TASKS:
        path = pool_path(task) if args.folder is None else args.folder / pool_path(task).name
        students = {}
        for experiment in attackers(task):
            print(f"{task}: training {experiment.method}", flush=True)
            students[experiment.method] = train(experiment).student
        for one in make_pool(load(task), students, path):
            print(f"{task}: {one}", flush=True)
    return 0

"""``kdviz run attacks``: the adversarial texts on which the recorded tables judge every student."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from kdviz.course import attacked, results
from kdviz.data import swaps
from kdviz.data.task import Task
from kdviz.disk import write_whole
from kdviz.models.model import Model
from kdviz.robustness import Attack, Candidates, attack, pooled

TEXTS = 400  # of test that are attacked


def make_pool(task: Task, students: Mapping[str, Model], path: Path, texts: int = TEXTS) -> list[Attack]:
    """Attack the students on the first `texts` rows of test, write what fooled any of them to `path`, whole.

    A text that the grammar has also drawn for one of the task's splits is left out: a student may have been trained on
    it. Raises ValueError for a task without rules.
    """
    rules = swaps.by_rule(task.name)
    if not rules:
        raise ValueError(
            f"no rules say which words of {task.name!r} may be exchanged: only reviews and entail have them"
        )
    attacks = [
        replace(attack(student, task["test"], Candidates(rules), limit=texts), model=name)
        for name, student in students.items()
    ]
    pool, known = pooled(attacks), {row for split in task.splits.values() for row in swaps.texts(split)}
    fresh = [place for place, row in enumerate(swaps.texts(pool)) if row not in known]
    written = io.BytesIO()
    pq.write_table(pool.with_format("arrow").select(fresh)[:], written)
    write_whole(path, written.getvalue())
    return attacks


def add_arguments(parser) -> None:
    parser.add_argument("--task", choices=("reviews", "entail"), help="one task (default: both)")
    parser.add_argument("--folder", type=Path, help="instead of data/results")


def run(args) -> int:
    for task in [args.task] if args.task else results.plan()["tasks"]:
        recorded = attacked.pool_path(task)
        students = {}
        for experiment in results.attackers(task):
            print(f"{task}: training {experiment.method}", flush=True)
            students[experiment.method] = results.train(experiment).student
        path = recorded if args.folder is None else args.folder / recorded.name
        for one in make_pool(results.load(task), students, path):
            print(f"{task}: {one}", flush=True)
    return 0

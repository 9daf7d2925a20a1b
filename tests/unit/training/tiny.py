"""A task of sixty sentences, a teacher and students of a few thousand weights: enough to run every path in seconds.

Also run as a script: ``python tests/unit/training/tiny.py FOLDER [--die-at STEP] [--method NAME]`` distils into FOLDER,
goes on when it finds a checkpoint there, and kills itself (SIGKILL) after the update of step STEP.
"""

from __future__ import annotations

import argparse
import os
import signal
from functools import cache

import datasets

import kdviz as kd
from kdviz.data.task import Task

SUBJECTS = ("film", "plot", "song", "book", "play")
GOOD, BAD = ("fine", "great", "warm"), ("dull", "bad", "cold")
TAILS = ("", " and short", " but I would not see it twice")


def sentences(start: int, step: int) -> dict:
    everything = [
        (f"the {subject} is {word}{tail}", int(word in GOOD))
        for subject in SUBJECTS
        for word in GOOD + BAD
        for tail in TAILS
    ]
    chosen = everything[start::step]
    return {"text": [text for text, _ in chosen], "label": [label for _, label in chosen]}


def three_runs(student, teacher, task, folder, settings: dict) -> list:
    """Runs of KD with seeds 0 to 2 in folders, and last the first of them again, resumed."""
    made = [
        kd.distill(student, teacher, task, kd.KD(), seed=seed, folder=folder / str(seed), **settings)
        for seed in range(3)
    ]
    again = kd.distill(student, teacher, task, kd.KD(), seed=0, folder=folder / "0", resume=True, **settings)
    return [*made, again]


@cache
def task() -> Task:
    train, transfer, dev, test = (sentences(start, 4) for start in range(4))
    transfer["label"] = [-100] * len(transfer["label"])
    splits = {"train": train, "transfer": transfer, "dev": dev, "test": test}
    return Task("tiny", ("bad", "good"), {name: datasets.Dataset.from_dict(rows) for name, rows in splits.items()})


@cache
def teacher():
    model = kd.build_student(task(), layers=4, hidden=24, heads=4, seed=7)
    model.name, model.role = "tiny teacher", "teacher"
    return model


@cache
def student(hidden: int = 16, heads: int = 2, dropout: float = 0.1, seed: int = 0):
    model = kd.build_student(task(), layers=2, hidden=hidden, heads=heads, seed=seed)
    for module in model.modules():
        if hasattr(module, "p"):
            module.p = dropout
    return model


def distill(method=None, **settings):
    """kd.distill of the tiny student by the tiny teacher, with settings for a quick run."""
    chosen = {"epochs": 2, "batch_size": 8, "progress": "off"} | settings
    learner = chosen.pop("student", None) or student()
    guide = chosen.pop("teacher", teacher())
    return kd.distill(learner, guide, chosen.pop("task", task()), method, **chosen)


def mortal(method, step: int):
    """The method, but the process is killed, as by the machine, after the update of one step."""

    def after_step(ctx):
        if ctx.at.step == step:
            os.kill(os.getpid(), signal.SIGKILL)

    method.after_step = after_step
    return method


def method_named(name: str):
    from kdviz.methods import CKD, KD

    return {"kd": KD, "ckd": lambda: CKD(relation_epochs=1)}[name]()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--die-at", type=int, action="append", default=[])
    parser.add_argument("--method", default="ckd")
    args = parser.parse_args()
    for step in args.die_at:
        # one process a death, forked from this one, which has imported everything already
        child = os.fork()
        if child == 0:
            run_once(args.folder, mortal(method_named(args.method), step))
            os._exit(1)  # it should not have lived
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            raise SystemExit(f"this process was to be killed at step {step}, but ended with status {status}")
    run_once(args.folder, method_named(args.method))


def run_once(folder, method) -> None:
    distill(
        method,
        epochs=3,
        folder=folder,
        resume=True,
        checkpoint_every=2,
        snapshots=["the film is great"],
        snapshot_every=3,
    )


if __name__ == "__main__":
    main()

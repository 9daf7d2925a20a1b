"""``python -m data.make.student reviews``: distil the student that ships with an embedded task.

Two layers of 128 from scratch, CKD, all labels and all texts. The student is the best epoch on dev; test is touched
once, at the end. Written to ``data/students/<task>`` as ``model.save`` writes it, with a log beside it, and in
``halfway`` the same student after a sixth of the steps, for those who want to see it learn.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from importlib.metadata import version
from pathlib import Path

import kdviz as kd
from data.make.low_rank import commit
from kdviz.data.load import EMBEDDED
from kdviz.disk import write_json
from kdviz.paths import data_dir

SHAPE = {"layers": 2, "hidden": 128, "heads": 4}
METHOD = {"alpha": 1.0, "temperature": 1.0, "beta": 10.0}
SETTINGS = {"epochs": 12, "steps_per_epoch": 600, "lr": 1e-3, "seed": 0}
HALFWAY = 6  # of that many parts of the steps, one


class Kept(kd.CKD):
    """CKD that keeps the student halfway."""

    folder: Path

    def after_step(self, ctx) -> None:
        if ctx.at.step + 1 == max(1, ctx.at.steps // HALFWAY):
            halfway = copy.deepcopy(ctx.student, {id(ctx.student.tokenizer): ctx.student.tokenizer})
            halfway.name = "student, halfway"
            halfway.layer_map = self.layer_map(ctx.run_teacher.layers, halfway.layers)
            halfway.save(self.folder / "halfway")


def make(name: str, out: Path | None = None, **changes) -> dict:
    """Train, write student and log; returns the log. `out` replaces ``data/students/<task>``."""
    made_at, began, settings, task = commit(), time.process_time(), SETTINGS | changes, kd.load_task(name)
    folder = out or data_dir() / "students" / name
    student = kd.build_student(task, **SHAPE, seed=settings["seed"])
    method = Kept(**METHOD)
    method.folder = folder
    run = kd.distill(student, kd.load_teacher("minilm", task), task, method, score=("test",), **settings)
    run.student.name = "student"
    run.student.save(folder)
    log = {
        "command": f"python -m data.make.student {name}",
        "commit": made_at,
        "versions": {package: version(package) for package in ("torch", "transformers")},
        "student": SHAPE,
        "method": {"class": "CKD"} | METHOD,
        "settings": settings,
        "dev": [round(float(score), 4) for score in run.dev["dev_accuracy"]],
        "chosen_step": run.chosen["step"],
        "halfway_step": max(1, len(run.history) // HALFWAY) - 1,
        "test": run.test["accuracy"],
        "processor_seconds": round(time.process_time() - began, 1),
    }
    write_json(folder / "log.json", log)
    return log


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.make.student", description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=list(EMBEDDED), metavar="task", help=" or ".join(EMBEDDED))
    parser.add_argument("--out", type=Path, help="folder to write (default: data/students/<task>)")
    print(json.dumps(make(**vars(parser.parse_args(argv)))))


if __name__ == "__main__":
    main()

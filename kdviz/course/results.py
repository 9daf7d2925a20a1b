"""Recorded tables: which experiments there are, how one is run again, and what became of it.

The experiments stand in ``data/results/experiments.json``: task × share of labels × method × seed, with one student and
one budget of steps for all methods of a table. A finished row is written to a file of its own, then all rows of a table
are gathered in ``data/results/<table>.parquet`` and ``.csv``. What is finished is not run again.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib.metadata
import itertools
import json
import os
import platform
import shutil
import subprocess
import time
import traceback
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from kdviz.disk import make_folder, read_json, write_whole
from kdviz.paths import PACKAGE, data_dir, in_clone

KEYS = ["task", "labels", "method", "seed"]  # of a row in its table
KEYS_OF = {"tuning": ["block", *KEYS, "draw"]}
OF_GROUP = ("table", "student", "rows", "wrong", "kronecker", "assistant", "teacher")  # what a group's rows share
AGAIN = "remove it, and it is run again"
PACKAGES = ("torch", "transformers", "datasets", "accelerate")


def keys(table: str) -> list[str]:
    return KEYS_OF.get(table, KEYS)


@functools.cache
def plan() -> dict:
    """What ``data/results/experiments.json`` says: tasks, seeds, student, settings, methods, groups."""
    return json.loads((data_dir() / "results" / "experiments.json").read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One row to run. Its name, ``table/task/labels/method/seed``, is what `--only` patterns are matched with.

    method    : shown in tables; unique for its arguments
    made_by   : ``{"class": name in kdviz.methods, kdviz.course.controls or .recipes, argument: value, …}``
    rows      : of each split, for a cheap row
    wrong     : share of the labels that are wrong, any other class alike
    kronecker : factor by which the student's matrices are factorised
    assistant : sizes of TAKD's assistant
    teacher   : of digits: the number of its checkpoint (`kdviz.course.digits`), or "same labels" for one that learned
                from this row's labels, right and wrong. None: the finished one
    """

    table: str
    task: str
    labels: float
    method: str
    seed: int
    made_by: dict
    student: dict
    settings: dict
    rows: int | None = None
    wrong: float = 0.0
    kronecker: int | None = None
    assistant: dict | None = None
    teacher: int | str | None = None

    @property
    def name(self) -> str:
        return f"{self.table}/{self.task}/{self.labels:g}/{self.method}/{self.seed}"

    def resolved(self, results: Results) -> Experiment:
        """As it is run; a trial gets its drawn settings."""
        return self

    def build(self):
        """The method, new; its assistant untrained."""
        from kdviz.models.students import build_student

        if self.assistant is None:
            return _build(self.made_by)
        return _build(self.made_by, assistant=build_student(load(self.task), **self.assistant, seed=self.seed))


def _build(made_by: dict, **further):
    from kdviz import methods
    from kdviz.course import controls, recipes
    from kdviz.course.digits import teacher_path

    arguments = {name: _build(value) if isinstance(value, dict) else value for name, value in made_by.items()}
    kind = arguments.pop("class")
    if arguments.get("checkpoints") == "digits":  # Pro-KD's: the path of their teacher
        arguments["checkpoints"] = teacher_path()
    room = next((room for room in (controls, recipes) if hasattr(room, kind)), methods)
    return getattr(room, kind)(**arguments, **further)


def experiments() -> list[Experiment]:
    """All rows, the cheap ones that a test repeats first, the fair trials (`kdviz.course.trials`) last."""
    from kdviz.course.trials import trials

    plain = [one for task in plan()["tasks"] for group in plan()["groups"] for one in _of_group(group, task)]
    return [*plain, *trials()]


def _of_group(group: dict, task: str) -> list[Experiment]:
    """The rows of one task that a group of the plan describes."""
    group = {name: plan()[name] for name in ("tasks", "seeds", "student", "settings")} | group
    same = {name: group[name] for name in OF_GROUP if name in group}
    made = []
    for labels, method, times in itertools.product(group["labels"], group["methods"], group.get("times", [1])):
        if task not in group.get("only", {}).get(method, group["tasks"]):
            continue
        made_by = plan()["methods"][method] | group.get("arguments", {}).get(method, {})
        shown = method if times == 1 else f"{method}, {times} times the steps"
        settings = group["settings"] | {"steps_per_epoch": times * group["settings"]["steps_per_epoch"]}
        about = same | {"task": task, "labels": labels, "method": shown, "made_by": made_by, "settings": settings}
        made += [Experiment(**about, seed=seed) for seed in group["seeds"]]
    return made


def select(pattern: str | None) -> list[Experiment]:
    """Rows whose name fits a shell pattern or contains it as text. ValueError when none does."""
    every = experiments()
    if pattern is None:
        return every
    chosen = [one for one in every if fnmatch.fnmatch(one.name, pattern) or pattern in one.name]
    if not chosen:
        raise ValueError(f"no experiment fits {pattern!r}; names look like {every[0].name!r} and {every[-1].name!r}")
    return chosen


def train(experiment: Experiment):
    """Train the student of one experiment; returns the `Run`."""
    from kdviz.course.attacked import recorded_pool
    from kdviz.data.noise import flip_labels, symmetric
    from kdviz.models.convnet import conv_net
    from kdviz.models.kronecker import compress
    from kdviz.models.students import build_student
    from kdviz.training.distill import distill

    task = load(experiment.task)
    if experiment.rows is not None:
        task = task.subset(experiment.rows)
    # the vocabulary comes from all texts, so that every share of labels trains the same student
    sizes = dict(experiment.student)
    if sizes.pop("init_from", None):
        sizes["init_from"] = _teacher(experiment, task)
    build = conv_net if "channels" in sizes else build_student
    student = build(task, **sizes, seed=experiment.seed)
    if experiment.kronecker is not None:
        student = compress(student, experiment.kronecker, start="random", seed=experiment.seed)
    if experiment.labels < 1:
        task = task.with_labels(experiment.labels, seed=experiment.seed)
    if experiment.wrong:
        task = flip_labels(task, symmetric(len(task.labels), experiment.wrong), seed=experiment.seed)
    if (pool := recorded_pool(experiment.task)) is not None:
        task = replace(task, splits=task.splits | {"attacked": pool})
    method = experiment.build()
    reads = bool(method.needs) or method.needs_live_teacher
    teacher = _teacher(experiment, task) if reads else None
    how = {"seed": experiment.seed, "cache_dtype": "float16", "progress": "off", "score": scored(experiment, task)}
    return distill(student, teacher, task, method, **how, **experiment.settings)


def scored(experiment: Experiment, task) -> tuple[str, ...] | None:
    """Which splits the returned student is scored on: a draw on dev alone, a result of a trial on dev, too."""
    from kdviz.course.trials import Trial

    if not isinstance(experiment, Trial):
        return None
    return ("dev",) if experiment.draw is not None else tuple(x for x in task.splits if x not in ("train", "transfer"))


def attackers(task: str) -> list[Experiment]:
    """The students that are attacked for the split `attacked` (see `kdviz.course.attacked`)."""
    from kdviz.course.attacked import AGAINST, SEED

    return _of_group({"table": "attackers", "labels": [0.05], "methods": AGAINST, "seeds": [SEED]}, task)


def outcome(experiment: Experiment) -> dict:
    """Train, and return what a row says of the student: dev, scores by name, steps, weights, settings."""
    from kdviz.course import recipes

    if hasattr(recipes, experiment.made_by["class"]):
        settings = experiment.student | experiment.settings | {"seed": experiment.seed}
        found = experiment.build().run(**settings, final=experiment.table not in KEYS_OF)
        return {**found.pop("scores"), **found, "settings": json.dumps(settings, sort_keys=True)}
    run = train(experiment)
    return {
        "dev": run.chosen[run.primary],
        **{split: scores[run.primary] for split, scores in run.scores.items()},
        "steps": len(run.history),
        "weights": sum(p.numel() for p in run.student.parameters()),
        "settings": json.dumps(run.settings, sort_keys=True),
    }


def run_one(experiment: Experiment) -> dict:
    """Run one experiment and return its row: scores per split, command, commit, versions, seconds."""
    from kdviz.course.trials import Trial, now

    started, at = time.process_time(), now()
    found, trial = outcome(experiment), {}
    if isinstance(experiment, Trial):
        trial = {"declared": experiment.declared, "started": at}
        trial |= {f"drawn_{name}": json.dumps(getattr(experiment, name)) for name in ("made_by", "settings")}
    return {
        **{key: getattr(experiment, key) for key in ("table", *keys(experiment.table))},
        **found,
        **trial,
        "seconds": round(time.process_time() - started, 1),  # of one core: other programs do not count
        "command": f"kdviz run results --only '{experiment.name}'",
        "commit": commit(),
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in PACKAGES},
    }


@functools.cache
def load(name: str):
    """An embedded task, or one that a trial makes, once in a process."""
    from kdviz.course import decoders
    from kdviz.data.load import load_task

    return decoders.task() if name == decoders.NAME else load_task(name)


def _teacher(experiment: Experiment, task):
    """The teacher of a row; task : with the labels that the row's student may see."""
    from kdviz.course import decoders
    from kdviz.course.digits import learned, teacher_path

    if experiment.task == decoders.NAME:
        return decoders.teacher()
    if experiment.task != "digits":
        return _minilm(experiment.task)
    if experiment.teacher == "same labels":
        return learned(task)[-1]
    return teacher_path()[-1 if experiment.teacher is None else experiment.teacher]


@functools.cache
def _minilm(task: str):
    from kdviz.models.teachers import load_teacher

    return load_teacher("minilm", load(task))


@functools.cache
def commit() -> str:
    """The commit that is checked out, with "+" when files of the package differ from it.

    "" outside a clone: a repository around a wheel or a copy of kdviz has commits of its own.
    """
    if shutil.which("git") is None or not in_clone():
        return ""
    ask = lambda *words: subprocess.run(["git", "-C", str(PACKAGE.parent), *words], capture_output=True, text=True)  # noqa: E731
    head = ask("rev-parse", "--verify", "--short=12", "HEAD")
    if head.returncode or ask("rev-parse", "--show-prefix").stdout.strip():
        return ""
    return head.stdout.strip() + ("+" if ask("status", "--porcelain", "--", "kdviz").stdout.strip() else "")


class Results:
    """Finished rows in a folder: ``rows/<name>.json`` while it grows, tables beside them."""

    def __init__(self, folder=None):
        self.folder = Path(folder) if folder is not None else data_dir() / "results"

    def path(self, experiment: Experiment) -> Path:
        return self.folder / "rows" / f"{experiment.name.replace(' ', '-').replace('/', '_')}.json"

    def done(self, experiment: Experiment) -> bool:
        """Whether the row is finished, in a file of its own or in its table."""
        if self.path(experiment).exists():
            return True
        table, names = self.table(experiment.table), keys(experiment.table)
        values = pd.Series({key: getattr(experiment, key) for key in names})
        return not table.empty and bool((table[names] == values).all(axis=1).any())

    def add(self, experiment: Experiment, row: dict) -> None:
        """Write a finished row whole."""
        make_folder(self.path(experiment).parent)
        write_whole(self.path(experiment), json.dumps(row, indent=1).encode())

    def gather(self) -> dict[str, pd.DataFrame]:
        """Move finished rows into the tables; a row that was run again replaces the former."""
        paths = sorted((self.folder / "rows").glob("*.json"))
        rows = [read_json(path, AGAIN) for path in paths]
        tables = {}
        for name in sorted({row["table"] for row in rows}):
            new = pd.DataFrame([row for row in rows if row["table"] == name])
            whole = pd.concat([self.table(name), new], ignore_index=True)
            whole = whole.drop_duplicates(keys(name), keep="last")
            whole = whole.sort_values(keys(name)).reset_index(drop=True)
            write_whole(self.folder / f"{name}.parquet", whole.to_parquet(None, index=False))
            write_whole(self.folder / f"{name}.csv", whole.drop(columns="settings").to_csv(index=False).encode())
            tables[name] = whole
        for path in paths:
            path.unlink()
        return tables

    def rows(self, name: str) -> pd.DataFrame:
        """A table with the finished rows that are not gathered yet."""
        found = [read_json(path, AGAIN) for path in sorted((self.folder / "rows").glob(f"{name}_*.json"))]
        new = pd.DataFrame([row for row in found if row["table"] == name])
        if new.empty:
            return self.table(name)
        return pd.concat([self.table(name), new], ignore_index=True).drop_duplicates(keys(name), keep="last")

    def table(self, name: str) -> pd.DataFrame:
        """A recorded table, empty when there is none yet."""
        path = self.folder / f"{name}.parquet"
        return pd.read_parquet(path) if path.exists() else pd.DataFrame()


def recorded(table: str, task: str, labels: float = 1.0, methods: Iterable[str] | None = None) -> pd.DataFrame:
    """Rows of a recorded table, a method's seeds in order: what lessons show, and `kd.compare` takes.

    Parameters
    ----------
    table : "quick", "methods", "steps" or "noise"
    task : "reviews" or "entail"
    labels : share of train that has labels
    methods : only these, in this order; all of them in the order of the experiments when None

    Raises
    ------
    ValueError
        When nothing is recorded for one of them; it names the command that makes it.
    """
    rows, command = Results().table(table), f"kdviz run results --only '{table}/{task}/{labels:g}/*'"
    if not rows.empty:
        rows = rows[(rows["task"] == task) & (rows["labels"] == labels)]
    if rows.empty:
        raise ValueError(f"nothing is recorded for {table}/{task}/{labels:g}: {command} makes it")
    there = rows["method"].unique()
    known = dict.fromkeys(one.method for one in experiments() if one.table == table)
    chosen = [name for name in known if name in there] if methods is None else list(methods)
    if missing := [name for name in chosen if name not in there]:
        raise ValueError(f"no {', '.join(missing)} in {table}/{task}/{labels:g}, only {', '.join(there)}: {command}")
    groups = rows.sort_values("seed").groupby("method")
    return pd.concat([groups.get_group(name) for name in chosen], ignore_index=True)


def chosen(table: str, task: str, labels: float = 1.0) -> dict[str, tuple]:
    """Of each method of a block of fair trials, a new one with its best draw, and the settings of its runs.

    Lessons train with them live. Raises ValueError as `recorded` does.
    """
    first = recorded(table, task, labels).groupby("method", sort=False).first()
    made = first[["drawn_made_by", "drawn_settings"]].map(json.loads)
    return {name: (_build(by), how) for name, by, how in made.itertuples()}


def run_many(chosen: list[Experiment], results: Results, again: bool = False, workers: int = 2, say=print) -> int:
    """Run what is not finished, in `workers` processes of one thread each; returns how many failed."""
    make_folder(results.folder / "rows")
    todo = [one for one in chosen if again or not results.done(one)]
    say(f"{len(chosen)} experiments, {len(chosen) - len(todo)} finished before, {len(todo)} to run")
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    failed = number = 0
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for part in ([one for one in todo if one.table in KEYS_OF], [one for one in todo if one.table not in KEYS_OF]):
            rows = {pool.submit(work, one.name, str(results.folder)): one.name for one in part}  # draws before results
            for future in as_completed(rows):
                number += 1
                if error := future.exception():
                    failed += 1
                    words = "".join(traceback.format_exception(error))[-2000:]
                    say(f"{rows[future]} FAILED\n{words}")
                else:
                    say(f"{number}/{len(todo)} {future.result()}")
    results.gather()
    return failed


def work(name: str, folder: str) -> str:
    """One experiment in this process, its row into `folder`; returns a line that says how it went."""
    (experiment,) = [one for one in experiments() if one.name == name]
    results = Results(folder)
    row = run_one(experiment.resolved(results))
    results.add(experiment, row)
    scores = ", ".join(f"{split} {row[split]:.3f}" for split in ("test", "dev") if split in row)
    return f"{name}: {scores}, {row['seconds']:.0f} s"

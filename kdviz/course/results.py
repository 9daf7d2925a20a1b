"""Recorded tables: which experiments there are, how one is run again, and what became of it.

An experiment is a row of `EXPERIMENTS`: task × share of labels × method × seed, with one student and one budget of
steps for all methods, so that rows can be compared. A finished row is written to a file of its own, then all rows of
a table are gathered in ``data/results/<table>.parquet`` and ``.csv``. What is finished is not run again.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib.metadata
import itertools
import json
import os
import platform
import subprocess
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from kdviz.paths import data_dir
from kdviz.disk import write_whole

SEEDS = (0, 1, 2, 3, 4)
TASKS = ("reviews", "entail")
LABELS = (0.05, 0.2, 1.0)
FEW = LABELS[0]
WITH_PATH = ("reviews",)  # tasks whose teacher comes with its checkpoints
PACKAGES = ("torch", "transformers", "datasets", "accelerate")
# Chosen on dev with seed 100: the student is narrow because that is where methods differ; 2e-3 was the best rate for
# labels and for KD, CKD's β = 10 the best of 1, 10, 100, and PKD's β = 1 of 0.1, 1, 10 (its default of 10 learns
# nothing here). The other methods keep their defaults.
STUDENT = {"layers": 2, "hidden": 64, "heads": 4}
BUDGET = {"epochs": 4, "steps_per_epoch": 150, "lr": 2e-3}
TIMES = (2, 4, 12)  # the budget's steps, in the table of longer runs; 12 is what MATE-KD costs beside KD
# They compare inner states as CKD does, three of them in a stage of its own; recorded with 4 times the steps.
NEIGHBOURS = ("TinyBERT", "MiniLM", "RKD", "CKD relations first")
WRONG = 0.4  # of the labels, in the table of noisy labels


@dataclass(frozen=True)
class Experiment:
    """One row to run. Its name, ``table/task/labels/method/seed``, is what `--only` patterns are matched with."""

    table: str
    task: str
    labels: float
    method: str  # shown in tables; unique for its settings
    build: Callable[[], object]
    seed: int
    student: dict = field(default_factory=lambda: dict(STUDENT))
    settings: dict = field(default_factory=lambda: dict(BUDGET))
    rows: int | None = None  # of each split, for a cheap row
    wrong: float = 0.0  # share of the labels that are wrong, any other class alike
    kronecker: int | None = None  # factor by which the student's matrices are factorised

    @property
    def name(self) -> str:
        return f"{self.table}/{self.task}/{self.labels:g}/{self.method}/{self.seed}"


def table_methods() -> dict[str, Callable[[], object]]:
    """Names of the main table and how each method is made."""
    import kdviz.methods as methods

    narrow = {"wr": None, "ltr": None}
    return {
        "labels only": methods.LabelsOnly,
        "KD": methods.KD,
        "PKD": lambda: methods.PKD(beta=1.0),
        "TinyBERT": lambda: methods.TinyBERT(heads="mean"),
        "MiniLM": methods.MiniLM,
        "CKD": methods.CKD,
        "CKD word relation": lambda: methods.CKD(**narrow | {"wr": "both"}),
        "CKD layer relation": lambda: methods.CKD(**narrow | {"ltr": "both"}),
        "CKD pairs": lambda: methods.CKD(wr="pair", ltr="pair"),
        "CKD triples": lambda: methods.CKD(wr="triple", ltr="triple"),
        "CKD relations first": lambda: methods.CKD(beta=0.0, relation_epochs=1),
    }


def further_methods() -> dict[str, Callable[[], object]]:
    """Methods that are recorded beside the main table where labels are few, with their defaults."""
    import kdviz.methods as methods

    return {
        "RKD": methods.RKD,
        "DistilBERT": methods.DistilBERT,
        "PD": methods.PD,
        "MobileBERT": lambda: methods.MobileBERT(heads="mean"),
        "Annealing-KD": methods.AnnealingKD,
        "Annealing-KD, τ_max 1": lambda: methods.AnnealingKD(tau_max=1),
        "Continuation-KD": methods.ContinuationKD,
        "RW-KD": methods.RWKD,
        "Pro-KD": lambda: methods.ProKD([1, 3, None]),
        "SWA": methods.SWA,
        "SWA on KD": lambda: methods.SWA(methods.KD()),
        "co-distillation": methods.CoDistillation,
        "label refinement": methods.LabelRefinement,
        "KD, labelled texts": lambda: methods.KD(rows="labelled"),  # beside Glitter, which reads no others
        "Glitter": methods.Glitter,
        "Glitter, random": lambda: methods.Glitter(pick="random"),
        "MATE-KD": methods.MateKD,
        "Combined-KD": methods.CombinedKD,
        "Universal-KD": methods.UniversalKD,
        "ALP-KD": methods.ALPKD,
    }


def noisy_methods() -> dict[str, Callable[[], object]]:
    """Methods of the table with wrong labels."""
    import kdviz.methods as methods

    return {
        "labels only": methods.LabelsOnly,
        "KD": methods.KD,
        "co-distillation": lambda: methods.CoDistillation(drop=WRONG),
        "label refinement": methods.LabelRefinement,
        "RW-KD": methods.RWKD,
    }


def experiments() -> list[Experiment]:
    """All rows, the cheap one that a test repeats first."""
    made = table_methods()
    cheap = {"epochs": 4, "steps_per_epoch": 60, "lr": 5e-3}
    small = {"layers": 1, "hidden": 32, "heads": 2}
    rows = [Experiment("quick", "reviews", 1.0, "labels only", made["labels only"], s, small, cheap, 400) for s in SEEDS]
    for task in TASKS:
        further = {name: build for name, build in further_methods().items() if name != "Pro-KD" or task in WITH_PATH}
        for labels in LABELS:
            for method, build in (made | (further if labels == FEW else {})).items():
                rows += [Experiment("methods", task, labels, method, build, seed) for seed in SEEDS]
        small = {"method": "KD, Kronecker student", "build": made["KD"], "kronecker": 8}
        rows += [Experiment("methods", task, FEW, seed=seed, **small) for seed in SEEDS]
        rows += [Experiment("methods", task, FEW, "TAKD", functools.partial(_assisted, task, seed), seed) for seed in SEEDS]
        for method, times in (*itertools.product(("KD", "CKD"), TIMES), *((name, 4) for name in NEIGHBOURS)):
            longer = BUDGET | {"steps_per_epoch": times * BUDGET["steps_per_epoch"]}
            name, build = f"{method}, {times} times the steps", (made | further)[method]
            rows += [Experiment("steps", task, FEW, name, build, seed, settings=longer) for seed in SEEDS]
        for method, build in noisy_methods().items():
            rows += [Experiment("noise", task, LABELS[1], method, build, seed, wrong=WRONG) for seed in SEEDS]
    return rows


def select(pattern: str | None, among: Iterable[Experiment] | None = None) -> list[Experiment]:
    """Rows whose name fits a shell pattern or contains it as text. ValueError when none does."""
    every = list(experiments() if among is None else among)
    if pattern is None:
        return every
    chosen = [one for one in every if fnmatch.fnmatch(one.name, pattern) or pattern in one.name]
    if not chosen:
        raise ValueError(f"no experiment fits {pattern!r}; names look like {every[0].name!r} and {every[-1].name!r}")
    return chosen


def train(experiment: Experiment):
    """Train the student of one experiment; returns the `Run`."""
    from kdviz.data.noise import flip_labels, symmetric
    from kdviz.models.kronecker import compress
    from kdviz.models.students import build_student
    from kdviz.course.attacked import recorded_pool
    from kdviz.training.distill import distill

    task = load(experiment.task)
    if experiment.rows is not None:
        task = task.subset(experiment.rows)
    # the vocabulary comes from all texts, so that every share of labels trains the same student
    student = build_student(task, **experiment.student, seed=experiment.seed)
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
    teacher = _teacher(experiment.task) if reads else None
    return distill(
        student, teacher, task, method, seed=experiment.seed, cache_dtype="float16", progress="off", **experiment.settings
    )


def attackers(task: str) -> list[Experiment]:
    """The students that are attacked for the split `attacked` (see `kdviz.course.attacked`)."""
    from kdviz.course.attacked import AGAINST, SEED

    made = table_methods()
    return [Experiment("attackers", task, FEW, name, made[name], SEED) for name in AGAINST]


def run_one(experiment: Experiment) -> dict:
    """Run one experiment and return its row: scores per split, command, commit, versions, seconds."""
    started = time.process_time()
    run = train(experiment)
    return {
        "table": experiment.table, "task": experiment.task, "labels": experiment.labels, "method": experiment.method,
        "seed": experiment.seed, "dev": float(run.dev["dev_accuracy"].max()),
        **{split: scores["accuracy"] for split, scores in run.scores.items()},
        "steps": len(run.history), "weights": sum(p.numel() for p in run.student.parameters()),
        "seconds": round(time.process_time() - started, 1),  # of one core: other programs do not count
        "settings": json.dumps(run.settings, sort_keys=True),
        "command": f"kdviz run results --only '{experiment.name}'",
        "commit": commit(), "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in PACKAGES},
    }  # fmt: skip


def _assisted(task: str, seed: int):
    """TAKD with an assistant of twice the student's width: of 2×128, 4×64 and 4×128 it alone learned with every seed tried
    on dev (1, 4, 100, 101, 102). Seeds 1 and 4 were tried because students of a 4×64 assistant had failed with them."""
    from kdviz.methods import TAKD
    from kdviz.models.students import build_student

    twice = STUDENT | {"hidden": 2 * STUDENT["hidden"]}
    return TAKD(assistant=build_student(load(task), **twice, seed=seed))


@functools.cache
def load(name: str):
    """An embedded task, read once in a process."""
    from kdviz.data.load import load_task

    return load_task(name)


@functools.cache
def _teacher(task: str):
    from kdviz.models.teachers import load_teacher

    return load_teacher("minilm", load(task))


@functools.cache
def commit() -> str:
    """The commit that is checked out, with "+" when files of the package differ from it; "" outside a clone."""
    root = data_dir().parent
    ask = lambda *words: subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)  # noqa: E731
    head = ask("rev-parse", "--short=12", "HEAD")
    if head.returncode:
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
        table = self.table(experiment.table)
        keys = {"task": experiment.task, "labels": experiment.labels, "method": experiment.method, "seed": experiment.seed}
        return not table.empty and bool((table[list(keys)] == pd.Series(keys)).all(axis=1).any())

    def add(self, experiment: Experiment, row: dict) -> None:
        """Write a finished row whole."""
        self.path(experiment).parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path(experiment), json.dumps(row, indent=1).encode())

    def gather(self) -> dict[str, pd.DataFrame]:
        """Move finished rows into the tables; a row that was run again replaces the former."""
        paths = sorted((self.folder / "rows").glob("*.json"))
        rows = [json.loads(path.read_text()) for path in paths]
        tables = {}
        for name in sorted({row["table"] for row in rows}):
            new = pd.DataFrame([row for row in rows if row["table"] == name])
            whole = pd.concat([self.table(name), new], ignore_index=True)
            whole = whole.drop_duplicates(["task", "labels", "method", "seed"], keep="last")
            whole = whole.sort_values(["task", "labels", "method", "seed"]).reset_index(drop=True)
            write_whole(self.folder / f"{name}.parquet", whole.to_parquet(None, index=False))
            write_whole(self.folder / f"{name}.csv", whole.drop(columns="settings").to_csv(index=False).encode())
            tables[name] = whole
        for path in paths:
            path.unlink()
        return tables

    def table(self, name: str) -> pd.DataFrame:
        """A recorded table, empty when there is none yet."""
        path = self.folder / f"{name}.parquet"
        return pd.read_parquet(path) if path.exists() else pd.DataFrame()


def recorded(table: str, task: str, labels: float = 1.0, methods: Iterable[str] | None = None) -> pd.DataFrame:
    """Rows of a recorded table, a method's seeds in order: what lessons show, and `compare` takes.

    methods : only these, in this order; all of them in the order of the experiments when None
    Raises ValueError when nothing is recorded for one of them, with the command that makes it.
    """
    rows = Results().table(table)
    command = f"kdviz run results --only '{table}/{task}/{labels:g}/*'"
    if not rows.empty:
        rows = rows[(rows["task"] == task) & (rows["labels"] == labels)]
    if rows.empty:
        raise ValueError(f"nothing is recorded for {table}/{task}/{labels:g}: {command} makes it")
    there = rows["method"].unique()
    known = dict.fromkeys(one.method for one in experiments() if one.table == table)
    chosen = [name for name in known if name in there] if methods is None else list(methods)
    if missing := [name for name in chosen if name not in there]:
        raise ValueError(f"no {', '.join(missing)} in {table}/{task}/{labels:g}, only {', '.join(there)}: {command}")
    order = rows["method"].map({name: place for place, name in enumerate(chosen)})
    rows = rows[order.notna()].assign(_order=order).sort_values(["_order", "seed"])
    return rows.drop(columns="_order").reset_index(drop=True)


def run_many(chosen: list[Experiment], results: Results, again: bool = False, workers: int = 2, say=print) -> int:
    """Run what is not finished, in `workers` processes of one thread each; returns how many failed."""
    todo = [one for one in chosen if again or not results.done(one)]
    say(f"{len(chosen)} experiments, {len(chosen) - len(todo)} finished before, {len(todo)} to run")
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    failed = 0
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        rows = {pool.submit(work, one.name, str(results.folder)): one.name for one in todo}
        for number, future in enumerate(as_completed(rows), 1):
            if error := future.exception():
                failed += 1
                told = "".join(traceback.format_exception(error))[-2000:]
                say(f"{rows[future]} FAILED\n{told}")
            else:
                say(f"{number}/{len(todo)} {future.result()}")
    results.gather()
    return failed


def work(name: str, folder: str) -> str:
    """One experiment in this process, its row into `folder`; returns a line that says how it went."""
    (experiment,) = [one for one in experiments() if one.name == name]
    row = run_one(experiment)
    Results(folder).add(experiment, row)
    return f"{name}: test {row['test']:.3f}, dev {row['dev']:.3f}, {row['seconds']:.0f} s"

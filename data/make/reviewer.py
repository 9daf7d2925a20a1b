"""``python -m data.make.reviewer``: train the small language model that writes reviews on order.

A LLaMA of three layers reads reviews that the grammar writes anew, none of which stands in dev or test of the embedded
task. The epoch is the best on dev; test, and what it writes, are scored once, as it is stored. Written to
``data/teachers/reviewer`` as ``model.save`` writes it, in float16, with a log beside it.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from importlib.metadata import version
from pathlib import Path

import kdviz as kd
from data.make.grammar import common
from data.make.grammar.reviews import SHARES
from data.make.grammar.reviews_lexicon import MAIN
from data.make.grammar.reviews_rules import Grammar
from data.make.low_rank import commit
from kdviz.course import orders
from kdviz.data.batches import encode_split
from kdviz.data.language import LanguageModelling
from kdviz.disk import write_json
from kdviz.models.model import Model
from kdviz.models.writing import write
from kdviz.paths import data_dir
from kdviz.training.metrics import evaluate

SHAPE = {"layers": 3, "hidden": 96, "heads": 4, "intermediate": 256}
ROUNDS = (  # the second goes on where the first, as it would be stored, came to
    {"epochs": 6, "steps_per_epoch": 300, "batch_size": 64, "lr": 4e-3, "seed": 0},
    {"epochs": 6, "steps_per_epoch": 300, "batch_size": 64, "lr": 3e-3, "seed": 1},
)
TEXTS = 40_000  # that it reads
SEED = 20261130  # of the texts
WRITTEN = 1000  # reviews that are judged
JUDGED_SEED = 1
LONGEST = 64  # tokens, order included


def texts(count: int, seed: int = SEED):
    """So many new reviews and their labels, the labels in turns; none reads as one of dev or test."""
    rng, unique, source = random.Random(f"{seed}-reviewer"), common.Unique(), kd.load_task("reviews")
    for split in ("dev", "test"):
        for text in source[split]["text"][:]:
            unique.take(text)
    grammar = Grammar(MAIN, rng)

    def propose(i):
        phenomenon = rng.choices(list(SHARES), SHARES.values())[0]
        clause = grammar.review(phenomenon, i % 5 - 2, rng.choice(list(MAIN["domains"])))
        return None if clause is None else {"text": common.sentence(clause.text), "label": clause.value + 2}

    rows = common.fill(count, propose, unique)
    return [row["text"] for row in rows], [row["label"] for row in rows]


def make(out: Path | None = None) -> dict:
    """Train, write model and log; returns the log. `out` replaces ``data/teachers/reviewer``."""
    made_at, began, embedded = commit(), time.process_time(), orders.task()
    folder = out or data_dir() / "teachers" / "reviewer"
    splits = {name: embedded[name].to_pandas().set_axis(["prompt", "completion"], axis=1) for name in ("dev", "test")}
    task = kd.load_task(
        train=orders.table(*texts(TEXTS)), **splits, kind=LanguageModelling.name, tokenizer=orders.tokenizer()
    )
    model, dev = kd.build_student(task, **SHAPE, seed=ROUNDS[0]["seed"]), []
    for settings in ROUNDS:
        run = kd.distill(model, None, task, kd.LabelsOnly(), score=(), max_length=LONGEST, **settings)
        model = run.student.half().float()
        dev += [round(float(score), 4) for score in run.dev["dev_log_likelihood"]]
    model.name, model.role = "reviewer", "teacher"
    model.half().save(folder)
    stored = Model.load(folder)
    asked = orders.orders(WRITTEN)
    log = {
        "command": "python -m data.make.reviewer",
        "commit": made_at,
        "versions": {package: version(package) for package in ("torch", "transformers")},
        "model": SHAPE,
        "weights": sum(weights.numel() for weights in stored.parameters()),
        "texts": TEXTS,
        "rounds": ROUNDS,
        "dev": dev,
        "test": evaluate(stored, encode_split(task["test"], stored.tokenizer, LONGEST, task.kind))[0],
        "written": {"reviews": WRITTEN, "seed": JUDGED_SEED, "temperature": 1.0}
        | orders.shares(asked, write(stored, asked, orders.MOST, seed=JUDGED_SEED)),
        "processor_seconds": round(time.process_time() - began, 1),
    }
    write_json(folder / "log.json", log)
    return log


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.make.reviewer", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder to write (default: data/teachers/reviewer)")
    print(json.dumps(make(**vars(parser.parse_args(argv)))))


if __name__ == "__main__":
    main()

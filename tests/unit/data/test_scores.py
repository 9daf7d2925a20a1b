"""The scores task: its files are what the grammar writes, its numbers follow from the worlds, words tell little."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest

import kdviz as kd
from data.make import scores as workshop
from data.make.grammar import common, scores
from data.make.grammar.__main__ import main as write_task


@pytest.fixture(scope="module")
def task():
    return kd.load_task("scores")


def test_committed_files_are_what_the_generator_writes(tmp_path):
    write_task(["scores", "--out", str(tmp_path)])
    for split in scores.SIZES:
        made, kept = (
            pq.read_table(folder / f"{split}.parquet") for folder in (tmp_path, common.default_folder("scores"))
        )
        assert made.schema.equals(scores.SCHEMA) and repr(made.to_pylist()) == repr(kept.to_pylist()), split


def test_a_score_is_the_share_of_worlds_in_common():
    assert scores.share(frozenset("ab"), frozenset("ab")) == 1 and scores.share(frozenset("ab"), frozenset("c")) == 0
    assert scores.share(frozenset("abc"), frozenset("bcd")) == 0.5


def test_the_numbers_of_known_pairs(task):
    known = {"active>passive": {1.67, 5.0}, "not all>some": {2.5}, "no animal>no animal": {5.0}, "both>neither": {0.0}}
    found: dict[str, set] = {}
    for split in ("train", "dev", "test"):
        for row in task[split]:
            found.setdefault(row["rules"], set()).add(row["label"])
    for rules, values in known.items():
        if rules in found:
            assert found[rules] <= values, rules
    assert found["not all>some"] == {2.5}


def test_sizes_scale_and_unique_texts(task):
    assert {name: len(split) for name, split in task.splits.items()} == scores.SIZES
    assert task.kind.name == "regression" and task.labels == ("score",) and task.pair
    for name in ("train", "dev", "test", "ood_lexicon"):
        labels = np.array(task[name]["label"][:])
        assert labels.min() == 0 and labels.max() == 5
        assert np.mean(labels == 0) == pytest.approx(0.25, abs=0.01) == np.mean(labels == 5)
    assert all(map(math.isnan, task["transfer"]["label"][:]))
    keys = [
        common.normalise(row["text"]) + " | " + common.normalise(row["text_b"])
        for split in task.splits.values()
        for row in split
    ]
    assert len(keys) == len(set(keys))


def test_the_datasheet_is_what_its_script_writes_and_words_tell_little(task):
    readme = (task.folder / "README.md").read_text(encoding="utf-8")
    assert workshop.table(task) in readme
    for name, found in workshop.guesses(task, ["test"]).items():
        assert abs(np.corrcoef(found["test"], task["test"]["label"][:])[0, 1]) < 0.35, name


def test_its_teacher_reads_more_than_words(task):
    teacher, log = (
        kd.load_teacher("minilm", task),
        json.loads((task.folder.parent / "teachers/scores/log.json").read_text()),
    )
    some = task["test"].select(range(300))
    said = teacher.predict(list(zip(some["text"][:], some["text_b"][:])))["score"]
    assert np.corrcoef(said, some["label"][:])[0, 1] == pytest.approx(log["test"], abs=0.06) and log["test"] > 0.7

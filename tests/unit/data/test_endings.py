"""The endings task: its files are what the grammar writes, one ending follows and no other, words tell nothing."""

from __future__ import annotations

import json
import random

import numpy as np
import pyarrow.parquet as pq
import pytest

import kdviz as kd
from data.make import endings as workshop
from data.make.grammar import common, endings
from data.make.grammar.__main__ import main as write_task


@pytest.fixture(scope="module")
def task():
    return kd.load_task("endings")


def test_committed_files_are_what_the_generator_writes(tmp_path, monkeypatch):
    """The splits that draw first and last among those of the same words; all of them take half a minute."""
    monkeypatch.setitem(endings.SIZES, "test", 2000)
    unique = common.Unique()
    made = endings._split("test", endings.MAIN, unique)
    assert made == pq.read_table(common.default_folder("endings") / "test.parquet").to_pylist()
    for split in ("train", "transfer", "dev", "ood_lexicon"):
        monkeypatch.setitem(endings.SIZES, split, 40)
    monkeypatch.setitem(endings.SIZES, "test", 40)
    write_task(["endings", "--out", str(tmp_path)])
    for split in endings.SIZES:
        table = pq.read_table(tmp_path / f"{split}.parquet")
        assert table.schema.equals(endings.SCHEMA) and table.num_rows == 40


def test_one_ending_follows_and_each_could_have():
    worlds = {"a": {1}, "b": {2}, "c": {3}, "d": {4}, "a or b": {1, 2}, "any": {1, 2, 3, 4}}
    every = [(name, name, frozenset(some)) for name, some in worlds.items()]
    again = [(name, f"indeed {text}", some) for name, text, some in every]
    assert endings.followers(every[0], every) == {0, 4, 5}
    for right in range(4):
        beginning, drawn = endings.choose([every[:4] + again[:4]], right, random.Random(right))
        follows = [beginning[0][2] <= ending[2] for ending in drawn]
        assert follows == [place == right for place in range(4)] and beginning[0][1] not in [one[1] for one in drawn]
    assert endings.choose([every], 0, random.Random(0)) is None, "a beginning that says its ending is none"


def test_two_parts_do_not_speak_of_each_other():
    one, other = ([(n, f"{x}{n}", frozenset(w)) for n, w in {"1": {1}, "2": {2}, "?": {1, 2}}.items()] for x in "xy")
    twice = [one + [("so 1", "x is 1", frozenset({1})), ("so 2", "x is 2", frozenset({2}))], other]
    drawn = [(0, one[0]), (0, one[1]), (1, other[0]), (1, other[1])]
    found = endings.beginnings(twice, drawn, 0)
    assert [tuple(part[1] for part in parts) for parts in found] == [("x is 1", "y?")]


def test_sizes_balance_and_unique_texts(task):
    assert {name: len(split) for name, split in task.splits.items()} == endings.SIZES
    assert task.kind.name == "multiple-choice" and len(task.labels) == 4 and not task.pair
    for name in ("train", "dev", "test", "ood_lexicon"):
        assert set(np.bincount(task[name]["label"][:])) == {len(task[name]) // 4}
    assert set(task["transfer"]["label"][:]) == {-100}
    texts = [common.normalise(text) for split in task.splits.values() for text in split["text"][:]]
    assert len(texts) == len(set(texts))
    assert all(len(set(row)) == 4 for split in task.splits.values() for row in split["endings"][:])


def test_the_datasheet_is_what_its_script_writes_and_words_tell_nothing(task):
    readme = (task.folder / "README.md").read_text(encoding="utf-8")
    assert workshop.table(task) in readme
    for name, found in workshop.guesses(task, ["test"]).items():
        assert workshop.share_right(task, "test", found["test"]) < 0.28, name


def test_its_teacher_reads_more_than_words(task):
    teacher = kd.load_teacher("minilm", task)
    log = json.loads((task.folder.parent / "teachers/endings/log.json").read_text(encoding="utf-8"))
    some = task["test"].select(range(100))
    said = teacher.predict(list(zip(some["text"][:], some["endings"][:])))["label"]
    right = np.mean([task.labels.index(name) == label for name, label in zip(said, some["label"][:])])
    assert right == pytest.approx(log["test"], abs=0.1) and log["test"] > 0.8

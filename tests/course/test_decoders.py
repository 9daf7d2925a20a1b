"""The task and the teacher of block "decoders"."""

from __future__ import annotations

import torch

import kdviz as kd
from kdviz.course import decoders, results as runner, trials


def test_the_texts_are_the_sources_and_no_split_has_those_of_another():
    task = decoders.task()
    assert {split: len(rows) for split, rows in task.splits.items()} == decoders.ROWS
    texts = {split: task[split]["label"][:] for split in task.splits}
    source = decoders.source()
    ids = torch.tensor([[0, *map(source.symbols.index, text.split())] for text in texts["test"][:200]])
    assert ids.shape == (200, decoders.LENGTH + 1) and source.right(ids).double().mean() > 0.995
    assert not set(texts["train"]) & set(texts["test"])


def test_a_causal_student_learns_relations_of_a_causal_teacher(monkeypatch):
    decoders.teacher.cache_clear()
    plain = decoders.distill
    monkeypatch.setattr(decoders, "distill", lambda *a, **how: plain(*a, **how | {"epochs": 1, "steps_per_epoch": 2}))
    (one,) = [one for one in trials._of_block("decoders") if (one.method, one.draw, one.seed) == ("CKD", None, 30)]
    task = runner.load(one.task)
    assert task is decoders.task() and runner._teacher(one, task) is decoders.teacher()
    assert decoders.teacher().role == "teacher" and decoders.teacher().network.causal
    student = kd.build_student(task, **one.student, seed=one.seed)
    how = {"epochs": 1, "steps_per_epoch": 1, "progress": "off", "score": ()}
    run = kd.distill(student, decoders.teacher(), task, kd.CKD(), **how)
    assert {"word_pair", "word_triple", "layer_pair", "layer_triple"} <= set(run.history.columns)
    decoders.teacher.cache_clear()

"""The words that lessons type, for the type checker alone: `mypy` must know every one of them. Nothing here is run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import kdviz as kd


def a_lesson() -> None:
    task = kd.load_task("reviews")
    assert_type(task, kd.Task)
    teacher = kd.load_teacher("minilm", task)
    student = kd.build_student(task, layers=2, hidden=128, heads=4, init_from=teacher)
    run = kd.distill(student, teacher, task, method=kd.CKD(beta=10), epochs=5, seed=0)
    assert_type(run, kd.Run)
    states = kd.encode([teacher, run.student], "the plot is thin but the acting is not bad at all")
    kd.figures.word_relation(states)
    kd.explore.word_relations([teacher, run.student])
    kd.check.run("cosine", kd.relations.cosine)
    kd.recorded("methods", "reviews", 0.05)
    kd.compare([run])
    kd.figures.measured(kd.measure({"student": student}, ["a text"], task))
    kd.save(kd.figures.word_relation(states), Path("figure.html"))

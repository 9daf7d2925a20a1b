"""Every method meets every kind of task: it trains, or refuses the kind by name. A new kind is a line in TASKS."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import kdviz as kd
from tests.unit.data import asked, sums
from tests.unit.training import test_kinds, test_several, tiny


def scored():
    return kd.load_task(
        train=test_kinds.rows(),
        dev=test_kinds.rows(24, 1),
        test=test_kinds.rows(24, 2),
        transfer=test_kinds.rows(30, 3),
        kind="regression",
    )


TASKS = {
    "classification": tiny.task,
    "regression": scored,
    "multi-label": lambda: test_several.task_of("multi-label"),
    "multiple-choice": lambda: test_several.task_of("multiple-choice"),
    "question-answering": asked.task,
    "language-modelling": sums.task,
}
MADE = {  # methods that need something, or of which a tiny student needs another setting
    "TinyBERT": lambda teacher, task: kd.TinyBERT(heads="mean"),
    "MobileBERT": lambda teacher, task: kd.methods.MobileBERT(heads="mean"),
    "Glitter": lambda teacher, task: kd.Glitter(pool=2, k=1),
    "ProKD": lambda teacher, task: kd.ProKD([teacher, teacher]),
    "TAKD": lambda teacher, task: kd.methods.TAKD(assistant=kd.build_student(task, layers=3, hidden=16, heads=2)),
    "SWA": lambda teacher, task: kd.SWA(kd.KD()),
}
FOR_CLASSES = {"HardKD", "CoDistillation", "LabelRefinement", "UniversalKD", "ALPKD", "MateKD", "CombinedKD"}
FOR_READERS = {"PD", "RWKD", "Glitter", "KroneckerBERT"}  # of texts that are read, and not written
FOR_WRITERS = {"SeqKD", "GKD"}
METHODS = sorted(set(kd.methods.__all__) - {"Method", "Phase", "StepInfo", "At"})


@cache
def setting(kind: str):
    task = TASKS[kind]()
    teacher = kd.build_student(task, layers=4, hidden=24, heads=4, seed=7)
    return task, kd.build_student(task, layers=2, hidden=16, heads=2), teacher


def test_the_table_has_every_kind():
    from kdviz.data.kinds import KINDS

    assert set(TASKS) == {name for name in KINDS if name != "ordered"}


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("name", METHODS)
def test_a_method_trains_on_a_kind_or_refuses_it_by_name(name, kind):
    task, student, teacher = setting(kind)
    method = MADE[name](teacher, task) if name in MADE else getattr(kd.methods, name)()
    student = kd.compress(teacher, 8) if name == "KroneckerBERT" and kind != "language-modelling" else student
    run = lambda: kd.distill(student, teacher, task, method, epochs=4, steps_per_epoch=1, batch_size=6, progress="off")  # noqa: E731
    if name in FOR_CLASSES and kind != "classification":
        with pytest.raises(ValueError, match=f"{name} is a method for classification, .* is one of {kind}"):
            run()
        return
    if name in FOR_WRITERS and kind != "language-modelling":
        with pytest.raises(ValueError, match=f"{name} is a method for language-modelling, .* is one of {kind}"):
            run()
        return
    if name in FOR_READERS and kind == "language-modelling":
        with pytest.raises(
            ValueError, match=f"{name} is a method for classification, .*, the task .* is one of {kind}"
        ):
            run()
        return
    done = run()
    assert len(done.history) >= 3 and np.isfinite(done.history["loss"].dropna()).all()
    assert done.primary == task.kind.primary and np.isfinite(done.test[done.primary])

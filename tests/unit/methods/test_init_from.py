"""Every method trains a student that starts from its teacher's layers."""

from __future__ import annotations

import pytest

import kdviz as kd
from tests.unit.training import tiny

METHODS = {
    "labels": kd.LabelsOnly,
    "KD": kd.KD,
    "hard KD": kd.HardKD,
    "CKD": kd.CKD,
    "CKD, relations first": lambda: kd.CKD(relation_epochs=1),
    "PKD": kd.PKD,
    "TinyBERT": kd.TinyBERT,
    "MobileBERT": kd.MobileBERT,
    "MiniLM": lambda: kd.MiniLM(version=1),
    "MiniLM v2": kd.MiniLM,
    "RKD": kd.RKD,
    "DistilBERT": kd.DistilBERT,
    "PD": kd.PD,
    "Annealing-KD": kd.AnnealingKD,
    "Continuation-KD": kd.ContinuationKD,
    "Pro-KD": lambda: kd.ProKD([tiny.teacher(), None]),
    "RW-KD": kd.RWKD,
    "SWA": lambda: kd.SWA(kd.KD()),
    "co-distillation": kd.CoDistillation,
    "label refinement": kd.LabelRefinement,
    "Glitter": lambda: kd.Glitter(pool=2, k=1),
    "MATE-KD": kd.MateKD,
    "MATE-KD, masked words": lambda: kd.MateKD(generator="masked words"),
    "MATE-KD, random": lambda: kd.MateKD(generator="random"),
    "Combined-KD": kd.CombinedKD,
    "Universal-KD": kd.UniversalKD,
    "ALP-KD": kd.ALPKD,
    "TAKD": lambda: kd.TAKD(assistant=kd.build_student(tiny.task(), layers=3, init_from=tiny.teacher())),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_student_of_the_teachers_layers_is_trained(name):
    student = kd.build_student(tiny.task(), layers=3, init_from=tiny.teacher())
    assert (student.width, student.heads, student.layers) == (tiny.teacher().width, tiny.teacher().heads, 3)
    epochs = 4 if name == "MobileBERT" else 2
    run = tiny.distill(METHODS[name](), student=student, epochs=epochs, steps_per_epoch=2, score=())
    assert len(run.history) == 2 * epochs and run.student.fingerprint() != student.fingerprint()


def test_a_shape_that_is_not_asked_for_is_the_teachers():
    plain, copied = kd.build_student(tiny.task()), kd.build_student(tiny.task(), init_from=tiny.teacher())
    assert (plain.width, plain.heads) == (128, 4) and (copied.width, copied.heads) == (24, 4)
    with pytest.raises(ValueError, match="the student has hidden=128, the teacher 'tiny teacher' has 24"):
        kd.build_student(tiny.task(), hidden=128, init_from=tiny.teacher())

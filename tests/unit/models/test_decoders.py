"""Decoders as classifiers: a word sees no later one, so the last one stands for the text; students of their kind."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

import kdviz as kd
from kdviz import fields
from kdviz.models.model import Model
from tests.unit.models.families import DECODERS, FAMILIES, save_family
from tests.unit.training import test_several, tiny

TEXTS = ["the plot is thin and the acting is not good", "dull film"]


def made(model, needs=("cls", "hidden")):
    batch = model.tokenizer(TEXTS, return_tensors="pt", padding=True, padding_side="right")
    outputs = model(batch["input_ids"], batch["attention_mask"], want=fields.wanted(needs))
    layers = tuple(range(model.layers + 1))
    return fields.compute(outputs, needs, layers, batch["attention_mask"]), batch["attention_mask"]


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_token_that_stands_for_a_text(kind, tmp_path):
    model = kd.load_teacher(save_family(tmp_path, kind))
    found, mask = made(model)
    assert model.network.causal == (kind in DECODERS)
    for row in range(2):
        place = int(mask[row].sum()) - 1 if kind in DECODERS else 0
        assert_close(found["cls"][row], found["hidden"][row, :, place])


@pytest.mark.parametrize("kind", DECODERS)
def test_pictures_of_a_decoder_say_that_a_word_sees_no_later_one(kind, tmp_path):
    teacher = kd.load_teacher(save_family(tmp_path, kind))
    states = kd.encode(teacher, TEXTS[0], attentions=True)
    assert states.attentions[0, 0, 0].triu(1).abs().max() == 0
    figures = kd.figures
    for draw in (figures.word_relation, figures.layer_path, figures.attention):
        assert "a word sees no later one" in draw(states).layout.title.subtitle.text
    assert not kd.encode(tiny.teacher(), TEXTS[0]).notes or "later" not in str(
        kd.encode(tiny.teacher(), TEXTS[0]).notes
    )


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_student_with_a_decoders_body(architecture, tmp_path):
    student = kd.build_student(tiny.task(), layers=2, hidden=16, heads=2, architecture=architecture)
    assert student.network.encoder.config.model_type == architecture and student.network.intermediate == 64
    long, short = ("the film is fine and short", "the film is fine")
    hidden = [kd.encode(student, text).hidden[0] for text in (long, short)]
    assert_close(hidden[0][:, :4], hidden[1][:, :4], msg="what comes later does not change a word")
    for method in (kd.KD(), kd.CKD(), kd.PKD()):
        run = tiny.distill(method, student=student, epochs=3)
        assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0] or method.name != "KD"
        assert run.history["loss"].notna().all()
    assert Model.load(run.student.save(tmp_path / "kept")).fingerprint() == run.student.fingerprint()
    back = kd.load_teacher(run.student.save_pretrained(tmp_path / "out"), tiny.task())
    assert_close(back.predict(long)["p(good)"].item(), run.student.predict(long)["p(good)"].item(), atol=1e-6, rtol=0)


def test_a_decoder_teaches_and_learns_a_choice():
    task = test_several.task_of("multiple-choice")
    student = kd.build_student(task, layers=1, hidden=16, heads=2, architecture="llama")
    run = kd.distill(student, None, task, kd.LabelsOnly(), **test_several.SHORT)
    assert run.history["loss"].notna().all() and run.student.predict(test_several.ASKED)["ending"].notna().all()


def test_shapes_that_a_decoder_cannot_have_are_named():
    with pytest.raises(ValueError, match="hidden=6, heads=2: a llama turns numbers in pairs"):
        kd.build_student(tiny.task(), layers=1, hidden=6, heads=2, architecture="llama")
    with pytest.raises(ValueError, match="architecture='t5': choose bert, gpt2, llama, bilstm or cnn"):
        kd.build_student(tiny.task(), architecture="t5")
    with pytest.raises(ValueError, match="architecture='gpt2' and init_from: .*say one"):
        kd.build_student(tiny.task(), architecture="gpt2", init_from=tiny.teacher())


def test_gradients_reach_the_first_word_from_the_last():
    student = kd.build_student(tiny.task(), layers=1, hidden=16, heads=2, architecture="gpt2")
    found, _ = made(student)
    found["cls"][0].sum().backward()
    assert torch.count_nonzero(student.network.embedding.weight.grad) > 16

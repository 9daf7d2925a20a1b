"""Controls take away what they say, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

import kdviz as kd
from kdviz.course.controls import ForeignRelations, RandomDepth, ShuffledRelations
from kdviz.course.results import _build
from kdviz.methods.noisy import newborn
from kdviz.methods.universal_kd import UniversalKD
from kdviz.models.teachers import load_teacher
from tests.unit.training import tiny

GRAMS = frozenset({"word_gram", "layer_gram"})


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KDVIZ_CACHE", str(tmp_path / "cache"))


def keeping(method):
    """The method, which keeps the batches of a run and the fields that its relations were computed from."""
    kept, relation_terms, loss = [], method.relation_terms, method.loss

    def look(student, teacher, mask):
        kept.append({name: teacher[name] for name in GRAMS if name in teacher})
        return relation_terms(student, teacher, mask)

    def seen(student, teacher, batch, ctx):
        terms = loss(student, teacher, batch, ctx)
        kept[-1] |= {"batch": batch, "ctx": ctx}
        return terms

    method.relation_terms, method.loss = look, seen
    return kept


def test_foreign_relations_are_another_networks_and_logits_the_teachers():
    method = ForeignRelations(source="untrained", relation_epochs=1)
    kept = keeping(method)
    run = tiny.distill(method, epochs=2)
    plain = tiny.distill(kd.CKD(relation_epochs=1), epochs=2)
    assert list(run.history) == list(plain.history) and list(run.history["phase"]) == list(plain.history["phase"])
    assert not torch.equal(*(torch.tensor(one.history["word_pair"].to_numpy()) for one in (run, plain)))
    foreign = newborn(tiny.teacher(), 0).eval()
    for step in (kept[0], kept[-1]):
        ctx = step["ctx"]
        with torch.no_grad():
            expected = ctx.forward(foreign, 0, step["batch"], GRAMS, {})
        real = step["batch"].attention_mask.bool()
        for name, mask in (
            ("word_gram", real[:, None, :, None] & real[:, None, None]),
            ("layer_gram", real[..., None, None]),
        ):
            assert_close(step[name] * mask, expected[name] * mask, rtol=1e-4, atol=1e-4)
    assert run.history["logits"].notna().any()


def test_relations_of_the_teacher_before_it_saw_the_task():
    task = tiny.task()
    teacher = load_teacher("minilm", task).eval()
    student = kd.build_student(task, layers=3, init_from=teacher)
    method = ForeignRelations()
    kept = keeping(method)
    tiny.distill(method, teacher=teacher, student=student, epochs=1, steps_per_epoch=1, score=())
    with torch.no_grad():
        expected = kept[0]["ctx"].forward(load_teacher().eval(), 0, kept[0]["batch"], GRAMS, {})
    real = kept[0]["batch"].attention_mask.bool()
    for found in (kept[0], expected):
        found["layer_gram"] = found["layer_gram"] * real[..., None, None]
    assert_close(kept[0]["layer_gram"], expected["layer_gram"], rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="has 6 layers, the teacher 4"):
        tiny.distill(ForeignRelations())
    with pytest.raises(ValueError, match="source='other': choose among unadapted, untrained"):
        ForeignRelations(source="other")


def test_shuffled_relations_are_the_same_numbers_for_other_words():
    method = ShuffledRelations()
    kept = keeping(method)
    tiny.distill(method, epochs=3)
    moved, orders = 0, {}
    for step in kept:
        batch, ctx = step["batch"], step["ctx"]
        true = ctx.teacher_fields(batch, GRAMS | {"logits"})
        for b, number in enumerate(batch.index.tolist()):
            n = int(batch.attention_mask[b].sum())
            own, found = (one["layer_gram"][b, :n].flatten(1) for one in (true, step))  # what a word is known by
            order = torch.cdist(found, own).argmin(1).tolist()
            assert sorted(order) == list(range(n)) and order[0] == 0 and order[-1] == n - 1, "special tokens stay"
            assert_close(step["word_gram"][b][:, :n, :n], true["word_gram"][b][:, order][:, :, order])
            assert_close(step["layer_gram"][b, :n], true["layer_gram"][b, order])
            assert orders.setdefault(number, order) == order, "a text has one order"
            moved += order != sorted(order)
    assert len(orders) == ctx.task_rows and moved > 0.9 * sum(len(step["batch"].index) for step in kept)


@pytest.mark.parametrize("settings", [{"wr": None}, {"ltr": None}, {"relation_epochs": 1}])
def test_shuffled_relations_take_ckds_settings(settings):
    assert tiny.distill(ShuffledRelations(**settings)).history["loss"].notna().all()


def test_random_depth_replaces_the_attention_by_chance():
    torch.manual_seed(0)
    teacher = torch.randn(400, 4, 3)
    weights, targets = RandomDepth.mix(torch.randn(400, 2, 3), teacher)
    assert weights.shape == (400, 2, 4) and set(weights.unique().tolist()) == {0.0, 1.0}
    assert_close(weights.sum(-1), torch.ones(400, 2))
    assert ((weights.mean((0, 1)) - 0.25).abs() < 0.05).all()
    assert_close(targets, torch.stack([teacher[b, weights[b].argmax(-1)] for b in range(400)]))
    run, plain = (tiny.distill(kind(label_epochs=1), epochs=3) for kind in (RandomDepth, UniversalKD))
    assert run.history["layers"].dropna().tolist() != plain.history["layers"].dropna().tolist()
    assert run.history["logits"].iloc[0] == plain.history["logits"].iloc[0]


def test_a_plan_can_name_a_control():
    assert _build({"class": "ForeignRelations", "source": "untrained", "beta": 3.0}).beta == 3.0
    assert isinstance(_build({"class": "SWA", "base": {"class": "ShuffledRelations"}}).base, ShuffledRelations)

"""MATE-KD and Combined-KD: what is rewritten, which way the generator moves, the terms, the phases."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import kdviz as kd
from kdviz.methods import CombinedKD, MateKD
from kdviz.methods.base import At
from kdviz.methods.mate_kd import straight_through
from tests.unit.training import tiny


def at(phase="distil", step=0, steps=10):
    return At(phase, 0, 0, 1, step, step, steps, steps)


def loud(model):
    """A copy with a classifier fifty times as sure: new models all but shrug."""
    model = copy.deepcopy(model, {id(model.tokenizer): model.tokenizer})
    with torch.no_grad():
        model.network.encoder.classifier.weight.mul_(50)
    return model


class Stage(SimpleNamespace):
    """The part of a Context that a generator needs, without a loop."""

    def add_state(self, name, thing):
        return thing

    def log(self, **numbers):
        self.logged = {**getattr(self, "logged", {}), **numbers}

    def record(self, name, value):
        self.recorded = {**getattr(self, "recorded", {}), name: value}


def stage(method, step=0):
    student, teacher = loud(tiny.student(dropout=0.0)), loud(tiny.teacher())
    inputs = student.tokenizer(["the film is great", "a dull book but I liked it"], return_tensors="pt", padding=True)
    batch = SimpleNamespace(labels=torch.tensor([1, -100]), **inputs)
    ctx = Stage(student=student, teacher=teacher, at=at(step=step), batch=batch)
    torch.manual_seed(0)
    method.setup(ctx)
    return ctx, batch


def test_only_chosen_real_words_are_rewritten_and_with_readable_words():
    method = MateKD(mask_share=0.5, generator_steps=1, student_steps=1)
    ctx, batch = stage(method, step=1)  # a step of rest
    special = torch.tensor(ctx.student.tokenizer.all_special_ids)
    changed = 0
    for _ in range(20):
        one_hot, words = method.perturb(batch, ctx).values()
        assert set(one_hot.unique().tolist()) == {0.0, 1.0} and (one_hot.sum(-1) == 1).all()
        written = words[one_hot.argmax(-1)]
        fixed = torch.isin(batch.input_ids, special) | (batch.attention_mask == 0)
        assert torch.equal(written[fixed], batch.input_ids[fixed])
        new = written[written != batch.input_ids]
        assert (
            not ctx.student.unseen(new).any()
            and not ctx.teacher.unseen(new).any()
            and not torch.isin(new, special).any()
        )
        changed += len(new)
    words = int((~fixed).sum())
    assert 0.3 < changed / (20 * words) < 0.6, "about the share that is asked for"
    assert torch.equal(ctx.recorded["original"], batch.input_ids[:4])


def test_one_hots_over_some_words_read_like_the_ids_themselves():
    method = MateKD(mask_share=0.5)
    ctx, batch = stage(method)
    new = method.rewrite(batch, method.places(batch, ctx.student.tokenizer), ctx.student.tokenizer)
    assert new["one_hot"].shape[-1] == len(new["words"]) < len(ctx.student.tokenizer) / 100
    ids = new["words"][new["one_hot"].argmax(-1)]
    for model in (ctx.student, ctx.teacher):
        there = model(None, batch.attention_mask, batch.token_type_ids, **new).logits
        assert_close(there, model(ids, batch.attention_mask, batch.token_type_ids).logits)
        everything = F.one_hot(ids, len(model.tokenizer)).float()
        assert_close(there, model(None, batch.attention_mask, batch.token_type_ids, one_hot=everything).logits)


def test_the_generator_climbs_in_its_part_of_the_cycle_only():
    method = MateKD(generator_steps=2, student_steps=3)
    ctx, batch = stage(method)
    for step in range(10):
        before = [p.clone() for p in method.writer.parameters()]
        ctx.at = at(step=step)
        method.perturb(batch, ctx)
        moved = any(not torch.equal(a, b) for a, b in zip(before, method.writer.parameters()))
        assert moved == (step % 5 < 2)
    assert all(p.grad is None for p in (*ctx.student.parameters(), *ctx.teacher.parameters()))


def test_climbing_raises_the_disagreement():
    """Same masked words, same noise: after steps of ascent student and teacher disagree more on the rewriting."""
    method = MateKD(mask_share=1.0, generator_lr=2e-2)
    ctx, batch = stage(method)
    chosen = method.places(batch, ctx.student.tokenizer)

    @torch.no_grad()
    def gaps():
        torch.manual_seed(1)
        values = []
        for _ in range(30):
            new = method.rewrite(batch, chosen, ctx.student.tokenizer)
            out = [
                m(None, batch.attention_mask, batch.token_type_ids, **new).logits for m in (ctx.student, ctx.teacher)
            ]
            values.append(method.disagreement(*out, ctx.at))
        return torch.stack(values)

    before = gaps()
    for _ in range(20):
        method.ascend(batch, chosen, ctx)
    assert gaps().mean() > before.max(), "its average rewriting beats the best of thirty untrained ones"
    assert ctx.logged["generator_gap"] > 0


def test_straight_through_is_hard_ahead_and_soft_behind():
    scores = torch.randn(5, 7, requires_grad=True)
    torch.manual_seed(0)
    hard = straight_through(scores, 0.5)
    torch.manual_seed(0)
    soft = F.gumbel_softmax(scores, tau=0.5)
    assert_close(hard.argmax(-1), soft.argmax(-1))
    weights = torch.randn(5, 7)
    a, b = (torch.autograd.grad((x * weights).sum(), scores)[0] for x in (hard, soft))
    assert_close(a, b)
    masked = straight_through(
        torch.zeros(50, 3).masked_fill(torch.tensor([False, True, False]), torch.finfo().min / 4), 1.0
    )
    assert masked[:, 1].sum() == 0 and torch.isfinite(masked).all()


def logits_pair(seed):
    g = torch.Generator().manual_seed(seed)
    s, t = (
        {"logits": torch.randn(2, 3, generator=g), "perturbed": {"logits": torch.randn(2, 3, generator=g)}}
        for _ in "st"
    )
    return s, t, SimpleNamespace(labels=torch.tensor([2, -100]))


def test_mate_terms_and_disagreement():
    s, t, batch = logits_pair(0)
    terms = MateKD(temperature=2.0).loss(s, t, batch, here(at()))
    kl = lambda a, b: 4 * F.kl_div((a / 2).log_softmax(-1), (b / 2).softmax(-1), reduction="batchmean")  # noqa: E731
    assert_close(terms["labels"], F.cross_entropy(s["logits"][:1], batch.labels[:1]) / 3)
    assert_close(terms["logits"], kl(s["logits"], t["logits"]) / 3)
    assert_close(terms["rewritten"], kl(s["perturbed"]["logits"], t["perturbed"]["logits"]) / 3)
    assert_close(MateKD(temperature=2.0).disagreement(s["logits"], t["logits"], at()), kl(s["logits"], t["logits"]))


def test_combined_terms_follow_phi_and_then_the_labels():
    s, t, batch = logits_pair(1)
    method = CombinedKD(tau_max=5)
    for step, phi in ((0, 0.2), (9, 1.0)):
        terms = method.loss(s, t, batch, here(at("teacher", step)))
        assert_close(terms["logits"], F.mse_loss(s["logits"], phi * t["logits"]) / 2)
        assert_close(terms["rewritten"], F.mse_loss(s["perturbed"]["logits"], phi * t["perturbed"]["logits"]) / 2)
    assert_close(method.disagreement(s["logits"], t["logits"], at()), F.mse_loss(s["logits"], t["logits"]))
    assert set(method.loss(s, t, batch, here(at("labels")))) == {"labels"}


@pytest.mark.parametrize(
    "method",
    [MateKD(generator_steps=1, student_steps=2), CombinedKD(generator_steps=1, student_steps=2, label_epochs=1)],
)
def test_a_run_and_its_resumption(method, tmp_path):
    fresh = lambda: type(method)(**{k: v for k, v in method.describe().items() if k != "method"})  # noqa: E731
    settings = {"epochs": 2, "checkpoint_every": 2}
    whole = tiny.distill(fresh(), folder=tmp_path / "whole", **settings)
    dying = fresh()

    def after_step(ctx):
        if ctx.at.step == 4:
            raise KeyboardInterrupt

    dying.after_step = after_step
    with pytest.raises(KeyboardInterrupt):
        tiny.distill(dying, folder=tmp_path / "parts", **settings)
    resumed = tiny.distill(fresh(), folder=tmp_path / "parts", resume=True, **settings)
    assert resumed.student.fingerprint() == whole.student.fingerprint()
    assert whole.history["rewritten"].notna().sum() == (whole.history.phase != "labels").sum()
    assert whole.records["original"][0][1].shape == whole.records["rewritten"][0][1].shape
    assert whole.history["generator_gap"].notna().any()


def test_combined_kd_spends_no_rewriting_on_the_labels():
    run = tiny.distill(CombinedKD(label_epochs=1), epochs=2)
    labels = run.history[run.history.phase == "labels"]
    assert labels[["logits", "rewritten"]].isna().all().all() and labels["labels"].notna().all()


def test_a_generator_of_ones_own():
    own = kd.build_student(tiny.task(), layers=1, hidden=8, heads=1)
    run = tiny.distill(MateKD(generator=own), epochs=1)
    assert run.history["rewritten"].notna().all()


@pytest.mark.parametrize(
    "settings, message",
    [({"mask_share": 0}, "mask_share=0"), ({"generator_steps": 0}, "generator_steps=0"), ({"gumbel": 0}, "gumbel=0")],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MateKD(**settings)
    with pytest.raises(ValueError, match="tau_max=0"):
        CombinedKD(tau_max=0)


def here(at):
    """What a loss sees of its run."""
    return SimpleNamespace(at=at, record=lambda name, value: None)

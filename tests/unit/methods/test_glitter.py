from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from kdviz.data import augment
from kdviz.data.kinds import CLASSIFICATION
from kdviz.losses import logits
from kdviz.methods import Glitter
from tests.unit.training import tiny

CTX = SimpleNamespace(kind=CLASSIFICATION)


def watched(method):
    """The method, keeping each selected batch and the student's answers to all candidates at that moment."""
    seen, select = [], method.select

    def look(batch, ctx):
        begin = method.first + method.pool * method.place[batch.index]
        candidates = begin[:, None] + torch.arange(method.pool)
        with torch.no_grad():
            pool = ctx.rows(candidates.flatten())
            own = ctx.student_fields(batch, frozenset({"logits"}))["logits"]
            new = ctx.student_fields(pool, frozenset({"logits"}))["logits"]
        target = ctx.teacher_fields(pool, frozenset({"logits"}))["logits"] if ctx.teacher is not None else None
        result = select(batch, ctx)
        seen.append(SimpleNamespace(batch=batch, result=result, candidates=candidates, own=own, new=new, target=target))
        return result

    method.select = look
    return seen


@pytest.mark.parametrize("variant", ["kd", "consistency"])
def test_the_worst_copies_of_each_text_are_picked(variant):
    method = Glitter(variant=variant, pool=4, k=2)
    seen = watched(method)
    tiny.distill(method, epochs=1, student=tiny.student(dropout=0.0))
    for step in seen:
        target = step.target if variant == "kd" else step.own.repeat_interleave(4, 0)
        tau = 4.0 if variant == "kd" else 1.0
        bad = logits.soft_kl(step.new, target, tau, reduction="none").view(-1, 4)
        b = len(step.batch.index)
        assert torch.equal(step.result.index[:b], step.batch.index)
        picked = step.result.index[b:].view(b, 2)
        for row in range(b):
            places = picked[row] - step.candidates[row, 0]
            assert len(set(places.tolist())) == 2 and places.min() >= 0 and places.max() < 4
            # by value: of two equal copies either may be picked
            assert_close(bad[row][places].sort().values, bad[row].sort().values[2:], atol=1e-5, rtol=1e-3)
        assert (step.result.labels[b:] == -100).all(), "a copy has no hard label"
    spread = torch.cat([logits.soft_kl(s.new, s.target, reduction="none") for s in seen])
    assert spread.std() > 1e-3, "copies differ, or nothing was tested"


class Noted(Glitter):
    """Keeps the badness of all copies, and whether the student had its dropout when they were scored."""

    def badness(self, batch, candidates, ctx):
        handle = ctx.student.register_forward_pre_hook(lambda model, _: self.modes.append(model.training))
        bad = super().badness(batch, candidates, ctx)
        handle.remove()
        self.bad.append(bad)
        return bad


@pytest.mark.parametrize("variant", ["kd", "consistency"])
def test_copies_are_scored_with_dropout(variant):
    method = Noted(variant=variant, pool=3, k=1)
    method.modes, method.bad = [], []
    tiny.distill(method, epochs=1)
    assert method.modes and all(method.modes)
    drawn = method.bad[0]
    quiet = Noted(variant=variant, pool=3, k=1)
    quiet.modes, quiet.bad = [], []
    tiny.distill(quiet, epochs=1, student=tiny.student(dropout=0.0))
    assert not torch.allclose(drawn, quiet.bad[0])


def test_by_rank_a_visit_takes_one_of_the_worst():
    method = Noted(pool=4, k=2, by_rank=True)
    method.modes, method.bad = [], []
    seen = watched(method)
    tiny.distill(method, epochs=4, student=tiny.student(dropout=0.0))
    ranks = []
    for step, bad in zip(seen, method.bad, strict=True):
        b = len(step.batch.index)
        places = step.result.index[b:] - step.candidates[:, 0]
        assert len(places) == b, "one copy a text"
        bad = bad.view(-1, 4)
        ranks += (bad > bad.gather(1, places[:, None])).sum(1).tolist()  # how many copies are worse
    assert set(ranks) == {0, 1} and 0.3 < sum(ranks) / len(ranks) < 0.7


def test_in_consistency_training_the_copies_alone_are_softened():
    g = torch.Generator().manual_seed(1)
    own, new = torch.randn(2, 3, generator=g), torch.randn(4, 3, generator=g)
    found = Glitter(variant="consistency", copy_temperature=2.0).gap(new, own, CTX, reduction="none")
    target = own.softmax(-1).repeat_interleave(2, 0)
    assert_close(found, (target * (target.log() - (new / 2).log_softmax(-1))).sum(-1))
    with pytest.raises(ValueError, match="copy_temperature=0"):
        Glitter(copy_temperature=0)


@pytest.mark.parametrize("pick, count", [("random", 2), ("all", 4)])
def test_the_controls(pick, count):
    method = Glitter(pick=pick, pool=4, k=2)
    seen = watched(method)
    run = tiny.distill(method, epochs=2)
    for step in seen:
        b = len(step.batch.index)
        picked = step.result.index[b:].view(b, count)
        assert all(set(picked[row].tolist()) <= set(step.candidates[row].tolist()) for row in range(b))
        assert all(len(set(row.tolist())) == count for row in picked)
    counts = torch.stack([value for _, value in run.records["picked"]])
    assert counts.shape[1] == 4 and (counts.sum(1) == torch.tensor([count * len(s.batch.index) for s in seen])).all()
    assert (counts.sum(0) > 0).all()


def test_the_pool_holds_the_copies_of_its_own_texts():
    method = Glitter(pool=3, rows="all")
    kept = {}

    def after_step(ctx):
        kept["ctx"] = ctx

    method.after_step = after_step
    tiny.distill(method, epochs=1)
    ctx, task = kept["ctx"], tiny.task()
    texts = [*task["train"]["text"], *task["transfer"]["text"]]
    made = augment.pool(tiny.datasets.Dataset.from_dict({"text": texts}), 3, seed=0)
    for row in range(len(texts)):
        for number in range(3):
            batch = ctx.rows(torch.tensor([method.first + 3 * int(method.place[row]) + number]))
            ids = ctx.student.tokenizer(made["text"][3 * row + number])["input_ids"]
            assert batch.input_ids[0].tolist() == ids


def test_a_pool_made_before_is_used_as_it_is():
    task = tiny.task()
    texts = task["train"].select_columns(["text"])
    own = augment.pool(texts, 3, seed=0)
    given, made = (tiny.distill(Glitter(pool=3, k=1, copies=copies), epochs=1) for copies in (own, None))
    assert given.student.fingerprint() == made.student.fingerprint(), "the same pool, the same run"
    other = augment.pool(texts, 3, seed=7)
    assert (
        tiny.distill(Glitter(pool=3, k=1, copies=other), epochs=1).student.fingerprint() != made.student.fingerprint()
    )
    assert Glitter(pool=3, copies=own).describe() != Glitter(pool=3, copies=other).describe()
    with pytest.raises(
        ValueError, match=f"copies holds {len(own)} rows, wanted are 4 for each of the {len(texts)} labelled texts"
    ):
        tiny.distill(Glitter(pool=4, copies=own), epochs=1)


def test_terms():
    g = torch.Generator().manual_seed(0)
    s, t = ({"logits": torch.randn(6, 3, generator=g)} for _ in "st")
    batch = SimpleNamespace(
        index=torch.tensor([4, 2, 100, 101, 105, 107]), labels=torch.tensor([1, 0, -100, -100, -100, -100])
    )
    method = Glitter(alpha_ce=0.3, alpha_true=0.6, alpha_aug=2.0, temperature=2.0)
    method.first = 100
    kl = lambda a, b, tau: tau**2 * F.kl_div((a / tau).log_softmax(-1), (b / tau).softmax(-1), reduction="batchmean")  # noqa: E731
    found = method.loss(s, t, batch, CTX)
    assert_close(found["logits"], 0.3 * kl(s["logits"][:2], t["logits"][:2], 2))
    assert_close(found["labels"], 0.6 * F.cross_entropy(s["logits"][:2], batch.labels[:2]))
    assert_close(found["augmented"], 2 * kl(s["logits"][2:], t["logits"][2:], 2))
    alone = Glitter(variant="consistency", lam=3.0)
    alone.first = 100
    s["logits"].requires_grad_()
    found = alone.loss(s, {}, batch, CTX)
    target = s["logits"][[0, 0, 1, 1]].detach()
    assert_close(found["augmented"], 3 * kl(s["logits"][2:], target, 1))
    found["augmented"].backward()
    assert (s["logits"].grad[:2] == 0).all() and (s["logits"].grad[2:] != 0).any(), "the text itself is the target"


def test_consistency_needs_no_teacher_and_the_dead_seed_is_the_run():
    from kdviz.training.distill import distill

    run = distill(
        tiny.student(),
        None,
        tiny.task(),
        Glitter(variant="consistency", pool=3, k=1),
        epochs=1,
        batch_size=8,
        progress="off",
    )
    assert run.history[["labels", "augmented"]].notna().all().all()
    one, two = (tiny.distill(Glitter(pick="random", pool=3, k=1), epochs=1).student.fingerprint() for _ in range(2))
    assert one == two


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="k=9 of a pool of 8"):
        Glitter(k=9)
    with pytest.raises(ValueError, match="pick='best': choose among worst, random, all"):
        Glitter(pick="best")
    with pytest.raises(ValueError, match="variant='self'"):
        Glitter(variant="self")

"""RW-KD: the quick weights are those of the naive second-order look-ahead."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import kdviz as kd
from kdviz.losses import logits
from kdviz.methods.rw_kd import gains, teacher_share
from tests.unit.training import tiny

ETA = 0.1  # of the naive look-ahead


@pytest.fixture
def scene():
    """A student in float64 without dropout, a batch, a held-out batch, and the teacher's logits."""
    student = copy.deepcopy(tiny.student(), {id(tiny.student().tokenizer): tiny.student().tokenizer}).double().eval()
    generator = torch.Generator().manual_seed(0)

    def batch(rows):
        ids = torch.randint(1000, 4000, (rows, 9), generator=generator)
        mask = torch.ones_like(ids)
        mask[::2, 6:] = 0
        labels = torch.randint(0, 2, (rows,), generator=generator)
        return SimpleNamespace(input_ids=ids, attention_mask=mask, token_type_ids=0 * ids, labels=labels)

    return student, batch(6), batch(5), torch.randn(6, 2, generator=generator).double()


def naive(student, batch, meta, teacher, temperature=3.0):
    """-∂J/∂ε at ε = 0 by differentiating through the look-ahead step itself: (2, B)."""
    weights = dict(student.named_parameters())
    eps = torch.zeros(2, len(batch.labels), dtype=torch.float64, requires_grad=True)

    def answer(values, of):
        return functional_call(student, values, (of.input_ids, of.attention_mask, of.token_type_ids)).logits

    with sdpa_kernel(SDPBackend.MATH):
        now = answer(weights, batch)
        log_s, log_t = (now / temperature).log_softmax(-1), (teacher / temperature).log_softmax(-1)
        kl = temperature**2 * (log_t.exp() * (log_t - log_s)).sum(-1)
        inner = (eps[0] * F.cross_entropy(now, batch.labels, reduction="none") + eps[1] * kl).sum()
        steps = torch.autograd.grad(inner, list(weights.values()), create_graph=True, allow_unused=True)
        ahead = {n: w if s is None else w - ETA * s for (n, w), s in zip(weights.items(), steps)}
        meta_loss = F.cross_entropy(answer(ahead, meta), meta.labels)
        return -torch.autograd.grad(meta_loss, eps)[0]


def quick(student, batch, meta, teacher, temperature=3.0):
    def rows(answer):
        now = answer(batch)
        return (
            logits.cross_entropy(now, batch.labels, reduction="none"),
            logits.soft_kl(now, teacher, temperature, reduction="none"),
        )

    return torch.stack(gains(student, lambda answer: logits.cross_entropy(answer(meta), meta.labels), rows))


def test_one_backward_and_one_jvp_equal_the_naive_look_ahead(scene):
    ours, theirs = quick(*scene), naive(*scene)
    assert ours.dtype == torch.float64 and theirs.abs().max() > 0
    torch.testing.assert_close(ETA * ours, theirs, rtol=1e-9, atol=1e-12)
    for floor in (1e-8, 1e-2):
        torch.testing.assert_close(
            teacher_share(*ours, floor), teacher_share(*(theirs / ETA), floor), rtol=1e-7, atol=1e-10
        )


def test_the_gains_foretell_what_a_small_step_does(scene):
    """First principles: after a tiny step on one row's loss alone, J is lower by step × gain."""
    student, batch, meta, teacher = scene
    useful, step = quick(*scene), 1e-6

    def meta_loss():
        with torch.no_grad():
            out = student(meta.input_ids, meta.attention_mask, meta.token_type_ids).logits
        return F.cross_entropy(out, meta.labels).item()

    before = meta_loss()
    for row in (0, 3):
        weights = list(student.parameters())
        out = student(batch.input_ids, batch.attention_mask, batch.token_type_ids).logits
        grads = torch.autograd.grad(
            F.cross_entropy(out[row : row + 1], batch.labels[row : row + 1]), weights, allow_unused=True
        )
        with torch.no_grad():
            for weight, grad in zip(weights, grads):
                if grad is not None:
                    weight -= step * grad
            assert (before - meta_loss()) / step == pytest.approx(useful[0, row].item(), rel=1e-3)
            for weight, grad in zip(weights, grads):
                if grad is not None:
                    weight += step * grad


def test_the_share_lies_between_the_two_and_harm_is_no_vote():
    share = teacher_share(torch.tensor([1.0, -5.0, 2.0, -1.0]), torch.tensor([3.0, 1.0, -1.0, -2.0]), 1e-8)
    torch.testing.assert_close(share, torch.tensor([0.75, 1.0, 0.0, 0.5]), atol=1e-6, rtol=0)


def test_a_run_keeps_every_rows_share_and_trains_on_the_weighted_loss():
    run = tiny.distill(kd.RWKD(meta_size=4), epochs=2)
    records = run.records["teacher_share"]
    assert [step for step, _ in records] == list(range(len(run.history)))
    rows = tiny.task()["train"].num_rows + tiny.task()["transfer"].num_rows
    index, share = torch.cat([value for _, value in records], 1)
    assert sorted(index.tolist()) == sorted(2 * list(range(rows)))
    assert ((share > 0) & (share <= 1)).all()
    unlabelled = index >= tiny.task()["train"].num_rows
    assert (share[unlabelled] == 1).all() and share[~unlabelled].std() > 0.01
    torch.testing.assert_close(run.history["teacher_share"].iloc[0], records[0][1][1].mean().item())


class Look(kd.RWKD):
    """Notes the losses and weights of the first step, and whether the student was left in training mode."""

    def weights(self, losses, ctx):
        found = super().weights(losses, ctx)
        if ctx.at.step == 0:
            self.first = losses, found, ctx.student.training
        return found


class Whole(kd.RWKD):
    """Finds the shares of the first batch once more, for all of its rows at once."""

    def weights(self, losses, ctx):
        found = super().weights(losses, ctx)
        if ctx.at.step == 0:
            self.first = (
                found["logits"],
                self._shares(ctx.batch, ctx.sample(self.meta, self.meta_size), ctx),
                ctx.batch.labels,
            )
        return found


def test_rows_without_a_label_cost_nothing_and_change_nothing():
    method = Whole(meta_size=4)
    tiny.distill(method, epochs=1, batch_size=16)
    share, whole, labels = method.first
    labelled = labels != -100
    assert 0 < labelled.sum() < len(labels)
    torch.testing.assert_close(share[labelled], whole[labelled], rtol=1e-3, atol=1e-5)
    assert (share[~labelled] == 1).all()


def test_the_loop_takes_the_mean_of_the_weighted_rows():
    method = Look(meta_size=4)
    run = tiny.distill(method, epochs=1)
    losses, weights, training = method.first
    assert training
    torch.testing.assert_close(weights["labels"] + weights["logits"], torch.ones(8))
    expected = sum((losses[name] * weights[name]).mean() for name in losses).item()
    assert run.history["loss"].iloc[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"temperature": 0}, "temperature=0"),
        ({"meta": "test"}, "meta='test': choose among train, dev"),
        ({"meta_size": 0}, "meta_size=0"),
        ({"floor": 0.0}, "floor=0.0"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings, words):
    with pytest.raises(ValueError, match=words):
        kd.RWKD(**settings)

"""Remedies against wrong labels: who is kept, what is refined, and what remains when a remedy is switched off."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import kdviz as kd
from kdviz.losses import logits
from kdviz.methods.base import At
from kdviz.methods.noisy import newborn, plausible
from tests.unit.training import tiny


def at(step: int, steps: int = 10) -> At:
    return At(phase="distil", index=0, epoch=0, epochs=1, step=step, phase_step=step, phase_steps=steps, steps=steps)


# ---- co-distillation -----------------------------------------------------------------------------------------------


def test_the_plausible_rows_are_those_of_small_loss_among_the_labelled():
    losses = torch.tensor([3.0, 0.1, 0.0, 2.0, 1.0])
    labels = torch.tensor([0, 1, -100, 1, 0])
    assert plausible(losses, labels, 0.5).tolist() == [0, 1, 0, 0, 1]
    assert plausible(losses, labels, 1.0).tolist() == [1, 1, 0, 1, 1]
    assert plausible(losses, labels, 0.01).tolist() == [0, 1, 0, 0, 0]
    assert plausible(losses, torch.full((5,), -100), 1.0).tolist() == [0] * 5


class Peers(kd.CoDistillation):
    """Notes what the first step saw."""

    def loss(self, student, teacher, batch, ctx):
        terms = super().loss(student, teacher, batch, ctx)
        if ctx.at.step == 0:
            self.first = student["logits"].detach(), teacher, batch, terms
        return terms


@pytest.mark.parametrize("drop", [0.0, 0.5])
def test_each_learns_what_the_other_finds_plausible(drop):
    method = Peers(alpha=0.4, temperature=2.0, peer=0.7, drop=drop)
    method.kept_share = lambda at: 1 - drop
    tiny.distill(method, epochs=1, student=tiny.student(dropout=0.0))
    mine, teacher, batch, terms = method.first
    with torch.no_grad():
        other = newborn(tiny.student(dropout=0.0), 1).train()  # as at the first step: seed 0 + 1
        theirs = other(batch.input_ids, batch.attention_mask, batch.token_type_ids).logits
    loss = {
        0: F.cross_entropy(mine, batch.labels, reduction="none", ignore_index=-100),
        1: F.cross_entropy(theirs, batch.labels, reduction="none", ignore_index=-100),
    }
    labelled = (batch.labels != -100).nonzero().flatten()
    count = max(1, round((1 - drop) * len(labelled)))
    hard = 0.0
    for me in (0, 1):
        kept = labelled[loss[1 - me][labelled].argsort()[:count]]
        hard += 0.6 * loss[me][kept].mean()
    torch.testing.assert_close(terms["labels"].detach(), hard)
    soft = sum(0.4 * logits.soft_kl(z, teacher["logits"], 2.0) for z in (mine, theirs))
    torch.testing.assert_close(terms["logits"].detach(), soft)
    mutual = 0.7 * (logits.soft_kl(mine, theirs, 2.0) + logits.soft_kl(theirs, mine, 2.0))
    torch.testing.assert_close(terms["peer"].detach(), mutual)


def test_both_students_are_trained_and_neither_pulls_through_its_target():
    method = Peers(alpha=0.0)
    run = tiny.distill(method, epochs=2, teacher=None)
    assert "logits" not in run.history
    before, after = newborn(tiny.student(), 1).state_dict(), method._other.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    student = torch.randn(4, 2, requires_grad=True)
    other = torch.randn(4, 2, requires_grad=True)
    logits.soft_kl(student, other).backward()
    assert other.grad is None and student.grad is not None


def test_the_kept_share_falls_to_what_is_expected_to_be_right():
    method = kd.CoDistillation(drop=0.4)
    shares = [method.kept_share(at(step)) for step in range(10)]
    assert shares[0] == 1 and shares == sorted(shares, reverse=True)
    assert shares[5:] == pytest.approx([0.6] * 5)


def test_a_newborn_has_the_shape_and_nothing_else():
    student = tiny.student()
    one, same, another = (newborn(student, seed) for seed in (1, 1, 2))
    assert one.tokenizer is student.tokenizer and one.vocabulary == student.vocabulary
    weights = [model.state_dict() for model in (one, same, another, student)]
    assert all(torch.equal(weights[0][n], weights[1][n]) for n in weights[0])
    for different in (2, 3):
        assert any(not torch.equal(weights[0][n], weights[different][n]) for n in weights[0])
    torch.testing.assert_close(student.state_dict(), tiny.student().state_dict())


# ---- label refinement ----------------------------------------------------------------------------------------------


def test_full_trust_in_the_labels_is_kd():
    refined = tiny.distill(kd.LabelRefinement(alpha=0.3, temperature=2.0, beta=1.0), epochs=2)
    plain = tiny.distill(kd.KD(alpha=0.3, temperature=2.0), epochs=2)
    for name, weight in plain.student.state_dict().items():
        torch.testing.assert_close(refined.student.state_dict()[name], weight, atol=2e-5, rtol=1e-4)


def test_targets_come_from_students_who_never_saw_the_label():
    """A row whose label is changed changes the others' predictions, but not the prediction for itself."""
    method, changed = (kd.LabelRefinement(beta=0.0, folds=3) for _ in range(2))
    tiny.distill(method, epochs=1)
    task = tiny.task()
    labels = task["train"]["label"][:]
    row = 4
    labels[row] = 1 - labels[row]
    train = task["train"].remove_columns("label").add_column("label", labels)
    other = type(task)(task.name, task.labels, task.splits | {"train": train})
    tiny.distill(changed, epochs=1, task=other)
    torch.testing.assert_close(method.targets.sum(1), torch.ones(len(labels)))
    assert torch.equal(method.targets[row], changed.targets[row])
    assert not torch.equal(method.targets, changed.targets)


def test_the_refined_target_lies_between_label_and_prediction():
    half, none = (kd.LabelRefinement(beta=beta, folds=2) for beta in (0.25, 0.0))
    for method in (half, none):
        tiny.distill(method, epochs=1)
    onehot = F.one_hot(torch.tensor(tiny.task()["train"]["label"][:]), 2).float()
    torch.testing.assert_close(half.targets, 0.25 * onehot + 0.75 * none.targets)


def test_without_a_teacher_only_the_labelled_rows_are_seen():
    run = tiny.distill(kd.LabelRefinement(alpha=0.0), epochs=1, teacher=None)
    assert len(run.history) == -(-len(tiny.task()["train"]) // 8)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: kd.CoDistillation(drop=1.0), "drop=1.0"),
        (lambda: kd.CoDistillation(peer=-1), "peer=-1"),
        (lambda: kd.CoDistillation(alpha=2), "alpha=2"),
        (lambda: kd.LabelRefinement(beta=1.5), "beta=1.5"),
        (lambda: kd.LabelRefinement(folds=1), "folds=1"),
        (lambda: kd.LabelRefinement(temperature=0), "temperature=0"),
    ],
)
def test_impossible_settings_are_refused_by_name(make, words):
    with pytest.raises(ValueError, match=words):
        make()

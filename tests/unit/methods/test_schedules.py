"""Annealing-KD, Continuation-KD and Pro-KD: their schedules, and what they are when a setting is taken away."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings, strategies as st

import kdviz as kd
from kdviz.data.kinds import CLASSIFICATION
from kdviz.methods.annealing import growth
from kdviz.methods.base import At
from tests.unit.training import tiny

counts = st.integers(1, 60)


def at(step: int, steps: int, phase: str = "both") -> At:
    return At(phase=phase, index=0, epoch=0, epochs=1, step=step, phase_step=step, phase_steps=steps, steps=2 * steps)


def assert_same_weights(one, other):
    for name, weight in one.student.state_dict().items():
        assert torch.equal(weight, other.student.state_dict()[name]), name


# ---- Φ -------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(steps=counts, tau_max=counts)
def test_the_teacher_grows_to_one_and_never_above(steps, tau_max):
    values = [growth(step, steps, tau_max) for step in range(steps)]
    assert values == sorted(values)
    assert values[0] > 0 and values[-1] == 1
    assert all(abs(value * tau_max - round(value * tau_max)) < 1e-9 for value in values)


@pytest.mark.parametrize(
    "epochs, tau_max, expected",
    [
        (14, 7, [(e // 2 + 1) / 7 for e in range(14)]),  # the released GLUE setting: two epochs a part
        (4, 4, [0.25, 0.5, 0.75, 1.0]),
        (5, 2, [0.5, 0.5, 0.5, 1.0, 1.0]),  # τ_max does not divide: the release would run past 1
        (2, 4, [0.75, 1.0]),
    ],
)
def test_the_schedule_of_the_paper(epochs, tau_max, expected):
    assert [growth(e, epochs, tau_max) for e in range(epochs)] == pytest.approx(expected)


@settings(deadline=None)
@given(
    epochs=st.integers(2, 60),
    labels=st.integers(1, 60) | st.none(),
    kind=st.sampled_from([kd.AnnealingKD, kd.ContinuationKD]),
)
def test_epochs_are_spent_in_full_or_refused(epochs, labels, kind):
    method = kind(label_epochs=labels)
    if labels is not None and labels >= epochs:
        with pytest.raises(ValueError, match=f"{labels} of {epochs} epochs"):
            method.phases(epochs)
        return
    first, last = method.phases(epochs)
    assert first.epochs + last.epochs == epochs and min(first.epochs, last.epochs) >= 1
    assert last.rows == "labelled"


def test_the_released_split_of_eighteen_epochs():
    assert [phase.epochs for phase in kd.AnnealingKD().phases(18)] == [14, 4]
    assert [phase.epochs for phase in kd.ContinuationKD().phases(30)] == [20, 10]


# ---- Annealing-KD --------------------------------------------------------------------------------------------------


def batch_of(labels):
    return type("Batch", (), {"labels": torch.tensor(labels)})


def test_annealing_loss_is_the_formula():
    student, teacher = torch.randn(6, 3), torch.randn(6, 3)
    fields = {"logits": student}, {"logits": teacher}, batch_of([0, 1, 2, 0, 1, 2])
    method = kd.AnnealingKD(tau_max=4)
    for step, phi in enumerate([0.25, 0.5, 0.75, 1.0]):
        terms = method.loss(*fields, here(at(step, 4, "teacher")))
        assert terms.keys() == {"logits"}
        torch.testing.assert_close(terms["logits"], (student - phi * teacher).square().mean())
    only_labels = method.loss(*fields, here(at(0, 4, "labels")))
    assert only_labels.keys() == {"labels"}
    torch.testing.assert_close(only_labels["labels"], torch.nn.functional.cross_entropy(student, fields[2].labels))
    kl = kd.AnnealingKD(tau_max=2, match="kl").loss(*fields, here(at(0, 2, "teacher")))["logits"]
    target = (teacher / 2).softmax(-1)
    torch.testing.assert_close(kl, (target * (target.log() - student.log_softmax(-1))).sum(-1).mean())


class Spy(kd.Method):
    """Annealing-KD that notes the student's weights as each phase begins."""

    def __init__(self):
        self.inner, self.seen = kd.AnnealingKD(tau_max=2, label_epochs=2), {}
        self.needs = self.inner.needs

    def phases(self, epochs):
        return self.inner.phases(epochs)

    def setup(self, ctx):
        self.ctx = ctx

    def loss(self, student, teacher, batch, ctx):
        if ctx.at.phase not in self.seen:
            self.seen[ctx.at.phase] = self.ctx.weights(), dict(self.ctx.optimizer.state), self.ctx.at.step
        return self.inner.loss(student, teacher, batch, ctx)

    def after_step(self, ctx):
        if ctx.at.phase == "teacher" and ctx.at.last_of_epoch:
            self.seen.setdefault("epochs", []).append((ctx.weights(), ctx.evaluate()["accuracy"]))


def test_the_labels_start_from_the_best_student_with_a_new_optimiser():
    spy = Spy()
    tiny.distill(spy, epochs=6, lr=5e-3)
    weights, optimizer, step = spy.seen["labels"]
    assert step > 0 and optimizer == {}
    accuracies = [accuracy for _, accuracy in spy.seen["epochs"]]
    best = spy.seen["epochs"][accuracies.index(max(accuracies))][0]
    assert all(torch.equal(weights[name], best[name]) for name in best)


def test_without_parts_annealing_is_plain_mse():
    """τ_max = 1: Φ is 1 at every step, so that the control differs from the method in nothing but Φ."""
    run = tiny.distill(kd.AnnealingKD(tau_max=1), epochs=4)
    assert list(dict.fromkeys(run.history["phase"])) == ["teacher", "labels"]
    plain = tiny.distill(kd.ProKD([None]), epochs=4)
    assert_same_weights(run, plain)
    grown = tiny.distill(kd.AnnealingKD(tau_max=4), epochs=4)
    assert not torch.equal(*(next(iter(r.student.state_dict().values())) for r in (run, grown)))


# ---- Continuation-KD -----------------------------------------------------------------------------------------------


def test_continuation_loss_is_the_formula():
    student, teacher = torch.randn(6, 3), torch.randn(6, 3)
    fields = {"logits": student}, {"logits": teacher}, batch_of([0, 1, 2, 0, 1, 2])
    method = kd.ContinuationKD(tau_max=2, margin=1.5, psi_end=0.8)
    terms = method.loss(*fields, here(at(3, 4)))
    distance = (student - teacher).square().mean(-1)
    torch.testing.assert_close(terms["logits"], (1 - 0.6) * (distance - 1.5).clamp(min=0).mean())
    torch.testing.assert_close(terms["labels"], 0.6 * torch.nn.functional.cross_entropy(student, fields[2].labels))
    assert method.loss(*fields, here(at(0, 4))).keys() == {"logits"}
    assert method.loss(*fields, here(at(0, 4, "labels"))).keys() == {"labels"}


def test_inside_the_margin_nothing_pulls():
    teacher = torch.randn(5, 3)
    student = (teacher + 0.5).requires_grad_()
    fields = {"logits": student}, {"logits": teacher}, batch_of([0] * 5)
    for margin, pulls in ((0.2, True), (0.3, False)):
        loss = kd.ContinuationKD(tau_max=1, margin=margin, psi_end=0).loss(*fields, here(at(0, 4)))["logits"]
        (gradient,) = torch.autograd.grad(loss, student)
        assert bool(gradient.any()) is pulls


@pytest.mark.parametrize("tau_max, epochs, labels", [(3, 5, 2), (7, 3, 1)])
def test_without_margin_and_with_a_step_it_is_annealing_step_for_step(tau_max, epochs, labels):
    one = tiny.distill(kd.AnnealingKD(tau_max, label_epochs=labels), epochs=epochs)
    step = kd.ContinuationKD(tau_max, margin=0, psi_end=0, label_epochs=labels, restart="best")
    other = tiny.distill(step, epochs=epochs)
    assert_same_weights(one, other)
    assert one.history["loss"].tolist() == other.history["loss"].tolist()
    for changed in ({"margin": 0.5}, {"psi_end": 0.5}, {"restart": "last"}):
        different = tiny.distill(replace(step, **changed), epochs=epochs)
        assert different.history["loss"].tolist() != one.history["loss"].tolist(), changed


def test_psi_never_falls():
    method = kd.ContinuationKD(psi_end=0.5)
    values = [method.psi(at(step, 10)) for step in range(10)] + [method.psi(at(0, 5, "labels"))]
    assert values[0] == 0 and values[-1] == 1 and values == sorted(values)
    assert max(values[:-1]) < 0.5


# ---- Pro-KD --------------------------------------------------------------------------------------------------------


def checkpoints(n: int):
    """Teachers that answer differently."""
    made = []
    for number in range(n):
        model = copy.deepcopy(tiny.teacher(), {id(tiny.teacher().tokenizer): tiny.teacher().tokenizer})
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(1 - 0.1 * (n - 1 - number))
        made.append(model)
    return made


@settings(deadline=None)
@given(n=st.integers(1, 12), epochs=st.integers(1, 30))
def test_the_path_is_followed_in_order_to_its_end(n, epochs):
    followed = kd.ProKD([None] * n).followed(epochs)
    assert sum(followed.values()) == epochs and min(followed.values()) >= 1
    assert list(followed) == sorted(followed) and list(followed)[-1] == n - 1
    assert len(followed) == min(n, epochs)
    assert max(followed.values()) - min(followed.values()) <= 1


class Heard(kd.ProKD):
    """Notes which logits the teacher gave in which phase."""

    def loss(self, student, teacher, batch, ctx):
        if ctx.at.phase != "labels":
            self.heard.append((ctx.at.phase, batch, teacher["logits"].clone()))
        return super().loss(student, teacher, batch, ctx)


@pytest.mark.parametrize("cache", [True, False])
def test_every_checkpoint_is_heard_in_its_turn(cache):
    path = checkpoints(3)
    method = Heard([*path[:2], None])
    method.heard = []
    run = tiny.distill(method, epochs=4, cache=cache)
    assert list(dict.fromkeys(run.history["phase"])) == ["checkpoint 1", "checkpoint 2", "checkpoint 3", "labels"]
    for phase, batch, heard in method.heard:
        teacher = [*path[:2], tiny.teacher()][int(phase[-1]) - 1]
        with torch.no_grad():
            own = teacher(batch.input_ids, batch.attention_mask).logits
        torch.testing.assert_close(heard, own, atol=1e-5, rtol=1e-4)


def test_whole_numbers_are_epochs_of_the_packaged_teacher(monkeypatch):
    asked = []

    def load(name, task, checkpoint):
        asked.append((name, task.name, checkpoint))
        return checkpoints(1)[0]

    monkeypatch.setattr("kdviz.models.teachers.load_teacher", load)
    tiny.distill(kd.ProKD([0, 2, None]), epochs=4)
    assert asked == [("minilm", "tiny", 0), ("minilm", "tiny", 2)]


def test_the_path_is_one_stretch_of_learning():
    """One warm-up and one decay from the first checkpoint to the last, then a new start for the labels."""
    run = tiny.distill(kd.ProKD([None] * 3), epochs=4)
    rates = run.history.groupby("phase", sort=False)["lr"].agg(["first", "max", "last"])
    assert list(rates["max"].iloc[:3]) == sorted(rates["max"].iloc[:3], reverse=True)
    assert rates["last"]["checkpoint 1"] > rates["first"]["checkpoint 2"] > rates["last"]["checkpoint 3"]
    assert rates["max"]["labels"] > 5 * rates["last"]["checkpoint 3"]


def test_the_annealed_path_grows_like_annealing():
    method = kd.ProKD([None] * 5, annealed=True)
    values = [method.phi(phase.name) for phase in method.phases(6)[:-1]]
    assert values == pytest.approx([growth(epoch, 5, 5) for epoch in range(5)])
    student, teacher = torch.randn(6, 3), torch.randn(6, 3)
    loss = method.loss({"logits": student}, {"logits": teacher}, batch_of([0] * 6), here(at(0, 4, "checkpoint 2")))[
        "logits"
    ]
    torch.testing.assert_close(loss, (student - 0.4 * teacher).square().mean())


def test_a_run_knows_its_checkpoints(tmp_path):
    path = checkpoints(2)
    tiny.distill(kd.ProKD(path), epochs=3, folder=tmp_path)
    with pytest.raises(ValueError, match="method was"):
        tiny.distill(kd.ProKD(path[::-1]), epochs=3, folder=tmp_path, resume=True)


# ---- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: kd.AnnealingKD(tau_max=0), "tau_max=0"),
        (lambda: kd.AnnealingKD(match="l1"), "match='l1': choose among mse, kl"),
        (lambda: kd.AnnealingKD().phases(1), "leave 0 for the teacher"),
        (lambda: kd.ContinuationKD(margin=-1), "margin=-1"),
        (lambda: kd.ContinuationKD(tau_max=0), "tau_max=0"),
        (lambda: kd.ContinuationKD(psi_end=1.5), "psi_end=1.5"),
        (lambda: kd.ContinuationKD(restart="first"), "choose among last, best"),
        (lambda: kd.ProKD([]), "checkpoints is empty"),
        (lambda: growth(4, 4, 2), "step 4 of 4"),
    ],
)
def test_impossible_settings_are_refused_by_name(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def here(at):
    """What a loss sees of its run."""
    return SimpleNamespace(at=at, kind=CLASSIFICATION, record=lambda name, value: None)

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import kdviz as kd
from kdviz.data.kinds import CLASSIFICATION
from kdviz.methods import ALPKD, UniversalKD
from kdviz.methods.base import At
from kdviz.methods.universal_kd import mix_layers
from tests.unit.training import tiny


def at(phase="layers"):
    return At(phase, 0, 0, 1, 0, 0, 1, 1)


class Recorder(SimpleNamespace):
    at = at()

    def record(self, name, value):
        self.kept = value


def test_attention_is_a_softmax_over_teacher_layers():
    g = torch.Generator().manual_seed(0)
    s, t = torch.randn(2, 2, 3, generator=g), torch.randn(2, 4, 3, generator=g)
    weights, targets = mix_layers(s.requires_grad_(), t)
    for b in range(2):
        for j in range(2):
            a = torch.softmax(torch.stack([s[b, j] @ t[b, k] for k in range(4)]), 0)
            assert_close(weights[b, j], a)
            assert_close(targets[b, j], sum(a[k] * t[b, k] for k in range(4)))
    assert not targets.requires_grad and weights.sum(-1).allclose(torch.ones(2, 2))


def test_universal_kd_terms():
    g = torch.Generator().manual_seed(1)
    method = UniversalKD(gamma=0.25, temperature=2.0)
    method.teacher_probes, method.student_probes = (lambda x: 2 * x), (lambda x: x + 1)
    ctx = Recorder()
    s, t = ({"mean": torch.randn(2, k, 3, generator=g), "logits": torch.randn(2, 3, generator=g)} for k in (2, 4))
    terms = method.loss(s, t, None, ctx)
    z_s, z_t = s["mean"] + 1, 2 * t["mean"]
    weights, targets = mix_layers(z_s, z_t)
    expected = sum(
        F.kl_div(z_s[:, j].log_softmax(-1), targets[:, j].softmax(-1), reduction="batchmean") for j in range(2)
    )
    assert_close(terms["layers"], 0.25 * expected)
    soft = 4 * F.kl_div((s["logits"] / 2).log_softmax(-1), (t["logits"] / 2).softmax(-1), reduction="batchmean")
    assert_close(terms["logits"], 0.75 * soft)
    assert_close(ctx.kept, weights.mean(0))
    output = UniversalKD(use="output")
    output.teacher_probes = method.teacher_probes
    _, targets = mix_layers(s["logits"][:, None], z_t)
    expected = F.kl_div(s["logits"].log_softmax(-1), targets[:, 0].softmax(-1), reduction="batchmean")
    assert_close(output.loss(s, t, None, ctx)["layers"], 0.5 * expected)


def test_alp_kd_terms():
    g = torch.Generator().manual_seed(2)
    method = ALPKD(alpha=0.5, beta=3.0)
    method.ctx, method.projection = Recorder(), torch.nn.Linear(3, 5, bias=False)
    s = {"cls": torch.randn(2, 2, 3, generator=g), "logits": torch.randn(2, 2, generator=g)}
    t = {"cls": torch.randn(2, 4, 5, generator=g), "logits": torch.randn(2, 2, generator=g)}
    found = method.loss(s, t, SimpleNamespace(labels=torch.tensor([0, 1])), here(at("distil")))
    own = method.projection(s["cls"])
    _, targets = mix_layers(own, t["cls"])
    assert_close(found["layers"], 3 * sum(F.mse_loss(own[:, j], targets[:, j]) for j in range(2)))
    found["layers"].backward()
    assert method.projection.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("architecture", ["bert", "bilstm", "cnn"])
def test_students_of_any_kind_learn_from_all_layers(architecture):
    student = kd.build_student(tiny.task(), layers=2, hidden=16, heads=2, architecture=architecture)
    run = tiny.distill(UniversalKD(label_epochs=1), student=student, epochs=3, lr=5e-3)
    layers, labels = (run.history[run.history.phase == phase] for phase in ("layers", "labels"))
    assert layers[["logits", "layers"]].notna().all().all() and labels["labels"].notna().all()
    assert labels[["logits", "layers"]].isna().all().all()
    maps = run.records["attention"]
    assert maps[0][1].shape == (2, 4)
    for _, attention in maps:
        assert_close(attention.sum(-1), torch.ones(2))
    assert not any("probe" in name for name in run.student.state_dict())


def test_probes_are_dropped_before_the_second_stage():
    method = UniversalKD(label_epochs=1)
    seen = {}

    def after_step(ctx):
        seen.setdefault(ctx.at.phase, []).append(method.student_probes.weight.detach().clone())

    method.after_step = after_step
    tiny.distill(method, epochs=2)
    assert not torch.equal(seen["layers"][0], seen["layers"][-1])
    assert torch.equal(seen["labels"][0], seen["layers"][-1]) and torch.equal(seen["labels"][-1], seen["layers"][-1])


def test_the_teachers_probes_know_the_labels_and_do_not_move():
    method = UniversalKD(use="output", label_epochs=1)
    tiny.distill(method, epochs=2)
    assert method.teacher_probes.weight.shape == (4, 24, 2)
    first = method.teacher_probes.weight.clone()
    tiny.distill(method, epochs=2, seed=1)
    assert torch.equal(first, method.teacher_probes.weight)
    assert not hasattr(method, "student_probes")


def test_alp_kd_trains_with_and_without_a_projection():
    run = tiny.distill(ALPKD(), epochs=4, lr=5e-3)
    assert run.history["layers"].iloc[-4:].mean() < run.history["layers"].iloc[:4].mean()
    same = ALPKD()
    tiny.distill(same, student=tiny.student(hidden=24, heads=4))
    assert isinstance(same.projection, torch.nn.Identity)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="use='both': choose among layers, output"):
        UniversalKD(use="both")
    with pytest.raises(ValueError, match="beta=0"):
        ALPKD(beta=0)
    with pytest.raises(ValueError, match="2 of 2 epochs"):
        UniversalKD(label_epochs=2).phases(2)


def here(at):
    """What a loss sees of its run."""
    return SimpleNamespace(at=at, kind=CLASSIFICATION, record=lambda name, value: None)

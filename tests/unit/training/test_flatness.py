"""Flatness is measured right where it is known: on quadratic bowls, and against the Hessian written out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdviz.losses import logits
from kdviz.training.flatness import direction, losses_along, top_eigenvalue
from tests.unit.training import tiny


class Bowl(nn.Module):
    """½ wᵀ diag(curvatures) w."""

    def __init__(self, curvatures):
        super().__init__()
        self.curvatures = torch.tensor(curvatures, dtype=torch.float64)
        self.weight = nn.Parameter(torch.ones(len(curvatures), dtype=torch.float64))

    def loss(self):
        return 0.5 * (self.curvatures * self.weight**2).sum()


@pytest.mark.parametrize("curvatures, top", [([1.0, 7.0, 3.0], 7.0), ([1.0, -9.0, 3.0], -9.0)])
def test_the_top_eigenvalue_of_a_bowl_is_its_steepest_curvature(curvatures, top):
    bowl = Bowl(curvatures)
    assert top_eigenvalue(bowl, bowl.loss, tolerance=1e-8, steps=200) == pytest.approx(top, rel=1e-4)


def test_the_top_eigenvalue_of_a_network_is_that_of_its_hessian():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    x, y = torch.randn(20, 3, dtype=torch.float64), torch.randint(0, 2, (20,))
    names = [name for name, _ in net.named_parameters()]

    def of(*weights):
        return logits.cross_entropy(torch.func.functional_call(net, dict(zip(names, weights)), x), y)

    blocks = torch.autograd.functional.hessian(of, tuple(net.parameters()))
    sizes = [weight.numel() for weight in net.parameters()]
    whole = torch.cat([torch.cat([b.reshape(m, n) for b, n in zip(row, sizes)], 1) for row, m in zip(blocks, sizes)])
    values = torch.linalg.eigvalsh(whole)
    top = values[values.abs().argmax()].item()
    assert top_eigenvalue(net, lambda: logits.cross_entropy(net(x), y), tolerance=1e-9, steps=2000) == pytest.approx(
        top, rel=1e-4
    )


def test_an_iteration_that_did_not_settle_is_refused():
    bowl = Bowl([1.0, 7.0, 6.9])
    with pytest.raises(ValueError, match="after 3 steps"):
        top_eigenvalue(bowl, bowl.loss, steps=3, tolerance=1e-12)


@pytest.mark.parametrize("model", [tiny.student(), nn.Conv2d(2, 3, 3)], ids=["matrices", "filters"])
def test_every_filter_of_a_direction_has_the_models_norm(model):
    first, again, other = direction(model, 0), direction(model, 0), direction(model, 1)
    for weight, step, same, different in zip(model.parameters(), first, again, other):
        assert torch.equal(step, same) and step.shape == weight.shape
        if weight.ndim > 1:
            torch.testing.assert_close(
                step.flatten(1).norm(dim=1), weight.detach().flatten(1).norm(dim=1), rtol=1e-4, atol=1e-6
            )
            assert not torch.equal(step, different)
        else:
            assert not step.any()


def test_slices_follow_the_bowl_and_the_weights_come_back():
    bowl = Bowl([2.0, 4.0])
    x, y = [torch.tensor([1.0, 0.0]).double()], [torch.tensor([0.0, 1.0]).double()]
    radii = torch.linspace(-1, 1, 5)
    torch.testing.assert_close(losses_along(bowl, bowl.loss, radii, x), (radii + 1) ** 2 + 2)
    grid = losses_along(bowl, bowl.loss, radii, x, y)
    torch.testing.assert_close(grid, (radii[None] + 1) ** 2 + 2 * (radii[:, None] + 1) ** 2)
    assert torch.equal(bowl.weight.detach(), torch.ones(2).double())
    with pytest.raises(ValueError, match="3 directions"):
        losses_along(bowl, bowl.loss, radii, x, x, x)


def test_a_slice_through_a_student_meets_its_own_loss_in_the_middle():
    model = tiny.student().eval()
    ids = torch.randint(1000, 4000, (8, 7))
    labels = torch.randint(0, 2, (8,))

    def loss():
        return logits.cross_entropy(model(ids, torch.ones_like(ids)).logits, labels)

    before = loss().item()
    line = losses_along(model, loss, [-0.5, 0.0, 0.5], direction(model))
    assert line[1].item() == before == loss().item()
    assert line[0] != line[1] != line[2]
    assert abs(top_eigenvalue(model, loss, tolerance=0.02, steps=200)) > 0

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from kdviz.models.probes import Probes, fit


def states_that_know_more_and_more():
    """Three layers of 200 rows: the class is not in the first, half in the second, plainly in the third."""
    g = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (200,), generator=g)
    centres = 3 * torch.randn(3, 6, generator=g)
    strength = torch.tensor([0.0, 0.3, 2.0])
    return torch.randn(200, 3, 6, generator=g) * 5 + 5 * strength[None, :, None] * centres[labels][:, None] + 7, labels


def test_each_layer_is_probed_on_its_own():
    states, labels = states_that_know_more_and_more()
    probes = fit(states, labels, 3)
    accuracy = probes.accuracy(states, labels)
    assert accuracy[0] < 0.6 < accuracy[1] < 0.999 <= accuracy[2]
    alone = fit(states[:, 1:2], labels, 3)
    assert_close(alone(states[:, 1:2]), probes(states)[:, 1:2], atol=0.05, rtol=0.05)
    assert not any(p.requires_grad for p in probes.parameters())


def test_the_fit_is_the_minimum_and_the_same_every_time():
    states, labels = states_that_know_more_and_more()
    state = torch.get_rng_state()
    probes, again = fit(states, labels, 3), fit(states, labels, 3)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(probes.weight, again.weight)

    def objective(weight, bias):
        size = states.std(0, correction=0)
        logits = torch.einsum("bkd,kdc->bkc", states, weight) + bias
        loss = 3 * torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, None].expand(-1, 3).flatten())
        return loss + 5e-4 * (weight * size[..., None]).square().sum()

    best = objective(probes.weight, probes.bias)
    for seed in range(5):
        torch.manual_seed(seed)
        assert objective(probes.weight + 0.01 * torch.randn(3, 6, 3), probes.bias) > best


def test_unlabelled_rows_and_wrong_shapes():
    states, labels = states_that_know_more_and_more()
    some = labels.clone()
    some[100:] = -100
    assert torch.equal(fit(states, some, 3).weight, fit(states[:100], labels[:100], 3).weight)
    with pytest.raises(ValueError, match="none of 200 rows has a label"):
        fit(states, torch.full_like(labels, -100), 3)
    with pytest.raises(ValueError, match=r"probes of \(2, 6\).*\(200, 3, 6\)"):
        Probes(2, 6, 3)(states)

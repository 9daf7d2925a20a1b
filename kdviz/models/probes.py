"""Probes: a linear classifier on every layer. What does each layer know of the task?"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdviz.losses.logits import UNLABELLED
from kdviz.models.network import seeded


class Probes(nn.Module):
    """One linear classifier a layer ("pseudo classifiers", Wu et al. 2021). states (B, K, d) -> logits (B, K, C)."""

    def __init__(self, layers: int, width: int, classes: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(layers, width, classes) * width**-0.5)
        self.bias = nn.Parameter(torch.zeros(layers, classes))

    def forward(self, states: Tensor) -> Tensor:
        if states.shape[1:] != self.weight.shape[:2]:
            raise ValueError(
                f"probes of {tuple(self.weight.shape[:2])} (layers, width) cannot read {tuple(states.shape)}"
            )
        return torch.einsum("bkd,kdc->bkc", states, self.weight) + self.bias

    @torch.no_grad()
    def accuracy(self, states: Tensor, labels: Tensor) -> Tensor:
        """Share of labelled rows that each layer's probe gets right, (K,)."""
        known = labels != UNLABELLED
        return (self(states[known]).argmax(-1) == labels[known, None]).double().mean(0)


def fit(states: Tensor, labels: Tensor, classes: int, *, decay: float = 1e-3, steps: int = 60) -> Probes:
    """Probes by cross-entropy on frozen states, the same on every call: they start at 0 and the problem is convex.

    states : (N, K, d)   labels : (N,), rows with -100 are left out
    decay  : weight of ½‖W‖², on states brought to mean 0 and variance 1 a channel
    Raises ValueError when no row is labelled.
    """
    known = labels != UNLABELLED
    if not known.any():
        raise ValueError(f"none of {len(labels)} rows has a label: probes need some")
    states, labels = states[known].detach().float(), labels[known]
    mean, size = states.mean(0), states.std(0, correction=0).clamp(min=1e-6)
    states = (states - mean) / size
    _, layers, width = states.shape
    with seeded(0):
        probes = Probes(layers, width, classes).to(states)
    nn.init.zeros_(probes.weight)
    optimizer = torch.optim.LBFGS(probes.parameters(), max_iter=steps, history_size=10, line_search_fn="strong_wolfe")
    targets = labels[:, None].expand(-1, layers)

    def closure():
        optimizer.zero_grad()
        # summed over layers: each layer's probe is a problem of its own
        loss = layers * F.cross_entropy(probes(states).flatten(0, 1), targets.flatten())
        loss = loss + decay / 2 * probes.weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    with torch.no_grad():  # read states as they are, not standardised
        probes.weight /= size[:, :, None]
        probes.bias -= torch.einsum("kd,kdc->kc", mean, probes.weight)
    return probes.requires_grad_(False)

"""How flat is the loss around a model? Slices along filter-normalised directions, and the sharpest curvature."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.attention import SDPBackend, sdpa_kernel

Direction = list[Tensor]  # one tensor a weight, in the order of model.parameters()


def direction(model, seed: int = 0) -> Direction:
    """A random direction in which every filter (row of a matrix) has the norm that it has in the model.

    Li et al. 2018: without it, a network whose weights are large looks flat. Vectors (biases, norms) stay as they are.
    """
    generator, made = torch.Generator().manual_seed(seed), []
    for weight in model.parameters():
        noise = torch.zeros(weight.shape)
        if weight.ndim > 1:
            noise = torch.randn(weight.shape, generator=generator)
            axes = tuple(range(1, weight.ndim))
            own, length = (vector_norm(one, dim=axes, keepdim=True) for one in (weight.detach().cpu().float(), noise))
            noise *= own / length.clamp(min=1e-12)
        made.append(noise.to(weight))
    return made


@torch.no_grad()
def losses_along(model, loss: Callable[[], Tensor], radii, *directions: Direction) -> Tensor:
    """The loss at model + radius·direction for every radius, (r,); for two directions the grid (r, r).

    loss : called without arguments once the weights are moved. The weights are put back exactly.
    In the grid the first direction runs along the columns (x), the second along the rows (y).
    """
    if len(directions) not in (1, 2):
        raise ValueError(f"{len(directions)} directions: a slice has 1 or 2")
    home = [weight.clone() for weight in model.parameters()]

    def at(*distances) -> float:
        for weight, start, *steps in zip(model.parameters(), home, *directions):
            weight.copy_(start + sum(distance * step for distance, step in zip(distances, steps)))
        return float(loss())

    try:
        if len(directions) == 1:
            return torch.tensor([at(x) for x in radii])
        return torch.tensor([[at(x, y) for x in radii] for y in radii])
    finally:
        for weight, start in zip(model.parameters(), home):
            weight.copy_(start)


def top_eigenvalue(
    model, loss: Callable[[], Tensor], *, steps: int = 50, tolerance: float = 1e-3, seed: int = 0
) -> float:
    """The Hessian's eigenvalue of the largest magnitude, by power iteration on Hessian-vector products.

    loss      : the loss on a fixed batch, differentiable twice; dropout must be off
    tolerance : relative change at which the iteration ends
    Each step costs about two backward passes. Raises ValueError when `steps` did not suffice.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    with sdpa_kernel(SDPBackend.MATH):  # the fused attention kernels have no second derivative
        slopes = torch.autograd.grad(loss(), weights, create_graph=True, allow_unused=True)
        pairs = [(slope, weight) for slope, weight in zip(slopes, weights) if slope is not None]
        slopes, weights = zip(*pairs)
        generator = torch.Generator().manual_seed(seed)
        vector = _unit([torch.randn(weight.shape, generator=generator).to(weight) for weight in weights])
        former = None
        for _ in range(steps):
            product = torch.autograd.grad(slopes, weights, vector, retain_graph=True, materialize_grads=True)
            value = sum((v * p).sum() for v, p in zip(vector, product)).item()
            if former is not None and abs(value - former) <= tolerance * abs(value):
                return value
            former, vector = value, _unit(product)
    raise ValueError(f"no eigenvalue to {tolerance:g} after {steps} steps (last two: {former:.4g}): pass more steps")


def _unit(vector) -> list[Tensor]:
    norm = torch.sqrt(sum((part * part).sum() for part in vector))
    if norm == 0:
        raise ValueError("the Hessian maps a random vector to 0: the loss does not depend on the weights, or is linear")
    return [part / norm for part in vector]

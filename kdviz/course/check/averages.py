"""Exercises of lesson 11: weight averaging and curvature (Izmailov et al. 2018; Lu et al. 2022)."""

from __future__ import annotations

import torch

from kdviz.course.check import exercise


@exercise(
    "swa-update",
    inputs=lambda g: (torch.randn(3, 2, generator=g), torch.randn(3, 2, generator=g), int(torch.randint(2, 9, (), generator=g))),
    mistakes={
        "the former mean stands for n students and must weigh n times as much as the new one.":
            lambda mean, weight, n: (mean + weight) / 2,
        "multiply the former mean by n before you add: this shrinks it at every update.":
            lambda mean, weight, n: (mean + weight) / (n + 1),
        "after the update there are n + 1 students in the mean: divide by n + 1.":
            lambda mean, weight, n: (n * mean + weight) / n,
        "the roles are swapped: n students are in the mean, one is new.":
            lambda mean, weight, n: (mean + n * weight) / (n + 1),
    },
    praise="a running mean: every student passed through counts the same, and only one copy is kept.",
)
def swa_update(mean, weight, n):
    return (n * mean + weight) / (n + 1)


def _symmetric(g: torch.Generator) -> tuple:
    basis = torch.linalg.qr(torch.randn(5, 5, generator=g)).Q
    values = torch.tensor([-6.0, 3.0, 2.0, 1.0, 0.5])
    return (basis * values) @ basis.T, torch.randn(5, generator=g)


def _iterate(matrix, vector):
    for _ in range(100):
        vector = matrix @ vector
        vector = vector / vector.norm()
    return vector


@exercise(
    "power-iteration",
    inputs=_symmetric,
    mistakes={
        "a norm is never negative: this loses the eigenvalue's sign, and a saddle looks like a bowl. Use vᵀHv.":
            lambda h, v: (h @ _iterate(h, v)).norm(),
        "only one step was made: the vector still is a mixture. Multiply and normalise again and again.":
            lambda h, v: (v / v.norm()) @ h @ (v / v.norm()),
        "this is the eigenvector; asked is its eigenvalue, vᵀHv.":
            lambda h, v: _iterate(h, v),
        "this is the trace, the sum of all eigenvalues.":
            lambda h, v: h.trace(),
    },
    praise="products with H are enough: H itself, with its weights² entries, is never written down.",
)
def power_iteration(hessian, vector):
    vector = _iterate(hessian, vector)
    return vector @ hessian @ vector

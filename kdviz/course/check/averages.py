"""Exercises of lesson 11: weight averaging and curvature (Izmailov et al. 2018; Lu et al. 2022)."""

from __future__ import annotations

from math import nan

import torch

from kdviz.course.check import exercise
from kdviz.course.check.parts import Draw


@exercise(lambda draw: (draw.normal(3, 2), draw.normal(3, 2), draw.integer(2, 8)))
def swa_update(mean, weight, n):
    """A running mean: every student passed through counts the same, and only one copy is kept."""
    both, total, fading = mean + weight, n * mean + weight, [d * mean + (1 - d) * weight for d in (0.9, 0.99, 0.999)]
    too_few = [total / n, mean + (weight - mean) / n]
    return total / (n + 1), {
        "the former mean stands for n students and must weigh n times as much as the new one.": both / 2,
        "multiply the former mean by n before you add: this shrinks it.": [both / (n + 1), both / n],
        "after the update there are n + 1 students in the mean: divide by n + 1.": too_few,
        "the roles are swapped: n students are in the mean, one is new.": (mean + n * weight) / (n + 1),
        "this is the sum of all students; divide by their number, n + 1.": total,
        "the new student is missing.": [mean, n * mean / (n + 1)],
        "only the new student is left.": [weight, weight / (n + 1)],
        "divide the whole sum, not the new student alone.": [mean + weight / (n + 1), n * mean + weight / (n + 1)],
        "this moving average forgets old students; here all count the same.": fading,
    }


def _symmetric(draw: Draw) -> tuple:
    basis = torch.linalg.qr(draw.normal(5, 5)).Q
    values = torch.tensor([-6.0, 3.0, 2.0, 1.0, 0.5]) * (-1) ** draw.seed
    return (basis * values) @ basis.T, draw.normal(5)


@exercise(_symmetric)
def power_iteration(hessian, vector):
    """Products with H are enough: H itself, with its weights² entries, is never written down."""
    values, path = torch.linalg.eigvalsh(hessian), [vector / vector.norm()]
    for _ in range(100):
        path.append(hessian @ path[-1] / (hessian @ path[-1]).norm())
    found, image, early = path[-1], hessian @ path[-1], [one @ hessian @ one for one in path[:2]]
    size = image.norm()
    return found @ image, {
        "a norm is never negative: this loses the eigenvalue's sign, and a saddle looks like a bowl. Use vᵀHv.": size,
        "only one step was made: the vector still is a mixture. Multiply and normalise again and again.": early,
        "the numbers grew without end: divide the vector by its norm after every product.": nan,
        "this is the eigenvector; asked is its eigenvalue, vᵀHv.": [found, -found],
        "this is the trace, the sum of all eigenvalues.": hessian.trace(),
        "asked is the eigenvalue of largest magnitude, negative or not.": [values[-1], values[0], values.abs().min()],
        "this is H times the eigenvector; multiply by the vector once more.": [image, -image],
        "this is the eigenvalue of H²: between the two vectors stands one H.": image @ image,
    }

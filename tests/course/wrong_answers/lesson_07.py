"""Lesson 07: Continuation-KD and landscapes."""

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong

right("continuation-loss", lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * F.relu(d - m * phi).mean())
right(
    "continuation-loss",
    lambda d, ce, psi, phi, m: (psi * ce + (1 - psi) * torch.maximum(d - phi * m, torch.zeros(8))).mean(),
)
wrong(
    "continuation-loss", "Cut every row", lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * F.relu(d.mean() - m * phi)
)
wrong("continuation-loss", "it is m·φ", lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * F.relu(d - m).mean())
wrong("continuation-loss", "without max", lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * (d - m * phi).mean())
wrong(
    "continuation-loss",
    "before you cut at 0",
    lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * d.clamp(min=m * phi).mean(),
)
wrong(
    "continuation-loss",
    "before you cut at 0",
    lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * torch.where(d > m * phi, d, 0).mean(),
)
wrong("continuation-loss", "the sign", lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * F.relu(m * phi - d).mean())
wrong(
    "continuation-loss",
    "ψ sits on the wrong term",
    lambda d, ce, psi, phi, m: (1 - psi) * ce + psi * F.relu(d - m * phi).mean(),
)
wrong("continuation-loss", "labels keep", lambda d, ce, psi, phi, m: ce + (1 - psi) * F.relu(d - m * phi).mean())
wrong("continuation-loss", "teacher keeps", lambda d, ce, psi, phi, m: psi * ce + F.relu(d - m * phi).mean())
wrong("continuation-loss", "margin is missing", lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * d.mean())
wrong(
    "continuation-loss",
    "sum over the rows",
    lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * F.relu(d - m * phi).sum(),
)
wrong(
    "continuation-loss",
    "all rows count",
    lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * (x := d - m * phi)[x > 0].mean(),
)
wrong("continuation-loss", "the right number is", lambda d, ce, psi, phi, m: ce + d.mean())  # no false factor
wrong("continuation-loss", "takes tensors", lambda d, ce, psi, phi, m: torch.relu(0.3))

right("filter-normalise", lambda w, d: F.normalize(d, dim=1) * w.norm(dim=1)[:, None])
right("filter-normalise", lambda w, d: torch.stack([row * a.norm() / row.norm() for a, row in zip(w, d)]))
wrong("filter-normalise", "whole matrix", lambda w, d: d / d.norm() * w.norm())
wrong("filter-normalise", "still has its own length", lambda w, d: w.norm(dim=1)[:, None] * d)
wrong("filter-normalise", "all rows have length 1", lambda w, d: F.normalize(d, dim=1))
wrong("filter-normalise", "normalised the columns", lambda w, d: F.normalize(d, dim=0) * w.norm(dim=0))
wrong("filter-normalise", "roles are swapped", lambda w, d: F.normalize(w, dim=1) * d.norm(dim=1, keepdim=True))
wrong("filter-normalise", "upside down", lambda w, d: d * d.norm(dim=1, keepdim=True) / w.norm(dim=1, keepdim=True))
wrong("filter-normalise", "squared norms", lambda w, d: d * (w**2).sum(1, keepdim=True) / (d**2).sum(1, keepdim=True))
wrong("filter-normalise", "weight after a step", lambda w, d: w + F.normalize(d, dim=1) * w.norm(dim=1, keepdim=True))
wrong(
    "filter-normalise",
    "not its largest weight",
    lambda w, d: d * w.abs().sum(1, keepdim=True) / d.abs().sum(1, keepdim=True),
)
wrong("filter-normalise", "keepdim=True", lambda w, d: d * w.norm(dim=1) / d.norm(dim=1))

"""Exercises of lesson 09: per-sample weights (Lu et al. 2021)."""

from __future__ import annotations

import torch

from kdviz.course.check import exercise


@exercise(
    "rw-gain",
    inputs=lambda g: (torch.randn(7, generator=g), torch.randn(4, 7, generator=g)),
    mistakes={
        "the sign is turned: a row whose gradient points the same way as ∇J helps, so its gain is positive.":
            lambda meta, rows: -(rows @ meta),
        "you divided by the lengths; the derivative is the plain inner product, long gradients count more.":
            lambda meta, rows: rows @ meta / (rows.norm(dim=1) * meta.norm()),
        "this is one number for the batch. Every row has its own gain.":
            lambda meta, rows: (rows @ meta).mean(),
        "these are products number by number; sum them over the weights.":
            lambda meta, rows: rows * meta,
    },
    praise="a gradient that points where the held-out loss falls is worth listening to.",
)
def rw_gain(meta_gradient, row_gradients):
    return row_gradients @ meta_gradient


def _gains(g: torch.Generator) -> tuple:
    gains = torch.rand(2, 6, generator=g) + 0.1
    gains[0, 0] = gains[1, 1] = -0.5
    gains[:, 2] = -1.0
    return gains[0], gains[1], 1e-3


def _share(label, teacher):
    return teacher / (label + teacher)


@exercise(
    "rw-share",
    inputs=_gains,
    mistakes={
        "harm is no vote: gains below δ become δ before they are compared.":
            lambda label, teacher, floor: _share(label, teacher),
        "λ is the share of the teacher; this is the share of the label.":
            lambda label, teacher, floor: 1 - _share(label.clamp(min=floor), teacher.clamp(min=floor)),
        "you normalised over the batch. λ compares the two terms of the same row.":
            lambda label, teacher, floor: teacher.clamp(min=floor) / teacher.clamp(min=floor).sum(),
        "a softmax over the two gains is never near 0 or 1 when gains are small. Divide by their sum.":
            lambda label, teacher, floor: torch.stack([label, teacher]).softmax(0)[1],
        "negative gains are set to 0 and not to δ: a row that neither term helps becomes 0/0.":
            lambda label, teacher, floor: _share(label.clamp(min=0), teacher.clamp(min=0)),
    },
    praise="each row asks which of its two teachers, label or model, would have helped a held-out batch more.",
)
def rw_share(label_gain, teacher_gain, floor):
    return _share(label_gain.clamp(min=floor), teacher_gain.clamp(min=floor))

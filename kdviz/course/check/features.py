"""Exercises of lesson 05: what other methods match (MiniLM, PKD, RKD)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise


def _values(g: torch.Generator) -> tuple:
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    return torch.randn(2, 3, 5, 4, generator=g), mask


def _relation(values: torch.Tensor, mask: torch.Tensor, scale: float, axis: int = -1) -> torch.Tensor:
    scores = values @ values.transpose(-1, -2) / scale
    return torch.softmax(scores.masked_fill(~mask[:, None, None, :], -1e9), axis)


@exercise(
    "minilm-relation",
    inputs=_values,
    mistakes={
        "√d is missing: without it the softmax of wide heads is almost one-hot.":
            lambda v, m: _relation(v, m, 1.0),
        "you divided by d; it is √d.":
            lambda v, m: _relation(v, m, v.shape[-1]),
        "padding gets probability: mask the columns before the softmax.":
            lambda v, m: _relation(v, torch.ones_like(m), v.shape[-1] ** 0.5),
        "the softmax runs down the columns; a word's relations are its row, the last axis.":
            lambda v, m: _relation(v, m, v.shape[-1] ** 0.5, axis=-2),
        "these are the scores before the softmax.":
            lambda v, m: v @ v.transpose(-1, -2) / v.shape[-1] ** 0.5,
    },
    praise="a relation between values, one per head, that any student with as many heads can match.",
)
def minilm_relation(values, mask):
    return _relation(values, mask, values.shape[-1] ** 0.5)


@exercise(
    "pkd-normalise",
    inputs=lambda g: (torch.randn(4, 3, 6, generator=g), 5 * torch.randn(4, 3, 6, generator=g)),
    learns=0,
    mistakes={
        "not normalised: the teacher's vectors are longer, and the length is what gets matched.":
            lambda s, t: (s - t).square().sum(-1),
        "only the teacher is normalised.":
            lambda s, t: (s - F.normalize(t, dim=-1)).square().sum(-1),
        "only the student is normalised.":
            lambda s, t: (F.normalize(s, dim=-1) - t).square().sum(-1),
        "this is the distance; PKD takes its square.":
            lambda s, t: (F.normalize(s, dim=-1) - F.normalize(t, dim=-1)).norm(dim=-1),
        "you took the mean over the d features; the squared length is their sum.":
            lambda s, t: (F.normalize(s, dim=-1) - F.normalize(t, dim=-1)).square().mean(-1),
        "you normalised along the layers; a vector lies along the last axis.":
            lambda s, t: (F.normalize(s, dim=1) - F.normalize(t, dim=1)).square().sum(-1),
    },
    praise="on the unit sphere only directions are left to match.",
)
def pkd_normalise(student, teacher):
    return (F.normalize(student, dim=-1) - F.normalize(teacher, dim=-1)).square().sum(-1)


@exercise(
    "rkd-distance",
    inputs=lambda g: (torch.randn(5, 4, generator=g),),
    mistakes={
        "the distances are right; divide by their mean, so that networks of any width agree on the scale.":
            lambda h: torch.cdist(h, h),
        "the zeros of the diagonal are in the mean; only positive distances count.":
            lambda h: torch.cdist(h, h) / torch.cdist(h, h).mean(),
        "these are squared distances.":
            lambda h: torch.cdist(h, h) ** 2 / (torch.cdist(h, h) ** 2)[torch.cdist(h, h) > 0].mean(),
        "you divided by the largest distance; RKD divides by the mean.":
            lambda h: torch.cdist(h, h) / torch.cdist(h, h).max(),
        "these are distances between features: the sentences are the rows.":
            lambda h: torch.cdist(h.T, h.T) / torch.cdist(h.T, h.T)[torch.cdist(h.T, h.T) > 0].mean(),
    },
    praise="a batch has one map of distances, whatever the width of the network that drew it.",
)
def rkd_distance(sentences):
    distances = torch.cdist(sentences, sentences)
    return distances / distances[distances > 0].mean()

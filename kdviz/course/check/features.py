"""Exercises of lesson 05: what other methods match (MiniLM, PKD, RKD)."""

from __future__ import annotations

from math import inf, nan

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise


@exercise(lambda draw: (draw.normal(2, 3, 5, 4), draw.mask(5, 5, 3)))
def minilm_relation(values, mask):
    """A relation between values, one per head, that any student with as many heads can match."""
    scores, root = values @ values.mT, values.shape[-1] ** 0.5
    scaled, columns, rows = scores / root, mask[:, None, None, :], mask[:, None, :, None]

    def among(allowed, scores=scaled, value=-1e9, axis=-1):
        return scores.masked_fill(~allowed, value).softmax(axis)

    right, soft, inverted = among(columns), scaled.softmax(-1), among(~columns)
    down = [right.mT, among(columns, axis=-2), among(rows, axis=-2)]
    return right.masked_fill(~rows, nan), {
        "√d is missing: without it the softmax of wide heads is almost one-hot.": among(columns, scores),
        "you divided by d; it is √d.": among(columns, scaled / root),
        "√d divides, you multiplied.": among(columns, scores * root),
        "padding gets probability: mask the columns (the last axis), not the rows, before the softmax.": soft,
        "you masked after the softmax: the rows no longer sum to 1.": soft * columns,
        "masked scores are 0, but exp(0) = 1: fill in a very negative number.": among(columns, value=0.0),
        "the mask is upside down: padding is kept and real words are dropped.": inverted,
        "a padding row is all -inf and its softmax NaN: mask the columns alone.": among(rows & columns, value=-inf),
        "the softmax runs down the columns; a word's relations are its row, the last axis.": down,
        "these are the scores before the softmax.": [scaled, scaled.masked_fill(~columns, -1e9)],
        "every head has its own relation: no mean over heads.": right.mean(1),
    }


@exercise(lambda draw: (draw.normal(4, 3, 6), draw.normal(4, 3, 6, scale=5)), learns=0)
def pkd_normalise(student, teacher):
    """On the unit sphere only directions are left to match."""
    s, t = F.normalize(student, dim=-1), F.normalize(teacher, dim=-1)
    square, cosine, raw = (s - t) ** 2, (s * t).sum(-1), student - teacher
    by_layer = (F.normalize(student, dim=1) - F.normalize(teacher, dim=1)) ** 2
    return square.sum(-1), {
        "not normalised: the teacher's vectors are longer, and the length gets matched.": raw.square().sum(-1),
        "only the teacher is normalised.": (student - t).square().sum(-1),
        "only the student is normalised.": (s - teacher).square().sum(-1),
        "you normalised the difference: normalise both, then subtract.": F.normalize(raw, dim=-1).square().sum(-1),
        "this is the distance; PKD takes its square.": (s - t).norm(dim=-1),
        "you took the mean over the d features; the squared length is their sum.": square.mean(-1),
        "you normalised along the layers; a vector lies along the last axis.": by_layer.sum(-1),
        "this is the cosine: 1 for equal vectors, where a distance is 0.": cosine,
        "1 - cosine is half of the squared distance.": 1 - cosine,
        "sum the squares over the features: one number for each text and layer.": square,
        "layers are added up; every text and layer has its own number.": square.sum((1, 2)),
    }


@exercise(lambda draw: (draw.normal(5, 4),))
def rkd_distance(sentences):
    """A batch has one map of distances, whatever the width of the network that drew it."""
    apart, other = torch.cdist(sentences, sentences), torch.cdist(sentences.T, sentences.T)
    positive, by_row = apart[apart > 0], apart / apart.mean(-1, keepdim=True)
    return apart / positive.mean(), {
        "the distances are right; divide by their mean, so that networks of any width agree on the scale.": apart,
        "the zeros of the diagonal are in the mean; only positive distances count.": apart / apart.mean(),
        "every row is divided by its own mean; the batch has one.": [by_row, by_row.T, by_row * 0.8, by_row.T * 0.8],
        "these are squared distances.": apart**2 / (positive**2).mean(),
        "you divided by the largest distance; RKD divides by the mean.": apart / apart.max(),
        "you divided by the median; RKD divides by the mean.": [apart / one.median() for one in (positive, apart)],
        "you divided by the sum; RKD divides by the mean.": apart / apart.sum(),
        "these are distances between features: the sentences are the rows.": other / other[other > 0].mean(),
    }

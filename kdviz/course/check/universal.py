"""Exercises of lesson 13: attention in the space of outputs."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise


def _pair(g: torch.Generator) -> tuple:
    return torch.randn(3, generator=g), torch.randn(4, 3, generator=g)


@exercise(
    "layer-weights",
    inputs=_pair,
    mistakes={
        "these are the scores before the softmax.": lambda s, t: t @ s,
        "you compared probabilities; Universal-KD multiplies the logits.":
            lambda s, t: (t.softmax(-1) @ s.softmax(-1)).softmax(0),
        "divided by √C: the paper's scores are plain inner products.":
            lambda s, t: (t @ s / 3**0.5).softmax(0),
        "that is the cosine: a layer that is surer of itself should count for more.":
            lambda s, t: F.cosine_similarity(t, s[None], dim=-1).softmax(0),
    },
    praise="whoever agrees with the student, loudly, is listened to most.",
)
def layer_weights(student, teacher):
    return (teacher @ student).softmax(0)


@exercise(
    "layer-target",
    inputs=_pair,
    mistakes={
        "that is the plain mean: use the weights.": lambda s, t: t.mean(0),
        "only the layer with the largest weight speaks here; all do, by their weights.":
            lambda s, t: t[(t @ s).argmax()],
        "you mixed probabilities; the logits are mixed, and the softmax comes in the loss.":
            lambda s, t: (t @ s).softmax(0) @ t.softmax(-1),
        "the scores went in without a softmax: they do not sum to 1.": lambda s, t: (t @ s) @ t,
    },
    praise="one target, made of all layers, for a student of any kind.",
)
def layer_target(student, teacher):
    return (teacher @ student).softmax(0) @ teacher

"""Exercises of lesson 13: attention in the space of outputs."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise
from kdviz.course.check.parts import one_hot


@exercise(lambda draw: (draw.normal(3), draw.normal(4, 3)))
def layer_weights(student, teacher):
    """Whoever agrees with the student, loudly, is listened to most."""
    scores, products, soft = teacher @ student, teacher * student, teacher.softmax(-1) @ student.softmax(-1)
    apart, cosine = (teacher - student).norm(dim=-1), F.cosine_similarity(teacher, student[None], dim=-1)
    return scores.softmax(0), {
        "these are the scores before the softmax.": scores,
        "you compared probabilities; Universal-KD multiplies the logits.": [soft.softmax(0), soft],
        "divided by √C or C: the paper's scores are plain.": [(scores / 3**0.5).softmax(0), (scores / 3).softmax(0)],
        "that is the cosine: a layer that is surer of itself should count for more.": cosine.softmax(0),
        "the sum of the scores may be near 0: take a softmax.": [scores / scores.sum(), scores / scores.abs().sum()],
        "the sign: a layer that agrees has the larger weight.": (-scores).softmax(0),
        "a layer's score is its inner product with the student, no distance.": [(-apart).softmax(0), apart.softmax(0)],
        "these are log-probabilities; weights sum to 1.": scores.log_softmax(0),
        "the best layer takes all; every layer gets its share.": one_hot(scores),
        "all layers weigh alike here: the student is not asked.": torch.full_like(scores, 1 / len(scores)),
        "sum over the classes first, then the softmax.": [products.softmax(0), products.softmax(-1), products],
    }


@exercise(lambda draw: (draw.normal(3), draw.normal(4, 3)))
def layer_target(student, teacher):
    """One target, made of all layers, for a student of any kind."""
    scores = teacher @ student
    weights = scores.softmax(0)
    right, mixed = weights @ teacher, weights @ teacher.softmax(-1)
    return right, {
        "that is the plain mean: use the weights.": teacher.mean(0),
        "that is the plain sum: use the weights.": teacher.sum(0),
        "only the layer with the largest weight speaks here; all do, by their weights.": teacher[scores.argmax()],
        "you mixed probabilities; the logits are mixed, and the softmax comes in the loss.": mixed,
        "the softmax comes in the loss: asked are logits.": [right.softmax(-1), right.log_softmax(-1)],
        "the scores went in without a softmax: they do not sum to 1.": scores @ teacher,
        "the weights are right, the layers not yet added up.": weights[:, None] * teacher,
        "the sign of the weights: a layer that agrees counts for more.": (-scores).softmax(0) @ teacher,
        "you divided by the number of layers as well: the weights sum to 1 already.": right / len(teacher),
        "these are the weights; the target is the mixture that they make.": weights,
    }

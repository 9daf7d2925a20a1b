"""Exercises of lesson 10: wrong labels, and two remedies."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise


def _classes(g: torch.Generator) -> tuple:
    return int(torch.randint(3, 9, (), generator=g)), 0.1 + 0.3 * torch.rand((), generator=g).item()


def _with_diagonal(value: float, rest: float, classes: int):
    return torch.full((classes, classes), rest).fill_diagonal_(value)


@exercise(
    "noise-matrix",
    inputs=_classes,
    mistakes={
        "you shared the noise among all C classes, so that some flips hit the right label again: fewer than `rate` are "
        "wrong. A wrong label is one of the other C - 1.":
            lambda classes, rate: _with_diagonal(1 - rate + rate / classes, rate / classes, classes),
        "every wrong class gets the whole rate: the rows sum to more than 1. Share it among the C - 1 wrong classes.":
            lambda classes, rate: _with_diagonal(1 - rate, rate, classes),
        "a wrong label is as likely as it should be, but the right one has probability 1: the rows sum to more than 1.":
            lambda classes, rate: _with_diagonal(1.0, rate / (classes - 1), classes),
        "every label becomes the next class: that is pair noise. Symmetric noise favours none of the wrong ones.":
            lambda classes, rate: (1 - rate) * torch.eye(classes) + rate * torch.eye(classes).roll(1, 1),
    },
    praise="row c tells what becomes of class c: right with probability 1 - p, and no wrong class is favoured.",
)
def noise_matrix(classes, rate):
    return _with_diagonal(1 - rate, rate / (classes - 1), classes)


def _losses(g: torch.Generator) -> tuple:
    return 3 * torch.rand(10, generator=g), 3 * torch.rand(10, generator=g), 0.6


def _smallest(losses, count):
    return torch.zeros_like(losses).index_fill(0, losses.argsort()[:count], 1.0)


@exercise(
    "small-loss",
    inputs=_losses,
    learns=0,
    mistakes={
        "the student chose for itself: rows that it has begun to memorise have a small loss of its own. Let the peer choose.":
            lambda mine, peer, share: (mine * _smallest(mine, round(share * len(mine)))).sum() / round(share * len(mine)),
        "you kept the rows with the *largest* loss: those are the ones whose labels the peer doubts.":
            lambda mine, peer, share: (mine * _smallest(-peer, round(share * len(mine)))).sum() / round(share * len(mine)),
        "this is the peer's loss. The peer only chooses; what is learned is the student's own loss on these rows.":
            lambda mine, peer, share: (peer * _smallest(peer, round(share * len(mine)))).sum() / round(share * len(mine)) + 0 * mine.sum(),
        "divide by the number of rows kept, not by the whole batch: else dropping rows lowers the learning rate.":
            lambda mine, peer, share: (mine * _smallest(peer, round(share * len(mine)))).mean(),
        "you dropped the share and kept the rest. `share` is what is kept.":
            lambda mine, peer, share: (mine * _smallest(peer, round((1 - share) * len(mine)))).sum() / round((1 - share) * len(mine)),
        "nothing was left out: this is the mean over all rows.":
            lambda mine, peer, share: mine.mean(),
    },
    praise="the two do not make the same mistakes, so that what one has memorised the other still doubts.",
)
def small_loss(my_losses, peer_losses, share):
    kept = _smallest(peer_losses, round(share * len(peer_losses)))
    return (my_losses * kept).sum() / kept.sum()


def _refinement(g: torch.Generator) -> tuple:
    guesses = torch.randn(6, 4, generator=g).softmax(1)
    return 2 * torch.randn(6, 4, generator=g), torch.randint(0, 4, (6,), generator=g), guesses, 0.7


def _to(target, logits):
    return -(target * logits.log_softmax(1)).sum(1).mean()


@exercise(
    "refined-labels",
    inputs=_refinement,
    learns=0,
    mistakes={
        "β is the trust in the given label: you gave it to the guess.":
            lambda z, y, p, beta: _to((1 - beta) * F.one_hot(y, 4) + beta * p, z),
        "you left the guesses out: this is plain cross-entropy to the given labels.":
            lambda z, y, p, beta: F.cross_entropy(z, y),
        "the guess is a whole distribution; taking only its most likely class throws away how sure it is.":
            lambda z, y, p, beta: _to(beta * F.one_hot(y, 4) + (1 - beta) * F.one_hot(p.argmax(1), 4), z),
        "you spread the rest of the trust evenly over the classes: that is label smoothing, it asks nobody.":
            lambda z, y, p, beta: _to(beta * F.one_hot(y, 4) + (1 - beta) / 4, z),
        "sum over the classes, then take the mean over the rows.":
            lambda z, y, p, beta: -((beta * F.one_hot(y, 4) + (1 - beta) * p) * z.log_softmax(1)).mean(),
    },
    praise="half-way between what the label says and what students who never saw it would have said.",
)
def refined_labels(logits, labels, guesses, beta):
    return _to(beta * F.one_hot(labels, logits.shape[1]) + (1 - beta) * guesses, logits)

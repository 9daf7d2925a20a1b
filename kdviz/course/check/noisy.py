"""Exercises of lesson 10: wrong labels, and two remedies."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise
from kdviz.course.check.parts import Draw, divergence, one_hot


@exercise(lambda draw: (draw.integer(3, 8), draw.share(0.1, 0.4)))
def noise_matrix(classes, rate):
    """Row c tells what becomes of class c: right with probability 1 - p, and no wrong class is favoured."""
    eye, rest, shared = torch.eye(classes), 1 - rate, rate / (classes - 1)

    def matrix(right, wrong):
        return right * eye + wrong * (1 - eye)

    pair = [rest * eye + rate * eye.roll(step, 1) for step in (1, -1)]
    return matrix(rest, shared), {
        "you shared the noise among all C classes, so that some flips hit the right label again: fewer than `rate` are "
        "wrong. A wrong label is one of the other C - 1.": matrix(rest + rate / classes, rate / classes),
        "the rows sum to less than 1: C - 1 wrong classes share the noise.": matrix(rest, rate / classes),
        "every wrong class gets the whole rate: the rows sum to more than 1. C - 1 share it.": matrix(rest, rate),
        "the right label has probability 1: the rows sum to more than 1.": matrix(1.0, shared),
        "every label becomes the next class: that is pair noise. Symmetric noise favours none of the wrong ones.": pair,
        "the wrong classes have probability 0: where does the noise go?": rest * eye,
        "`rate` is the share of wrong labels; you gave it to the right one.": matrix(rate, rest / (classes - 1)),
        "all classes are alike; a label is right with probability 1 - p.": torch.full_like(eye, 1 / classes),
    }


@exercise(lambda draw: (draw.uniform(10, high=3), draw.uniform(10, high=3), draw.integer(6, 8) / 10), learns=0)
def small_loss(my_losses, peer_losses, share):
    """The two do not make the same mistakes, so that what one has memorised the other still doubts."""
    mine, peer, count = my_losses, peer_losses, round(share * len(my_losses))
    by_me, by_peer, left = mine.argsort(), peer.argsort(), len(mine) - count
    kept, of_peer = mine[by_peer[:count]], [peer[order[:count]].mean() + 0 * mine.sum() for order in (by_peer, by_me)]
    diluted = kept.sum() / len(mine)
    return kept.mean(), {
        "the student chose for itself: rows that it has begun to memorise have a small loss of its own. Let the peer "
        "choose.": mine[by_me[:count]].mean(),
        "you kept the rows with the *largest* loss: those whose labels the peer doubts.": mine[by_peer[left:]].mean(),
        "this is the peer's loss. The peer only chooses; learned is the student's own loss on these rows.": of_peer,
        "divide by the rows kept, not by the batch: else dropping rows lowers the learning rate.": diluted,
        "you dropped the share and kept the rest. `share` is what is kept.": mine[by_peer[:left]].mean(),
        "nothing was left out: this is the mean over all rows.": mine.mean(),
        "this is the sum; take the mean over the rows kept.": kept.sum(),
        "these are the first rows of the batch; the peer's losses choose.": mine[:count].mean(),
        "`share` is a share of the rows, not a bound for their loss.": mine[peer < share].mean(),
        "choose by the peer's loss alone, not by both.": mine[(mine + peer).argsort()[:count]].mean(),
    }


def _refinement(draw: Draw) -> tuple:
    return draw.normal(6, 4, scale=2), draw.classes(6, 4), draw.normal(6, 4).softmax(1), draw.share(0.6, 0.8)


@exercise(_refinement, learns=0)
def refined_labels(logits, labels, guesses, beta):
    """Half-way between what the label says and what students who never saw it would have said."""
    label, log, rest = F.one_hot(labels, logits.shape[1]), logits.log_softmax(1), 1 - beta

    def to(target, scores=log):
        return -(target * scores).sum(1).mean()

    target = beta * label + rest * guesses
    right = to(target)
    return right, {
        "β is the trust in the given label: you gave it to the guess.": to(rest * label + beta * guesses),
        "you left the guesses out: this is plain cross-entropy to the given labels.": [to(label), to(beta * label)],
        "you left the labels out: β is the trust in them.": [to(guesses), to(rest * guesses)],
        "the guess is a whole distribution; its most likely class alone throws away how sure it is.": (
            to(beta * label + rest * one_hot(guesses))
        ),
        "the rest of the trust is spread evenly: that is label smoothing, it asks nobody.": to(beta * label + rest / 4),
        "sum over the classes, then take the mean over the rows.": right / logits.shape[1],
        "this is the sum over the rows; take their mean.": right * len(labels),
        "the guesses are probabilities already: no softmax.": to(beta * label + rest * guesses.softmax(1)),
        "label and guess share the trust: 1 - β for the guess.": to(beta * label + guesses),
        "this is the KL: it is smaller by the target's own entropy.": divergence(logits, target.log()).mean(),
        "the logarithm is missing: log_softmax.": [to(target, logits), to(target, logits.softmax(1))],
        "the sign: a cross-entropy is positive.": -right,
    }

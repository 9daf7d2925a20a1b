"""Lesson 15: straight-through samples, MATE-KD's loss, one exam for all."""

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong


def hard(soft):
    return torch.zeros_like(soft).scatter(-1, soft.argmax(-1, keepdim=True), 1.0)


def soft(z, g, tau):
    return F.softmax((z + g) / tau, dim=-1)


right("straight-through", lambda z, g, tau: (hard(p := soft(z, g, tau)) - p).detach() + p)
right("straight-through", lambda z, g, tau: (p := soft(z, g, tau)) + (hard(z + g) - p.detach()))
wrong("straight-through", "must be one-hot", soft)
wrong("straight-through", "without the noise", lambda z, g, tau: hard(z) + (p := F.softmax(z / tau, -1)) - p.detach())
wrong("straight-through", "without the noise", lambda z, g, tau: hard(z) + (p := soft(z, g, tau)) - p.detach())
wrong("straight-through", "noise is subtracted", lambda z, g, tau: hard(p := soft(z, -g, tau)) + p - p.detach())
wrong("straight-through", "are added up", lambda z, g, tau: hard(p := soft(z, g, tau)) + p)
wrong("straight-through", "are added up", lambda z, g, tau: hard(p := soft(z, g, tau)).detach() + p)
wrong(
    "straight-through",
    "noise is missing in the slope",
    lambda z, g, tau: hard(z + g) + (p := F.softmax(z / tau, -1)) - p.detach(),
)
wrong(
    "straight-through",
    "τ is missing in the slope",
    lambda z, g, tau: hard(p := F.softmax(z + g, dim=-1)) + p - p.detach(),
)
wrong(
    "straight-through",
    "multiplied by τ",
    lambda z, g, tau: hard(p := F.softmax((z + g) * tau, dim=-1)) + p - p.detach(),
)
wrong("straight-through", "leaves the softmax out", lambda z, g, tau: hard(z + g) + z - z.detach())
wrong(
    "straight-through",
    "gradient with respect to `scores` is not: the sign",
    lambda z, g, tau: hard(p := soft(z, g, tau)) - p + p.detach(),
)
wrong(
    "straight-through",
    "is not: every number is 2 ×",
    lambda z, g, tau: hard(p := soft(z, g, tau)) + 2 * (p - p.detach()),
)
wrong(
    "straight-through",
    "is not: every number is 0.1 ×",
    lambda z, g, tau: hard(p := soft(z, g, tau)) + (p - p.detach()) / 10,
)
wrong("straight-through", "no gradient", lambda z, g, tau: hard(soft(z, g, tau)))
wrong("straight-through", "the place of the word", lambda z, g, tau: (z + g).argmax(-1))


def kl(s, t):
    return F.kl_div(F.log_softmax(s, -1), F.softmax(t, -1), reduction="batchmean")


def mate(s, t, s2, t2, y, d=kl):
    return (F.cross_entropy(s, y) + d(s, t) + d(s2, t2)) / 3


right("mate-loss", lambda s, t, s2, t2, y: torch.stack([F.cross_entropy(s, y), kl(s, t), kl(s2, t2)]).mean())
right("mate-loss", lambda s, t, s2, t2, y: F.cross_entropy(s, y) / 3 + kl(s, t) / 3 + kl(s2, t2) / 3)
wrong("mate-loss", "soft cross-entropy", lambda *a: mate(*a, d=lambda s, t: F.cross_entropy(s, t.softmax(-1))))
wrong("mate-loss", "vanilla KD", lambda s, t, s2, t2, y: (F.cross_entropy(s, y) + kl(s, t)) / 2)
wrong("mate-loss", "old text is missing", lambda s, t, s2, t2, y: (F.cross_entropy(s, y) + kl(s2, t2)) / 2)
wrong("mate-loss", "labels are missing", lambda s, t, s2, t2, y: (kl(s, t) + kl(s2, t2)) / 3)
wrong(
    "mate-loss",
    "label of the old one",
    lambda s, t, s2, t2, y: (F.cross_entropy(s, y) + kl(s, t) + F.cross_entropy(s2, y)) / 3,
)
wrong("mate-loss", "swapped in D", lambda *a: mate(*a, d=lambda s, t: kl(t, s)))
wrong("mate-loss", "read the same text", lambda s, t, s2, t2, y: (F.cross_entropy(s, y) + kl(s, t) + kl(s2, t)) / 3)
wrong("mate-loss", "the weight ⅓", lambda s, t, s2, t2, y: F.cross_entropy(s, y) + kl(s, t) + kl(s2, t2))
wrong("mate-loss", "the sign", lambda s, t, s2, t2, y: (F.cross_entropy(s, y) + kl(s, t) - kl(s2, t2)) / 3)
wrong("mate-loss", "averaged over the classes", lambda *a: mate(*a, d=lambda s, t: kl(s, t) / 5))
wrong("mate-loss", "sum over the batch", lambda *a: mate(*a, d=lambda s, t: kl(s, t) * 6))


def accuracy(right_, texts):
    return (right_ & texts).sum(1) / texts.sum(1)


def fooled_others(against):
    return (against.sum(0) - against.int()) > 0


right("pool-others", lambda r, a: accuracy(r, fooled_others(a)))
right("pool-others", lambda r, a: torch.tensor([r[i, fooled_others(a)[i]].float().mean() for i in range(3)]))
wrong("pool-others", "whole pool", lambda r, a: r.float().mean(dim=1))
wrong("pool-others", "did not fool the model itself", lambda r, a: accuracy(r, ~a))
wrong("pool-others", "made against the model itself", lambda r, a: accuracy(r, a))
wrong("pool-others", "share of wrong answers", lambda r, a: 1 - accuracy(r, fooled_others(a)))
wrong("pool-others", "numbers of texts", lambda r, a: (r & fooled_others(a)).sum(1))
wrong("pool-others", "*all* the others", lambda r, a: accuracy(r, (a.sum(0) - a.int()) == 2))
wrong("pool-others", "its own accuracy", lambda r, a: accuracy(r, fooled_others(a)).mean())
wrong("pool-others", "numbers differ", lambda r, a: accuracy(r, (a.sum(0) == 1).expand(3, 20)))
wrong("pool-others", "the right one (3,)", lambda r, a: r & fooled_others(a))

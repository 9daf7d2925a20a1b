"""Exercises of lesson 14: which copies are worst, what they are asked for, and what looking for them costs."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise


def _kl(target, answer, temperature):
    """τ²KL(target ‖ answer) over the last axis."""
    divergence = F.kl_div((answer / temperature).log_softmax(-1), (target / temperature).softmax(-1), reduction="none")
    return temperature**2 * divergence.sum(-1)


def _ranked(values, k):
    return values.topk(k).indices.sort().values


def _pool(g: torch.Generator) -> tuple:
    return 3 * torch.randn(12, 5, generator=g), 3 * torch.randn(12, 5, generator=g), 4, 2.0


@exercise(
    "glitter-worst",
    inputs=_pool,
    mistakes={
        "these are the copies on which the student is best: look for the largest divergence.":
            lambda s, t, k, tau: _ranked(-_kl(t, s, tau), k),
        "the divergence is turned round: the teacher's answers are the target.":
            lambda s, t, k, tau: _ranked(_kl(s, t, tau), k),
        "you compared at τ = 1: soften both sides first.": lambda s, t, k, tau: _ranked(_kl(t, s, 1.0), k),
        "these are the copies on which the student is least sure. What counts is how far it is from the teacher.":
            lambda s, t, k, tau: _ranked(-(s.softmax(-1) * s.log_softmax(-1)).sum(-1), k),
        "the places must come in rising order: sort them.": lambda s, t, k, tau: _kl(t, s, tau).topk(k).indices,
    },
    praise="a copy that the student has mastered teaches it nothing; these do.",
)
def glitter_worst(student, teacher, k, temperature):
    return _kl(teacher, student, temperature).topk(k).indices.sort().values


def _answers(g: torch.Generator) -> tuple:
    return 2 * torch.randn(6, 4, generator=g), 2 * torch.randn(6, 3, 4, generator=g)


@exercise(
    "glitter-consistency",
    inputs=_answers,
    learns=1,
    mistakes={
        "the divergence is turned round: the answer to the text itself is the target.":
            lambda own, copies: _kl(copies, own[:, None], 1.0).mean(),
        "you summed over the copies; their mean is meant, so that k does not change the weight.":
            lambda own, copies: _kl(own[:, None], copies, 1.0).sum(1).mean(),
        "this is the mean over classes as well: a divergence sums over them.":
            lambda own, copies: _kl(own[:, None], copies, 1.0).mean() / own.shape[-1],
        "squares of probabilities are another loss: here it is KL.":
            lambda own, copies: (own.softmax(-1)[:, None] - copies.softmax(-1)).square().sum(-1).mean(),
    },
    praise="no teacher, no label: a text and its copies should be answered alike.",
)
def glitter_consistency(own, copies):
    return _kl(own[:, None].detach(), copies, 1.0).mean()


def _sizes(g: torch.Generator) -> tuple:
    pool = int(torch.randint(6, 16, (), generator=g))
    return pool, int(torch.randint(2, 5, (), generator=g))


@exercise(
    "glitter-cost",
    inputs=_sizes,
    mistakes={
        "the text itself is trained on as well, in all three.":
            lambda pool, k: torch.tensor([3 * pool, 3 * k, pool + 3 * k]),
        "looking for the worst is not free: all copies are read once, without a backward pass.":
            lambda pool, k: torch.tensor([3 * (1 + pool), 3 * (1 + k), 3 * (1 + k)]),
        "the copies that are only scored need no backward pass: 1 each, not 3.":
            lambda pool, k: torch.tensor([3 * (1 + pool), 3 * (1 + k), 3 * pool + 3 * (1 + k)]),
    },
    praise="being choosy has its price; equal epochs hide it, equal compute does not.",
)
def glitter_cost(pool, k):
    return torch.tensor([3 * (1 + pool), 3 * (1 + k), pool + 3 * (1 + k)])

"""Lesson 14: the worst copies, consistency and cost."""

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong


def kl(s, t):
    """KL(t ‖ s) of each row."""
    return F.kl_div(F.log_softmax(s, -1), F.softmax(t, -1), reduction="none").sum(-1)


def top(values, k):
    return values.argsort(descending=True)[:k].sort().values


right("glitter-worst", lambda s, t, k, tau: top(tau**2 * kl(s / tau, t / tau), k))
right("glitter-worst", lambda s, t, k, tau: torch.tensor(sorted(kl(s / tau, t / tau).topk(k).indices.tolist())))
wrong("glitter-worst", "student is best", lambda s, t, k, tau: kl(s / tau, t / tau).argsort()[:k].sort().values)
wrong("glitter-worst", "turned round", lambda s, t, k, tau: top(kl(t / tau, s / tau), k))
wrong("glitter-worst", "at τ = 1", lambda s, t, k, tau: top(kl(s, t), k))
wrong("glitter-worst", "least sure", lambda s, t, k, tau: top(torch.distributions.Categorical(logits=s).entropy(), k))
wrong(
    "glitter-worst",
    "Use the KL",
    lambda s, t, k, tau: top(F.cross_entropy(s / tau, (t / tau).softmax(-1), reduction="none"), k),
)
wrong("glitter-worst", "sort them", lambda s, t, k, tau: kl(s / tau, t / tau).topk(k).indices)
wrong("glitter-worst", "asked are the places", lambda s, t, k, tau: kl(s / tau, t / tau).topk(k).values)
wrong("glitter-worst", "these are all places", lambda s, t, k, tau: kl(s / tau, t / tau).argsort(descending=True))
wrong("glitter-worst", "another measure", lambda s, t, k, tau: top((s - t).pow(2).sum(-1), k))
wrong("glitter-worst", "`.values` or `.indices`", lambda s, t, k, tau: kl(s / tau, t / tau).topk(k))

right(
    "glitter-consistency",
    lambda own, copies: F.kl_div(
        copies.log_softmax(-1).flatten(0, 1), own.softmax(-1).repeat_interleave(3, 0), reduction="batchmean"
    ),
)
right("glitter-consistency", lambda own, copies: sum(kl(copies[:, i], own).mean() for i in range(3)) / 3)
wrong("glitter-consistency", "turned round", lambda own, copies: kl(own[:, None].expand_as(copies), copies).mean())
wrong(
    "glitter-consistency",
    "summed over the copies",
    lambda own, copies: kl(copies, own[:, None].expand_as(copies)).sum(1).mean(),
)
wrong(
    "glitter-consistency",
    "summed over the copies",
    lambda own, copies: F.kl_div(
        copies.log_softmax(-1), own.softmax(-1)[:, None].expand_as(copies), reduction="batchmean"
    ),
)
wrong(
    "glitter-consistency",
    "mean over classes",
    lambda own, copies: F.kl_div(
        copies.log_softmax(-1), own.softmax(-1)[:, None].expand_as(copies), reduction="none"
    ).mean(),
)
wrong(
    "glitter-consistency",
    "squares are another loss",
    lambda own, copies: F.mse_loss(copies, own[:, None].expand_as(copies)),
)
wrong(
    "glitter-consistency",
    "soft cross-entropy",
    lambda own, copies: -(own.softmax(-1)[:, None] * copies.log_softmax(-1)).sum(-1).mean(),
)
wrong(
    "glitter-consistency",
    "log_target=True",
    lambda own, copies: (
        F.kl_div(copies.log_softmax(-1), own.log_softmax(-1)[:, None].expand_as(copies), reduction="none")
        .sum(-1)
        .mean()
    ),
)
wrong(
    "glitter-consistency",
    "it was given probabilities",
    lambda own, copies: (
        F.kl_div(copies.softmax(-1), own.softmax(-1)[:, None].expand_as(copies), reduction="none").sum(-1).mean()
    ),
)
wrong(
    "glitter-consistency",
    "no whole answer",
    lambda own, copies: F.cross_entropy(copies.flatten(0, 1), own.argmax(-1).repeat_interleave(3)),
)
wrong("glitter-consistency", "then take the mean", lambda own, copies: kl(copies.mean(1), own).mean())
wrong(
    "glitter-consistency", "every number is 18 ×", lambda own, copies: kl(copies, own[:, None].expand_as(copies)).sum()
)
wrong(
    "glitter-consistency", "no gradient", lambda own, copies: kl(copies.detach(), own[:, None].expand_as(copies)).mean()
)

right("glitter-cost", lambda pool, k: (3 + 3 * pool, 3 + 3 * k, 3 + 3 * k + pool))
right(
    "glitter-cost", lambda pool, k: torch.tensor([[1 + pool], [1 + k], [1 + k]]).sum(1) * 3 + torch.tensor([0, 0, pool])
)
wrong("glitter-cost", "text itself is trained on", lambda pool, k: (3 * pool, 3 * k, 3 * k + pool))
wrong("glitter-cost", "is not free", lambda pool, k: (3 * (1 + pool), 3 * (1 + k), 3 * (1 + k)))
wrong("glitter-cost", "no backward pass: 1 each", lambda pool, k: (3 * (1 + pool), 3 * (1 + k), 3 * (1 + k) + 3 * pool))
wrong("glitter-cost", "a backward pass counts 2", lambda pool, k: (1 + pool, 1 + k, 1 + k + pool))
wrong("glitter-cost", "read twice", lambda pool, k: (3 * (1 + pool), 3 * (1 + k), 3 * (1 + k) + (pool - k)))
wrong("glitter-cost", "without looking", lambda pool, k: (3 * (1 + pool), 3 * (1 + k) + pool, 3 * (1 + k) + pool))
wrong("glitter-cost", "the order is", lambda pool, k: (3 * (1 + pool), 3 * (1 + k) + pool, 3 * (1 + k)))
wrong("glitter-cost", "none has to be scored", lambda pool, k: (3 * (1 + pool) + pool, 3 * (1 + k), 3 * (1 + k) + pool))
wrong("glitter-cost", "only its copies", lambda pool, k: (3 * (1 + pool), 3 * (1 + k), 3 * (1 + k) + pool + 1))
wrong("glitter-cost", "not on all of them", lambda pool, k: (3 * (1 + pool), 3 * (1 + k), 3 * (1 + pool) + pool))
wrong("glitter-cost", "With pool = ", lambda pool, k: (pool, k, pool))

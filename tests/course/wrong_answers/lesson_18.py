"""Lesson 18: language models."""

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong


def nll(logits, ids):
    return F.cross_entropy(logits.transpose(1, 2), ids, reduction="none")


right("string-log-prob", lambda z, x: -nll(z[:, :-1], x[:, 1:]).sum(1))
right("string-log-prob", lambda z, x: torch.stack([-nll(a[None, :-1], b[None, 1:]).sum() for a, b in zip(z, x)]))
wrong("string-log-prob", "shift them by one", lambda z, x: -nll(z, x).sum(1))
wrong("string-log-prob", "shift them by one", lambda z, x: -nll(z[:, 1:], x[:, 1:]).sum(1))
wrong("string-log-prob", "the wrong way", lambda z, x: -nll(z[:, 1:], x[:, :-1]).sum(1))
wrong("string-log-prob", "these are logits", lambda z, x: z[:, :-1].gather(2, x[:, 1:, None])[..., 0].sum(1))
wrong("string-log-prob", "you added probabilities", lambda z, x: (-nll(z[:, :-1], x[:, 1:])).exp().sum(1))
wrong("string-log-prob", "asked is its logarithm", lambda z, x: (-nll(z[:, :-1], x[:, 1:])).exp().prod(1))
wrong("string-log-prob", "mean over the places", lambda z, x: -nll(z[:, :-1], x[:, 1:]).mean(1))
wrong("string-log-prob", "one number for all", lambda z, x: -nll(z[:, :-1], x[:, 1:]).sum())
wrong(
    "string-log-prob",
    "runs over the places",
    lambda z, x: z.log_softmax(1)[:, :-1].gather(2, x[:, 1:, None])[..., 0].sum(1),
)
wrong("string-log-prob", "the sign", lambda z, x: nll(z[:, :-1], x[:, 1:]).sum(1))
wrong("string-log-prob", "not looked up", lambda z, x: z.log_softmax(-1)[:, :-1].max(-1).values.sum(1))
wrong("string-log-prob", "symbol by symbol", lambda z, x: -nll(z[:, :-1], x[:, 1:]))


def kl(a, b):
    return F.kl_div(b.log(), a, reduction="none").sum(-1)


def jsd(p, q, beta):
    m = torch.lerp(q, p, beta)
    return beta * kl(p, m) + (1 - beta) * kl(q, m)


def entropy(x):
    return torch.special.entr(x).sum(-1)


right("generalized-divergence", jsd)
right("generalized-divergence", lambda p, q, b: entropy(b * p + (1 - b) * q) - b * entropy(p) - (1 - b) * entropy(q))
wrong(
    "generalized-divergence",
    "the mixture is turned round",
    lambda p, q, b: b * kl(p, torch.lerp(p, q, b)) + (1 - b) * kl(q, torch.lerp(p, q, b)),
)
wrong(
    "generalized-divergence",
    "weights of the two terms are turned round",
    lambda p, q, b: (1 - b) * kl(p, torch.lerp(q, p, b)) + b * kl(q, torch.lerp(q, p, b)),
)
wrong("generalized-divergence", "changed places throughout", lambda p, q, b: jsd(q, p, b))
wrong(
    "generalized-divergence",
    "m stands first",
    lambda p, q, b: b * kl(torch.lerp(q, p, b), p) + (1 - b) * kl(torch.lerp(q, p, b), q),
)
wrong(
    "generalized-divergence",
    "half and half whatever",
    lambda p, q, b: b * kl(p, (p + q) / 2) + (1 - b) * kl(q, (p + q) / 2),
)
wrong("generalized-divergence", "no mixture in it", lambda p, q, b: torch.lerp(kl(p, q), kl(q, p), b))
wrong("generalized-divergence", "no mixture in it", lambda p, q, b: torch.lerp(kl(q, p), kl(p, q), b))
wrong(
    "generalized-divergence",
    "without their weights",
    lambda p, q, b: kl(p, torch.lerp(q, p, b)) + kl(q, torch.lerp(q, p, b)),
)
wrong("generalized-divergence", "student's term is missing", lambda p, q, b: b * kl(p, torch.lerp(q, p, b)))
wrong("generalized-divergence", "teacher's term is missing", lambda p, q, b: (1 - b) * kl(q, torch.lerp(q, p, b)))
wrong("generalized-divergence", "a sum over it", lambda p, q, b: jsd(p, q, b) / p.size(-1))
wrong("generalized-divergence", "mean over the positions", lambda p, q, b: jsd(p, q, b).mean())

right("valid-so-far", lambda r: torch.stack([r[:, : n + 1].all(1).float().mean() for n in range(r.shape[1])]))
right("valid-so-far", lambda r: ((~r).cumsum(1) == 0).double().mean(0))
wrong("valid-so-far", "share of right symbols at each place", lambda r: r.float().mean(0))
wrong("valid-so-far", "share of invalid strings", lambda r: ((~r).cumsum(1) > 0).float().mean(0))
wrong("valid-so-far", "errors for independent", lambda r: torch.cumprod(r.float().mean(0), 0))
wrong(
    "valid-so-far",
    "share of right symbols so far",
    lambda r: torch.stack([r[:, : n + 1].float().mean() for n in range(r.shape[1])]),
)
wrong("valid-so-far", "runs down the batch", lambda r: r.float().cumprod(0).mean(0))
wrong(
    "valid-so-far",
    "the place itself is left out",
    lambda r: torch.stack([r[:, :n].all(1).float().mean() for n in range(r.shape[1])]),
)
wrong("valid-so-far", "one number a string", lambda r: r.all(1).float())
wrong("valid-so-far", "these are counts", lambda r: r.long().cumprod(1).sum(0))
wrong(
    "valid-so-far",
    "read from the end",
    lambda r: torch.stack([r[:, n:].all(1).float().mean() for n in range(r.shape[1])]),
)
wrong(
    "valid-so-far",
    "all of them must be",
    lambda r: torch.stack([r[:, : n + 1].any(1).float().mean() for n in range(r.shape[1])]),
)

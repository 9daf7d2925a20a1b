"""Lesson 10: wrong labels, and two remedies."""

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong

right("noise-matrix", lambda c, p: (1 - p) * torch.eye(c) + p / (c - 1) * (torch.ones(c, c) - torch.eye(c)))
right(
    "noise-matrix", lambda c, p: torch.tensor([[1 - p if i == j else p / (c - 1) for j in range(c)] for i in range(c)])
)
wrong("noise-matrix", "all C classes", lambda c, p: (1 - p) * torch.eye(c) + p * torch.full((c, c), 1 / c))
wrong("noise-matrix", "less than 1", lambda c, p: torch.full((c, c), p / c).fill_diagonal_(1 - p))
wrong("noise-matrix", "whole rate", lambda c, p: torch.full((c, c), p).fill_diagonal_(1 - p))
wrong("noise-matrix", "has probability 1", lambda c, p: torch.full((c, c), p / (c - 1)).fill_diagonal_(1))
wrong("noise-matrix", "pair noise", lambda c, p: (1 - p) * torch.eye(c) + p * torch.roll(torch.eye(c), 1, dims=1))
wrong("noise-matrix", "where does the noise go", lambda c, p: torch.eye(c) * (1 - p))
wrong("noise-matrix", "gave it to the right one", lambda c, p: torch.full((c, c), (1 - p) / (c - 1)).fill_diagonal_(p))
wrong("noise-matrix", "all classes are alike", lambda c, p: torch.ones(c, c) / c)
wrong("noise-matrix", "With classes = ", lambda c, p: torch.ones(c, c).fill_diagonal_(1 - p))
wrong("noise-matrix", "Which axis", lambda c, p: torch.tensor([1 - p] + [p / (c - 1)] * (c - 1)))

right("small-loss", lambda mine, peer, share: mine[peer.topk(round(share * 10), largest=False).indices].mean())
right("small-loss", lambda mine, peer, share: mine[peer <= peer.sort().values[round(share * 10) - 1]].mean())
wrong("small-loss", "chose for itself", lambda mine, peer, share: mine.sort().values[: round(share * 10)].mean())
wrong("small-loss", "*largest* loss", lambda mine, peer, share: mine[peer.topk(round(share * 10)).indices].mean())
wrong(
    "small-loss",
    "peer only chooses",
    lambda mine, peer, share: peer.sort().values[: round(share * 10)].mean() + 0 * mine[0],
)
wrong(
    "small-loss",
    "divide by the rows kept",
    lambda mine, peer, share: mine[peer.argsort()[: round(share * 10)]].sum() / 10,
)
wrong("small-loss", "kept the rest", lambda mine, peer, share: mine[peer.argsort()[: 10 - round(share * 10)]].mean())
wrong("small-loss", "nothing was left out", lambda mine, peer, share: mine.mean())
wrong("small-loss", "this is the sum", lambda mine, peer, share: mine[peer.argsort()[: round(share * 10)]].sum())
wrong("small-loss", "first rows of the batch", lambda mine, peer, share: mine[: round(share * 10)].mean())
wrong("small-loss", "not a bound", lambda mine, peer, share: mine[peer < share].mean())
wrong("small-loss", "not by both", lambda mine, peer, share: mine[(mine + peer).argsort()[: round(share * 10)]].mean())
wrong("small-loss", "no gradient", lambda mine, peer, share: mine[peer.argsort()[: round(share * 10)]].mean().item())
wrong("small-loss", "whole numbers", lambda mine, peer, share: mine[peer.argsort()[: share * 10]].mean())

right("refined-labels", lambda z, y, p, beta: F.cross_entropy(z, beta * F.one_hot(y, 4) + (1 - beta) * p))
right("refined-labels", lambda z, y, p, beta: beta * F.cross_entropy(z, y) + (1 - beta) * F.cross_entropy(z, p))
wrong(
    "refined-labels",
    "gave it to the guess",
    lambda z, y, p, beta: F.cross_entropy(z, (1 - beta) * F.one_hot(y, 4) + beta * p),
)
wrong("refined-labels", "left the guesses out", lambda z, y, p, beta: F.cross_entropy(z, y))
wrong("refined-labels", "left the labels out", lambda z, y, p, beta: F.cross_entropy(z, p))
wrong(
    "refined-labels",
    "how sure it is",
    lambda z, y, p, beta: beta * F.cross_entropy(z, y) + (1 - beta) * F.cross_entropy(z, p.argmax(1)),
)
wrong(
    "refined-labels",
    "label smoothing",
    lambda z, y, p, beta: F.cross_entropy(z, beta * F.one_hot(y, 4) + (1 - beta) / 4),
)
wrong(
    "refined-labels",
    "sum over the classes",
    lambda z, y, p, beta: -((beta * F.one_hot(y, 4) + (1 - beta) * p) * F.log_softmax(z, 1)).mean(),
)
wrong(
    "refined-labels",
    "sum over the rows",
    lambda z, y, p, beta: F.cross_entropy(z, beta * F.one_hot(y, 4) + (1 - beta) * p, reduction="sum"),
)
wrong(
    "refined-labels",
    "no softmax",
    lambda z, y, p, beta: F.cross_entropy(z, beta * F.one_hot(y, 4) + (1 - beta) * p.softmax(-1)),
)
wrong("refined-labels", "share the trust", lambda z, y, p, beta: F.cross_entropy(z, beta * F.one_hot(y, 4) + p))
wrong(
    "refined-labels",
    "target's own entropy",
    lambda z, y, p, beta: F.kl_div(F.log_softmax(z, 1), beta * F.one_hot(y, 4) + (1 - beta) * p, reduction="batchmean"),
)
wrong(
    "refined-labels",
    "logarithm is missing",
    lambda z, y, p, beta: -((beta * F.one_hot(y, 4) + (1 - beta) * p) * z).sum(1).mean(),
)
wrong("refined-labels", "the sign", lambda z, y, p, beta: -F.cross_entropy(z, beta * F.one_hot(y, 4) + (1 - beta) * p))

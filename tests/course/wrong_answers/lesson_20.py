"""Lesson 20: drafts and traces."""

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong


def at(x, ids):
    return x[torch.arange(len(ids)), ids]


right("accept-rate", lambda p, q, i: torch.minimum(at(p, i) / at(q, i), torch.tensor(1.0)))
right("accept-rate", lambda p, q, i: torch.minimum(at(p, i), at(q, i)) / at(q, i))
wrong("accept-rate", "changed places", lambda p, q, i: (at(q, i) / at(p, i)).clamp(max=1))
wrong("accept-rate", "at most 1", lambda p, q, i: at(p, i) / at(q, i))
wrong("accept-rate", "smaller of the two", lambda p, q, i: torch.minimum(at(p, i), at(q, i)))
wrong("accept-rate", "rate over all words", lambda p, q, i: 1 - (p - q).abs().sum(-1) / 2)
wrong("accept-rate", "divide by q", lambda p, q, i: at(p, i))
wrong("accept-rate", "yes or no", lambda p, q, i: at(q, i) < at(p, i))
wrong("accept-rate", "how often the word is refused", lambda p, q, i: (1 - at(p, i) / at(q, i)).relu())
wrong("accept-rate", "wrong side of 1", lambda p, q, i: (at(p, i) / at(q, i)).clamp(min=1))
wrong("accept-rate", "all words of the vocabulary", lambda p, q, i: (p / q).clamp(max=1))
wrong("accept-rate", "another rule", lambda p, q, i: at(p, i) / (at(p, i) + at(q, i)))
wrong("accept-rate", "do not take the mean", lambda p, q, i: (at(p, i) / at(q, i)).clamp(max=1).mean())


right("drawn-again", lambda p, q: F.normalize((p - q).relu(), p=1, dim=-1))
right("drawn-again", lambda p, q: (p - torch.minimum(p, q)) / (1 - torch.minimum(p, q).sum(-1, keepdim=True)))
wrong("drawn-again", "must sum to 1", lambda p, q: (p - q).relu())
wrong("drawn-again", "turned round", lambda p, q: F.normalize((q - p).relu(), p=1, dim=-1))
wrong("drawn-again", "not change its sign", lambda p, q: F.normalize(p - q, p=1, dim=-1).abs())
wrong("drawn-again", "not change its sign", lambda p, q: (p - q).abs())
wrong("drawn-again", "had their chance", lambda p, q: p)
wrong("drawn-again", "gives every word something", lambda p, q: (p - q).softmax(-1))
wrong("drawn-again", "gives every word something", lambda p, q: (p - q).relu().softmax(-1))
wrong("drawn-again", "nothing is cut off", lambda p, q: p - q)
wrong("drawn-again", "runs over the batch", lambda p, q: F.normalize((p - q).relu(), p=1, dim=0))
wrong("drawn-again", "that both have", lambda p, q: F.normalize(torch.minimum(p, q), p=1, dim=-1))
wrong("drawn-again", "sum of all", lambda p, q: (p - q).relu() / (p - q).relu().sum())
wrong("drawn-again", "is a difference", lambda p, q: F.normalize(p / q, p=1, dim=-1))


def chain(rates):
    return torch.cumprod(rates, 1)


right("words-a-call", lambda r: 1 + chain(r).sum(1))
right("words-a-call", lambda r: sum((r[:, :k].prod(1) for k in range(r.shape[1] + 1)), torch.zeros(len(r))))
wrong("words-a-call", "own word is missing", lambda r: chain(r).sum(1))
wrong("words-a-call", "sums of the rates", lambda r: 1 + r.sum(1))
wrong("words-a-call", "that all are accepted", lambda r: 1 + r.prod(1))
wrong("words-a-call", "whole draft or nothing", lambda r: 1 + r.shape[1] * r.prod(1))
wrong("words-a-call", "mean rate at every place", lambda r: sum(r.mean(1) ** k for k in range(r.shape[1] + 1)))
wrong("words-a-call", "along the batch", lambda r: 1 + torch.cumprod(r, 0).sum(1))
wrong("words-a-call", "from the end of the draft", lambda r: 1 + chain(r.flip(1)).sum(1))
wrong("words-a-call", "first place is left out", lambda r: 1 + chain(r[:, 1:]).sum(1))
wrong("words-a-call", "last place is left out", lambda r: 1 + chain(r[:, :-1]).sum(1))
wrong("words-a-call", "chances to be refused", lambda r: 1 + chain(1 - r).sum(1))
wrong("words-a-call", "mean over the places", lambda r: 1 + chain(r).mean(1))
wrong("words-a-call", "mean over the rows", lambda r: 1 + chain(r).sum(1).mean())


def between(asked, ends, n, low, high):
    return torch.stack([torch.tensor([a + low <= k < e + high for k in range(n)]) for a, e in zip(asked, ends)])


right("counted-places", lambda a, e, n: between(a, e, n, -1, -1))
right("counted-places", lambda a, e, n: between(a, e, n + 1, 0, 0)[:, 1:])
wrong("counted-places", "late by one", lambda a, e, n: between(a, e, n, 0, 0))
wrong("counted-places", "prompt's last place is missing", lambda a, e, n: between(a, e, n, 0, -1))
wrong("counted-places", "behind the end", lambda a, e, n: between(a, e, n, -1, 0))
wrong("counted-places", "early by one", lambda a, e, n: between(a, e, n, -2, -2))
wrong("counted-places", "learn to write questions", lambda a, e, n: between(0 * a, e, n, 0, -1))
wrong("counted-places", "the padding counts", lambda a, e, n: between(a, 0 * e + n, n, -1, 0))
wrong("counted-places", "turned round", lambda a, e, n: ~between(a, e, n, -1, -1))
wrong("counted-places", "this is the prompt", lambda a, e, n: between(0 * a, a, n, 0, 0))
wrong("counted-places", "all rows are cut", lambda a, e, n: between(0 * a + a[0], 0 * e + e[0], n, -1, -1))
wrong("counted-places", "everything counts", lambda a, e, n: torch.ones(len(a), n))

"""Lesson 19: what to store of a teacher."""

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong


def kl(a, b):
    return F.kl_div(b.log(), a, reduction="none").sum(-1)


def with_rest(x):
    return F.pad(x, (0, 1)) + F.pad(1 - x.sum(-1, keepdim=True), (x.shape[-1], 0))


def others(log_q, ids):
    """The student's probability of everything that is not stored, summed word by word."""
    return log_q.exp().scatter(-1, ids, 0).sum(-1)


def pick(x, ids):
    return torch.take_along_dim(x, ids, -1)


right("bucket-kl", lambda lq, i, lp: kl(with_rest(lp.exp()), with_rest(pick(lq, i).exp())))
right(
    "bucket-kl",
    lambda lq, i, lp: (
        (lp.exp() * (lp - pick(lq, i))).sum(-1)
        + (1 - lp.exp().sum(-1)) * ((1 - lp.exp().sum(-1)).log() - others(lq, i).log())
    ),
)
wrong("bucket-kl", "the bucket is missing", lambda lq, i, lp: kl(lp.exp(), pick(lq, i).exp()))
wrong("bucket-kl", "renormalised over what is stored", lambda lq, i, lp: kl(lp.softmax(-1), pick(lq, i).exp()))
wrong("bucket-kl", "both sides are renormalised", lambda lq, i, lp: kl(lp.softmax(-1), pick(lq, i).softmax(-1)))
wrong(
    "bucket-kl",
    "student has no bucket",
    lambda lq, i, lp: kl(with_rest(lp.exp()), F.pad(pick(lq, i).exp(), (0, 1), value=1.0)),
)
wrong(
    "bucket-kl",
    "compared turned round",
    lambda lq, i, lp: kl(lp.exp(), pick(lq, i).exp()) + others(lq, i) * (others(lq, i) / (1 - lp.exp().sum(-1))).log(),
)
wrong("bucket-kl", "KL is turned round", lambda lq, i, lp: kl(with_rest(pick(lq, i).exp()), with_rest(lp.exp())))
wrong(
    "bucket-kl",
    "spread evenly",
    lambda lq, i, lp: (
        kl(lp.exp(), pick(lq, i).exp()) + (1 - lp.exp().sum(-1)) * ((1 - lp.exp().sum(-1)) / 5 / others(lq, i)).log()
    ),
)
wrong(
    "bucket-kl",
    "mass in front is missing",
    lambda lq, i, lp: kl(lp.exp(), pick(lq, i).exp()) + ((1 - lp.exp().sum(-1)) / others(lq, i)).log(),
)
wrong("bucket-kl", "its own first ones", lambda lq, i, lp: kl(with_rest(lp.exp()), with_rest(lq[..., :3].exp())))
wrong("bucket-kl", "own entropy", lambda lq, i, lp: -(with_rest(lp.exp()) * with_rest(pick(lq, i).exp()).log()).sum(-1))

right("sample-weights", lambda p, r, i: torch.gather(p / r, 1, i) / i.size(1))
right("sample-weights", lambda p, r, i: (pick(p.log(), i) - pick(r.log(), i)).exp() / i.shape[1])
wrong("sample-weights", "divide by k", lambda p, r, i: torch.gather(p / r, 1, i))
wrong("sample-weights", "drawn from the teacher itself", lambda p, r, i: torch.full(i.shape, 1 / i.shape[1]))
wrong("sample-weights", "upside down", lambda p, r, i: torch.gather(r / p, 1, i) / i.size(1))
wrong("sample-weights", "then the estimate is biased", lambda p, r, i: F.normalize(pick(p / r, i), p=1, dim=1))
wrong("sample-weights", "divide by r", lambda p, r, i: pick(p, i) / i.shape[1])
wrong("sample-weights", "multiply by p", lambda p, r, i: 1 / (pick(r, i) * i.shape[1]))
wrong("sample-weights", "take the ratio itself", lambda p, r, i: pick(p.log() - r.log(), i) / i.shape[1])
wrong("sample-weights", "size of the vocabulary", lambda p, r, i: pick(p / r, i) / p.shape[1])
wrong("sample-weights", "weights of all words", lambda p, r, i: p / r / i.shape[1])
wrong("sample-weights", "should divide", lambda p, r, i: pick(p * r, i) / i.shape[1])

right("sorted-gap", lambda p, q: (p.sort().values - F.pad(q, (2, 0)).sort().values).abs().sum(-1))
right(
    "sorted-gap",
    lambda p, q: F.l1_loss(p.sort(descending=True)[0], F.pad(q.sort(descending=True)[0], (0, 2)), reduction="none").sum(
        -1
    ),
)
wrong("sorted-gap", "nothing is sorted", lambda p, q: (p - F.pad(q, (0, 2))).abs().sum(-1))
wrong("sorted-gap", "only the teacher", lambda p, q: (p.sort(descending=True)[0] - F.pad(q, (0, 2))).abs().sum(-1))
wrong(
    "sorted-gap", "beside the teacher's largest", lambda p, q: (p.sort()[0] - F.pad(q.sort()[0], (0, 2))).abs().sum(-1)
)
wrong(
    "sorted-gap", "the other down", lambda p, q: (p.sort()[0] - F.pad(q.sort(descending=True)[0], (0, 2))).abs().sum(-1)
)
wrong(
    "sorted-gap",
    "the longer list is cut",
    lambda p, q: (p.sort(descending=True)[0][:, :7] - q.sort(descending=True)[0]).abs().sum(-1),
)


def gaps(p, q):
    return p.sort(descending=True)[0] - F.pad(q.sort(descending=True)[0], (0, 2))


wrong("sorted-gap", "these are squares", lambda p, q: (gaps(p, q) ** 2).sum(-1))
wrong("sorted-gap", "mean over the words", lambda p, q: gaps(p, q).abs().mean(-1))
wrong("sorted-gap", "total variation", lambda p, q: gaps(p, q).abs().sum(-1) / 2)
wrong("sorted-gap", "mean over the positions", lambda p, q: gaps(p, q).abs().sum(-1).mean())
wrong("sorted-gap", "largest difference", lambda p, q: gaps(p, q).abs().max(-1).values)

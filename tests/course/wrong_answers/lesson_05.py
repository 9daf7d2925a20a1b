"""Lesson 05: MiniLM, PKD and RKD."""

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong


def both(m):
    return m[:, None, :, None] & m[:, None, None, :]


def scores(v):
    return v @ v.transpose(-1, -2) / v.shape[-1] ** 0.5


right("minilm-relation", lambda v, m: scores(v).masked_fill(~both(m), -1e9).softmax(-1))  # the lesson's own pair mask
right("minilm-relation", lambda v, m: scores(v).masked_fill(~m[:, None, None], float("-inf")).softmax(-1))
right("minilm-relation", lambda v, m: scores(v).masked_fill(~both(m), -1e9).softmax(-1) * m[:, None, :, None])
right("minilm-relation", lambda v, m: (scores(v) + (1 - m[:, None, None].float()) * -1e9).softmax(-1))
wrong("minilm-relation", "√d is missing", lambda v, m: (v @ v.mT).masked_fill(~m[:, None, None], -1e9).softmax(-1))
wrong(
    "minilm-relation",
    "it is √d",
    lambda v, m: (v @ v.mT / v.shape[-1]).masked_fill(~m[:, None, None], -1e9).softmax(-1),
)
wrong(
    "minilm-relation",
    "you multiplied",
    lambda v, m: (v @ v.mT * v.shape[-1] ** 0.5).masked_fill(~both(m), -1e9).softmax(-1),
)
wrong("minilm-relation", "padding gets probability", lambda v, m: scores(v).softmax(-1))
wrong("minilm-relation", "not the rows", lambda v, m: scores(v).masked_fill(~m[:, None, :, None], -1e9).softmax(-1))
wrong("minilm-relation", "masked after the softmax", lambda v, m: scores(v).softmax(-1) * m[:, None, None])
wrong("minilm-relation", "exp(0) = 1", lambda v, m: (scores(v) * m[:, None, None]).softmax(-1))
wrong("minilm-relation", "upside down", lambda v, m: scores(v).masked_fill(m[:, None, None], -1e9).softmax(-1))
wrong("minilm-relation", "softmax NaN", lambda v, m: scores(v).masked_fill(~both(m), float("-inf")).softmax(-1))
wrong(
    "minilm-relation", "runs down the columns", lambda v, m: scores(v).masked_fill(~m[:, None, None], -1e9).softmax(-2)
)
wrong("minilm-relation", "before the softmax", lambda v, m: scores(v))
wrong(
    "minilm-relation",
    "no mean over heads",
    lambda v, m: scores(v).masked_fill(~m[:, None, None], -1e9).softmax(-1).mean(1),
)

right("pkd-normalise", lambda s, t: 2 - 2 * F.cosine_similarity(s, t, dim=-1))
right(
    "pkd-normalise",
    lambda s, t: (s / s.norm(dim=-1, keepdim=True) - t / t.norm(dim=-1, keepdim=True)).norm(dim=-1) ** 2,
)
wrong("pkd-normalise", "not normalised", lambda s, t: F.mse_loss(s, t, reduction="none").sum(-1))
wrong("pkd-normalise", "only the teacher", lambda s, t: (s - F.normalize(t, dim=2)).pow(2).sum(-1))
wrong("pkd-normalise", "only the student", lambda s, t: (F.normalize(s, dim=2) - t).pow(2).sum(-1))
wrong("pkd-normalise", "normalised the difference", lambda s, t: F.normalize(s - t, dim=-1).pow(2).sum(-1))
wrong("pkd-normalise", "takes its square", lambda s, t: (F.normalize(s, dim=-1) - F.normalize(t, dim=-1)).norm(dim=-1))
wrong(
    "pkd-normalise",
    "mean over the d features",
    lambda s, t: (F.normalize(s, dim=-1) - F.normalize(t, dim=-1)).pow(2).mean(-1),
)
wrong("pkd-normalise", "along the layers", lambda s, t: (F.normalize(s) - F.normalize(t)).pow(2).sum(-1))
wrong("pkd-normalise", "this is the cosine", lambda s, t: F.cosine_similarity(s, t, dim=-1))
wrong("pkd-normalise", "half of the squared distance", lambda s, t: 1 - F.cosine_similarity(s, t, dim=-1))
wrong(
    "pkd-normalise",
    "sum the squares over the features",
    lambda s, t: (F.normalize(s, dim=-1) - F.normalize(t, dim=-1)) ** 2,
)
wrong(
    "pkd-normalise",
    "layers are added up",
    lambda s, t: (F.normalize(s, dim=-1) - F.normalize(t, dim=-1)).pow(2).sum((1, 2)),
)
wrong(
    "pkd-normalise",
    "no gradient",
    lambda s, t: (F.normalize(s, dim=-1) - F.normalize(t, dim=-1)).pow(2).sum(-1).detach(),
)

right("rkd-distance", lambda h: (d := (h[:, None] - h).norm(dim=-1)) / d[~torch.eye(len(h), dtype=torch.bool)].mean())
right("rkd-distance", lambda h: (d := torch.cdist(h, h)) * len(h) * (len(h) - 1) / d.sum())
right("rkd-distance", lambda h: torch.cdist(h, h) / torch.pdist(h).mean())
wrong("rkd-distance", "divide by their mean", lambda h: torch.cdist(h, h))
wrong("rkd-distance", "zeros of the diagonal", lambda h: (d := torch.cdist(h, h)) / d.mean())
wrong("rkd-distance", "its own mean", lambda h: (d := torch.cdist(h, h)) / d.mean(1, keepdim=True))
wrong("rkd-distance", "its own mean", lambda h: (d := torch.cdist(h, h)) / (d.sum(1, keepdim=True) / (len(h) - 1)))
wrong("rkd-distance", "squared distances", lambda h: (d := torch.cdist(h, h) ** 2) / d[d > 0].mean())
wrong("rkd-distance", "largest distance", lambda h: (d := torch.cdist(h, h)) / d.max())
wrong("rkd-distance", "the median", lambda h: torch.cdist(h, h) / torch.pdist(h).median())
wrong("rkd-distance", "the sum", lambda h: (d := torch.cdist(h, h)) / d.sum())
wrong("rkd-distance", "between features", lambda h: torch.cdist(h.T, h.T) / torch.pdist(h.T).mean())
wrong("rkd-distance", "another one in every case", lambda h: torch.cdist(h, h) / torch.pdist(h).min())

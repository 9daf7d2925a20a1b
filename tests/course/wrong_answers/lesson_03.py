"""Lesson 03: layer-transforming relation."""

from math import gcd

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong

right("layer-gram", lambda h: torch.einsum("blnd,bmnd->bnlm", h, h))
right("layer-gram", lambda h: (h[:, :, None] * h[:, None]).sum(-1).permute(0, 3, 1, 2))
wrong("layer-gram", "word Grams", lambda h: h @ h.transpose(-1, -2))
wrong("layer-gram", "swapped axes", lambda h: (x := h.reshape(2, 5, 3, 4)) @ x.mT)
wrong("layer-gram", "features against features", lambda h: (x := h.transpose(1, 2)).mT @ x)
wrong("layer-gram", "these are cosines", lambda h: (x := F.normalize(h.transpose(1, 2), dim=-1)) @ x.mT)
wrong("layer-gram", "every word has its own matrix", lambda h: torch.einsum("blnd,bmnd->blm", h, h))
wrong("layer-gram", "these are distances", lambda h: torch.cdist(h.transpose(1, 2), h.transpose(1, 2)))
wrong("layer-gram", "every number is 0.5 ×", lambda h: torch.einsum("blnd,bmnd->bnlm", h, h) / 4**0.5)
wrong("layer-gram", "another order of axes", lambda h: torch.einsum("blnd,bmnd->blmn", h, h))
wrong("layer-gram", "print the shapes", lambda h: h.transpose(1, 2) @ h)


def cosines(gram):
    length = torch.diagonal(gram, dim1=-2, dim2=-1).sqrt()
    return gram / length[..., None] / length[..., None, :]


def loss(s, t, mask, off=True):
    gap = (cosines(s) - cosines(t)) ** 2
    pairs = torch.ones(3, 3) - torch.eye(3) if off else torch.ones(3, 3)
    weights = mask[..., None, None] * pairs
    return (gap * weights).sum() / weights.sum()


right("ltr-pair", loss)
right("ltr-pair", lambda s, t, m: (cosines(s) - cosines(t))[m][:, [0, 0, 1], [1, 2, 2]].square().mean())
wrong("ltr-pair", "mean over padding", lambda s, t, m: loss(s, t, torch.ones_like(m)))
wrong("ltr-pair", "still counted in the divisor", lambda s, t, m: loss(s, t, m) * 6 / 8)
wrong("ltr-pair", "diagonal is included", lambda s, t, m: loss(s, t, m, off=False))
wrong("ltr-pair", "both have to go", lambda s, t, m: F.mse_loss(cosines(s), cosines(t)))
wrong("ltr-pair", "cosine not normalised", lambda s, t, m: (s - t)[m][:, [0, 0, 1], [1, 2, 2]].square().mean())
wrong("ltr-pair", "only one of the two", lambda s, t, m: (cosines(s) - t)[m][:, [0, 0, 1], [1, 2, 2]].square().mean())
wrong(
    "ltr-pair",
    "absolute differences",
    lambda s, t, m: (cosines(s) - cosines(t))[m][:, [0, 0, 1], [1, 2, 2]].abs().mean(),
)
wrong(
    "ltr-pair",
    "this is the sum",
    lambda s, t, m: 2 * (cosines(s) - cosines(t))[m][:, [0, 0, 1], [1, 2, 2]].square().sum(),
)
wrong("ltr-pair", "divided by the number of words", lambda s, t, m: 6 * loss(s, t, m))
wrong("ltr-pair", "every text weighs alike", lambda s, t, m: sum(loss(s[b], t[b], m[b]) for b in range(2)) / 2)
wrong("ltr-pair", "the root of what it should be", lambda s, t, m: loss(s, t, m).sqrt())
wrong("ltr-pair", "no gradient", lambda s, t, m: loss(s.detach(), t, m))


def every(a, b, g):
    return tuple(range(0, a + 1, a // g)), tuple(range(0, b + 1, b // g))


right("layer-map", lambda a, b: [list(path) for path in every(a, b, gcd(a, b))])
right(
    "layer-map",
    lambda a, b: (g := gcd(a, b)) and torch.stack([torch.arange(g + 1) * a // g, torch.arange(g + 1) * b // g]),
)
wrong("layer-map", "layer 0, belongs", lambda a, b: tuple(path[1:] for path in every(a, b, gcd(a, b))))
wrong("layer-map", "the last layer is missing", lambda a, b: tuple(path[:-1] for path in every(a, b, gcd(a, b))))
wrong("layer-map", "swapped", lambda a, b: every(b, a, gcd(a, b)))
wrong("layer-map", "teacher's first layers", lambda a, b: (every(a, b, gcd(a, b))[1],) * 2)
wrong("layer-map", "these are pairs", lambda a, b: list(zip(*every(a, b, gcd(a, b)))))
wrong("layer-map", "rounded steps", lambda a, b: ([round(j * a / b) for j in range(b + 1)], list(range(b + 1))))
wrong("layer-map", "have lengths", lambda a, b: (range(0, a + 1, a // b), range(b + 1)))
wrong("layer-map", "have lengths 7 and 5", lambda a, b: (tuple(range(0, a + 1, a // b)), tuple(range(b + 1))))
wrong("layer-map", "right in 5 of 8", lambda a, b: (tuple(range(0, a + 1, a // b)), tuple(range(b + 1))))
wrong(
    "layer-map",
    "teacher_layers = 6, student_layers = 4",
    lambda a, b: (tuple(range(0, a + 1, a // b)), tuple(range(b + 1))),
)

"""Lesson 02: word relations, masks, angles and windows."""

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong

right("wr-cosine", lambda h: F.cosine_similarity(h[:, None], h[None], dim=-1))
right("wr-cosine", lambda h: F.normalize(h) @ F.normalize(h).T)
right("wr-cosine", lambda h: torch.stack([torch.stack([u @ v / (u.norm() * v.norm()) for v in h]) for u in h]))
wrong("wr-cosine", "Gram matrix, not yet normalised", lambda h: torch.mm(h, h.t()))
wrong("wr-cosine", "only the row's length", lambda h: F.normalize(h) @ h.T)
wrong("wr-cosine", "only the column's length", lambda h: h @ F.normalize(h).T)
wrong("wr-cosine", "squared lengths", lambda h: h @ h.T / (h.square().sum(1)[:, None] * h.square().sum(1)))
wrong("wr-cosine", "relations between the d features", lambda h: h.T @ h)
wrong("wr-cosine", "dim=-1", lambda h: (u := h / h.norm(dim=0)) @ u.T)
wrong("wr-cosine", "Euclidean distances", lambda h: (h[:, None] - h[None]).norm(dim=-1))
wrong("wr-cosine", "correlation", lambda h: (c := F.normalize(h - h.mean(1, keepdim=True))) @ c.T)
wrong("wr-cosine", "each word meets only itself", lambda h: F.cosine_similarity(h, h, dim=-1))
wrong("wr-cosine", "leave the diagonal", lambda h: (F.normalize(h) @ F.normalize(h).T).fill_diagonal_(0))
wrong("wr-cosine", "print the shapes", lambda h: h @ h)


def others(mask):
    return mask[:, None] & mask & ~torch.eye(len(mask), dtype=torch.bool)


right("wr-mask", lambda c, m: torch.nan_to_num(c.masked_fill(~others(m), float("-inf")).softmax(-1)))
right("wr-mask", lambda c, m: (w := c.softmax(-1) * others(m)) / w.sum(-1, keepdim=True).clamp(min=1e-9))
right("wr-mask", lambda c, m: (w := c.exp() * others(m)) / w.sum(1, keepdim=True).add(1e-12))
wrong("wr-mask", "mask is not used", lambda c, m: c.softmax(-1))
wrong("wr-mask", "mask is not used", lambda c, m: c.fill_diagonal_(-1e9).softmax(-1))
wrong("wr-mask", "padding still counts in the columns", lambda c, m: c.fill_diagonal_(-1e9).softmax(-1) * m[:, None])
wrong("wr-mask", "diagonal is included", lambda c, m: c.masked_fill(~m, -1e9).softmax(-1) * m[:, None])
wrong("wr-mask", "diagonal is included", lambda c, m: c.masked_fill(~m, float("-inf")).softmax(-1))
wrong("wr-mask", "covers only the columns", lambda c, m: c.fill_diagonal_(-1e9).masked_fill(~m, -1e9).softmax(-1))
wrong("wr-mask", "softmax NaN", lambda c, m: c.masked_fill(~others(m), float("-inf")).softmax(-1))
wrong("wr-mask", "became uniform", lambda c, m: c.masked_fill(~others(m), -1e9).softmax(-1))
wrong("wr-mask", "runs down the columns", lambda c, m: c.masked_fill(~others(m), -1e9).softmax(0) * others(m))
wrong("wr-mask", "exp(0) = 1", lambda c, m: c.masked_fill(~others(m), 0).softmax(-1))
wrong("wr-mask", "exp(0) = 1", lambda c, m: (c * others(m)).softmax(-1) * others(m))
wrong("wr-mask", "masked after the softmax", lambda c, m: c.softmax(-1) * others(m))
wrong("wr-mask", "upside down", lambda c, m: c.masked_fill(others(m), -1e9).softmax(-1))
wrong("wr-mask", "upside down", lambda c, m: c.masked_fill(others(m), -1e9).softmax(-1) * others(m))
wrong("wr-mask", "the sign", lambda c, m: (-c).masked_fill(~others(m), -1e9).softmax(-1) * others(m))
wrong("wr-mask", "softmax is missing", lambda c, m: c.masked_fill(~others(m), 0))
wrong("wr-mask", "make it one by `.bool()`", lambda c, m: c.masked_fill(1 - m.float(), -1e9).softmax(-1))
wrong("wr-mask", "make a mask by `.bool()`", lambda c, m: c.masked_fill(~m.float(), -1e9).softmax(-1))


def angle(gram, j, numerator=None, length=None):
    """Entry by entry, as one does before one trusts broadcasting."""
    out = torch.zeros_like(gram)
    for i in range(len(gram)):
        for k in range(len(gram)):
            if len({i, j, k}) == 3:
                top = gram[i, k] - gram[i, j] - gram[j, k] + gram[j, j] if numerator is None else numerator(i, k)
                far = [gram[a, a] + gram[j, j] - 2 * gram[a, j] if length is None else length(a) for a in (i, k)]
                out[i, k] = top / (far[0] * far[1]).sqrt()
    return out


right("angle-from-gram", lambda g, v: angle(g, v))
right("angle-from-gram", lambda g, v: angle(g, v, length=lambda a: g[a, a] - g[a, v] - g[v, a] + g[v, v]))
wrong("angle-from-gram", "cosine at the origin", lambda g, v: angle(g, v, lambda i, k: g[i, k], lambda a: g[a, a]))
wrong(
    "angle-from-gram",
    "two mixed terms are negative",
    lambda g, v: angle(g, v, lambda i, k: g[i, k] + g[i, v] + g[v, k] + g[v, v]),
)
wrong("angle-from-gram", "G_jj, is missing", lambda g, v: angle(g, v, lambda i, k: g[i, k] - g[i, v] - g[v, k]))
wrong(
    "angle-from-gram",
    "squared distances",
    lambda g, v: angle(g, v, length=lambda a: (g[a, a] + g[v, v] - 2 * g[a, v]) ** 2),
)
wrong("angle-from-gram", "the 2 is missing", lambda g, v: angle(g, v, length=lambda a: g[a, a] + g[v, v] - g[a, v]))
wrong("angle-from-gram", "those from the origin", lambda g, v: angle(g, v, length=lambda a: g[a, a]))
wrong("angle-from-gram", "divide it by both", lambda g, v: angle(g, v, length=lambda a: torch.ones(())))
wrong("angle-from-gram", "at the first word", lambda g, v: angle(g, 0))
wrong("angle-from-gram", "counted from 1", lambda g, v: angle(g, v - 1))
wrong("angle-from-gram", "these are angles", lambda g, v: (a := angle(g, v)).acos() * (a != 0))


def unfilled(gram, vertex):
    row = gram[vertex]
    distance = (gram.diagonal() + gram[vertex, vertex] - 2 * row).sqrt()
    return (gram - row - row[:, None] + gram[vertex, vertex]) / torch.outer(distance, distance)


wrong("angle-from-gram", "0/0 is NaN", unfilled)
wrong("angle-from-gram", "is no relation of three words", lambda g, v: unfilled(g, v).nan_to_num(0, 0, 0))


right("window", lambda n, w: torch.ones(n, n).tril(w // 2).triu(-(w // 2)).fill_diagonal_(0).bool())
right("window", lambda n, w: torch.tensor([[0 < abs(i - j) <= (w - 1) / 2 for i in range(n)] for j in range(n)]))
wrong("window", "the vertex itself is inside", lambda n, w: torch.ones(n, n).tril(w // 2).triu(-(w // 2)).bool())


def places(n):
    return torch.arange(n)[None] - torch.arange(n)[:, None]


wrong("window", "twice as wide", lambda n, w: (places(n).abs() <= w) & (places(n) != 0))
wrong("window", "twice as wide", lambda n, w: (places(n).abs() < w) & (places(n) != 0))
wrong("window", "outermost word", lambda n, w: (places(n).abs() < w // 2) & (places(n) != 0))
wrong("window", "one word too many", lambda n, w: (places(n).abs() <= (w + 1) // 2) & (places(n) != 0))
wrong("window", "only words to the right", lambda n, w: (places(n) > 0) & (places(n) <= w // 2))
wrong("window", "only words to the left", lambda n, w: (places(n) < 0) & (places(n) >= -(w // 2)))
wrong("window", "on one side only", lambda n, w: (places(n) <= w // 2) & (places(n) != 0))
wrong("window", "upside down", lambda n, w: places(n).abs() > w // 2)
wrong("window", "a mask holds True and False", lambda n, w: ((places(n).abs() <= w // 2) & (places(n) != 0)).float())

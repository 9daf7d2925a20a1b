"""Lesson 00: two words as two vectors."""

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong

right("cosine", lambda u, v: F.cosine_similarity(u, v, dim=0))
right("cosine", lambda u, v: F.normalize(u, dim=0) @ F.normalize(v, dim=0))
right("cosine", lambda u, v: (u * v).sum() / (u.square().sum() * v.square().sum()).sqrt())
wrong("cosine", "dot product", lambda u, v: torch.dot(u, v))
wrong("cosine", "squared lengths", lambda u, v: u.dot(v) / (u.dot(u) * v.dot(v)))
wrong("cosine", "only one of the two", lambda u, v: u @ v / torch.linalg.norm(u))
wrong("cosine", "first vector's is still in", lambda u, v: F.normalize(v, dim=0) @ u)
wrong("cosine", "multiplied, not added", lambda u, v: (u * v).sum() / (u.norm() + v.norm()))
wrong("cosine", "sum of squares, not the sum of sizes", lambda u, v: u @ v / (u.norm(p=1) * v.norm(p=1)))
wrong("cosine", "number by number", lambda u, v: F.normalize(u, dim=0) * F.normalize(v, dim=0))
wrong("cosine", "Euclidean distance", lambda u, v: torch.dist(u, v))
wrong("cosine", "the angle", lambda u, v: torch.acos(F.cosine_similarity(u, v, dim=-1)))
wrong("cosine", "correlation", lambda u, v: torch.corrcoef(torch.stack([u, v]))[0, 1])
wrong("cosine", "1 minus what it should be", lambda u, v: 1 - F.cosine_similarity(u, v, dim=-1))
wrong("cosine", "without its signs", lambda u, v: F.cosine_similarity(u, v, dim=-1).abs())
wrong("cosine", "every number is 0.5 ×", lambda u, v: F.cosine_similarity(u, v, dim=-1) / 2)
wrong("cosine", "a vector has one axis only", lambda u, v: F.cosine_similarity(u, v))
wrong("cosine", "the right number is", lambda u, v: u.mean() * v.mean())

right("nearest-word", lambda c: c.topk(2, dim=-1).indices[:, 1])
right("nearest-word", lambda c: (c - 3 * torch.eye(len(c))).argmax(dim=1))
right("nearest-word", lambda c: c.clone().fill_diagonal_(float("-inf")).max(dim=-1).indices)
right("nearest-word", lambda c: c.argsort(dim=-1, descending=True)[:, 1])
wrong("nearest-word", "found itself", lambda c: c.max(dim=1).indices)
wrong("nearest-word", "least similar", lambda c: c.sort(dim=-1).indices[:, 0])
wrong("nearest-word", "second least similar", lambda c: c.sort(dim=-1).indices[:, 1])
wrong("nearest-word", "argmax, not max", lambda c: c.topk(2).values[:, 1])
wrong("nearest-word", "diagonal of 0", lambda c: (c - torch.eye(len(c))).round(decimals=5).argmax(-1))
wrong("nearest-word", "no absolute values", lambda c: c.fill_diagonal_(0).abs().argmax(-1))
wrong("nearest-word", "one place in the whole matrix", lambda c: torch.argmax(c.fill_diagonal_(-9)))
wrong("nearest-word", "second column", lambda c: c.sort(dim=-1, descending=True).indices[:, :2])
wrong("nearest-word", "`.values` or `.indices`", lambda c: c.fill_diagonal_(-2).max(dim=-1))
wrong("nearest-word", "a position is a whole number", lambda c: c.fill_diagonal_(-2).argmax(-1).float())

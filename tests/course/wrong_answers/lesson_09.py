"""Lesson 09: per-sample weights."""

import torch

from tests.course.wrong_answers import right, wrong

right("rw-gain", lambda meta, rows: torch.einsum("bd,d->b", rows, meta))
right("rw-gain", lambda meta, rows: torch.stack([torch.dot(row, meta) for row in rows]))
right("rw-gain", lambda meta, rows: (rows * meta).sum(-1))
wrong("rw-gain", "the sign is turned", lambda meta, rows: -(rows @ meta))
wrong("rw-gain", "divided by lengths", lambda meta, rows: torch.cosine_similarity(rows, meta[None], dim=1))
wrong("rw-gain", "divided by lengths", lambda meta, rows: rows @ meta / meta.norm())
wrong("rw-gain", "one number for the batch", lambda meta, rows: rows.mean(0) @ meta)
wrong("rw-gain", "number by number", lambda meta, rows: rows * meta)
wrong("rw-gain", "mean over the weights", lambda meta, rows: (rows * meta).mean(1))
wrong("rw-gain", "leave the sign", lambda meta, rows: torch.relu(rows @ meta))
wrong("rw-gain", "this is a distance", lambda meta, rows: (rows - meta).norm(dim=1))
wrong("rw-gain", "no softmax", lambda meta, rows: (rows @ meta).softmax(0))
wrong("rw-gain", "∇J is missing", lambda meta, rows: rows.sum(dim=1))

right("rw-share", lambda a, b, floor: 1 / (1 + a.clamp(min=floor) / b.clamp(min=floor)))
right(
    "rw-share",
    lambda a, b, floor: (
        torch.maximum(b, torch.tensor(floor))
        / (torch.maximum(a, torch.tensor(floor)) + torch.maximum(b, torch.tensor(floor)))
    ),
)
wrong("rw-share", "harm is no vote", lambda a, b, floor: b / (a + b))
wrong("rw-share", "share of the label", lambda a, b, floor: a.clamp(floor) / (a.clamp(floor) + b.clamp(floor)))
wrong("rw-share", "over the batch", lambda a, b, floor: b.clamp(floor) / b.clamp(floor).sum())
wrong(
    "rw-share",
    "Divide by their sum",
    lambda a, b, floor: torch.stack([a.clamp(floor), b.clamp(floor)], -1).softmax(-1)[:, 1],
)
wrong("rw-share", "0/0", lambda a, b, floor: b.relu() / (a.relu() + b.relu()))
wrong("rw-share", "cut the gains, before", lambda a, b, floor: (b / (a + b)).clamp(min=floor))
wrong("rw-share", "you added δ", lambda a, b, floor: (b + floor) / (a + floor + b + floor))
wrong(
    "rw-share", "clamp min, not max", lambda a, b, floor: b.clamp(max=floor) / (a.clamp(max=floor) + b.clamp(max=floor))
)
wrong("rw-share", "only one of the two", lambda a, b, floor: b.clamp(floor) / (a + b.clamp(floor)))
wrong("rw-share", "quotient of the two", lambda a, b, floor: b.clamp(floor) / a.clamp(floor))
wrong("rw-share", "takes all", lambda a, b, floor: torch.where(b.clamp(floor) > a.clamp(floor), 1.0, 0.0))

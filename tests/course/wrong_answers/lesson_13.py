"""Lesson 13: attention in the space of outputs."""

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong

right("layer-weights", lambda s, t: F.softmax(torch.stack([layer @ s for layer in t]), dim=-1))
right("layer-weights", lambda s, t: F.softmax((t * s).sum(-1), dim=0))
wrong("layer-weights", "before the softmax", lambda s, t: t @ s)
wrong("layer-weights", "compared probabilities", lambda s, t: (t.softmax(-1) @ s.softmax(-1)).softmax(-1))
wrong("layer-weights", "scores are plain", lambda s, t: (t @ s / len(s) ** 0.5).softmax(-1))
wrong("layer-weights", "that is the cosine", lambda s, t: F.softmax(F.cosine_similarity(t, s.expand_as(t)), dim=-1))
wrong("layer-weights", "take a softmax", lambda s, t: (t @ s) / (t @ s).sum())
wrong("layer-weights", "the sign", lambda s, t: F.softmin(t @ s, dim=0))
wrong("layer-weights", "no distance", lambda s, t: F.softmax(-torch.cdist(t, s[None])[:, 0], dim=0))
wrong("layer-weights", "log-probabilities", lambda s, t: F.log_softmax(t @ s, dim=-1))
wrong("layer-weights", "takes all", lambda s, t: F.one_hot((t @ s).argmax(), 4).float())
wrong("layer-weights", "weigh alike", lambda s, t: torch.full((4,), 0.25))
wrong("layer-weights", "over the classes first", lambda s, t: (t * s).softmax(-1))
wrong("layer-weights", "stopped with RuntimeError", lambda s, t: (s @ t).softmax(-1))

right("layer-target", lambda s, t: t.T @ F.softmax(t @ s, dim=-1))
right("layer-target", lambda s, t: (F.softmax(t @ s, dim=0)[:, None] * t).sum(0))
wrong("layer-target", "plain mean", lambda s, t: t.mean(dim=0))
wrong("layer-target", "plain sum", lambda s, t: t.sum(dim=0))
wrong("layer-target", "only the layer with the largest", lambda s, t: t[torch.argmax(t @ s)])
wrong("layer-target", "mixed probabilities", lambda s, t: F.softmax(t @ s, dim=0) @ F.softmax(t, dim=-1))
wrong("layer-target", "asked are logits", lambda s, t: F.softmax(F.softmax(t @ s, dim=0) @ t, dim=-1))
wrong("layer-target", "without a softmax", lambda s, t: (t @ s) @ t)
wrong("layer-target", "not yet added up", lambda s, t: F.softmax(t @ s, dim=0)[:, None] * t)
wrong("layer-target", "the sign of the weights", lambda s, t: F.softmin(t @ s, dim=0) @ t)
wrong("layer-target", "divided by the number of layers", lambda s, t: (F.softmax(t @ s, dim=0)[:, None] * t).mean(0))
wrong("layer-target", "these are the weights", lambda s, t: F.softmax(t @ s, dim=0))

"""Lesson 16: paired intervals and the line of best buys."""

import statistics

import torch

from tests.course.wrong_answers import right, wrong

right("paired-interval", lambda a, b, t: ((a - b).sum() / 5, t * ((a - b).var() / 5).sqrt()))
right(
    "paired-interval",
    lambda a, b, t: (statistics.fmean(d := (a - b).tolist()), t * statistics.stdev(d) / len(d) ** 0.5),
)
wrong(
    "paired-interval", "two intervals added up", lambda a, b, t: (a.mean() - b.mean(), t * (a.std() + b.std()) / 5**0.5)
)
wrong("paired-interval", "as strangers", lambda a, b, t: (a.mean() - b.mean(), t * (a.var() / 5 + b.var() / 5).sqrt()))
wrong("paired-interval", "divide by √n", lambda a, b, t: ((a - b).mean(), t * (a - b).std()))
wrong("paired-interval", "it is √n", lambda a, b, t: ((a - b).mean(), t * (a - b).std() / 5))
wrong("paired-interval", "divides by n - 1", lambda a, b, t: ((a - b).mean(), t * (a - b).std(unbiased=False) / 5**0.5))
wrong("paired-interval", "quantile t is missing", lambda a, b, t: ((a - b).mean(), (a - b).std() / 5**0.5))
wrong("paired-interval", "for many runs", lambda a, b, t: ((a - b).mean(), 1.96 * (a - b).std() / 5**0.5))
wrong("paired-interval", "one minus other", lambda a, b, t: ((b - a).mean(), t * (b - a).std() / 5**0.5))
wrong("paired-interval", "whole width", lambda a, b, t: ((a - b).mean(), 2 * t * (a - b).std() / 5**0.5))
wrong("paired-interval", "two ends", lambda a, b, t: ((d := a - b).mean() - (h := t * d.std() / 5**0.5), d.mean() + h))
wrong("paired-interval", "take its root", lambda a, b, t: ((a - b).mean(), t * (a - b).var() / 5**0.5))
wrong("paired-interval", "first the mean", lambda a, b, t: (t * (a - b).std() / 5**0.5, (a - b).mean()))
wrong("paired-interval", "the right one (2,)", lambda a, b, t: (a - b).mean())

right(
    "pareto-front",
    lambda c, s: torch.tensor([not any(c[j] < c[i] and s[j] >= s[i] for j in range(9)) for i in range(9)]),
)
right("pareto-front", lambda c, s: torch.stack([~((c < x) & (s >= y)).any() for x, y in zip(c, s)]))


def by_cost(c, s):
    best, on = -1.0, torch.zeros(9, dtype=torch.bool)
    for place in c.argsort():
        on[place] = s[place] > best
        best = max(best, s[place])
    return on


right("pareto-front", by_cost)
wrong("pareto-front", "this is the opposite", lambda c, s: ~by_cost(c, s))
wrong("pareto-front", "only the best is left", lambda c, s: s == s.max())
wrong("pareto-front", "only the cheapest is left", lambda c, s: c == c.min())
wrong("pareto-front", "are confused", lambda c, s: ~((c[None] > c[:, None]) & (s[None] >= s[:, None])).any(1))
wrong("pareto-front", "are confused", lambda c, s: ~((c[None] < c[:, None]) & (s[None] <= s[:, None])).any(1))
wrong(
    "pareto-front",
    "two different ones",
    lambda c, s: ~((c[None] < c[:, None]).any(1) & ((s[None] >= s[:, None]).sum(1) > 1)),
)
wrong("pareto-front", "as good is enough", lambda c, s: ~((c[None] < c[:, None]) & (s[None] > s[:, None])).any(1))
wrong("pareto-front", "beats itself", lambda c, s: ~((c[None] <= c[:, None]) & (s[None] >= s[:, None])).any(1))
wrong("pareto-front", "not by all", lambda c, s: ~((c[None] < c[:, None]) & (s[None] >= s[:, None])).all(1))
wrong("pareto-front", "score per cost", lambda c, s: s / c >= (s / c).max())
wrong("pareto-front", "these are places", lambda c, s: by_cost(c, s).nonzero().flatten())
wrong("pareto-front", "holds True and False", lambda c, s: by_cost(c, s).long())

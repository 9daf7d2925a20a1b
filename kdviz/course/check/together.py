"""Exercises of lesson 16: when two methods can be told apart, and which of them nothing cheaper beats."""

from __future__ import annotations

import math

import torch

from kdviz.course.check import exercise


def _scores(g: torch.Generator) -> tuple:
    luck = torch.rand(5, generator=g)
    return 0.6 + luck / 10, 0.58 + luck / 10 + torch.rand(5, generator=g) / 40, 2.776


@exercise(
    "paired-interval",
    inputs=_scores,
    mistakes={
        "these are the two intervals added up. Take the differences first, seed by seed: the luck they share drops out.":
            lambda one, other, t: (one.mean() - other.mean(), t * (one.std() + other.std()) / math.sqrt(len(one))),
        "this treats the runs as strangers (variances added); the same seed gave both, so subtract first.":
            lambda one, other, t: (
                one.mean() - other.mean(), t * ((one.var() + other.var()) / len(one)) ** 0.5,
            ),
        "divide by √n: asked is how sure the mean is, not how far single runs spread.":
            lambda one, other, t: ((one - other).mean(), t * (one - other).std()),
        "the standard deviation of a few runs divides by n - 1.":
            lambda one, other, t: ((one - other).mean(), t * (one - other).std(correction=0) / math.sqrt(len(one))),
        "the quantile t is missing: with five runs it is 2.776, far from 1.":
            lambda one, other, t: ((one - other).mean(), (one - other).std() / math.sqrt(len(one))),
        "the sign is turned round: one minus other.":
            lambda one, other, t: ((other - one).mean(), t * (one - other).std() / math.sqrt(len(one))),
    },
    praise="seeds that are lucky for both cost nothing any more.",
)  # fmt: skip
def paired_interval(one, other, t):
    apart = one - other
    return apart.mean(), t * apart.std() / math.sqrt(len(apart))


def _methods(g: torch.Generator) -> tuple:
    return torch.rand(9, generator=g) * 100, torch.rand(9, generator=g)


@exercise(
    "pareto-front",
    inputs=_methods,
    mistakes={
        "this is the opposite: True for those that something cheaper beats.":
            lambda cost, score: ((cost < cost[:, None]) & (score >= score[:, None])).any(1),
        "only the best is left. A worse method stays when everything better costs more.":
            lambda cost, score: score == score.max(),
        "only the cheapest is left. A dearer method stays when nothing cheaper is as good.":
            lambda cost, score: cost == cost.min(),
        "cost and score are confused: less cost and more score is better.":
            lambda cost, score: ~((cost > cost[:, None]) & (score >= score[:, None])).any(1),
        "a method is out only when ONE other is both cheaper and as good; here it may be two different ones.":
            lambda cost, score: ~((cost < cost[:, None]).any(1) & (score >= score[:, None]).sum(1).gt(1)),
    },
    praise="whoever is not on this line pays for nothing.",
)  # fmt: skip
def pareto_front(cost, score):
    return ~((cost < cost[:, None]) & (score >= score[:, None])).any(1)

"""Exercises of lesson 16: when two methods can be told apart, and which of them nothing cheaper beats."""

from __future__ import annotations

import torch

from kdviz.course.check import exercise
from kdviz.course.check.parts import Draw


def _seeds(draw: Draw) -> tuple:
    luck = draw.uniform(5) / 10
    return 0.6 + luck, 0.58 + luck + draw.uniform(5) / 40, 2.776


@exercise(_seeds)
def paired_interval(one, other, t):
    """Seeds that are lucky for both cost nothing any more."""
    apart, root = one - other, len(one) ** 0.5
    mean, error, strangers = apart.mean(), apart.std() / root, (one.var() + other.var()).sqrt() / root
    half, wide, added = t * error, t * strangers, t * (one.std() + other.std()) / root
    return (mean, half), {
        "these are the two intervals added up. Take the differences first, seed by seed: the luck they share drops "
        "out.": (mean, added),
        "this treats the runs as strangers (variances added); the same seed gave both: subtract.": (mean, wide),
        "divide by √n: asked is how sure the mean is, not how far single runs spread.": (mean, half * root),
        "you divided by n; it is √n.": (mean, half / root),
        "the standard deviation of a few runs divides by n - 1.": (mean, t * apart.std(correction=0) / root),
        "the quantile t is missing: with five runs it is 2.776, far from 1.": (mean, error),
        "1.96 is for many runs; with five it is t.": (mean, 1.96 * error),
        "the sign is turned round: one minus other.": (-mean, half),
        "this is the whole width; asked is half of it.": (mean, 2 * half),
        "these are the two ends; asked are the middle and half the width.": (mean - half, mean + half),
        "this is the variance; take its root.": [(mean, half * apart.std()), (mean, half * error)],
        "first the mean, then half the width.": (half, mean),
    }


def _methods(draw: Draw) -> tuple:
    cost, score = draw.uniform(9, high=100), draw.uniform(9)
    score[4] = score[draw.integer(0, 3)]  # a tie: the dearer one is out
    return cost, score


@exercise(_methods)
def pareto_front(cost, score):
    """Whoever is not on this line pays for nothing."""
    cheaper, dearer = cost < cost[:, None], cost > cost[:, None]
    better, as_good = score > score[:, None], score >= score[:, None]
    on = ~(cheaper & as_good).any(1)
    turned, rate = [~(dearer & as_good).any(1), ~(dearer & ~better).any(1), ~(cheaper & ~better).any(1)], score / cost
    return on, {
        "this is the opposite: True for those that something cheaper beats.": ~on,
        "only the best is left. A worse method stays when everything better costs more.": score == score.max(),
        "only the cheapest is left. A dearer method stays when nothing cheaper is as good.": cost == cost.min(),
        "cost and score are confused: less cost and more score is better.": turned,
        "a method is out only when ONE other is both cheaper and as good; here it may be two different ones.": (
            ~(cheaper.any(1) & (as_good.sum(1) > 1))
        ),
        "as good is enough: a cheaper method of the same score beats, too.": ~(cheaper & better).any(1),
        "every method beats itself with ≤ and ≥: all are out.": torch.zeros_like(on),
        "out is who is beaten by one other, not by all.": ~(cheaper & as_good).all(1),
        "score per cost is one number; here neither weighs the other.": rate == rate.max(),
        "these are places; asked is True or False for each.": [on.nonzero(), on.nonzero().flatten()],
    }

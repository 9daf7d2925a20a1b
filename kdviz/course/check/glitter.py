"""Exercises of lesson 14: which copies are worst, what they are asked for, and what looking for them costs."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise
from kdviz.course.check.parts import divergence, one_hot, soft_cross_entropy


@exercise(lambda draw: (draw.normal(12, 5, scale=3), draw.normal(12, 5, scale=3), 4, 2.0))
def glitter_worst(student, teacher, k, temperature):
    """A copy that the student has mastered teaches it nothing; these do."""
    s, t = student / temperature, teacher / temperature
    bad, gap, soft_gap = divergence(s, t), student - teacher, s.softmax(-1) - t.softmax(-1)

    def places(values):
        return values.topk(k).indices.sort().values

    crosses = [places(soft_cross_entropy(s, t)), places(soft_cross_entropy(student, teacher))]
    others = [places(gap.square().sum(-1)), places(soft_gap.square().sum(-1)), places(soft_gap.abs().sum(-1))]
    unsure = [places(soft_cross_entropy(one, one)) for one in (student, s)]
    return places(bad), {
        "these are the copies on which the student is best: look for the largest divergence.": places(-bad),
        "the divergence is turned round: the teacher's answers are the target.": places(divergence(t, s)),
        "you compared at τ = 1: soften both sides first.": places(divergence(student, teacher)),
        "here the student is least sure. What counts is how far it is from the teacher.": unsure,
        "this is CE: it also is large where the teacher is unsure. Use the KL.": crosses,
        "the places must come in rising order: sort them.": bad.topk(k).indices,
        "these are divergences; asked are the places of the largest.": [bad, bad.topk(k).values, bad[places(bad)]],
        "these are all places; asked are the k worst.": bad.argsort(descending=True),
        "distances of logits or probabilities are another measure: here it is KL.": others,
    }


@exercise(lambda draw: (draw.normal(6, 4, scale=2), draw.normal(6, 3, 4, scale=2)), learns=1)
def glitter_consistency(own, copies):
    """No teacher, no label: a text and its copies should be answered alike."""
    target, answer = own[:, None].detach().expand_as(copies), copies.log_softmax(-1)
    kl, gap = divergence(copies, target), (target.softmax(-1) - copies.softmax(-1)) ** 2
    as_given = F.kl_div(copies.softmax(-1), target.softmax(-1), reduction="none").sum(-1)
    return kl.mean(), {
        "the divergence is turned round: the answer to the text is the target.": divergence(target, copies).mean(),
        "you summed over the copies; their mean is meant, so that k does not change the weight.": kl.sum(1).mean(),
        "this is the mean over classes as well: a divergence sums over them.": kl.mean() / own.shape[-1],
        "squares are another loss: here it is KL.": [gap.sum(-1).mean(), gap.mean(), F.mse_loss(copies, target)],
        "this is the soft cross-entropy: not 0 when both answer alike.": soft_cross_entropy(copies, target).mean(),
        "NaN: `F.kl_div` takes the log of its target. Give it probabilities, or say log_target=True.": (
            F.kl_div(answer, target.log_softmax(-1), reduction="sum")
        ),
        "`F.kl_div` wants log-probabilities of the copies first; it was given probabilities.": as_given.mean(),
        "the text's favourite class is no whole answer.": -(one_hot(target) * answer).sum(-1).mean(),
        "compare each copy, then take the mean.": divergence(copies.mean(1), own.detach()).mean(),
    }


@exercise(lambda draw: (draw.integer(6, 15), draw.integer(2, 4)))
def glitter_cost(pool, k):
    """Being choosy has its price; equal epochs hide it, equal compute does not."""
    every, some = 3 * (1 + pool), 3 * (1 + k)
    once = [torch.tensor([f * (1 + pool), f * (1 + k), pool + f * (1 + k)]) for f in (1, 2)]
    return torch.tensor([every, some, pool + some]), {
        "the text itself is trained on as well, in all three.": (3 * pool, 3 * k, pool + 3 * k),
        "looking for the worst is not free: all copies are read once, without a backward pass.": (every, some, some),
        "the copies that are only scored need no backward pass: 1 each, not 3.": (every, some, 3 * pool + some),
        "a backward pass counts 2: training on a text costs 3.": once,
        "the picked copies are read twice: to choose them, and to train.": (every, some, pool - k + some),
        "random copies are picked without looking: nothing is scored.": (every, pool + some, pool + some),
        "the order is (all, random, worst).": [(every, pool + some, some), (some, every, pool + some)],
        "to take all copies none has to be scored.": (pool + every, some, pool + some),
        "the text itself need not be scored, only its copies.": (every, some, 1 + pool + some),
        "worst trains on k copies, not on all of them.": (every, some, pool + every),
    }

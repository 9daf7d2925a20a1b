"""Exercises of lesson 15: MATE-KD, Combined-KD and one exam for all models (Rashid et al. 2021; Li et al. 2021)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise
from kdviz.course.check.parts import Draw, divergence, one_hot, soft_cross_entropy


def _noise(draw: Draw) -> tuple:
    gumbel = -(-draw.uniform(4, 6, low=1e-6, high=1 - 1e-6).log()).log()
    return draw.normal(4, 6), gumbel, draw.share(0.5, 0.8)


@exercise(_noise, learns=0, gradient=True)
def straight_through(scores, gumbel, tau):
    """One word ahead, a slope behind: the generator learns although a text holds whole words."""

    def sample(behind, ahead=None):
        return one_hot(behind if ahead is None else ahead) + behind - behind.detach()

    noisy, soft = scores + gumbel, ((scores + gumbel) / tau).softmax(-1)
    plain, turned = (scores / tau).softmax(-1), ((scores - gumbel) / tau).softmax(-1)
    silent = [sample(plain), sample(soft, plain)]
    return sample(soft), {
        "this is the soft sample: a text cannot hold 40 % of a word. Ahead it must be one-hot.": soft,
        "without the noise the generator always writes its favourite word: add `gumbel` to the scores.": silent,
        "the noise is subtracted: the sample then no longer follows softmax(scores).": sample(turned),
        "hard and soft are added up: subtract the soft sample without its gradient, so that only its gradient stays.": (
            one_hot(soft) + soft
        ),
        "the right word ahead, but the noise is missing in the slope behind it.": sample(plain, soft),
        "the right word ahead, but τ is missing in the slope behind it.": sample(noisy.softmax(-1)),
        "the right word ahead, but you multiplied by τ in the slope behind it.": sample((noisy * tau).softmax(-1)),
        "the right word ahead, but the slope leaves the softmax out.": [sample(scores, soft), sample(noisy / tau)],
        "this is the place of the word; asked is its one-hot vector.": soft.argmax(-1),
    }


def _four(draw: Draw) -> tuple:
    return (*(draw.normal(6, 5, scale=2) for _ in range(4)), draw.classes(6, 5))


@exercise(_four, learns=0, needs=("kdviz.losses.logits",))
def mate_loss(student, teacher, student_new, teacher_new, labels):
    """A third each for the label, the text and its rewriting."""
    ce, wrong = F.cross_entropy(student, labels), F.cross_entropy(student_new, labels)

    def kl(student, teacher):
        return divergence(student, teacher).mean()

    old, new = kl(student, teacher), kl(student_new, teacher_new)
    soft = soft_cross_entropy(student, teacher).mean() + soft_cross_entropy(student_new, teacher_new).mean()
    mixed = [(ce + old + kl(*pair)) / 3 for pair in ((student_new, teacher), (student, teacher_new))]
    given = [(ce + old + wrong) / 3, (ce + old + new + wrong) / 3]
    return (ce + old + new) / 3, {
        "D is the soft cross-entropy here, as in the release. Its value also grows when the teacher is unsure, and "
        "that is what a generator would then look for: use the KL.": (ce + soft) / 3,
        "the rewritten text is missing: without D(x') this is vanilla KD.": [(ce + old) / 3, (ce + old) / 2],
        "the old text is missing in D: the teacher answers both.": [(ce + new) / 3, (ce + new) / 2],
        "the labels are missing: a third is theirs.": [(old + new) / 3, (old + new) / 2],
        "the rewritten text gets the label of the old one. Nobody has labelled it: only the teacher may speak.": given,
        "student and teacher are swapped in D: KL(teacher ‖ student), the teacher is the target.": (
            (ce + kl(teacher, student) + kl(teacher_new, student_new)) / 3
        ),
        "the answer to x' is held against an answer to x. Both must read the same text.": mixed,
        "the three terms share one budget: each has the weight ⅓.": [ce + old + new, ce + (old + new) / 2],
        "the sign: the generator makes D(x') large, the student makes it small.": (ce + old - new) / 3,
        "D is averaged over the classes as well; it sums over them.": (ce + (old + new) / student.shape[-1]) / 3,
        "D is the sum over the batch; take its mean.": (ce + (old + new) * len(labels)) / 3,
    }


def _exam(draw: Draw) -> tuple:
    right, against = draw.uniform(3, 20) < 0.6, draw.uniform(3, 20) < 0.4
    against[draw.classes(20, 3), torch.arange(20)] = True  # a text in the pool has fooled somebody
    return right & ~against, against


@exercise(_exam)
def pool_others(right, against):
    """Foreign texts only: nobody is marked down for an exam that was written against them alone."""
    others = [torch.arange(len(right)) != model for model in range(len(right))]
    foreign = torch.stack([against[other].any(0) for other in others])
    every = torch.stack([against[other].all(0) for other in others])

    def score(texts):
        return (right & texts).sum(1) / texts.sum(1)

    return score(foreign), {
        "this is the whole pool. A model has all texts that were made against it alone wrong, by construction: leave "
        "those out.": right.double().mean(1),
        "these are the texts that did not fool the model itself. A text that fooled it *and* somebody else was also "
        "made against somebody else: it counts.": score(~against),
        "these are the texts made against the model itself: all wrong, of course.": score(against),
        "this is the share of wrong answers; asked is accuracy.": 1 - score(foreign),
        "these are numbers of texts; asked is a share.": [(right & foreign).sum(1), right.sum(1), foreign.sum(1)],
        "a text need not have fooled *all* the others: one is enough.": score(every),
        "every model gets its own accuracy.": [score(foreign).mean(), right.double().mean()],
    }

"""Exercises of lesson 15: MATE-KD, Combined-KD and one exam for all models (Rashid et al. 2021; Li et al. 2021)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise


def _hard(soft: torch.Tensor) -> torch.Tensor:
    return F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft.dtype)


def _noise(g: torch.Generator) -> tuple:
    gumbel = -torch.empty(4, 6).exponential_(generator=g).log()
    return torch.randn(4, 6, generator=g), gumbel, 0.7


@exercise(
    "straight-through",
    inputs=_noise,
    learns=0,
    mistakes={
        "this is the soft sample: a text cannot hold 40 % of a word. Ahead it must be one-hot.":
            lambda scores, gumbel, tau: ((scores + gumbel) / tau).softmax(-1),
        "without the noise the generator always writes its favourite word: add `gumbel` to the scores.":
            lambda scores, gumbel, tau: _hard((scores / tau).softmax(-1)) + 0 * scores,
        "the noise is subtracted: the sample then no longer follows softmax(scores).":
            lambda scores, gumbel, tau: _hard(((scores - gumbel) / tau).softmax(-1)) + 0 * scores,
        "hard and soft are added up: subtract the soft sample without its gradient, so that only its gradient stays.":
            lambda scores, gumbel, tau: _hard(soft := ((scores + gumbel) / tau).softmax(-1)) + soft,
    },
    praise="one word ahead, a slope behind: the generator learns although a text holds whole words.",
)
def straight_through(scores, gumbel, tau):
    soft = ((scores + gumbel) / tau).softmax(-1)
    return _hard(soft) + soft - soft.detach()


def _four(g: torch.Generator) -> tuple:
    student, teacher, student_new, teacher_new = (2 * torch.randn(6, 5, generator=g) for _ in range(4))
    return student, teacher, student_new, teacher_new, torch.randint(5, (6,), generator=g)


def _kl(student, teacher):
    return F.kl_div(student.log_softmax(-1), teacher.softmax(-1), reduction="batchmean")


def _soft_ce(student, teacher):
    return -(teacher.softmax(-1) * student.log_softmax(-1)).sum(-1).mean()


@exercise(
    "mate-loss",
    inputs=_four,
    learns=0,
    mistakes={
        "D is the soft cross-entropy here, as in the release. Its value also grows when the teacher is unsure, and that "
        "is what a generator would then look for: use the KL.":
            lambda s, t, sn, tn, y: (F.cross_entropy(s, y) + _soft_ce(s, t) + _soft_ce(sn, tn)) / 3,
        "the rewritten text is missing: without D(x') this is vanilla KD.":
            lambda s, t, sn, tn, y: (F.cross_entropy(s, y) + _kl(s, t)) / 3,
        "the rewritten text gets the label of the old one. Nobody has labelled it: only the teacher may speak.":
            lambda s, t, sn, tn, y: (F.cross_entropy(s, y) + _kl(s, t) + F.cross_entropy(sn, y)) / 3,
        "student and teacher are swapped in D: KL(teacher ‖ student), the teacher is the target.":
            lambda s, t, sn, tn, y: (F.cross_entropy(s, y) + _kl(t, s) + _kl(tn, sn)) / 3,
        "the student's answer to x' is held against the teacher's answer to x. Both must read the same text.":
            lambda s, t, sn, tn, y: (F.cross_entropy(s, y) + _kl(s, t) + _kl(sn, t)) / 3,
        "the three terms share one budget: each has the weight ⅓.":
            lambda s, t, sn, tn, y: F.cross_entropy(s, y) + _kl(s, t) + _kl(sn, tn),
    },
    praise="a third each for the label, the text and its rewriting.",
)
def mate_loss(student, teacher, student_new, teacher_new, labels):
    return (F.cross_entropy(student, labels) + _kl(student, teacher) + _kl(student_new, teacher_new)) / 3


def _exam(g: torch.Generator) -> tuple:
    right = torch.rand(3, 20, generator=g) < 0.6
    against = torch.rand(3, 20, generator=g) < 0.4
    against[torch.randint(3, (20,), generator=g), torch.arange(20)] = True  # a text in the pool has fooled somebody
    return right & ~against, against


@exercise(
    "pool-others",
    inputs=_exam,
    mistakes={
        "this is the whole pool. A model has all texts that were made against it alone wrong, by construction: leave those out.":
            lambda right, against: right.double().mean(1),
        "these are the texts that did not fool the model itself. A text that fooled it *and* somebody else was also made "
        "against somebody else: it counts.":
            lambda right, against: torch.stack([r[~a].double().mean() for r, a in zip(right, against)]),
        "these are the texts made against the model itself: all wrong, of course.":
            lambda right, against: torch.stack([r[a].double().mean() for r, a in zip(right, against)]),
        "this is the share of wrong answers; asked is accuracy.":
            lambda right, against: 1 - pool_others.reference(right, against),
    },
    praise="foreign texts only: nobody is marked down for an exam that was written against them alone.",
)
def pool_others(right, against):
    scores = []
    for model in range(len(right)):
        others = torch.arange(len(right)) != model
        scores.append(right[model, against[others].any(0)].double().mean())
    return torch.stack(scores)

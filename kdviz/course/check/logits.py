"""Exercises of lesson 01: temperature and the KD loss (Hinton et al. 2015)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise


@exercise(
    "temperature",
    inputs=lambda g: (3 * torch.randn(4, 5, generator=g), 4.0),
    mistakes={
        "you multiplied by τ; that makes the distribution sharper. Divide.":
            lambda logits, tau: torch.softmax(logits * tau, -1),
        "you divided the probabilities by τ, so that a row sums to 1/τ. Divide the logits, before the softmax.":
            lambda logits, tau: torch.softmax(logits, -1) / tau,
        "τ is not used yet: this is the plain softmax.":
            lambda logits, tau: torch.softmax(logits, -1),
        "these are log-probabilities. Asked are probabilities.":
            lambda logits, tau: torch.log_softmax(logits / tau, -1),
        "the softmax runs over the examples of the batch; it belongs on the last axis, the classes.":
            lambda logits, tau: torch.softmax(logits / tau, 0),
    },
    praise="a high temperature flattens the distribution and lets the small probabilities be seen.",
)
def temperature(logits, tau):
    return torch.softmax(logits / tau, -1)


def _two_logits(g: torch.Generator) -> tuple:
    return 2 * torch.randn(6, 5, generator=g), 2 * torch.randn(6, 5, generator=g), 3.0


def _kl(target: torch.Tensor, log_prediction: torch.Tensor) -> torch.Tensor:
    return (target * (target.log() - log_prediction)).sum(-1).mean()


@exercise(
    "kd-loss",
    inputs=_two_logits,
    learns=0,
    mistakes={
        "τ² is missing. Softening both sides makes the gradient about 1/τ² as large; the factor puts it back.":
            lambda s, t, tau: _kl(torch.softmax(t / tau, -1), torch.log_softmax(s / tau, -1)),
        "there is a τ where τ² belongs.":
            lambda s, t, tau: tau * _kl(torch.softmax(t / tau, -1), torch.log_softmax(s / tau, -1)),
        "the KL runs the wrong way round: the teacher is the target, so it goes first, KL(teacher ‖ student).":
            lambda s, t, tau: tau**2 * _kl(torch.softmax(s / tau, -1), torch.log_softmax(t / tau, -1)),
        "you averaged over the classes as well: the result is C times too small. Sum over classes, mean over the "
        'batch (`reduction="batchmean"`).':
            lambda s, t, tau: tau**2 * _kl(torch.softmax(t / tau, -1), torch.log_softmax(s / tau, -1)) / s.shape[-1],
        "`F.kl_div` wants log-probabilities of the student as its first argument; it was given probabilities.":
            lambda s, t, tau: tau**2 * F.kl_div(torch.softmax(s / tau, -1), torch.softmax(t / tau, -1),
                                                reduction="batchmean"),
        "only the student is softened. The teacher's logits need the same temperature.":
            lambda s, t, tau: tau**2 * _kl(torch.softmax(t, -1), torch.log_softmax(s / tau, -1)),
        "only the teacher is softened. The student's logits need the same temperature.":
            lambda s, t, tau: tau**2 * _kl(torch.softmax(t / tau, -1), torch.log_softmax(s, -1)),
        "this is the soft cross-entropy. It differs from the KL by the teacher's entropy: its gradient is right, "
        "its value is not 0 when the student has become the teacher.":
            lambda s, t, tau: tau**2 * -(torch.softmax(t / tau, -1) * torch.log_softmax(s / tau, -1)).sum(-1).mean(),
        "this is the squared error between two softmaxes. One popular library calls it KD; Hinton's loss is a KL.":
            lambda s, t, tau: F.mse_loss(torch.softmax(s / tau, -1), torch.softmax(t / tau, -1)),
    },
    praise="τ²·KL(teacher ‖ student), summed over classes, mean over the batch: the one convention of this course.",
)
def kd_loss(student_logits, teacher_logits, tau):
    target = torch.softmax(teacher_logits / tau, -1)
    return tau**2 * _kl(target, torch.log_softmax(student_logits / tau, -1))


@exercise(
    "vanilla-kd",
    inputs=lambda g: (torch.rand((), generator=g) + 0.5, torch.rand((), generator=g) + 2.0, 0.3),
    learns=0,
    mistakes={
        "α sits on the wrong term: here it weighs the teacher, 1-α the labels.":
            lambda hard, soft, alpha: alpha * hard + (1 - alpha) * soft,
        "the labels keep their full weight; they get 1-α.":
            lambda hard, soft, alpha: hard + alpha * soft,
        "the labels are not used. (The CKD release does this when its `kd` switch is on: its mixing line is commented out.)":
            lambda hard, soft, alpha: soft + 0 * hard,
    },
    praise="labels and teacher share one budget of weight.",
)
def vanilla_kd(hard, soft, alpha):
    return (1 - alpha) * hard + alpha * soft

"""Exercises of lessons 06 and 07: Annealing-KD and Continuation-KD (Jafari et al. 2021, 2022)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise


def _parts(g: torch.Generator) -> tuple:
    tau_max = int(torch.randint(3, 8, (), generator=g))
    return 2 * tau_max + 2, tau_max  # not a multiple: the release runs past 1 here


@exercise(
    "annealing-phi",
    inputs=_parts,
    mistakes={
        "your Φ runs past 1 (the release's does, when τ_max does not divide the epochs): the teacher is then louder than "
        "itself. Cut the epochs into τ_max parts so that the last part has T = 1.":
            lambda epochs, tau_max: 1 - (tau_max - torch.arange(epochs) // (epochs // tau_max) - 1) / tau_max,
        "your Φ starts at 0 and never reaches 1: in the first part T = τ_max, which gives Φ = 1/τ_max.":
            lambda epochs, tau_max: (torch.arange(epochs) * tau_max // epochs) / tau_max,
        "your Φ grows with every epoch; it stays the same within each of the τ_max parts.":
            lambda epochs, tau_max: (torch.arange(epochs) + 1) / epochs,
        "your Φ falls: T runs from τ_max down to 1, so that the teacher grows.":
            lambda epochs, tau_max: (tau_max - torch.arange(epochs) * tau_max // epochs) / tau_max,
    },
    praise="from 1/τ_max to exactly 1, in equal steps: the teacher grows and then is itself.",
)
def annealing_phi(epochs, tau_max):
    part = torch.arange(epochs) * tau_max // epochs
    return (part + 1) / tau_max


@exercise(
    "annealing-loss",
    inputs=lambda g: (2 * torch.randn(6, 5, generator=g), 2 * torch.randn(6, 5, generator=g), 0.4),
    learns=0,
    mistakes={
        "Φ is missing: this follows the full-grown teacher from the first step.":
            lambda s, t, phi: F.mse_loss(s, t),
        "Φ sits on the student. The teacher's logits are the ones that grow.":
            lambda s, t, phi: F.mse_loss(phi * s, t),
        "Φ stands outside the square: that only weighs the loss; the target itself must grow.":
            lambda s, t, phi: phi * F.mse_loss(s, t),
        "you compared probabilities. Annealing-KD regresses the logits themselves, no softmax.":
            lambda s, t, phi: F.mse_loss(s.softmax(-1), (phi * t).softmax(-1)),
        "Φ divides the teacher as a temperature would, making it larger. It multiplies.":
            lambda s, t, phi: F.mse_loss(s, t / phi),
    },
    praise="the target is Φ·z_T: small and smooth at first, the teacher itself in the end.",
)
def annealing_loss(student_logits, teacher_logits, phi):
    return F.mse_loss(student_logits, phi * teacher_logits)


@exercise(
    "continuation-loss",
    inputs=lambda g: (2 * torch.rand(8, generator=g), torch.rand((), generator=g) + 0.5, 0.3, 0.6, 1.75),
    learns=0,
    mistakes={
        "the hinge acts on the mean of the batch, so that far rows pay for near ones. Cut every row at 0, then take the mean.":
            lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * (d.mean() - m * phi).clamp(min=0),
        "the margin does not grow with the teacher: it is m·φ.":
            lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * (d - m).clamp(min=0).mean(),
        "without max{0, …} a row inside the margin is rewarded for coming closer still; it should be left in peace.":
            lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * (d - m * phi).mean(),
        "ψ sits on the wrong term: it starts at 0, with the teacher alone.":
            lambda d, ce, psi, phi, m: (1 - psi) * ce + psi * (d - m * phi).clamp(min=0).mean(),
        "the margin is missing: with m = 0 and a step ψ this would be Annealing-KD.":
            lambda d, ce, psi, phi, m: psi * ce + (1 - psi) * d.mean(),
    },
    praise="inside the margin the teacher is silent, and its noise need not be copied.",
)
def continuation_loss(distance, ce, psi, phi, margin):
    return psi * ce + (1 - psi) * (distance - margin * phi).clamp(min=0).mean()


@exercise(
    "filter-normalise",
    inputs=lambda g: (torch.randn(4, 3, generator=g) * torch.tensor([[1.0], [5.0], [0.2], [2.0]]), torch.randn(4, 3, generator=g)),
    mistakes={
        "one factor for the whole matrix: a filter with small weights is then shaken beyond recognition. One factor a row.":
            lambda w, d: d * w.norm() / d.norm(),
        "the noise still has its own length: divide by the norm of its row.":
            lambda w, d: d * w.norm(dim=1, keepdim=True),
        "all rows have length 1 now: multiply by the norm of the weight's row.":
            lambda w, d: d / d.norm(dim=1, keepdim=True),
        "you normalised the columns. A filter, here the weights of one output, is a row.":
            lambda w, d: d * w.norm(dim=0, keepdim=True) / d.norm(dim=0, keepdim=True),
    },
    praise="a step of size 1 is now as large as each filter: landscapes of different networks can be compared.",
)
def filter_normalise(weight, noise):
    return noise * weight.norm(dim=1, keepdim=True) / noise.norm(dim=1, keepdim=True)

"""Exercises of lessons 06 and 07: Annealing-KD and Continuation-KD (Jafari et al. 2021, 2022)."""

from __future__ import annotations

import itertools

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise
from kdviz.course.check.parts import Draw


def _parts(draw: Draw) -> tuple:
    tau_max = draw.integer(3, 7)
    return 2 * tau_max + 2, tau_max  # not a multiple: the release runs past 1 here


@exercise(_parts)
def annealing_phi(epochs, tau_max):
    """From 1/τ_max to exactly 1, in equal steps: the teacher grows and then is itself."""
    epoch, short, left = torch.arange(epochs), epochs // tau_max, epochs % tau_max
    phi, part = (torch.arange(tau_max) + 1) / tau_max, epoch * tau_max // epochs
    longer = itertools.combinations(range(tau_max), left)  # parts that are one epoch longer: any of them may be
    sizes = [torch.tensor([short + (part in some) for part in range(tau_max)]) for some in longer]
    lines = [torch.linspace(low, 1, epochs) for low in (0, 1 / tau_max)] + [(epoch + 1) / epochs, epoch / epochs]
    return [phi.repeat_interleave(size) for size in sizes], {
        "your Φ runs past 1 (the release's does, when τ_max does not divide the epochs): the teacher is then louder "
        "than itself. Cut the epochs into τ_max parts so that the last part has T = 1.": (epoch // short + 1) / tau_max,
        "your Φ starts at 0 and never reaches 1: in the first part T = τ_max, so Φ = 1/τ_max.": part / tau_max,
        "your Φ grows with every epoch; within each part it stays the same.": lines,
        "your Φ falls: T runs from τ_max down to 1, so that the teacher grows.": (tau_max - part) / tau_max,
        "this is T; asked is Φ = 1 - (T - 1)/τ_max.": [tau_max - part, part + 1],
        "Φ is 1 - (T - 1)/τ_max, not 1/T: it grows in equal steps.": 1 / (tau_max - part),
        "parts of ⌈epochs/τ_max⌉ epochs are too long: Φ never reaches 1.": (epoch // (short + 1) + 1) / tau_max,
        "the last part takes all epochs that are left over; share them.": phi[(epoch // short).clamp(max=tau_max - 1)],
        "this is one Φ for each part; asked is one for each epoch.": phi,
    }


@exercise(lambda draw: (draw.normal(6, 5, scale=2), draw.normal(6, 5, scale=2), draw.share()), learns=0)
def annealing_loss(student_logits, teacher_logits, phi):
    """The target is Φ·z_T: small and smooth at first, the teacher itself in the end."""
    s, t, grown = student_logits, teacher_logits, phi * teacher_logits
    square, mse, of_soft = (s - grown).square(), F.mse_loss, s.softmax(-1)
    return square.mean(), {
        "Φ is missing: this follows the full-grown teacher from the first step.": mse(s, t),
        "Φ sits on the student. The teacher's logits are the ones that grow.": mse(phi * s, t),
        "Φ stands outside the square: that only weighs the loss; the target itself must grow.": phi * mse(s, t),
        "Φ is on both sides: that only weighs the loss.": mse(phi * s, grown),
        "Φ is squared: it multiplies the logits once.": mse(s, phi * grown),
        "1 - Φ stands where Φ belongs: the teacher would shrink.": mse(s, t - grown),
        "you compared probabilities: compare the logits themselves, no softmax.": mse(of_soft, grown.softmax(-1)),
        "Φ divides the teacher as a temperature would, making it larger. It multiplies.": mse(s, t / phi),
        "you summed over the classes; take the mean over them as well.": square.sum(-1).mean(),
        "this is the sum over batch and classes; take the mean.": square.sum(),
        "these are absolute differences; square them.": (s - grown).abs().mean(),
    }


def _objective(draw: Draw) -> tuple:
    psi, phi, margin = draw.share(0.2, 0.4), draw.share(0.55, 0.7), draw.share(1.5, 2)
    return draw.uniform(8, high=2), draw.uniform(low=0.5, high=1.5), psi, phi, margin


@exercise(_objective, learns=0)
def continuation_loss(distance, ce, psi, phi, margin):
    """Inside the margin the teacher is silent, and its noise need not be copied."""
    bound, rest = margin * phi, 1 - psi
    beyond = (distance - bound).clamp(min=0)

    def mix(teacher, label=psi * ce, weight=rest):
        return label + weight * teacher

    uncut = [distance.clamp(min=bound).mean(), (distance * (distance > bound)).mean()]
    return mix(beyond.mean()), {
        "the hinge acts on the mean of the batch, so that far rows pay for near ones. Cut every row at 0, then take "
        "the mean.": mix((distance.mean() - bound).clamp(min=0)),
        "the margin does not grow with the teacher: it is m·φ.": mix((distance - margin).clamp(min=0).mean()),
        "without max{0, …} a row inside the margin is rewarded for coming closer still; it should be left in peace.": (
            mix((distance - bound).mean())
        ),
        "subtract the margin before you cut at 0: a row just beyond it pays little.": [mix(one) for one in uncut],
        "the sign: a row pays for lying beyond the margin, not inside.": mix((bound - distance).clamp(min=0).mean()),
        "ψ sits on the wrong term: it starts at 0, with the teacher alone.": mix(beyond.mean(), rest * ce, psi),
        "the labels keep their full weight; they get ψ.": mix(beyond.mean(), ce),
        "the teacher keeps its full weight; it gets 1 - ψ.": mix(beyond.mean(), weight=1),
        "the margin is missing: with m = 0 and a step ψ this would be Annealing-KD.": mix(distance.mean()),
        "this is the sum over the rows; take their mean.": mix(beyond.sum()),
        "only rows beyond the margin are in this mean; all rows count.": mix(beyond[beyond > 0].mean()),
    }


def _filters(draw: Draw) -> tuple:
    return draw.normal(4, 3) * torch.tensor([[1.0], [5.0], [0.2], [2.0]]), draw.normal(4, 3)


@exercise(_filters)
def filter_normalise(weight, noise):
    """A step of size 1 is now as large as each filter: landscapes of different networks can be compared."""

    def scaled(size):
        return noise * size(weight) / size(noise)

    wide, long = weight.norm(dim=1, keepdim=True), noise.norm(dim=1, keepdim=True)
    others = [scaled(lambda x: x.abs().sum(1, keepdim=True)), scaled(lambda x: x.abs().amax(1, keepdim=True))]
    return noise * wide / long, {
        "one factor for the whole matrix: a filter with small weights is then shaken beyond recognition. One a row.": (
            scaled(torch.norm)
        ),
        "the noise still has its own length: divide by the norm of its row.": noise * wide,
        "all rows have length 1 now: multiply by the norm of the weight's row.": noise / long,
        "you normalised the columns. A filter, the weights of one output, is a row.": scaled(lambda x: x.norm(dim=0)),
        "the roles are swapped: the noise is scaled, the weight says how far.": weight * long / wide,
        "the quotient is upside down: multiply by the weight's norm.": noise * long / wide,
        "these are squared norms: take the root.": noise * (wide / long) ** 2,
        "this is the weight after a step; asked is the direction alone.": weight + noise * wide / long,
        "a filter's size is its norm, not its largest weight or the sum of their sizes.": others,
    }

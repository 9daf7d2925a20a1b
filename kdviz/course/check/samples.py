"""Exercises of lesson 09: per-sample weights (Lu et al. 2021)."""

from __future__ import annotations

import torch

from kdviz.course.check import exercise
from kdviz.course.check.parts import Draw


@exercise(lambda draw: (draw.normal(7), draw.normal(4, 7)))
def rw_gain(meta_gradient, row_gradients):
    """A gradient that points where the held-out loss falls is worth listening to."""
    rows, meta = row_gradients, meta_gradient
    gain, lengths, long, apart = rows @ meta, rows.norm(dim=1), meta.norm(), (rows - meta).norm(dim=1)
    cosines = [gain / (lengths * long), gain / lengths, gain / long]
    return gain, {
        "the sign is turned: a row whose gradient points the same way as ∇J helps, so its gain is positive.": -gain,
        "you divided by lengths; the derivative is the plain inner product, long gradients count more.": cosines,
        "this is one number for the batch. Every row has its own gain.": [gain.mean(), gain.sum()],
        "these are products number by number; sum them over the weights.": rows * meta,
        "this is the mean over the weights; an inner product is their sum.": gain / len(meta),
        "a row that does harm has a negative gain: leave the sign.": [gain.clamp(min=0), gain.abs()],
        "this is a distance; the derivative is an inner product.": [apart, -apart, apart**2],
        "gains are no weights yet: no softmax.": gain.softmax(0),
        "∇J is missing: these are the rows' own gradients.": [rows.sum(1), lengths, lengths**2],
    }


def _gains(draw: Draw) -> tuple:
    gains = draw.uniform(2, 6, low=0.1, high=1.1)
    gains[0, 0] = gains[1, 1] = -0.5
    gains[:, 2] = -1.0
    return gains[0], gains[1], 1e-3


@exercise(_gains)
def rw_share(label_gain, teacher_gain, floor):
    """Each row asks which of its two teachers, label or model, would have helped a held-out batch more."""
    label, teacher = label_gain.clamp(min=floor), teacher_gain.clamp(min=floor)

    def share(label, teacher):
        return teacher / (label + teacher)

    plain, at_most = share(label_gain, teacher_gain), share(label_gain.clamp(max=floor), teacher_gain.clamp(max=floor))
    at_zero = share(label_gain.clamp(min=0), teacher_gain.clamp(min=0))
    soft = [torch.stack(pair).softmax(0)[1] for pair in ((label, teacher), (label_gain, teacher_gain))]
    late = [plain.clamp(min=floor), plain.clamp(floor, 1)]
    return share(label, teacher), {
        "harm is no vote: gains below δ become δ before they are compared.": plain,
        "λ is the share of the teacher; this is the share of the label.": share(teacher, label),
        "you normalised over the batch. λ compares the two terms of the same row.": teacher / teacher.sum(),
        "a softmax over the two gains is never near 0 or 1 when they are small. Divide by their sum.": soft,
        "negative gains are set to 0 and not to δ: a row that neither term helps becomes 0/0.": at_zero,
        "you cut the share at δ; cut the gains, before they are compared.": late,
        "you added δ; a gain below δ becomes δ.": share(label_gain + floor, teacher_gain + floor),
        "the gains must be at least δ, not at most (clamp min, not max).": at_most,
        "only one of the two gains is cut at δ.": [share(label_gain, teacher), share(label, teacher_gain)],
        "this is the quotient of the two; the share divides by their sum.": teacher / label,
        "the better one takes all; λ shares between them.": (teacher > label).float(),
    }

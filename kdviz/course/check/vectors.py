"""Exercises of lesson 00: two words as two vectors."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise
from kdviz.course.check.parts import Draw, off_diagonal


@exercise(lambda draw: (draw.normal(8, scale=3), draw.normal(8)))
def cosine(u, v):
    """The cosine compares directions and forgets lengths. Every word relation of this course starts from it."""
    dot, lengths = u @ v, u.norm() * v.norm()
    centred = F.cosine_similarity(u - u.mean(), v - v.mean(), dim=-1)
    return dot / lengths, {
        "this is the dot product. It grows when a vector gets longer; divide by both lengths.": dot,
        "you divided by squared lengths. A length is the root of a vector's dot product with itself.": dot / lengths**2,
        "only one of the two lengths is divided out.": dot / u.norm(),
        "only one of the two lengths is divided out: the first vector's is still in.": dot / v.norm(),
        "the two lengths are multiplied, not added.": dot / (u.norm() + v.norm()),
        "a length is the root of the sum of squares, not the sum of sizes.": dot / (u.abs().sum() * v.abs().sum()),
        "these are the products number by number: add them up.": u * v / lengths,
        "this is the Euclidean distance. The cosine ignores length: 1 for equal directions.": (u - v).norm(),
        "this is the angle; asked is its cosine.": (dot / lengths).acos(),
        "you subtracted the means: this is the correlation.": centred,
    }


def _similarities(draw: Draw) -> tuple[torch.Tensor]:
    unit = F.normalize(draw.uniform(7, 5), dim=-1)
    unit[draw.integer(0, 6)] *= -1  # a word unlike all others: all its cosines are negative but the one with itself
    return (unit @ unit.T,)


@exercise(_similarities)
def nearest_word(cosines):
    """The diagonal is left out. You will leave it out again in every relation loss."""
    others = cosines.masked_fill(~off_diagonal(len(cosines)), -2)
    zeroed, whole = cosines * off_diagonal(len(cosines)), [others.argmax(), cosines.argmax()]
    return others.argmax(-1), {
        "every word found itself: its cosine with itself is 1. Leave the diagonal out.": cosines.argmax(-1),
        "this is the least similar word. A large cosine means similar.": cosines.argmin(-1),
        "this is the second least similar word: sorting rises unless told otherwise.": cosines.argsort(-1)[:, 1],
        "you found how similar the nearest word is; asked is its position (argmax, not max).": others.amax(-1),
        "a diagonal of 0 still beats words whose cosines are all negative: use less than -1.": zeroed.argmax(-1),
        "a large negative cosine is no likeness: no absolute values.": zeroed.abs().argmax(-1),
        "this is one place in the whole matrix; asked is one for every row: dim=-1.": whole,
        "these are the word and its neighbour: only the second column is asked.": cosines.topk(2).indices,
    }

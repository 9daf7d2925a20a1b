"""Exercises of lesson 00: two words as two vectors."""

from __future__ import annotations

import torch

from kdviz.course.check import exercise


@exercise(
    "cosine",
    inputs=lambda g: (3 * torch.randn(8, generator=g), torch.randn(8, generator=g)),
    mistakes={
        "this is the dot product. It grows when a vector gets longer; divide by both lengths.":
            lambda u, v: u @ v,
        "you divided by the squared lengths. A length is the square root of a vector's dot product with itself.":
            lambda u, v: u @ v / ((u @ u) * (v @ v)),
        "only one of the two lengths is divided out.":
            lambda u, v: u @ v / u.norm(),
        "only one of the two lengths is divided out: the first vector's is still in.":
            lambda u, v: u @ v / v.norm(),
        "this is the Euclidean distance. The cosine ignores length and is 1 for vectors of the same direction.":
            lambda u, v: (u - v).norm(),
    },
    praise="the cosine compares directions and forgets lengths. Every word relation of this course starts from it.",
)
def cosine(u, v):
    return u @ v / (u.norm() * v.norm())


def _cosines(g: torch.Generator) -> tuple[torch.Tensor]:
    unit = torch.nn.functional.normalize(torch.rand(7, 5, generator=g), dim=-1)
    unit[0] *= -1  # a word unlike all others: all its cosines are negative but the one with itself
    return (unit @ unit.T,)


def _without_diagonal(matrix: torch.Tensor, value: float) -> torch.Tensor:
    return matrix.masked_fill(torch.eye(len(matrix), dtype=torch.bool), value)


@exercise(
    "nearest-word",
    inputs=_cosines,
    mistakes={
        "every word found itself: a word's cosine with itself is 1, the largest there is. Leave the diagonal out.":
            lambda cosines: cosines.argmax(-1),
        "this is the least similar word. A large cosine means similar.":
            lambda cosines: cosines.argmin(-1),
        "you found how similar the nearest word is; asked is its position (argmax, not max).":
            lambda cosines: _without_diagonal(cosines, -2).amax(-1),
        "the diagonal set to 0 still beats words whose cosines are all negative; use a number below -1.":
            lambda cosines: _without_diagonal(cosines, 0).argmax(-1),
    },
    praise="the diagonal is left out. You will leave it out again in every relation loss.",
)
def nearest_word(cosines):
    return _without_diagonal(cosines, -2).argmax(-1)

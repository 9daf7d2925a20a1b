"""Exercises of lesson 12: a product of two small matrices in place of a large one."""

from __future__ import annotations

import torch

from kdviz.course.check import exercise


@exercise(
    "kron-apply",
    inputs=lambda g: (torch.randn(3, 2, generator=g), torch.randn(2, 4, generator=g), torch.randn(8, generator=g)),
    learns=0,
    mistakes={
        "you read x column by column. A vector is laid out row by row: x.reshape(n1, n2).":
            lambda a, b, x: (a @ x.reshape(4, 2).T @ b.T).flatten(),
        "this is (B ⊗ A) x: the factors changed places.":
            lambda a, b, x: torch.kron(b, a) @ x,
        "the result is right, but read column by column: flatten A X Bᵀ, not its transpose.":
            lambda a, b, x: (a @ x.reshape(2, 4) @ b.T).T.flatten(),
        "these are the right numbers as a matrix (m1, m2); the answer is a vector: flatten it.":
            lambda a, b, x: a @ x.reshape(2, 4) @ b.T,
    },
    praise="two small products, and the large matrix was never there.",
)
def kron_apply(a, b, x):
    return (a @ x.reshape(a.shape[1], b.shape[1]) @ b.T).flatten()


def _rearranged(weight, m1, n1):
    m2, n2 = weight.shape[0] // m1, weight.shape[1] // n1
    return weight.reshape(m1, m2, n1, n2).transpose(1, 2).reshape(m1 * n1, m2 * n2)


@exercise(
    "kron-rearrange",
    inputs=lambda g: (torch.randn(6, 6, generator=g), 3, 2),
    mistakes={
        "you only reshaped W: neighbours in a row are not yet of one block. Split both axes, then swap the inner two.":
            lambda w, m1, n1: w.reshape(m1 * n1, -1),
        "each column is a block here; a block of W belongs in a row.":
            lambda w, m1, n1: _rearranged(w, m1, n1).T,
        "the blocks have A's shape; A says how many blocks there are, each has B's shape.":
            lambda w, m1, n1: w.reshape(w.shape[0] // m1, m1, w.shape[1] // n1, n1).transpose(1, 2).reshape(-1, m1 * n1),
    },
    praise="in this order a Kronecker product is a matrix of rank one, and the SVD finds the nearest.",
)
def kron_rearrange(weight, m1, n1):
    return _rearranged(weight, m1, n1)


@exercise(
    "kron-count",
    inputs=lambda g: tuple(int(k) for k in torch.randint(2, 9, (5,), generator=g)),
    mistakes={
        "this is the size of W itself.": lambda m1, n1, m2, n2, r: m1 * n1 * m2 * n2,
        "one product only: there are r of them.": lambda m1, n1, m2, n2, r: m1 * n1 + m2 * n2,
        "only A is counted r times.": lambda m1, n1, m2, n2, r: r * m1 * n1 + m2 * n2,
        "these are the sides of A and B; a matrix has rows × columns weights.":
            lambda m1, n1, m2, n2, r: r * (m1 + n1 + m2 + n2),
    },
    praise="a sum where the dense matrix has a product: that is where the weights go.",
)
def kron_count(m1, n1, m2, n2, rank):
    return rank * (m1 * n1 + m2 * n2)

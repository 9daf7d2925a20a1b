"""Exercises of lesson 12: a product of two small matrices in place of a large one."""

from __future__ import annotations

import torch

from kdviz.course.check import exercise


@exercise(lambda draw: (draw.normal(3, 2), draw.normal(2, 4), draw.normal(8)), learns=0)
def kron_apply(a, b, x):
    """Two small products, and the large matrix was never there."""
    table = x.reshape(a.shape[1], b.shape[1])
    product = a @ table @ b.T
    by_column = a @ x.reshape(b.shape[1], a.shape[1]).T @ b.T
    return product.flatten(), {
        "you read x column by column. A vector is laid out row by row: x.reshape(n1, n2).": by_column.flatten(),
        "this is (B ⊗ A) x: the factors changed places.": torch.kron(b, a) @ x,
        "the result is right, but read column by column: flatten A X Bᵀ, not its transpose.": product.T.flatten(),
        "these are the right numbers as a matrix (m1, m2); the answer is a vector: flatten it.": [product, product.T],
        "this is A ⊗ B, the large matrix itself; apply it to x.": torch.kron(a, b),
        "only A is applied; B follows from the right: A X Bᵀ.": [a @ table, (a @ table).flatten()],
        "only B is applied; A comes from the left: A X Bᵀ.": [table @ b.T, (table @ b.T).flatten()],
        "the answer has one axis of m1·m2 numbers.": [product.reshape(1, -1), product.reshape(-1, 1)],
    }


@exercise(lambda draw: (draw.normal(6, 6), 3, 2))
def kron_rearrange(weight, m1, n1):
    """In this order a Kronecker product is a matrix of rank one, and the SVD finds the nearest."""
    m2, n2 = weight.shape[0] // m1, weight.shape[1] // n1
    blocks = weight.reshape(m1, m2, n1, n2).transpose(1, 2)  # (m1, n1, m2, n2)
    right, sizes = blocks.reshape(m1 * n1, m2 * n2), (m1 * n1, m2 * n2)
    wrong = weight.reshape(m2, m1, n2, n1)
    return right, {
        "you only reshaped W: neighbours in a row are not yet of one block. Split both axes, then swap the inner "
        "two.": weight.reshape(sizes),
        "each column is a block here; a block of W belongs in a row.": right.T,
        "the blocks have A's shape; A says how many there are.": wrong.transpose(1, 2).reshape(sizes[::-1]),
        "you read every block column by column; row by row it is.": blocks.mT.reshape(sizes),
        "you went down the columns of blocks first; row by row it is.": blocks.transpose(0, 1).reshape(sizes),
        "these still are blocks: make a row of each.": [blocks, blocks.reshape(m1 * n1, m2, n2)],
        "a row takes every m1-th row of W; a block stands together.": wrong.permute(1, 3, 0, 2).reshape(sizes),
    }


@exercise(lambda draw: tuple(draw.integer(2, 8) for _ in range(5)))
def kron_count(m1, n1, m2, n2, rank):
    """A sum where the dense matrix has a product: that is where the weights go."""
    a, b, crossed = m1 * n1, m2 * n2, (m1 * m2 + n1 * n2, m1 * n2 + m2 * n1)
    return rank * (a + b), {
        "this is the size of W itself.": a * b,
        "this is the size of W, `rank` times; a product is not stored.": rank * a * b,
        "one product only: there are r of them.": a + b,
        "only A is counted r times.": rank * a + b,
        "only B is counted r times.": a + rank * b,
        "these are the sides of A and B; a matrix has rows × columns weights.": rank * (m1 + n1 + m2 + n2),
        "A is m1 × n1 and B is m2 × n2: you mixed up their sides.": [rank * one for one in crossed],
        "only one of the two matrices is counted.": [rank * a, rank * b],
        "the rank multiplies, it is not added.": a + b + rank,
    }

"""Lesson 12: Kronecker products."""

import torch

from tests.course.wrong_answers import right, wrong

right("kron-apply", lambda a, b, x: torch.kron(a, b) @ x)
right("kron-apply", lambda a, b, x: torch.einsum("ij,kl,jl->ik", a, b, x.view(2, 4)).reshape(-1))
right("kron-apply", lambda a, b, x: torch.matmul(b, torch.matmul(a, x.view(2, 4)).T).T.flatten())
wrong("kron-apply", "column by column", lambda a, b, x: (a @ x.view(4, 2).T @ b.T).reshape(-1))
wrong("kron-apply", "factors changed places", lambda a, b, x: torch.kron(b, a) @ x)
wrong("kron-apply", "read column by column", lambda a, b, x: (b @ x.view(2, 4).T @ a.T).flatten())
wrong("kron-apply", "flatten it", lambda a, b, x: a @ x.view(2, 4) @ b.T)
wrong("kron-apply", "the large matrix itself", lambda a, b, x: torch.kron(a, b))
wrong("kron-apply", "only A is applied", lambda a, b, x: (a @ x.view(2, 4)).flatten())
wrong("kron-apply", "only B is applied", lambda a, b, x: (x.view(2, 4) @ b.T).flatten())
wrong("kron-apply", "one axis", lambda a, b, x: (torch.kron(a, b) @ x)[None])
wrong("kron-apply", "`@` sums over the last axis", lambda a, b, x: (a @ x.reshape(2, 4) @ b).flatten())
wrong("kron-apply", "no gradient", lambda a, b, x: (torch.kron(a, b) @ x).detach())

right(
    "kron-rearrange",
    lambda w, m1, n1: torch.stack([block.flatten() for rows in w.chunk(m1) for block in rows.chunk(n1, dim=1)]),
)
right("kron-rearrange", lambda w, m1, n1: torch.einsum("aibj->abij", w.view(m1, 2, n1, 3)).reshape(6, 6))
wrong("kron-rearrange", "you only reshaped", lambda w, m1, n1: w.reshape(m1 * n1, -1))
wrong(
    "kron-rearrange",
    "each column is a block",
    lambda w, m1, n1: torch.stack([block.flatten() for rows in w.chunk(m1) for block in rows.chunk(n1, dim=1)], dim=1),
)
wrong(
    "kron-rearrange",
    "A says how many",
    lambda w, m1, n1: torch.stack([block.flatten() for rows in w.split(m1) for block in rows.split(n1, dim=1)]),
)
wrong(
    "kron-rearrange",
    "every block column by column",
    lambda w, m1, n1: torch.stack([block.T.flatten() for rows in w.chunk(m1) for block in rows.chunk(n1, dim=1)]),
)
wrong(
    "kron-rearrange",
    "columns of blocks first",
    lambda w, m1, n1: torch.stack([block.flatten() for columns in w.chunk(n1, dim=1) for block in columns.chunk(m1)]),
)
wrong("kron-rearrange", "make a row of each", lambda w, m1, n1: w.view(m1, 2, n1, 3).transpose(1, 2))
wrong(
    "kron-rearrange",
    "a block stands together",
    lambda w, m1, n1: torch.stack([w[i::m1, j::n1].flatten() for i in range(m1) for j in range(n1)]),
)
wrong("kron-rearrange", "RuntimeError", lambda w, m1, n1: w.view(m1, 2, n1, 3).transpose(1, 2).view(6, 6))
wrong("kron-rearrange", "numbers differ", lambda w, m1, n1: w.sort().values)

right("kron-count", lambda m1, n1, m2, n2, r: sum(m1 * n1 + m2 * n2 for _ in range(r)))
right("kron-count", lambda m1, n1, m2, n2, r: torch.zeros(r, m1, n1).numel() + torch.zeros(r, m2, n2).numel())
wrong("kron-count", "size of W itself", lambda m1, n1, m2, n2, r: (m1 * m2) * (n1 * n2))
wrong("kron-count", "is not stored", lambda m1, n1, m2, n2, r: r * (m1 * m2) * (n1 * n2))
wrong("kron-count", "one product only", lambda m1, n1, m2, n2, r: m1 * n1 + m2 * n2)
wrong("kron-count", "only A is counted r times", lambda m1, n1, m2, n2, r: r * m1 * n1 + m2 * n2)
wrong("kron-count", "only B is counted r times", lambda m1, n1, m2, n2, r: m1 * n1 + m2 * n2 * r)
wrong("kron-count", "sides of A and B", lambda m1, n1, m2, n2, r: r * (m1 + n1 + m2 + n2))
wrong("kron-count", "mixed up their sides", lambda m1, n1, m2, n2, r: r * (m1 * m2 + n1 * n2))
wrong("kron-count", "only one of the two", lambda m1, n1, m2, n2, r: r * m1 * n1)
wrong("kron-count", "is not added", lambda m1, n1, m2, n2, r: m1 * n1 + m2 * n2 + r)
wrong("kron-count", "With m1 = ", lambda m1, n1, m2, n2, r: (m1 + m2) * (n1 + n2) * r)

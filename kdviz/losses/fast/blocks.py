"""Sums of angles in torch, for GPUs and where numba is missing: a block of vertices at a time, nothing of size n³ kept.

Each block sees only the words inside its windows, and finds its gradient at once. Huber and absolute differences take
the definition, a vertex at a time. Squared differences expand into products of matrices, so that a whole block is a
few of them (`squares`), the fastest thing a GPU does.
"""

from __future__ import annotations

import torch

from kdviz import relations

BLOCK = 16  # vertices of one round of products when there is a window; wider blocks multiply more zeros
CHUNK = 2**16  # numbers in one temporary: two dozen of them stay near the processor


def without_padding(student, teacher, real):
    """Padding may hold anything, NaN included: set to 0 it has no value and no gradient."""
    both = real.unsqueeze(-1) & real.unsqueeze(-2)
    return torch.where(both, student, 0), torch.where(both, teacher, 0)


def trace_of_nan(student, teacher):
    """0, or NaN if a real word brings NaN or infinity in: relations without a meaning count 0, these must not."""
    return (0 * student).sum() + (0 * teacher).sum()


def angle_sum(definition, student, teacher, real, window, match):
    """Gram matrices (S, n, n), real (S, n) -> sum, count, and the sum's gradient with respect to `student`."""
    sets, n = real.shape
    total, count = (torch.zeros((), dtype=_precise(student), device=student.device) for _ in range(2))
    grad = torch.zeros_like(student)
    reach = relations.reach(n, window)
    seen = n if window is None else min(n, window)
    size = max(1, CHUNK // (sets * seen**2)) if match != "l2" else n if window is None else BLOCK
    for first in range(0, n, size):
        low, high = max(0, first - reach), min(n, first + size + reach)
        span, vertices = slice(low, high), slice(first - low, min(first + size, n) - low)
        step = max(1, CHUNK // (high - low) ** 2 // (1 if match == "l2" else size))
        for start in range(0, sets, step):
            part = slice(start, start + step)
            words = real[part, span]
            s, t = without_padding(student[part, span, span], teacher[part, span, span], words)
            with torch.enable_grad():
                s = s.detach().requires_grad_()
                if match == "l2":
                    value, triples = squares(s, t, words, window, vertices)
                else:
                    value, triples = definition(s, t, words, window, match, vertices)
                value = value + trace_of_nan(s, t)
                (slope,) = torch.autograd.grad(value, s)
            grad[part, span, span] += slope
            total += value.detach()
            count += triples
    return total, count, grad


def squares(student, teacher, real, window, vertices):
    """`contextual.angle_sum` with "l2", at a slice of the vertices: the sum, and how many triples.

    With squared distances D and u_i = 1/√D_ij the law of cosines gives 2ψ_ik = (D_ij + D_kj - D_ik) u_i u_k. So
    4 Σ_ik (ψ - ψ')² is own(D) + own(D') - 2 both(D, D'), where own(D) = Σ_ik u_i² u_k² (D_ij + D_kj - D_ik)², and both
    is its like with one factor of each model: sums of products once the brackets are multiplied out. float64, because
    large numbers are subtracted. Column j of an (m, b) matrix belongs to the vertex j.
    """
    d, e = (relations.squared_distance(gram).to(_precise(gram)) for gram in (student, teacher))
    near = relations.window_mask(d.shape[-1], window, d.device) & real.unsqueeze(-1) & real.unsqueeze(-2)
    usable = (near & (d > 0) & (e > 0))[..., vertices]
    side = usable.to(d.dtype)
    d_j, e_j = (torch.where(usable, x[..., vertices], 1) for x in (d, e))
    mixed = side / (d_j * e_j).sqrt()  # u u'

    def own(d, d_j):
        u2 = side / d_j
        return 2 * _dot(side * d_j, u2) + 2 * _dot(side, side) + (u2 * (d.square() @ u2) - 4 * side * (d @ u2)).sum()

    both = 2 * _dot(mixed * d_j * e_j, mixed) + 2 * _dot(mixed * d_j, mixed * e_j)
    both += (mixed * ((d * e) @ mixed - 2 * d_j * (e @ mixed) - 2 * e_j * (d @ mixed))).sum()
    ends = side.sum(-2)
    return (own(d, d_j) + own(e, e_j) - 2 * both) / 4, (ends * (ends - 1)).sum()


def _dot(a, b):
    """Σ_j (Σ_i a_ij)(Σ_k b_kj)."""
    return (a.sum(-2) * b.sum(-2)).sum()


def _precise(x):
    return torch.float32 if x.device.type == "mps" else torch.float64  # Apple's GPU has no float64

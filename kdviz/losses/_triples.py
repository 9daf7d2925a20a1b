"""The sum over all triples of a squared (or Huber, or absolute) difference of angles, without building n³ numbers.

For a vertex j write ``u_i = 1/dist_ij`` (0 where the side is not usable) and ``N_ik = G_ik - G_ij - G_kj + G_jj``;
the cosine at j is ``ψ_ik = N_ik u_i u_k``. Value and gradient with respect to the student's Gram matrix come out of
one pass, so that the backward pass keeps a single (n, n) matrix.

Two ways to the same sum:

* squared differences, whole sentences: ``Σ_k u_k² N_ik²`` expands into products of n×n matrices, so all vertices are
  done at once by matrix multiplication, the fastest thing a machine does (`_by_products`, in float64 because
  the expansion subtracts large numbers);
* anything else: vertex by vertex; with a window, all vertices whose windows do not overlap at once (`_by_vertex`).
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from .. import relations

PRODUCTS_UP_TO = 4  # sentences up to this many windows long: products beat the windowed pass (measured, 2 cores)
CHUNK = 2**16  # matrix entries of one round of products: its two dozen temporaries stay near the processor


def triple_sum(student, teacher, real, window, match):
    """Sum over usable triples, differentiable with respect to `student`, and how many there are.

    student, teacher : (S, n, n)   real : (S, n) bool   Returns two scalars, the second float64.
    """
    usable = relations.sides(student.detach(), real, window) & relations.sides(teacher, real, window)
    ends = usable.sum(-1).double()
    return _TripleSum.apply(student, teacher, usable, window, match), (ends * (ends - 1)).sum()


class _TripleSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, student, teacher, usable, window, match):
        n = student.shape[-1]
        if match == "l2" and (window is None or n <= PRODUCTS_UP_TO * window):
            total, grad = _by_products(student, teacher, usable)
        else:
            total, grad = _by_vertex(student, teacher, usable, window, match)
        ctx.save_for_backward(grad)
        return total.to(student.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        (grad,) = ctx.saved_tensors
        return grad * upstream, None, None, None, None


def _inverse_distance(gram, usable):
    return torch.where(usable, torch.where(usable, relations.squared_distance(gram), 1).rsqrt(), 0)


def _add_side_gradient(grad, by_square):
    """Chain dL/d(dist²_ij) through dist²_ij = G_ii + G_jj - 2 G_ij."""
    grad.sub_(by_square, alpha=2)
    grad.diagonal(dim1=-2, dim2=-1).add_(by_square.sum(-1) + by_square.sum(-2))


# ── all vertices at once, by matrix products ────────────────────────────────────────────────────────────────────
def _by_products(student, teacher, usable):
    precise = torch.float32 if student.device.type == "mps" else torch.float64  # Apple's GPU has no float64
    total, grad = torch.zeros((), dtype=precise, device=student.device), torch.empty_like(student)
    step = max(1, CHUNK // student.shape[-1] ** 2)
    for start in range(0, len(student), step):
        part = slice(start, start + step)
        value, grad[part] = _products(student[part].to(precise), teacher[part].to(precise), usable[part])
        total += value
    return total.clamp(min=0), grad  # a sum of squares: below 0 there is only rounding


def _products(gram_s, gram_t, usable):
    """Column j of every matrix belongs to the vertex j."""
    u_s, u_t = _inverse_distance(gram_s, usable), _inverse_distance(gram_t, usable)
    w_s, w_t, cross = u_s * u_s, u_t * u_t, u_s * u_t
    own, near_s = _weighted_rows(w_s, gram_s, gram_s)
    mixed, near_t = _weighted_rows(cross, gram_s, gram_t)
    other, _ = _weighted_rows(w_t, gram_t, gram_t)
    own, mixed = w_s * own, cross * mixed  # Σ_k ψS² and Σ_k ψS ψT, per side i of the vertex j
    total = (own - 2 * mixed + w_t * other).sum()

    grad = _weighted_vertices(w_s, gram_s) - _weighted_vertices(cross, gram_t)
    rows = w_s * near_s - cross * near_t
    grad -= 2 * rows
    grad.diagonal(dim1=-2, dim2=-1).add_(rows.sum(-2))
    grad *= 2
    _add_side_gradient(grad, -2 * w_s * (own - mixed))
    return total, grad


def _weighted_rows(weight, a, b):
    """Σ_k weight_kj A^j_ik B^j_ik and Σ_k weight_kj B^j_ik for every (i, j), where X^j_ik = X_ik - X_ij - X_kj + X_jj."""
    lead_a, lead_b = (x.diagonal(dim1=-2, dim2=-1).unsqueeze(-2) - x for x in (a, b))  # X_jj - X_ij
    n = a.shape[-1]
    weight_a, weight_b = weight * a, weight * b
    a_times = a @ torch.cat([weight, weight_b], -1)
    near_a, a_by_b = a_times[..., :n], a_times[..., n:]
    if a is b:
        near_b, b_by_a = near_a, a_by_b
    else:
        b_times = b @ torch.cat([weight, weight_a], -1)
        near_b, b_by_a = b_times[..., :n], b_times[..., n:]
    whole = weight.sum(-2, keepdim=True)
    near_a = near_a - weight_a.sum(-2, keepdim=True)
    near_b = near_b - weight_b.sum(-2, keepdim=True)
    squares = (a * b) @ weight - a_by_b - b_by_a + (weight_a * b).sum(-2, keepdim=True)
    squares += lead_b * near_a + lead_a * near_b + lead_a * lead_b * whole
    return squares, near_b + lead_b * whole


def _weighted_vertices(weight, gram):
    """Σ_j weight_ij weight_kj (G_ik - G_ij - G_kj + G_jj) for every (i, k)."""
    centre = weight * (gram - gram.diagonal(dim1=-2, dim2=-1).unsqueeze(-2) / 2)
    n = gram.shape[-1]
    both = torch.cat([weight, centre], -2) @ weight.transpose(-1, -2)
    return gram * both[..., :n, :] - both[..., n:, :] - both[..., n:, :].transpose(-1, -2)


# ── vertex by vertex ────────────────────────────────────────────────────────────────────────────────────────────
def _by_vertex(student, teacher, usable, window, match):
    if window is None or window >= 2 * student.shape[-1] - 1:
        return _whole_sentences(student, teacher, usable, match)
    return _windows(student, teacher, usable, window, match)


def _whole_sentences(student, teacher, usable, match):
    """One vertex at a time, in all sentences at once."""
    u_s, u_t = _inverse_distance(student, usable), _inverse_distance(teacher, usable)
    total, grad, by_square = student.new_zeros(()), torch.zeros_like(student), torch.zeros_like(student)
    for j in range(student.shape[-1]):
        value, wish, rows, squares = _vertex(
            student, student[..., j], u_s[..., j], teacher, teacher[..., j], u_t[..., j], j, match
        )
        total += value
        grad += wish
        grad[..., j] -= 2 * rows
        grad[..., j, j] += rows.sum(-1)
        by_square[..., j] = squares
    _add_side_gradient(grad, by_square)
    return total, grad


def _windows(student, teacher, usable, window, match):
    """Vertices r, r+w, r+2w, … have windows that do not overlap: each round serves all of them, in views of G."""
    reach = window // 2
    size, n = len(student), student.shape[-1]
    edge = (reach, reach, reach, reach)
    gram_s, gram_t = F.pad(student, edge), F.pad(teacher, edge)
    u_s, u_t = F.pad(_inverse_distance(student, usable), edge), F.pad(_inverse_distance(teacher, usable), edge)
    grad, by_square = torch.zeros_like(gram_s), torch.zeros_like(gram_s)
    total, line = student.new_zeros(()), n + 2 * reach

    for first in range(min(window, n)):
        vertices = len(range(first, n, window))
        start, hop = first * (line + 1), window * (line + 1)

        def block(x, start=start, hop=hop, vertices=vertices):
            return x.as_strided((size, vertices, window, window), (line * line, hop, line, 1), start)

        s, t = block(gram_s), block(gram_t)
        value, wish, rows, squares = _vertex(
            s, s[..., reach], block(u_s)[..., reach], t, t[..., reach], block(u_t)[..., reach], reach, match
        )
        total += value
        block(grad).add_(wish)
        block(grad)[..., reach].sub_(2 * rows)
        block(grad)[..., reach, reach].add_(rows.sum(-1))
        block(by_square)[..., reach] = squares
    _add_side_gradient(grad, by_square)
    return total, grad[..., reach : reach + n, reach : reach + n].contiguous()


def _vertex(s, s_j, u_s, t, t_j, u_t, j, match):
    """One vertex (the word j of each block) with all pairs (i, k).

    s, t : (..., w, w) Grams   s_j, t_j : (..., w) their column j   u_s, u_t : (..., w) inverse distances to j
    Returns the sum, dL/dN (..., w, w), its row sums (..., w) and dL/d(dist²_ij) (..., w).
    """
    psi = _cosines(s, s_j, u_s, j)
    apart = psi - _cosines(t, t_j, u_t, j)
    if match == "l2":
        value, slope = apart.square().sum(), 2 * apart
    elif match == "huber":
        slope = apart.clamp(-1, 1)
        value = (slope * (apart - slope / 2)).sum()
    else:
        value, slope = apart.abs().sum(), apart.sign()
        # i = k makes the same angle in both models; rounding must not give it a sign.
        slope.diagonal(dim1=-2, dim2=-1).zero_()
    squares = -u_s * u_s * (slope * psi).sum(-1)
    wish = slope.mul_(u_s.unsqueeze(-1)).mul_(u_s.unsqueeze(-2))
    return value, wish, wish.sum(-1), squares


def _cosines(gram, column, inverse, j):
    cosines = gram - column.unsqueeze(-1)
    cosines -= column.unsqueeze(-2) - column[..., j, None, None]
    return cosines.mul_(inverse.unsqueeze(-1)).mul_(inverse.unsqueeze(-2))

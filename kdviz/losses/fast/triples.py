"""The sum over all triples of a squared (or Huber, or absolute) difference of angles, without keeping n³ numbers.

With the squared distances ``D`` of a sentence, and ``u_i = 1/√D_ij`` (0 where the side from i to j is not usable), the
cosine at the vertex j is ``ψ_ik = (D_ij + D_kj - D_ik) u_i u_k / 2``, the law of cosines. Value and gradient come out
of one pass, so that the backward pass keeps a single (n, n) matrix.

On a CPU that pass is compiled loops (`_kernel`). Elsewhere vertices are taken in blocks, each sees only the words inside
its windows, and

* squared differences: ``Σ_k u_k² (D_ij + D_kj - D_ik)²`` expands into products of matrices, so a whole block of vertices
  is three rounds of matrix multiplication, the fastest thing a GPU does (`_by_products`; float64, because the
  expansion subtracts large numbers);
* Huber and absolute differences, and very short sentences, write out the angles of a few vertices at a time
  (`_by_angles`).
"""

from __future__ import annotations

import torch

from kdviz import relations

BLOCK = 16  # vertices of one round of products when there is a window; wider blocks multiply more zeros
CHUNK = 2**16  # numbers in one temporary: two dozen of them stay near the processor
SHORT = 8  # up to this many words (or layers), writing the angles out is faster than the products


def triple_sum(student, teacher, real, window, match):
    """Sum over usable triples, differentiable with respect to `student`, and how many there are.

    student, teacher : Gram matrices (S, n, n)   real : (S, n) bool   Returns two scalars, the second float64.
    """
    relations.check_window(window)
    return _TripleSum.apply(student, teacher, real, window, match)


class _TripleSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, student, teacher, real, window, match):
        by = _by_kernel if student.device.type == "cpu" else _by_blocks
        total, count, grad = by(student, teacher, real, window, match)
        ctx.save_for_backward(grad)
        ctx.mark_non_differentiable(count)
        return total.clamp(min=0).to(student.dtype), count  # a sum of squares: below 0 there is only rounding

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream, _):
        (grad,) = ctx.saved_tensors
        return grad * upstream, None, None, None, None


def _by_kernel(student, teacher, real, window, match):
    from . import kernel as _kernel  # numba takes half a second to import: only those who use it wait

    grad = torch.zeros_like(student, memory_format=torch.contiguous_format)
    reach = student.shape[-1] if window is None else window // 2
    total, count = _kernel.triples(
        *(x.detach().contiguous().numpy() for x in (student, teacher, real)),
        reach,
        {"l2": _kernel.L2, "huber": _kernel.HUBER, "l1": _kernel.L1}[match],
        relations.rounding(student.dtype),
        grad.numpy(),
    )
    return torch.tensor(total, dtype=torch.float64), torch.tensor(count, dtype=torch.float64), grad


def _by_blocks(student, teacher, real, window, match):
    sets, n = real.shape
    total, count = (torch.zeros((), dtype=_precise(student), device=student.device) for _ in range(2))
    grad = torch.zeros_like(student)
    products = match == "l2" and n > SHORT
    sees = n if window is None else min(n, window)
    size = (n if window is None else BLOCK) if products else max(1, CHUNK // (sets * sees**2))
    for span, vertices in _blocks(n, window, size):
        near = relations.window_mask(span.stop - span.start, window, student.device)[:, vertices]
        step = max(1, CHUNK // (near.shape[0] if products else near.numel()) // near.shape[0])
        for start in range(0, sets, step):
            part = slice(start, start + step)
            words = real[part, span]
            both = words.unsqueeze(-1) & words.unsqueeze(-2)
            # Padding may hold anything, NaN included: set to 0 it has no value and no gradient.
            near_s, near_t = (torch.where(both, gram[part, span, span], 0) for gram in (student, teacher))
            total += (0 * near_s).sum() + (0 * near_t).sum()  # NaN if a real word brings NaN or infinity in
            s, t = relations.squared_distance(near_s), relations.squared_distance(near_t)
            usable = near & both[..., vertices] & (s[..., vertices] > 0) & (t[..., vertices] > 0)
            value, slope = (
                _by_products(s, t, usable, vertices) if products else _by_angles(s, t, usable, vertices, match)
            )
            total += value
            _add_gram_gradient(grad[part, span, span], slope)
            ends = usable.sum(-2)
            count += (ends * (ends - 1)).sum()
    return total, count, grad


def _blocks(n, window, size):
    """(the words a block sees, its vertices counted from the first of them), both slices."""
    reach = n if window is None else window // 2
    for first in range(0, n, size):
        last = min(first + size, n)
        low, high = max(0, first - reach), min(n, last + reach)
        yield slice(low, high), slice(first - low, last - low)


def _precise(x):
    return torch.float32 if x.device.type == "mps" else torch.float64  # Apple's GPU has no float64


def _add_gram_gradient(grad, slope):
    """Chain dL/dD through D_ij = G_ii + G_jj - 2 G_ij."""
    grad.sub_(slope, alpha=2)
    grad.diagonal(dim1=-2, dim2=-1).add_(slope.sum(-1) + slope.sum(-2))


def _by_products(student, teacher, usable, vertices):
    """A block of vertices at once. Squared distances (S, m, m), usable (S, m, b) -> sum, dL/dD (S, m, m).

    Column j of an (m, b) matrix belongs to the vertex j. Pairs are stacked (student, teacher) to halve the calls.
    All sums below are of 2N_ik = D_ij + D_kj - D_ik, hence the quarter and the halves.
    """
    d = torch.stack([student, teacher]).to(_precise(student))
    m, side = d.shape[-1], usable.to(d.dtype)
    to_vertex = d[..., vertices] * side
    own = side / torch.where(usable, to_vertex, 1)  # u², per model
    mixed = (own[0] * own[1]).sqrt()  # u_S u_T
    stretched = to_vertex * mixed

    # Σ_k over the third word, for every side i of every vertex j
    everyone = torch.cat([own, side.expand_as(own), mixed.expand_as(own), stretched.flip(0)], -1)
    d_own, d_side, d_mixed, d_stretched = (d @ everyone).chunk(4, -1)
    squares = torch.cat([d * d, (d[0] * d[1]).unsqueeze(0)]) @ torch.cat([own, mixed.unsqueeze(0)])
    sum_own, sum_mixed = own.sum(-2, keepdim=True), mixed.sum(-2, keepdim=True)
    sum_side, sum_to, sum_stretched = (x.sum(-2, keepdim=True) for x in (side, to_vertex, stretched))

    near_own = sum_side - d_own
    near_mixed = sum_stretched - d_mixed
    psi_own = to_vertex * sum_own + own * (sum_to + squares[:2] - 2 * d_side) + 2 * side * near_own
    product = stretched[0] * to_vertex[1]  # u_S u_T D_S D_T
    psi_mixed = (
        product * sum_mixed
        + mixed * (product.sum(-2, keepdim=True) + squares[2] - d_stretched.sum(0))
        + (stretched * near_mixed.flip(0)).sum(0)
    )
    total = (psi_own.sum() - 2 * psi_mixed.sum()) / 4

    # dL/dD: of the distance between the ends, then of the sides (in N, and in u)
    left = torch.stack([torch.cat([side, own[0]], -2), torch.cat([stretched[1], mixed], -2)])
    crossed, closed = (left @ torch.stack([own[0], mixed]).transpose(-1, -2)).split(m, -2)
    ends = crossed + crossed.transpose(-1, -2) - d * closed
    slope = (ends[1] - ends[0]) / 2
    slope[..., vertices] += side * sum_own[0] + own[0] * (near_own[0] - (psi_own[0] - psi_mixed) / 2)
    slope[..., vertices] -= stretched[1] * sum_mixed + mixed * near_mixed[1]
    return total, slope


def _by_angles(student, teacher, usable, vertices, match):
    """A few vertices with all pairs (i, k). Squared distances (S, m, m), usable (S, m, b) -> sum, dL/dD (S, m, m)."""
    usable = usable.transpose(-1, -2)
    psi, ends, u = _cosines(student, usable, vertices)
    apart = psi - _cosines(teacher, usable, vertices)[0]
    if match == "l2":
        slope = 2 * apart
        total = apart.square().sum()
    elif match == "huber":
        slope = apart.clamp(-1, 1)
        total = (slope * (apart - slope / 2)).sum()
    else:
        slope = apart.sign()
        total = apart.abs().sum()
        # i = k makes the same angle in both models; rounding must not give it a sign.
        slope.diagonal(dim1=-2, dim2=-1).zero_()
    of_angle = (slope * psi).sum(-1)
    slope *= ends
    by_distance = slope.sum(-3) / -2
    by_distance[..., vertices] += (slope.sum(-1) - u * u * of_angle).transpose(-1, -2)
    return total, by_distance


def _cosines(d, usable, vertices):
    """ψ (S, b, m, m), the products u_i u_k of the same shape, and u (S, b, m)."""
    to_vertex = d.transpose(-1, -2)[..., vertices, :]
    u = torch.where(usable, torch.where(usable, to_vertex, 1).rsqrt(), 0)
    ends = u.unsqueeze(-1) * u.unsqueeze(-2)
    half = (to_vertex * u).unsqueeze(-1) * u.unsqueeze(-2)
    return (half + half.transpose(-1, -2) - d.unsqueeze(-3) * ends) / 2, ends, u

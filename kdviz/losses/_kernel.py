"""The triple loss and the KL of rows as nested loops, compiled by numba: what a CPU runs (`_triples`, `_rows`).

Everything of one sentence fits the processor's nearest cache, so the loss moves hardly more than the Gram matrices
themselves. Single-threaded on purpose: a step of a small student is faster without threads that wait for each other.
"""

from __future__ import annotations

import numba
import numpy as np

L2, HUBER, L1 = 0, 1, 2
# Reordering sums is allowed, which lets the inner loop use vector instructions; NaN stays NaN.
FAST = {"reassoc", "contract", "arcp", "nsz"}


@numba.njit(cache=True, fastmath=FAST)
def triples(student, teacher, real, reach, match, tolerance, grad):
    """Sum over all usable triples and how many there are; adds dL/dG to `grad`.

    student, teacher : Gram matrices (S, n, n)   real : (S, n) bool   grad : (S, n, n), zeros
    reach : words on either side of a vertex     match : L2, HUBER or L1
    tolerance : distances below this share of G_ii + G_jj are rounding and count as 0
    """
    sets, n = real.shape
    total, count = 0.0, 0
    # The ends of an angle are at most `span` words apart: (i, k) stands at [i, k - i + span], so that what a long
    # sentence needs stays near the processor too.
    span = min(2 * reach, n - 1)
    width = 2 * span + 1
    d_s, d_t = np.empty((n, width), student.dtype), np.empty((n, width), student.dtype)  # squared distances
    slope = np.zeros((n, width), student.dtype)  # dL/d(d_s)
    u_s, u_t = np.empty(n, student.dtype), np.empty(n, student.dtype)  # 1/distance to the vertex, 0: not usable
    to_s, to_t = np.empty(n, student.dtype), np.empty(n, student.dtype)  # squared distance to the vertex
    rows, turns = np.empty(n, student.dtype), np.empty(n, student.dtype)
    zero, half, one = student.dtype.type(0), student.dtype.type(0.5), student.dtype.type(1)
    for b in range(sets):
        _distances(student[b], real[b], span, tolerance, d_s)
        _distances(teacher[b], real[b], span, tolerance, d_t)
        for j in range(n):
            if not real[b, j]:
                continue
            low, high = max(0, j - reach), min(n, j + reach + 1)
            ends = 0
            for i in range(low, high):
                u_s[i], u_t[i], rows[i], turns[i] = 0, 0, 0, 0
                to_s[i], to_t[i] = d_s[i, j - i + span], d_t[i, j - i + span]
                if to_s[i] > 0 and to_t[i] > 0:
                    u_s[i], u_t[i] = one / np.sqrt(to_s[i]), one / np.sqrt(to_t[i])
                    ends += 1
            count += ends * (ends - 1)
            for i in range(low, high):
                if u_s[i] == 0:
                    continue
                own_s, own_t, row, turn, value = half * u_s[i], half * u_t[i], zero, zero, zero
                shift = span - i
                for k in range(i + 1, high):  # ψ_ik = ψ_ki: half of the pairs are enough
                    psi = (to_s[i] + to_s[k] - d_s[i, k + shift]) * own_s * u_s[k]
                    apart = psi - (to_t[i] + to_t[k] - d_t[i, k + shift]) * own_t * u_t[k]
                    if match == L2:
                        step = apart + apart
                        value += apart * apart
                    elif match == HUBER:
                        step = min(max(apart, -one), one)
                        value += step * (apart - half * step)
                    else:
                        step = np.sign(apart)
                        value += abs(apart)
                    wish = step * u_s[i] * u_s[k]
                    slope[i, k + shift] -= wish
                    row += wish
                    rows[k] += wish
                    turn += step * psi
                    turns[k] += step * psi
                rows[i] += row
                turns[i] += turn
                total += 2 * value
            for i in range(low, high):
                slope[i, j - i + span] += rows[i] - u_s[i] * u_s[i] * turns[i]
        _chain(slope, span, grad[b])
    return total, count


@numba.njit(cache=True, fastmath=FAST)
def rows(student, teacher, real, temperature, grad):
    """Sum over words of KL(teacher ‖ student) of their rows of cosines, and how many rows; adds dL/dG to `grad`.

    student, teacher : Gram matrices (S, n, n)   real : (S, n) bool   grad : (S, n, n), zeros
    temperature : of the softmax over the other real words
    """
    sets, n = real.shape
    total, count = 0.0, 0
    u_s, u_t = np.empty(n, student.dtype), np.empty(n, student.dtype)  # 1/length, 0 for a zero vector
    x_s, x_t = np.empty(n, student.dtype), np.empty(n, student.dtype)  # cosines / temperature
    p_s, p_t = np.empty(n, student.dtype), np.empty(n, student.dtype)
    turns = np.empty(n, student.dtype)  # Σ dL/dcos · cos over all pairs of a word
    words = np.empty(n, np.int64)
    zero, half, one = student.dtype.type(0), student.dtype.type(0.5), student.dtype.type(1)
    sharp, lowest = student.dtype.type(1 / temperature), student.dtype.type(-np.inf)
    for b in range(sets):
        m = 0
        for i in range(n):
            if real[b, i]:
                words[m] = i
                m += 1
                turns[i] = 0
                u_s[i] = one / np.sqrt(student[b, i, i]) if student[b, i, i] > 0 else zero
                u_t[i] = one / np.sqrt(teacher[b, i, i]) if teacher[b, i, i] > 0 else zero
        if m < 2:
            continue
        count += m
        for i in words[:m]:
            own_s, own_t = sharp * u_s[i], sharp * u_t[i]
            top_s, top_t = lowest, lowest
            for j in words[:m]:
                x_s[j], x_t[j] = student[b, i, j] * own_s * u_s[j], teacher[b, i, j] * own_t * u_t[j]
                if j != i:
                    top_s, top_t = max(top_s, x_s[j]), max(top_t, x_t[j])
            sum_s, sum_t = zero, zero
            for j in words[:m]:
                p_s[j], p_t[j] = np.exp(x_s[j] - top_s), np.exp(x_t[j] - top_t)
                if j != i:
                    sum_s += p_s[j]
                    sum_t += p_t[j]
            shift = (top_t + np.log(sum_t)) - (top_s + np.log(sum_s))
            value, turn = zero, zero
            for j in words[:m]:
                if j == i:
                    continue
                of_t = p_t[j] / sum_t
                value += of_t * (x_t[j] - x_s[j] - shift)
                slope = p_s[j] / sum_s - of_t  # dL/dx
                grad[b, i, j] += slope * own_s * u_s[j]
                turn += slope * x_s[j]
                turns[j] += slope * x_s[j]
            turns[i] += turn
            total += value
        for i in words[:m]:
            grad[b, i, i] -= half * u_s[i] * u_s[i] * turns[i]
    return total, count


@numba.njit(cache=True, fastmath=FAST)
def _distances(gram, real, span, tolerance, out):
    """Squared distances of words up to `span` apart; 0 for padding and for words that coincide."""
    n = len(real)
    for i in range(n):
        for j in range(max(0, i - span), min(n, i + span + 1)):
            both = gram[i, i] + gram[j, j]
            apart = both - 2 * gram[i, j]
            out[i, j - i + span] = apart if real[i] and real[j] and apart > tolerance * both else 0


@numba.njit(cache=True, fastmath=FAST)
def _chain(slope, span, grad):
    """dL/dG from dL/dD, through D_ij = G_ii + G_jj - 2 G_ij; leaves `slope` at 0 for the next sentence."""
    n = len(slope)
    for i in range(n):
        for j in range(max(0, i - span), min(n, i + span + 1)):
            step = slope[i, j - i + span]
            grad[i, j] -= 2 * step
            grad[i, i] += step
            grad[j, j] += step
            slope[i, j - i + span] = 0

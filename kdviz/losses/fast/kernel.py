"""The triple loss and the KL of rows as nested loops, compiled by numba: what a CPU runs.

Everything of a few sentences fits the processor's caches, so the loss moves hardly more than the Gram matrices
themselves. Single-threaded on purpose: a step of a small student is faster without threads that wait for each other.
"""

from __future__ import annotations

import numba
import numpy as np

from kdviz.losses import fast

L2, HUBER, L1 = 0, 1, 2
LANES = 16  # sentences at a time: two vector registers of today's processors; with 8, LLVM makes no vectors of the loop
# Reordering sums is allowed, which lets the inner loop use vector instructions; NaN stays NaN.
compiled = numba.njit(cache=fast.KEEP, fastmath={"reassoc", "contract", "arcp", "nsz"})


@compiled
def triples(student, teacher, real, reach, match, tolerance, grad):
    """Sum over all usable triples and how many there are; adds dL/dG to `grad`. The sum is NaN if a real word brings
    NaN or infinity in.

    student, teacher : Gram matrices (S, n, n)   real : (S, n) bool   grad : (S, n, n), zeros
    reach : words on either side of a vertex     match : L2, HUBER or L1
    tolerance : distances below this share of G_ii + G_jj are rounding and count as 0

    Sentences lie side by side in the last axis, so that one instruction serves several: the axes before it are, in
    turn, a word i, a word near it (column k - `_first(i)`, a band: no more than a window needs), and the model.
    """
    sets, n = real.shape
    kind = student.dtype.type
    zero, half, one = kind(0), kind(0.5), kind(1)
    total, count = 0.0, 0
    reach = min(reach, n - 1)
    sees, width = min(n, 2 * reach + 1), min(n, 4 * reach + 1)
    far = np.zeros((n, width, 2, LANES), student.dtype)  # squared distances
    slope = np.zeros((n, width, LANES), student.dtype)  # dL/d(squared distance in the student)
    near = np.zeros((sees, 4, LANES), student.dtype)  # to the vertex: squared distances, 1/distances or 0: not usable
    sums = np.zeros((3, LANES), student.dtype)  # of a side of the vertex: loss, Σ dL/dψ · u u', Σ dL/dψ · ψ
    ends = np.zeros(LANES, np.int64)
    for start in range(0, sets, LANES):
        lanes = min(LANES, sets - start)
        if lanes < LANES:
            far[:] = 0
        for lane in range(lanes):
            total += _distances(student, teacher, real, start + lane, reach, tolerance, far, lane)
        for j in range(n):
            low = max(0, j - reach)
            words = min(n, j + reach + 1) - low
            ends[:] = 0
            for i in range(words):
                column = j - _first(low + i, reach, n, width)
                for lane in range(LANES):
                    to_s, to_t = far[low + i, column, 0, lane], far[low + i, column, 1, lane]
                    usable = to_s > 0 and to_t > 0
                    near[i, 0, lane], near[i, 1, lane] = to_s, to_t
                    near[i, 2, lane] = one / np.sqrt(to_s) if usable else zero
                    near[i, 3, lane] = one / np.sqrt(to_t) if usable else zero
                    ends[lane] += usable
            for lane in range(lanes):
                count += ends[lane] * (ends[lane] - 1)
            for i in range(words):
                first = _first(low + i, reach, n, width)
                sums[:] = 0
                for k in range(words):
                    if k == i:
                        continue
                    column = low + k - first
                    for lane in range(LANES):  # every triple is met twice, as (i, k) and as (k, i)
                        u_s, u_t = near[i, 2, lane] * near[k, 2, lane], near[i, 3, lane] * near[k, 3, lane]
                        psi = half * (near[i, 0, lane] + near[k, 0, lane] - far[low + i, column, 0, lane]) * u_s
                        apart = psi - half * (near[i, 1, lane] + near[k, 1, lane] - far[low + i, column, 1, lane]) * u_t
                        if match == L2:
                            step = apart + apart
                            value = apart * apart
                        elif match == HUBER:
                            step = min(max(apart, -one), one)
                            value = step * (apart - half * step)
                        else:
                            step = np.sign(apart)
                            value = abs(apart)
                        slope[low + i, column, lane] -= half * step * u_s
                        sums[0, lane] += value
                        sums[1, lane] += step * u_s
                        sums[2, lane] += step * psi
                for lane in range(LANES):
                    total += sums[0, lane]
                    inverse = near[i, 2, lane]
                    slope[low + i, j - first, lane] += sums[1, lane] - inverse * inverse * sums[2, lane]
        for lane in range(lanes):
            _chain(slope, lane, reach, grad[start + lane])
        slope[:] = 0
    return total, count


@compiled
def _first(word, reach, n, width):
    """The word in the first column of a word's row: windows of a vertex that both ends see are `reach` wide twice."""
    return min(max(0, word - 2 * reach), n - width)


@compiled
def _distances(student, teacher, real, sentence, reach, tolerance, far, lane):
    """Squared distances into `far`; 0 for padding and for words that coincide. Returns 0, or NaN: see `triples`."""
    n, width = far.shape[:2]
    checked = 0.0
    for model, grams in enumerate((student, teacher)):
        gram, is_real = grams[sentence], real[sentence]
        for i in range(n):
            first = _first(i, reach, n, width)
            for column in range(width):
                k = first + column
                far[i, column, model, lane] = 0
                if is_real[i] and is_real[k]:
                    both = gram[i, i] + gram[k, k]
                    apart = both - 2 * gram[i, k]
                    checked += 0 * apart
                    if apart > tolerance * both:
                        far[i, column, model, lane] = apart
    return checked


@compiled
def _chain(slope, lane, reach, grad):
    """dL/dG of a sentence from its dL/dD, through D_ij = G_ii + G_jj - 2 G_ij."""
    n, width = slope.shape[:2]
    for i in range(n):
        first = _first(i, reach, n, width)
        for column in range(width):
            j, step = first + column, slope[i, column, lane]
            grad[i, j] -= 2 * step
            grad[i, i] += step
            grad[j, j] += step


@compiled
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

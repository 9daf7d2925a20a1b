"""Exercises of lessons 02 to 04: word relation, layer-transforming relation and CKD (Park, Kim, Yang 2021)."""

from __future__ import annotations

from math import gcd, inf

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise
from kdviz.course.check.parts import Draw, normalise, off_diagonal


@exercise(lambda draw: (draw.normal(6, 4) * (1 + torch.arange(6.0)).unsqueeze(-1),))
def wr_cosine(hidden):
    """Symmetric, ones on the diagonal, blind to length."""
    gram, unit = hidden @ hidden.T, F.normalize(hidden, dim=0)
    length, right = hidden.norm(dim=-1), normalise(gram)
    return right, {
        "this is the Gram matrix, not yet normalised: long vectors get large entries. Divide by both lengths.": gram,
        "only the row's length is divided out, so it is not symmetric. The column's, too.": gram / length[:, None],
        "only the column's length is divided out, so it is not symmetric. The row's, too.": gram / length,
        "you divided by squared lengths; a length is a root.": right / (length[:, None] * length),
        "these are relations between the d features. Words are rows: H Hᵀ.": [unit.T @ unit, hidden.T @ hidden],
        "you normalised each feature over the words (dim=0). A word is a row: dim=-1.": unit @ unit.T,
        "these are Euclidean distances: 0 on the diagonal. A cosine is 1 there.": torch.cdist(hidden, hidden),
        "you subtracted the means: this is the correlation.": torch.corrcoef(hidden),
        "each word meets only itself; `hidden[:, None]` meets all the others.": length / length,
        "a word's cosine with itself is 1: leave the diagonal as it is.": right * off_diagonal(6),
    }


@exercise(lambda draw: (normalise(draw.gram(6, 4)), draw.mask(6, 4)[0]))
def wr_mask(cosines, mask):
    """Each real word spreads its attention over the other real words, and over nothing else."""
    apart, rows = off_diagonal(len(mask)), mask[:, None]
    real, padding = rows & mask, apart & ~rows & ~mask
    others, soft = apart & real, cosines.softmax(-1)

    def among(allowed, value=-1e9, scores=cosines):
        return scores.masked_fill(~allowed, value).softmax(-1)

    uniform, turned, masked, bare = among(others), among(~others), cosines * others, among(others, -inf)
    right, inverted = uniform * others, [among(padding) * padding, turned, turned * others, turned * ~others]
    itself = [among(real) * real, among(real), among(real, -inf), among(mask.expand(6, 6))]
    return right, {
        "padding still counts in the columns: only real words may get probability.": among(apart) * rows,
        "padding still counts, in rows and in columns; the mask is not used yet.": [among(apart), soft],
        "the diagonal is included: a word's relation with itself is 1 and teaches nothing. Leave j = i out.": itself,
        "rows of padding words should be 0; the mask covers only the columns.": among(apart & mask),
        "right for real words, but a padding row is all -inf and its softmax NaN. Make those rows 0.": bare,
        "right for real words, but a padding row, all masked, became uniform. Make those rows 0.": uniform,
        "the softmax runs down the columns; each row is the distribution of one word.": [right.T, uniform.T],
        "masked cosines of 0 still get probability: exp(0) = 1.": [among(others, 0.0), among(others, 0.0) * others],
        "you masked after the softmax: the rows no longer sum to 1.": [soft * others, among(apart) * real],
        "the mask is upside down: padding is kept and real words are dropped.": inverted,
        "the sign: the most similar word gets the most probability.": [among(others, scores=-cosines) * others],
        "the softmax is missing: exp first, then the sum of the row.": [masked, masked / masked.sum(-1, keepdim=True)],
    }


@exercise(lambda draw: (draw.gram(6, 4), draw.integer(2, 4)))
def angle_from_gram(gram, vertex):
    """Angles of three words from the Gram matrix alone: no vector of width d was touched."""
    corner, row, origin = gram[vertex, vertex], gram[vertex], gram.diagonal()
    mixed = row[:, None] + row
    arms, far = gram - mixed + corner, (origin + corner - 2 * row).clamp(min=0).sqrt()

    def proper(inner, length=None, at=vertex, keep=0.0):
        """Divided by both lengths; 0 where two of the three words are one, `keep` where i = k."""
        cosines = inner if length is None else inner / (length[:, None] * length)
        cosines = cosines.masked_fill(torch.eye(6, dtype=torch.bool), keep)
        cosines[at], cosines[:, at] = 0.0, 0.0
        return cosines

    def around(at):
        inner = gram - gram[:, [at]] - gram[[at]] + gram[at, at]
        return proper(inner, inner.diagonal().clamp(min=0).sqrt(), at)

    right, nan, plus = proper(arms, far), arms / (far[:, None] * far), gram + mixed + corner
    half_done = [proper(arms), proper(arms / far), proper(arms / far).T]
    return right, {
        "this is the cosine at the origin: both arms start at 0. Subtract the vertex.": proper(gram, origin.sqrt()),
        "the signs: expand ⟨h_i - h_j, h_k - h_j⟩, the two mixed terms are negative.": proper(plus, far),
        "the last term, G_jj, is missing in the numerator.": proper(arms - corner, far),
        "you divided by squared distances. dist² = G_ii + G_jj - 2 G_ij; take its root.": proper(arms, far**2),
        "dist² = G_ii + G_jj - 2 G_ij: the 2 is missing.": proper(arms, (origin + corner - row).sqrt()),
        "the lengths are those from the origin; an arm starts at the vertex.": proper(arms, origin.sqrt()),
        "the numerator is right; divide it by both distances.": half_done,
        "right, but where i or k is the vertex an arm has no length: 0/0 is NaN. Fill those entries with 0.": nan,
        "right off the diagonal. An angle between an arm and itself (i = k) is no relation of three words: it is 0.": (
            proper(arms, far, keep=1.0)
        ),
        "the wrong vertex: the arms start at the first word, whatever `vertex` says.": around(0),
        "the wrong vertex: counted from 1? In Python the first word is 0.": around(vertex - 1),
        "these are angles; asked are their cosines.": proper(right.clamp(-1, 1).acos()),
    }


@exercise(lambda draw: (draw.integer(9, 11), 2 * draw.integer(2, 3) + 1))
def window(n, width):
    """At most width - 1 words per vertex: triples cost n·w² instead of n³."""
    step, half = torch.arange(n) - torch.arange(n)[:, None], width // 2
    apart = step.abs()
    right = (apart <= half) & (apart > 0)
    doubled = [(apart <= width) & (apart > 0), (apart < width) & (apart > 0)]
    return right, {
        "the vertex itself is inside. An arm from a word to itself has no direction; leave i = j out.": apart <= half,
        "your window is about twice as wide: `width` counts both sides and the vertex, so δ = width // 2.": doubled,
        "the outermost word on each side is missing: |i - j| ≤ δ includes δ.": (apart < half) & (apart > 0),
        "one word too many on each side: δ = width // 2 rounds down.": (apart <= half + 1) & (apart > 0),
        "only words to the right of the vertex count; the window has two sides.": (step > 0) & (step <= half),
        "only words to the left of the vertex count; the window has two sides.": (step < 0) & (step >= -half),
        "the window is bounded on one side only.": [(step <= half) & (apart > 0), (step >= -half) & (apart > 0)],
        "this is upside down: it marks the words outside the window.": [apart > half, ~right],
    }


@exercise(lambda draw: (draw.normal(2, 3, 5, 4),))
def layer_gram(hidden):
    """One small (L, L) matrix per word: swap the axes of words and layers, and everything of lesson 02 applies."""
    texts, layers, n, width = hidden.shape
    by_word, mixed = hidden.transpose(1, 2), hidden.reshape(texts, n, layers, width)
    right = by_word @ by_word.mT
    return right, {
        "these are word Grams, (B, L, n, n). Here a word's layers are compared.": hidden @ hidden.mT,
        "you reshaped where you should have swapped axes: numbers of different words got mixed.": mixed @ mixed.mT,
        "these are features against features, (d, d). The last axis has to be summed away.": by_word.mT @ by_word,
        "these are cosines. The Gram matrix keeps lengths: only dot products.": normalise(right),
        "every word has its own matrix: no sum, no mean over words.": [right.sum(1), right.mean(1)],
        "these are distances; a Gram matrix holds dot products.": torch.cdist(by_word, by_word),
    }


@exercise(
    lambda draw: (draw.gram(2, 4, 3, 6), draw.gram(2, 4, 3, 8), draw.mask(4, 4, 2)),
    learns=0,
    needs=("kdviz.relations",),
)
def ltr_pair(student_gram, teacher_gram, mask):
    """Real words, different layers, cosines: widths of teacher and student never met."""
    s, t, different = normalise(student_gram), normalise(teacher_gram), off_diagonal(3)

    def squares(s, t, pairs=different):
        return (s - t)[..., pairs] ** 2  # (B, n, pairs)

    right, whole = squares(s, t), squares(s, t, different | True)
    half_done = [squares(student_gram, t)[mask].mean(), squares(s, teacher_gram)[mask].mean()]
    raw, by_text = squares(student_gram, teacher_gram), [one[real].mean() for one, real in zip(right, mask)]
    return right[mask].mean(), {
        "mean over padding: words that are not there take part. Keep only `mask`.": right.mean(),
        "padding is zeroed in the sum but still counted in the divisor.": right[mask].sum() / right.numel(),
        "the diagonal is included: a layer's cosine with itself is 1, it only lowers the mean.": whole[mask].mean(),
        "diagonal included and mean over padding: both have to go.": whole.mean(),
        "cosine not normalised: a wide teacher's raw Gram matrices are larger than a student's.": raw[mask].mean(),
        "only one of the two Gram matrices is normalised.": half_done,
        "these are absolute differences; squared ones are asked for.": right[mask].sqrt().mean(),
        "this is the sum. A long sentence would weigh more than a short one's word; take the mean.": right[mask].sum(),
        "you divided by the number of words: each has several pairs of layers.": right[mask].sum() / mask.sum(),
        "every text weighs alike; asked is the mean over all words.": torch.stack(by_text).mean(),
    }


DEPTHS = ((12, 6), (6, 2), (6, 4), (12, 4), (6, 3), (12, 8), (24, 6), (9, 6))


def _depths(draw: Draw) -> tuple[int, int]:
    """Layers of teacher and student: for the lesson such that all mistakes differ, any with a common divisor after."""
    if draw.seed < len(DEPTHS):
        return DEPTHS[draw.seed]
    shared, student = draw.integer(2, 5), draw.integer(1, 3)
    return shared * draw.integer(student, 5), shared * student


@exercise(_depths)
def layer_map(teacher_layers, student_layers):
    """The embedding, then equal steps in both networks, ending at both tops."""
    a, b, shared = teacher_layers, student_layers, gcd(teacher_layers, student_layers)
    above, below = tuple(range(0, a + 1, a // shared)), tuple(range(0, b + 1, b // shared))
    every = tuple(range(b + 1))
    return (above, below), {
        "the embedding, layer 0, belongs to the path: it is where every word starts.": (above[1:], below[1:]),
        "the last layer is missing: 0 is the embedding, so the last is `layers`.": (above[:-1], below[:-1]),
        "teacher and student are swapped.": (below, above),
        "these are the teacher's first layers. Spread them: every (a/g)-th, g the common divisor.": (below, below),
        "these are pairs; asked are two tuples, the teacher's and the student's.": tuple(zip(above, below)),
        "rounded steps are not equal: match every (b/g)-th layer.": (tuple(round(i * a / b) for i in every), every),
    }


@exercise(lambda d: (d.uniform(6), d.share(), 10.0, d.uniform(low=2, high=3), d.uniform(low=4, high=5)), learns=0)
def ckd_total(terms, alpha, beta, lambda_wr, lambda_ltr):
    """Labels, logits and context in one line."""
    ce, soft, wr_pair, wr_triple, ltr_pair_, ltr_triple = terms
    labels, logits, pairs = (1 - alpha) * ce, alpha * soft, wr_pair + ltr_pair_

    def context(w, v, pair=1, other=1):  # weights of the triples and of the pairs
        return beta * (pair * wr_pair + w * wr_triple + other * ltr_pair_ + v * ltr_triple)

    w, v, kd = lambda_wr, lambda_ltr, labels + logits
    right = context(w, v)
    half = beta * (wr_pair + w * wr_triple) + ltr_pair_ + v * ltr_triple
    return kd + right, {
        "α sits on the wrong term: 1-α weighs the labels, α the teacher.": alpha * ce + (1 - alpha) * soft + right,
        "the labels keep their full weight; they get 1-α.": ce + logits + right,
        "the teacher's logits keep their full weight; they get α.": labels + soft + right,
        "α weighs the context too; it has β.": kd + alpha * right,
        "β reaches only the word relations; the bracket closes after the layer relations.": kd + half,
        "β reaches only the pairs; it weighs the triples, too.": kd + beta * pairs + (right / beta - pairs),
        "β is missing.": kd + right / beta,
        "λ weighs the triples, not the pairs.": [kd + context(1, 1, w, v), kd + context(w, v, w, v)],
        "the two λ are swapped: λ_WR belongs to words, λ_LTR to layers.": kd + context(v, w),
        "both λ are left at 1.": kd + context(1, 1),
        "λ_LTR is left at 1. (A name mismatch does this in the release.)": kd + context(w, 1),
        "λ_WR is left at 1.": kd + context(1, v),
        "the sign: context is a loss as well, it is added.": kd - right,
        "the labels are not used. (The release's mixing line is commented out.)": [soft + right, logits + right],
    }


@exercise(lambda draw: (draw.integer(11, 30), draw.integer(3, 5), draw.integer(7, 9)))
def ckd_kept(n, matched, classes):
    """No width of the teacher in it: that is why any teacher fits on the disk, and any student fits the teacher."""
    words, layers = matched * n * n, n * matched * matched
    half = (words + layers) / 2 + classes
    return words + layers + classes, {
        "the logits are missing: one number for each class.": words + layers,
        "the logits are of the text, not of every word.": words + layers + n * classes,
        "the layer Grams are missing: one (M, M) matrix for every word.": words + classes,
        "the word Grams are missing: one (n, n) matrix for every matched layer.": layers + classes,
        "one layer Gram is not enough: every word has its own, n of them.": words + matched**2 + classes,
        "one word Gram is not enough: every matched layer has its own.": n * n + layers + classes,
        "one of each is not enough: every layer, and every word, has its own.": n * n + matched**2 + classes,
        "these are halves of the matrices; count them as a whole.": [half, half - n * matched, half + n * matched],
        "words of different layers are not compared: no (n·M, n·M).": (n * matched) ** 2 + classes,
    }

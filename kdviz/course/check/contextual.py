"""Exercises of lessons 02 to 04: word relation, layer-transforming relation and CKD (Park, Kim, Yang 2021)."""

from __future__ import annotations

from math import gcd

import torch

from kdviz.course.check import exercise


def _normalise(gram: torch.Tensor) -> torch.Tensor:
    """Gram matrix -> cosines."""
    length = gram.diagonal(dim1=-2, dim2=-1).clamp_min(1e-12).sqrt()
    return gram / (length.unsqueeze(-1) * length.unsqueeze(-2))


def _gram(*shape: int, generator: torch.Generator) -> torch.Tensor:
    hidden = torch.randn(*shape, generator=generator)
    return hidden @ hidden.transpose(-1, -2)


@exercise(
    "wr-cosine",
    inputs=lambda g: (torch.randn(6, 4, generator=g) * (1 + torch.arange(6.0)).unsqueeze(-1),),
    mistakes={
        "this is the Gram matrix, not yet normalised: long vectors get large entries. Divide by both lengths.":
            lambda h: h @ h.T,
        "only the row's length is divided out, so the matrix is not symmetric. Divide by the column's too.":
            lambda h: h @ h.T / h.norm(dim=-1, keepdim=True),
        "only the column's length is divided out, so the matrix is not symmetric. Divide by the row's too.":
            lambda h: h @ h.T / h.norm(dim=-1),
        "these are the relations between the d features, (d, d). Words are the rows: H Hᵀ, not Hᵀ H.":
            lambda h: torch.nn.functional.normalize(h, dim=0).T @ torch.nn.functional.normalize(h, dim=0),
        "you normalised each feature over the words (dim=0). A word's vector is a row: dim=-1.":
            lambda h: torch.nn.functional.normalize(h, dim=0) @ torch.nn.functional.normalize(h, dim=0).T,
        "these are Euclidean distances: 0 on the diagonal. A cosine is 1 there.":
            lambda h: torch.cdist(h, h),
    },
    praise="symmetric, ones on the diagonal, blind to length.",
)
def wr_cosine(hidden):
    return _normalise(hidden @ hidden.T)


def _rows(cosines: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Softmax of each row over its allowed entries, 0 elsewhere; a row with none is 0."""
    weights = torch.where(allowed, cosines.exp(), 0.0)
    return weights / weights.sum(-1, keepdim=True).clamp_min(1e-12)


def _others(mask: torch.Tensor) -> torch.Tensor:
    """(n,) real words -> (n, n): which j may stand in row i of a relation."""
    return mask & mask.unsqueeze(-1) & ~torch.eye(len(mask), dtype=torch.bool)


def _row_inputs(g: torch.Generator) -> tuple:
    return _normalise(_gram(6, 4, generator=g)), torch.tensor([True] * 4 + [False] * 2)


@exercise(
    "wr-mask",
    inputs=_row_inputs,
    mistakes={
        "padding still counts: the columns of the last words get probability. Only real words may.":
            lambda c, m: _rows(c, ~torch.eye(len(m), dtype=torch.bool) & m.unsqueeze(-1)),
        "padding still counts, in rows and in columns; the mask is not used yet.":
            lambda c, m: _rows(c, ~torch.eye(len(m), dtype=torch.bool)),
        "the diagonal is included: a word's relation with itself is always 1 and teaches nothing. Leave j = i out.":
            lambda c, m: _rows(c, m & m.unsqueeze(-1)),
        "rows of padding words should be 0; the mask covers only the columns.":
            lambda c, m: _rows(c, m & ~torch.eye(len(m), dtype=torch.bool)),
        "right for real words, but a padding row is all -inf and its softmax NaN. Make those rows 0.":
            lambda c, m: torch.softmax(c.masked_fill(~_others(m), float("-inf")), -1),
        "right for real words, but a padding row, all masked, became uniform. Make those rows 0.":
            lambda c, m: torch.softmax(c.masked_fill(~_others(m), -1e9), -1),
        "the softmax runs down the columns; each row is the distribution of one word.":
            lambda c, m: _rows(c, _others(m)).T,
        "you set masked cosines to 0 before the softmax, but exp(0) = 1: they still get probability.":
            lambda c, m: torch.softmax(torch.where(_others(m), c, 0.0), -1),
        "you masked after the softmax: the rows no longer sum to 1.":
            lambda c, m: torch.softmax(c, -1) * _others(m),
        "the mask is upside down: padding is kept and real words are dropped.":
            lambda c, m: _rows(c, _others(~m)),
    },
    praise="each real word spreads its attention over the other real words, and over nothing else.",
)
def wr_mask(cosines, mask):
    return _rows(cosines, _others(mask))


def _vertex_angles(gram: torch.Tensor, j: int, *, root: bool = True) -> torch.Tensor:
    """Cosine of the angle i-j-k for all i, k; 0/0 = NaN where i or k is the vertex."""
    inner = gram - gram[:, [j]] - gram[[j], :] + gram[j, j]
    squared = inner.diagonal().clone()
    squared[j] = 0.0
    length = squared.sqrt() if root else squared
    return inner / (length.unsqueeze(-1) * length)


def _proper(values: torch.Tensor, j: int, same: bool = True) -> torch.Tensor:
    """0 wherever two of the three words are the same one (`same=False` keeps i = k)."""
    bad = torch.eye(len(values), dtype=torch.bool) if same else torch.zeros_like(values, dtype=torch.bool)
    bad[j], bad[:, j] = True, True
    return values.masked_fill(bad, 0.0)


def _plus(gram: torch.Tensor, j: int) -> torch.Tensor:
    inner = gram - gram[:, [j]] - gram[[j], :] + gram[j, j]
    length = inner.diagonal().clamp_min(1e-12).sqrt()
    wrong = gram + gram[:, [j]] + gram[[j], :] + gram[j, j]
    return wrong / (length.unsqueeze(-1) * length)


def _short(gram: torch.Tensor, j: int) -> torch.Tensor:
    inner = gram - gram[:, [j]] - gram[[j], :] + gram[j, j]
    length = inner.diagonal().clamp_min(1e-12).sqrt()
    return (inner - gram[j, j]) / (length.unsqueeze(-1) * length)


@exercise(
    "angle-from-gram",
    inputs=lambda g: (_gram(6, 4, generator=g), 2),
    mistakes={
        "this is the cosine at the origin: both arms start at 0. Subtract the vertex: all four terms of the numerator.":
            lambda gram, j: _proper(_normalise(gram), j),
        "the signs: expand ⟨h_i - h_j, h_k - h_j⟩, the two mixed terms are negative.":
            lambda gram, j: _proper(_plus(gram, j), j),
        "the last term, G_jj, is missing in the numerator.":
            lambda gram, j: _proper(_short(gram, j), j),
        "you divided by squared distances. dist² = G_ii + G_jj - 2 G_ij; take its root.":
            lambda gram, j: _proper(_vertex_angles(gram, j, root=False), j),
        "the numerator is right; divide it by both distances from the vertex.":
            lambda gram, j: _proper(gram - gram[:, [j]] - gram[[j], :] + gram[j, j], j),
        "right, but where i or k is the vertex an arm has no length: 0/0 is NaN. Fill those entries with 0.":
            lambda gram, j: _vertex_angles(gram, j),
        "right off the diagonal. An angle between an arm and itself (i = k) is no relation of three words: set it to 0.":
            lambda gram, j: _proper(_vertex_angles(gram, j), j, same=False),
        "the wrong vertex: the arms start at the first word, whatever `vertex` says.":
            lambda gram, j: _proper(_vertex_angles(gram, 0), 0),
        "the wrong vertex: counted from 1? In Python the first word is 0.":
            lambda gram, j: _proper(_vertex_angles(gram, j - 1), j - 1),
    },
    praise="angles of three words from the Gram matrix alone: no vector of width d was touched.",
)
def angle_from_gram(gram, vertex):
    return _proper(_vertex_angles(gram, vertex), vertex)


def _steps(n: int) -> torch.Tensor:
    position = torch.arange(n)
    return position.unsqueeze(0) - position.unsqueeze(1)


@exercise(
    "window",
    inputs=lambda g: (9 + int(torch.randint(0, 3, (), generator=g)), 5),
    mistakes={
        "the vertex itself is inside. An arm from a word to itself has no direction; leave i = j out.":
            lambda n, width: _steps(n).abs() <= width // 2,
        "your window is about twice as wide: `width` counts both sides and the vertex, so δ = width // 2.":
            lambda n, width: (_steps(n).abs() <= width) & (_steps(n) != 0),
        "the outermost word on each side is missing: |i - j| ≤ δ includes δ itself.":
            lambda n, width: (_steps(n).abs() < width // 2) & (_steps(n) != 0),
        "only words to the right of the vertex count; the window has two sides.":
            lambda n, width: (_steps(n) > 0) & (_steps(n) <= width // 2),
        "only words to the left of the vertex count; the window has two sides.":
            lambda n, width: (_steps(n) < 0) & (_steps(n) >= -(width // 2)),
        "this is upside down: it marks the words outside the window.":
            lambda n, width: _steps(n).abs() > width // 2,
    },
    praise="at most width - 1 words per vertex: triples cost n·w² instead of n³.",
)
def window(n, width):
    return (_steps(n).abs() <= width // 2) & (_steps(n) != 0)


@exercise(
    "layer-gram",
    inputs=lambda g: (torch.randn(2, 3, 5, 4, generator=g),),
    mistakes={
        "these are word Grams, (B, L, n, n): words are compared inside a layer. Here layers are compared for a word.":
            lambda h: h @ h.transpose(-1, -2),
        "you reshaped where you should have swapped axes: numbers of different words got mixed.":
            lambda h: (lambda x: x @ x.transpose(-1, -2))(h.reshape(h.shape[0], h.shape[2], h.shape[1], h.shape[3])),
        "these are features against features, (d, d). The last axis has to be summed away.":
            lambda h: (lambda x: x.transpose(-1, -2) @ x)(h.transpose(1, 2)),
        "these are cosines. The Gram matrix keeps lengths: only dot products.":
            lambda h: _normalise((lambda x: x @ x.transpose(-1, -2))(h.transpose(1, 2))),
    },
    praise="one small (L, L) matrix per word: swap the axes of words and layers, and everything of lesson 02 applies.",
)
def layer_gram(hidden):
    by_word = hidden.transpose(1, 2)
    return by_word @ by_word.transpose(-1, -2)


def _pair_inputs(g: torch.Generator) -> tuple:
    mask = torch.tensor([[True] * 4, [True] * 2 + [False] * 2])
    return _gram(2, 4, 3, 6, generator=g), _gram(2, 4, 3, 8, generator=g), mask


def _layer_pairs(student, teacher, mask, *, power=2, cosine=True, diagonal=False, total=False):
    if cosine:
        student, teacher = _normalise(student), _normalise(teacher)
    gap = (student - teacher).abs() ** power
    layers = gap.shape[-1]
    pairs = torch.ones(layers, layers, dtype=torch.bool) if diagonal else ~torch.eye(layers, dtype=torch.bool)
    kept = gap[mask][:, pairs]
    return kept.sum() if total else kept.mean()


@exercise(
    "ltr-pair",
    inputs=_pair_inputs,
    learns=0,
    mistakes={
        "mean over padding: words that are not there take part. Keep only `mask`.":
            lambda s, t, m: _layer_pairs(s, t, torch.ones_like(m)),
        "padding is zeroed in the sum but still counted in the divisor: the mean gets too small.":
            lambda s, t, m: _layer_pairs(s, t, m) * m.float().mean(),
        "the diagonal is included: a layer's cosine with itself is always 1, it only makes the mean smaller.":
            lambda s, t, m: _layer_pairs(s, t, m, diagonal=True),
        "diagonal included and mean over padding: both have to go.":
            lambda s, t, m: _layer_pairs(s, t, torch.ones_like(m), diagonal=True),
        "cosine not normalised: these are raw Gram matrices, and a wide teacher's are larger than a student's.":
            lambda s, t, m: _layer_pairs(s, t, m, cosine=False),
        "these are absolute differences; squared ones are asked for.":
            lambda s, t, m: _layer_pairs(s, t, m, power=1),
        "this is the sum. A long sentence would weigh more than a short one's word; take the mean.":
            lambda s, t, m: _layer_pairs(s, t, m, total=True),
    },
    praise="real words, different layers, cosines: widths of teacher and student never met.",
)
def ltr_pair(student_gram, teacher_gram, mask):
    return _layer_pairs(student_gram, teacher_gram, mask)


def _map(a: int, b: int, start: int = 0) -> tuple[tuple[int, ...], tuple[int, ...]]:
    g = gcd(a, b)
    return tuple(range(start, a + 1, a // g)), tuple(range(start, b + 1, b // g))


@exercise(
    "layer-map",
    inputs=lambda g: [(12, 6), (6, 2), (6, 4)][int(torch.randint(0, 3, (), generator=g))],
    mistakes={
        "the embedding, layer 0, belongs to the path: it is where every word starts.":
            lambda a, b: (_map(a, b)[0][1:], _map(a, b)[1][1:]),
        "the last layer is missing: index 0 is the embedding, so the last one is `layers` itself, not `layers - 1`.":
            lambda a, b: (_map(a, b)[0][:-1], _map(a, b)[1][:-1]),
        "teacher and student are swapped.":
            lambda a, b: _map(b, a),
        "these are the first layers of the teacher. Spread them: every (a/g)-th, g the greatest common divisor.":
            lambda a, b: (_map(a, b)[1], _map(a, b)[1]),
    },
    praise="the embedding, then equal steps in both networks, ending at both tops.",
)
def layer_map(teacher_layers, student_layers):
    return _map(teacher_layers, student_layers)


def _terms(g: torch.Generator) -> tuple:
    return torch.rand(6, generator=g), 0.4, 10.0, 2.0, 3.0


@exercise(
    "ckd-total",
    inputs=_terms,
    learns=0,
    mistakes={
        "α sits on the wrong term: 1-α weighs the labels, α the teacher's logits.":
            lambda t, a, b, w, l: a * t[0] + (1 - a) * t[1] + b * (t[2] + w * t[3] + t[4] + l * t[5]),
        "β reaches only the word relations; the bracket closes after the layer relations.":
            lambda t, a, b, w, l: (1 - a) * t[0] + a * t[1] + b * (t[2] + w * t[3]) + t[4] + l * t[5],
        "λ weighs the triples, not the pairs.":
            lambda t, a, b, w, l: (1 - a) * t[0] + a * t[1] + b * (w * t[2] + t[3] + l * t[4] + t[5]),
        "both λ are left at 1.":
            lambda t, a, b, w, l: (1 - a) * t[0] + a * t[1] + b * t[2:].sum(),
        "λ_LTR is left at 1. (A name mismatch does this in the release.)":
            lambda t, a, b, w, l: (1 - a) * t[0] + a * t[1] + b * (t[2] + w * t[3] + t[4] + t[5]),
        "the labels are not used. (In the release the mixing line is commented out.)":
            lambda t, a, b, w, l: t[1] + b * (t[2] + w * t[3] + t[4] + l * t[5]),
    },
    praise="labels, logits and context in one line.",
)
def ckd_total(terms, alpha, beta, lambda_wr, lambda_ltr):
    ce, soft, wr_pair, wr_triple, ltr_pair_, ltr_triple = terms
    context = wr_pair + lambda_wr * wr_triple + ltr_pair_ + lambda_ltr * ltr_triple
    return (1 - alpha) * ce + alpha * soft + beta * context


@exercise(
    "ckd-kept",
    inputs=lambda g: tuple(int(torch.randint(low, high, (), generator=g)) for low, high in ((11, 30), (3, 6), (7, 10))),
    mistakes={
        "the logits are missing: one number for each class.":
            lambda n, m, c: m * n * n + n * m * m,
        "the layer Grams are missing: one (M, M) matrix for every word.":
            lambda n, m, c: m * n * n + c,
        "the word Grams are missing: one (n, n) matrix for every matched layer.":
            lambda n, m, c: n * m * m + c,
        "one layer Gram is not enough: every word has its own, n of them.":
            lambda n, m, c: m * n * n + m * m + c,
        "one word Gram is not enough: every matched layer has its own.":
            lambda n, m, c: n * n + n * m * m + c,
    },
    praise="no width of the teacher in it: that is why any teacher fits on the disk, and any student fits the teacher.",
)
def ckd_kept(n, matched, classes):
    return matched * n * n + n * matched * matched + classes

"""Gram matrices and all that follows from them: cosines, distances, angles, row distributions.

Every relation of contextual distillation (Park et al., EMNLP 2021) is a function of inner products alone.
For the vectors ``h_1 … h_n`` of one sentence, or of one word at several layers, let ``G = H Hᵀ``. Then

    cosine     G_ij / √(G_ii G_jj)
    distance   √(G_ii + G_jj - 2 G_ij)
    angle at j (G_ik - G_ij - G_jk + G_jj) / (dist_ij · dist_jk)

so a teacher's Gram matrices are all that a student needs of it, whatever the two widths are.

Tensors in, tensors out; numpy arrays in, numpy arrays out. Half precision is raised to float32. Any leading
dimensions are kept. Quantities without a meaning (the cosine of a zero vector, the angle at a vertex that
coincides with another word) are 0, with gradient 0, never NaN.

>>> hidden = torch.randn(2, 7, 12, 384)          # sentences, layers, words, width
>>> word_gram(hidden).shape                      # words with words, inside each layer
torch.Size([2, 7, 12, 12])
>>> layer_gram(hidden).shape                     # layers with layers, for each word
torch.Size([2, 12, 7, 7])
>>> angle(word_gram(hidden), vertex=3).shape     # all angles whose corner is word 3
torch.Size([2, 7, 12, 12])
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

Vertex = int | slice | None


def _arrays_too(function):
    """Let a function of tensors take numpy arrays, and answer in kind; raise half precision to float32."""

    @functools.wraps(function)
    def wrapped(first, *args, **kwargs):
        tensor, *args = map(_tensor, (first, *args))
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{function.__name__} takes a tensor or a numpy array, not {type(first).__name__}")
        if not tensor.is_floating_point():
            raise ValueError(f"{function.__name__} takes floating point values, not {tensor.dtype}: use .float()")
        if tensor.dtype in (torch.float16, torch.bfloat16):
            tensor = tensor.float()
        with torch.autocast(tensor.device.type, enabled=False):
            result = function(tensor, *args, **{name: _tensor(value) for name, value in kwargs.items()})
        return result.numpy() if isinstance(first, np.ndarray) else result

    return wrapped


def _tensor(x):
    return torch.from_numpy(x) if isinstance(x, np.ndarray) else x


def _square(gram: Tensor) -> int:
    if gram.ndim < 2 or gram.shape[-1] != gram.shape[-2]:
        raise ValueError(f"a Gram matrix is square, (..., n, n); got {tuple(gram.shape)}: use word_gram or layer_gram")
    return gram.shape[-1]


def fit_mask(mask: Tensor, gram: Tensor) -> Tensor:
    """Line a mask of words up with Gram matrices: (B, n) serves (B, n, n), (B, L, n, n) and so on. Returns bool.

    Leading dimensions are matched from the left; what the mask lacks (layers, heads) is filled in before the words.
    """
    *leading, n = mask.shape
    missing = gram.ndim - 1 - mask.ndim
    if missing < 0 or n != gram.shape[-1] or any(m not in (1, g) for m, g in zip(leading, gram.shape, strict=False)):
        raise ValueError(
            f"mask {tuple(mask.shape)} does not fit Gram matrices {tuple(gram.shape)}: its last size must be "
            f"the number of words, {gram.shape[-1]}, and those before it must be the first of the Gram's"
        )
    return mask.bool().reshape(*leading, *([1] * missing), n)


def real_pairs(mask: Tensor | None, gram: Tensor) -> Tensor:
    """Pairs of two real words: bool, to be broadcast to (..., n, n). All pairs when there is no mask."""
    if mask is None:
        return torch.ones((), dtype=torch.bool, device=gram.device)
    mask = fit_mask(mask, gram)
    return mask.unsqueeze(-1) & mask.unsqueeze(-2)


def _unequal(gram: Tensor) -> Tensor:
    """Pairs of two places that differ: (n, n) bool."""
    return ~torch.eye(_square(gram), dtype=torch.bool, device=gram.device)


def _diagonal(gram: Tensor) -> Tensor:
    _square(gram)
    return gram.diagonal(dim1=-2, dim2=-1)


@_arrays_too
def word_gram(hidden: Tensor) -> Tensor:
    """Inner products between the words of a sentence. hidden (..., n, d) -> (..., n, n)."""
    if hidden.ndim < 2:
        raise ValueError(f"word_gram takes (..., n, d), words by width; got {tuple(hidden.shape)}")
    return hidden @ hidden.mT


@_arrays_too
def layer_gram(hidden: Tensor) -> Tensor:
    """Inner products between the layers of each word. hidden (..., L, n, d) -> (..., n, L, L)."""
    if hidden.ndim < 3:
        raise ValueError(f"layer_gram takes (..., L, n, d), layers by words by width; got {tuple(hidden.shape)}")
    words = hidden.transpose(-3, -2).contiguous()  # copied once here, not in every product
    return words @ words.mT


def layer_map(teacher_layers: int, student_layers: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which layers to compare: (indices into the teacher's states, indices into the student's), embedding = 0.

    With g = gcd(teacher, student): the embedding, then every (teacher/g)-th and every (student/g)-th layer [code].

    >>> layer_map(6, 2)
    ((0, 3, 6), (0, 1, 2))
    """
    if teacher_layers < 1 or student_layers < 1:
        raise ValueError(f"both models need a layer: teacher has {teacher_layers}, student {student_layers}")
    matched = math.gcd(teacher_layers, student_layers)
    return tuple(tuple(range(0, layers + 1, layers // matched)) for layers in (teacher_layers, student_layers))


@_arrays_too
def cosine(gram: Tensor) -> Tensor:
    """Cosine of every pair. gram (..., n, n) -> (..., n, n); 0 where a vector is zero."""
    square = _diagonal(gram)
    usable = square > 0
    inverse = torch.where(usable, torch.where(usable, square, 1).rsqrt(), 0)
    return gram * inverse.unsqueeze(-1) * inverse.unsqueeze(-2)


@_arrays_too
def squared_distance(gram: Tensor) -> Tensor:
    """Squared Euclidean distance of every pair. gram (..., n, n) -> (..., n, n).

    Differences below the rounding error of the Gram matrix are exactly 0, so that two equal words count as equal.
    """
    square = _diagonal(gram)
    total = square.unsqueeze(-1) + square.unsqueeze(-2)
    apart = total - 2 * gram
    return torch.where(apart > rounding(gram.dtype) * total, apart, 0)


def rounding(dtype: torch.dtype) -> float:
    """The share of G_ii + G_jj below which a squared distance is rounding error."""
    return 8 * torch.finfo(dtype).eps


@_arrays_too
def distance(gram: Tensor) -> Tensor:
    """Euclidean distance of every pair. gram (..., n, n) -> (..., n, n)."""
    squared = squared_distance(gram)
    apart = squared > 0
    return torch.where(apart, torch.where(apart, squared, 1).sqrt(), 0)


def reach(n: int, window: int | None) -> int:
    """Words on either side of a vertex that its window spans, n for None. Raises ValueError unless it is odd, >= 3."""
    if window is not None and (window < 3 or window % 2 == 0):
        raise ValueError(f"window must be odd and at least 3 (2δ+1), got {window}: use {max(3, window + 1)}, or None")
    return n if window is None else window // 2


def window_mask(n: int, window: int | None, device=None) -> Tensor:
    """Which words may stand at a side of an angle: (n, n) bool, ``[j, i]`` True when ``0 < |i - j| <= (window-1)/2``.

    window : odd width 2δ+1 around the vertex, None for the whole sentence (Park et al. 2021, locality).
    """
    place = torch.arange(n, device=device)
    apart = (place.unsqueeze(-1) - place).abs()
    return (apart > 0) & (apart <= reach(n, window))


def sides(gram: Tensor, mask: Tensor | None = None, window: int | None = None) -> Tensor:
    """Which pairs are a side of an angle, (..., n, n) bool: two real words in the window whose vectors differ."""
    near = window_mask(_square(gram), window, gram.device)
    return (squared_distance(gram) > 0) & near & real_pairs(mask, gram)


@_arrays_too
def angle(gram: Tensor, vertex: Vertex = None, window: int | None = None, mask: Tensor | None = None) -> Tensor:
    """Cosine of the angle that words i and k make at the vertex j (Park et al. 2021, triple-wise word relation).

    Parameters
    ----------
    gram : (..., n, n)
    vertex : the word j, a slice of words, or None for all of them
    window : odd width around the vertex outside of which there is no angle, None for none
    mask : (B, n) or (..., n), true for real words

    Returns
    -------
    (..., n_i, n_k) for a word, else (..., n_j, n_i, n_k); 0 wherever `angle_mask` is False. All vertices at once are n³
    numbers, meant for short sentences: `losses.contextual.word_angle` never builds them.
    """
    usable, at = sides(gram, mask, window), _place(vertex, gram)
    inverse = torch.where(usable, torch.where(usable, squared_distance(gram), 1).rsqrt(), 0)[..., at, :]
    ends = gram.unsqueeze(-3) if isinstance(at, slice) else gram
    row, square = gram[..., at, :], _diagonal(gram)[..., at, None, None]
    cosines = (ends - row.unsqueeze(-1) - row.unsqueeze(-2) + square) * (inverse.unsqueeze(-1) * inverse.unsqueeze(-2))
    return cosines * _unequal(gram)


@_arrays_too
def angle_mask(gram: Tensor, vertex: Vertex = None, window: int | None = None, mask: Tensor | None = None) -> Tensor:
    """Where `angle` has a meaning: same arguments, same shape, bool."""
    usable = sides(gram, mask, window)[..., _place(vertex, gram), :]
    return usable.unsqueeze(-1) & usable.unsqueeze(-2) & _unequal(gram)


def _place(vertex: Vertex, gram: Tensor) -> int | slice:
    """The index of a vertex, checked; all words for None."""
    if vertex is None or isinstance(vertex, slice):
        return vertex or slice(None)
    if not 0 <= vertex < _square(gram):
        raise ValueError(f"vertex {vertex} is not one of the {gram.shape[-1]} words: choose 0 to {gram.shape[-1] - 1}")
    return vertex


@_arrays_too
def row_distribution(similarity: Tensor, mask: Tensor | None = None, temperature: float = 1.0) -> Tensor:
    """Each word's relations as a distribution over the *other* real words: softmax over j ≠ i of similarity / τ.

    similarity : (..., n, n), usually `cosine`   mask : (..., n), true for real words
    Returns (..., n, n); rows of padding, and of a word that has no other, are all 0.
    """
    return log_row_distribution(similarity, mask, temperature).exp() * row_mask(similarity, mask)


def row_mask(similarity: Tensor, mask: Tensor | None) -> Tensor:
    """Pairs (i, j) of different real words: (..., n, n) bool."""
    return (_unequal(similarity) & real_pairs(mask, similarity)).expand(similarity.shape)


def log_row_distribution(similarity: Tensor, mask: Tensor | None, temperature: float) -> Tensor:
    """Logarithm of `row_distribution`; meaningful only where `row_mask` is True."""
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    # A large finite number, not -inf: a row with no usable entry stays finite, and 0 · (-inf) never arises.
    lowest = torch.finfo(similarity.dtype).min / 4
    return torch.where(row_mask(similarity, mask), similarity / temperature, lowest).log_softmax(-1)

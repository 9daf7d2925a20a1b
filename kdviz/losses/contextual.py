"""Contextual knowledge distillation: word relation (WR) and layer transforming relation (LTR).

Park, Kim, Yang, "Distilling Linguistic Context for Language Model Compression", EMNLP 2021. A word is described
by its relations to the other words of the sentence (WR), and by the relations between its own vectors at
different layers (LTR), never by the vectors themselves: student and teacher may differ in width and in heads.

All four losses take Gram matrices (`kdviz.relations`), so the teacher's can be computed once and kept. What they are
is said by the two definitions, `pair_sum` and `angle_sum`; `losses.fast` computes the same with less time and memory.

>>> student, teacher = torch.randn(8, 3, 20, 128), torch.randn(8, 3, 20, 384)   # matched layers, other widths
>>> mask = torch.ones(8, 20)
>>> word_pair(word_gram(student), word_gram(teacher), mask)
>>> word_angle(word_gram(student), word_gram(teacher), mask, window=21)
>>> layer_pair(layer_gram(student), layer_gram(teacher), mask)
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz import relations
from kdviz.losses import fast
from kdviz.losses._checks import checked, finite, one_of, positive
from kdviz.relations import layer_map

__all__ = ["angle_sum", "layer_angle", "layer_map", "layer_pair", "pair_sum", "word_angle", "word_pair"]

POINTWISE = {
    "l1": lambda s, t: (s - t).abs(),
    "l2": lambda s, t: (s - t).square(),
    "huber": lambda s, t: F.smooth_l1_loss(s, t, reduction="none"),
}


@fast.by(fast.pair_sum)
def pair_sum(student, teacher, real, relation, match, temperature, squared=False):
    """Definition of the pair losses: KL(teacher ‖ student) of every row of relations, or a mismatch of every pair.

    Gram matrices (S, n, n) and real (S, n) bool -> the sum, and how many rows (or pairs) of real words it is over.
    """
    student, teacher = (_relation(gram, real, relation, squared) for gram in (student, teacher))
    usable = relations.row_mask(student, real)
    if match != "kl":
        return torch.where(usable, POINTWISE[match](student, teacher), 0).sum(), usable.sum()
    log_s, log_t = (relations.log_row_distribution(x, real, temperature) for x in (student, teacher))
    return torch.where(usable, log_t.exp() * (log_t - log_s), 0).sum(), usable.any(-1).sum()


@fast.by(fast.angle_sum)
def angle_sum(student, teacher, real, window, match, vertices=None):
    """Definition of the angle losses: the mismatch of the angles ψ_ijk at every vertex j, or at a slice of them.

    Gram matrices (S, n, n) and real (S, n) bool -> the sum, and how many triples are valid on both sides.
    """
    place = {"vertex": vertices, "window": window, "mask": real}
    valid = relations.angle_mask(student, **place) & relations.angle_mask(teacher, **place)
    angles = (relations.angle(gram, **place) for gram in (student, teacher))
    return torch.where(valid, POINTWISE[match](*angles), 0).sum(), valid.sum()


def word_pair(
    student_gram, teacher_gram, mask, *, relation="cosine", match="kl", temperature=1.0, normalization="mean"
):
    """Match how similar every two words of a sentence are. Park et al. 2021, pair-wise word relation.

    Parameters
    ----------
    student_gram, teacher_gram : (B, L, n, n) or (..., n, n), of the matched layers
    mask : (B, n), 1 for real words
    relation : "cosine"; "distance" (Euclidean); "scaled_distance" (divided by its mean in the sentence)
    match : "kl" turns each row into a distribution over the other words and takes KL(teacher ‖ student);
        "l1", "l2", "huber" compare the raw values
    temperature : of the row softmax, for "kl"
    normalization : "mean" over valid rows ("kl") or pairs; "release" imitates the published code: diagonal counted in
        the divisor, distances squared

    Returns
    -------
    A scalar; 0 when no sentence has two words.

    Raises
    ------
    ValueError : shapes disagree, a choice is unknown (both values are named), or a side holds NaN or infinity.
    """
    one_of("normalization", normalization, ("mean", "release"))
    one_of("match", match, ("kl", *POINTWISE))
    one_of("relation", relation, ("cosine", "distance", "scaled_distance"))
    positive(temperature)
    student, teacher, real = checked(student_gram, teacher_gram, mask)
    release = normalization == "release"
    total, count = pair_sum(student, teacher, real, relation, match, temperature, release)
    return _mean(total, real.sum(-1).square().sum() if release else count, student, teacher)


def layer_pair(student_gram, teacher_gram, mask, **settings):
    """Match how similar a word's vectors at every two layers are. Park et al. 2021, pair-wise layer relation.

    Grams (B, n, L, L) and mask (B, n), 1 for the words that count; settings and result are those of `word_pair`.
    """
    return word_pair(student_gram, teacher_gram, _every_layer(mask, student_gram), **settings)


def word_angle(student_gram, teacher_gram, mask, *, window=None, match="l2", normalization="mean"):
    """Match the angles that three words of a sentence make. Park et al. 2021, triple-wise word relation.

    A triple counts when its words are real and different, i and k stand within the window of the vertex j, and
    neither side has length zero. Memory O(n²), time O(n³) or O(n·window²): nothing of size n³ is built.

    Parameters
    ----------
    student_gram, teacher_gram : (B, L, n, n) or (..., n, n), of the matched layers
    mask : (B, n), 1 for real words
    window : odd width around the vertex, None for all words
    match : "l2", "huber", "l1"
    normalization : "mean" over valid triples; "release" (unwindowed only) divides by n³ as the published code does

    Returns
    -------
    A scalar; 0 when no valid triple exists.

    Raises
    ------
    ValueError : shapes disagree, a choice is unknown (both values are named), or a side holds NaN or infinity.
    """
    one_of("normalization", normalization, ("mean", "release"))
    one_of("match", match, tuple(POINTWISE))
    release = normalization == "release"
    if release and window is not None:
        raise ValueError(f'normalization="release" has no window, got window={window}: use "mean", or window=None')
    student, teacher, real = checked(student_gram, teacher_gram, mask)
    total, count = angle_sum(student, teacher, real, window, match)
    return _mean(total, real.sum(-1).pow(3).sum() if release else count, student, teacher)


def layer_angle(student_gram, teacher_gram, mask, *, match="l2", normalization="mean"):
    """Match the angles that a word's vectors at three layers make. Park et al. 2021, triple-wise layer relation.

    Grams (B, n, L, L) and mask (B, n), 1 for the words that count; the rest is that of `word_angle`.
    """
    every = _every_layer(mask, student_gram)
    return word_angle(student_gram, teacher_gram, every, match=match, normalization=normalization)


def _every_layer(mask, gram):
    """A word's layers are all real when the word is: (B, n) -> (B, n, L)."""
    return mask.unsqueeze(-1).expand(*mask.shape, gram.shape[-1])


def _mean(total, count, student, teacher):
    return finite((total / count.clamp(min=1)).to(student.dtype), student, teacher)


def _relation(gram, real, relation, squared):
    if relation == "cosine":
        return relations.cosine(gram)
    apart = relations.squared_distance(gram) if squared else relations.distance(gram)
    return scaled(apart, real) if relation == "scaled_distance" else apart


def scaled(apart, real=None):
    """Distances (..., n, n) divided by their mean over pairs of real words that are apart."""
    pairs = (apart > 0) & relations.row_mask(apart, real)
    mean = torch.where(pairs, apart, 0).sum((-1, -2), keepdim=True) / pairs.sum((-1, -2), keepdim=True).clamp(min=1)
    return apart / torch.where(mean > 0, mean, 1)

"""Contextual knowledge distillation: word relation (WR) and layer transforming relation (LTR).

Park, Kim, Yang, "Distilling Linguistic Context for Language Model Compression", EMNLP 2021. A word is described
by its relations to the other words of the sentence (WR), and by the relations between its own vectors at
different layers (LTR), never by the vectors themselves: student and teacher may differ in width and in heads.

All four losses take Gram matrices (`kdviz.relations`), so the teacher's can be computed once and kept.

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
from kdviz.losses._checks import checked, finite, one_of
from kdviz.losses.fast.rows import row_sum
from kdviz.losses.fast.triples import triple_sum
from kdviz.relations import layer_map

__all__ = ["layer_angle", "layer_map", "layer_pair", "word_angle", "word_pair"]

COMPILED_ON = ("cpu",)  # devices on which KL between rows of cosines is compiled loops, with the same result
POINTWISE = {
    "l1": lambda s, t: (s - t).abs(),
    "l2": lambda s, t: (s - t).square(),
    "huber": lambda s, t: F.smooth_l1_loss(s, t, reduction="none"),
}


def word_pair(
    student_gram, teacher_gram, mask, *, relation="cosine", match="kl", temperature=1.0, normalization="mean"
):
    """Match how similar every two words of a sentence are. Park et al. 2021, pair-wise word relation.

    student_gram, teacher_gram : (B, L, n, n) or (..., n, n), of the matched layers   mask : (B, n), 1 for real words
    relation    : "cosine"; "distance" (Euclidean); "scaled_distance" (divided by its mean in the sentence)
    match       : "kl" turns each row into a distribution over the other words and takes KL(teacher ‖ student);
                  "l1", "l2", "huber" compare the raw values
    temperature : of the row softmax, for "kl"
    normalization : "mean" over valid rows ("kl") or pairs; "release" imitates the published code: diagonal counted
                  in the divisor, distances squared
    Returns a scalar; 0 when no sentence has two words. Raises ValueError when shapes disagree (both are named).
    """
    student, teacher, real = checked(student_gram, teacher_gram, mask)
    return _pair(student, teacher, real, relation, match, temperature, normalization)


def layer_pair(
    student_gram, teacher_gram, mask, *, relation="cosine", match="kl", temperature=1.0, normalization="mean"
):
    """Match how similar a word's vectors at every two layers are. Park et al. 2021, pair-wise layer relation.

    student_gram, teacher_gram : (B, n, L, L)   mask : (B, n), 1 for the words that count
    The rest as in `word_pair`, with the layers of a word in place of the words of a sentence.
    """
    student, teacher, real = _per_word(student_gram, teacher_gram, mask)
    return _pair(student, teacher, real, relation, match, temperature, normalization)


def word_angle(student_gram, teacher_gram, mask, *, window=None, match="l2", normalization="mean"):
    """Match the angles that three words of a sentence make. Park et al. 2021, triple-wise word relation.

    With G = H Hᵀ the cosine at vertex j is (G_ik - G_ij - G_jk + G_jj) / (dist_ij · dist_jk), so only Gram
    matrices are needed. A triple counts when its words are real and different, i and k stand within the window
    of j, and neither side has length zero.

    student_gram, teacher_gram : (B, L, n, n) or (..., n, n)   mask : (B, n), 1 for real words
    window : odd width around the vertex, None for all words   match : "l2", "huber", "l1"
    normalization : "mean" over valid triples; "release" (unwindowed only) divides by n³ as the published code does
    Returns a scalar; 0 when no valid triple exists. Raises ValueError when shapes disagree (both are named).
    Memory O(n²), O(n·window²) time with a window: nothing of size n³ is built.
    """
    student, teacher, real = checked(student_gram, teacher_gram, mask)
    return _angle(student, teacher, real, window, match, normalization)


def layer_angle(student_gram, teacher_gram, mask, *, match="l2", normalization="mean"):
    """Match the angles that three layers of a word make. Park et al. 2021, triple-wise layer relation.

    student_gram, teacher_gram : (B, n, L, L)   mask : (B, n), 1 for the words that count. The rest as `word_angle`.
    """
    student, teacher, real = _per_word(student_gram, teacher_gram, mask)
    return _angle(student, teacher, real, None, match, normalization)


def _per_word(student, teacher, mask):
    """A word's layers are all real when the word is: (B, n) -> (B, n, L)."""
    return checked(student, teacher, mask.unsqueeze(-1).expand(*mask.shape, student.shape[-1]))


def _pair(student, teacher, real, relation, match, temperature, normalization):
    one_of("normalization", normalization, ("mean", "release"))
    one_of("match", match, ("kl", *POINTWISE))
    release = normalization == "release"
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    if match == "kl" and relation == "cosine" and student.device.type in COMPILED_ON:
        total, count = row_sum(student, teacher, real, temperature)
        if release:
            count = real.sum(-1).square().sum()
        return finite((total / count.clamp(min=1)).to(student.dtype), student, teacher)
    # Padding may hold anything, NaN included: what is set to 0 here has no value and no gradient.
    both = real.unsqueeze(-1) & real.unsqueeze(-2)
    student, teacher = torch.where(both, student, 0), torch.where(both, teacher, 0)
    student = _relation(student, real, relation, release)
    teacher = _relation(teacher, real, relation, release)
    usable = relations.row_mask(student, real)
    if match == "kl":
        log_s = relations.log_row_distribution(student, real, temperature)
        log_t = relations.log_row_distribution(teacher, real, temperature)
        terms = log_t.exp() * (log_t - log_s)
        count = usable.any(-1).sum()
    else:
        terms = POINTWISE[match](student, teacher)
        count = usable.sum()
    if release:
        count = real.sum(-1).square().sum()
    return finite(torch.where(usable, terms, 0).sum() / count.clamp(min=1), student, teacher)


def _relation(gram, real, relation, release):
    one_of("relation", relation, ("cosine", "distance", "scaled_distance"))
    if relation == "cosine":
        return relations.cosine(gram)
    apart = relations.squared_distance(gram) if release else relations.distance(gram)
    if relation == "scaled_distance":
        counted = (apart > 0) & relations.row_mask(apart, real)
        mean = torch.where(counted, apart, 0).sum((-1, -2), keepdim=True) / counted.sum((-1, -2), keepdim=True).clamp(min=1)
        apart = apart / torch.where(mean > 0, mean, 1)
    return apart


def _angle(student, teacher, real, window, match, normalization):
    one_of("normalization", normalization, ("mean", "release"))
    one_of("match", match, tuple(POINTWISE))
    if normalization == "release" and window is not None:
        raise ValueError(f'normalization="release" has no window, got window={window}: use "mean", or window=None')
    total, count = triple_sum(student, teacher, real, window, match)
    if normalization == "release":
        count = real.sum(-1).double().pow(3).sum()
    return finite((total / count.clamp(min=1)).to(student.dtype), student, teacher)

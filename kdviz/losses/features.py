"""What other methods match: hidden states, attention maps, relations of queries and values, relations of sentences.

Objectives of DistilBERT, PKD, TinyBERT, MobileBERT, MiniLM v1 and v2, and RKD, side by side with CKD's. Unlike CKD
most of them need equal widths or a `Projection`, or equal numbers of heads. Masks are (B, n), 1 for real words; means
run over real words only. The teacher never receives a gradient.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from kdviz import relations
from kdviz.losses._checks import apart, full, same_shape
from kdviz.losses.contextual import angle_sum, scaled


class Projection(nn.Linear):
    """A learned map from the student's width to the teacher's, as TinyBERT's W_h. (…, d_S) -> (…, d_T)."""

    def __init__(self, student_width: int, teacher_width: int):
        super().__init__(student_width, teacher_width, bias=False)


WIDTHS = "map the student with losses.features.Projection(student_width, teacher_width)"
HEADS = "head counts must agree here; losses.features.qkv_relation splits heads anew"


def hidden_mse(student, teacher, mask):
    """Mean squared difference of hidden states over real words and channels. (B, …, n, d), mask (B, n)."""
    student, teacher, words = _hidden(student, teacher, mask)
    return _mean((student - teacher).square().mean(-1), words)


def hidden_cosine(student, teacher, mask):
    """1 - cos(h_S, h_T), mean over real words (DistilBERT). (B, …, n, d), mask (B, n)."""
    student, teacher, words = _hidden(student, teacher, mask)
    return _mean(1 - F.cosine_similarity(student, teacher, dim=-1), words)


def pkd(student_cls, teacher_cls):
    """Squared distance of normalised [CLS] vectors, mean over the batch, summed over layers. Sun et al. 2019.

    student_cls, teacher_cls : (B, M, d), M matched layers
    """
    same_shape(student_cls, teacher_cls, "[CLS] states", WIDTHS)
    student, teacher = (F.normalize(full(x), dim=-1) for x in (student_cls, teacher_cls.detach()))
    return (student - teacher).square().sum((-1, -2)).mean()


def attention_mse(student, teacher, mask):
    """Squared difference of attention scores (TinyBERT: before the softmax), mean over heads and real pairs.

    student, teacher : (B, …, heads, n, n)   mask : (B, n)
    """
    student, teacher, pairs = _attention(student, teacher, mask)
    return _mean(apart(student, teacher).square(), pairs)


def attention_kl(student, teacher, mask):
    """KL(teacher ‖ student) of attention rows, mean over heads and real words (MobileBERT, MiniLM v1).

    student, teacher : (B, …, heads, n, n) probabilities   mask : (B, n)
    """
    student, teacher, pairs = _attention(student, teacher, mask)
    # Gradient of the logarithm is kept finite where a probability underflows to 0.
    tiny = torch.finfo(student.dtype).tiny
    terms = teacher * (teacher.clamp(min=tiny).log() - student.clamp(min=tiny).log())
    return terms.sum() / pairs.any(-1).sum().clamp(min=1)


def qkv_relation(student, teacher, mask, *, heads=None):
    """KL between the self-relations softmax(X Xᵀ/√d_h) of queries, keys or values. Wang et al. 2020 and 2021.

    student : (B, h_S, n, d_S/h_S)   teacher : (B, h_T, n, d_T/h_T)   mask : (B, n)
    heads : relation heads to split both into (MiniLM v2), so that head counts are free; None keeps the models' own
    Returns the mean over heads and real words. Raises ValueError when a width does not divide by `heads`.
    """
    if heads is not None:
        student, teacher = _split_again(student, heads), _split_again(teacher, heads)
    elif student.shape[1] != teacher.shape[1]:
        raise ValueError(f"student has {student.shape[1]} heads and teacher {teacher.shape[1]}: pass heads=")
    rows = []
    for x in _real(mask.bool()[:, None, :, None], student, teacher):
        scores = x @ x.transpose(-1, -2) / x.shape[-1] ** 0.5
        lowest = torch.finfo(scores.dtype).min / 4
        rows.append(torch.where(relations.real_pairs(mask, scores), scores, lowest).softmax(-1))
    return attention_kl(*rows, mask)


def minilm_v1(student_attention, teacher_attention, student_values, teacher_values, mask):
    """KL of the last layer's attention + KL of its value relation. Wang et al. 2020. Head counts must agree.

    attention : (B, heads, n, n) probabilities   values : (B, heads, n, d/heads)
    """
    return attention_kl(student_attention, teacher_attention, mask) + qkv_relation(student_values, teacher_values, mask)


def minilm_v2(student_qkv, teacher_qkv, mask, *, heads):
    """Mean of the Q-Q, K-K and V-V relations with heads split anew. Wang et al. 2021.

    student_qkv, teacher_qkv : (B, 3, h, n, d/h), h and d of each model   heads : relation heads
    """
    return sum(qkv_relation(student_qkv[:, i], teacher_qkv[:, i], mask, heads=heads) for i in range(3)) / 3


def rkd_distance(student, teacher):
    """Huber on the distances between the sentences of a batch, each divided by its mean. Park et al. 2019.

    student (B, d_S), teacher (B, d_T): one vector a sentence. Mean over all pairs, the diagonal included.
    """
    apart = (relations.distance(relations.word_gram(x)) for x in _sentences(student, teacher))
    return F.smooth_l1_loss(*map(scaled, apart))


def rkd_angle(student, teacher):
    """Huber on the angles that three sentences of a batch make. Park et al. 2019. Mean over all B³ triples.

    student (B, d_S), teacher (B, d_T): one vector a sentence.
    """
    student, teacher = _sentences(student, teacher)
    everyone = torch.ones(1, len(student), dtype=torch.bool, device=student.device)
    grams = (relations.word_gram(x).unsqueeze(0) for x in (student, teacher))
    total, _ = angle_sum(*grams, everyone, None, "huber")
    return total / len(student) ** 3


def _sentences(student, teacher):
    if student.ndim != 2 or len(student) != len(teacher):
        raise ValueError(
            f"one vector a sentence, (B, d): student {tuple(student.shape)}, teacher {tuple(teacher.shape)}"
        )
    return full(student), full(teacher.detach())


def _split_again(x, heads):
    batch, own, n, size = x.shape
    if (own * size) % heads:
        raise ValueError(f"width {own * size} does not divide into {heads} relation heads: choose a divisor of both")
    return x.transpose(1, 2).reshape(batch, n, heads, -1).transpose(1, 2)


def _hidden(student, teacher, mask):
    same_shape(student, teacher, "hidden states", WIDTHS)
    words = relations.fit_mask(mask, student[..., :1].expand(*student.shape[:-1], student.shape[-2]))
    words = words.expand(student.shape[:-1])
    return *_real(words.unsqueeze(-1), student, teacher), words


def _attention(student, teacher, mask):
    same_shape(student, teacher, "attention", HEADS)
    pairs = relations.real_pairs(mask, student).expand(student.shape)
    return *_real(pairs, student, teacher), pairs


def _real(counted, student, teacher):
    """Padding may hold anything, NaN included: set to 0 it has no value and no gradient; nor has the teacher."""
    return (torch.where(counted, full(x), 0) for x in (student, teacher.detach()))


def _mean(values, counted):
    return torch.where(counted, values, 0).sum() / counted.sum().clamp(min=1)

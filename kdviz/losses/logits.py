"""Losses on the classifier's output.

One convention for "the KD loss" everywhere: ``τ² · KL(σ(z_T/τ) ‖ σ(z_S/τ))``, summed over classes, mean over the
rows (Hinton, Vinyals, Dean 2015). The factor τ² keeps the size of the gradient when τ grows.

Logits are (..., C), classes last; what stands before them are the rows. Every loss takes ``reduction="mean"`` (a
scalar) or ``"none"`` (one value a row). A class that is impossible on both sides (logit -inf) adds nothing, as in the
limit; one that a single side excludes makes a loss infinite, which is an error that names the side.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.losses._checks import apart, full, one_of, positive, same_shape

UNLABELLED = -100  # the label of a row that has none, everywhere in kdviz


def cross_entropy(logits, labels, *, reduction="mean"):
    """CE with the labels. logits (B, C), labels (B,); label -100 means unlabelled: left out and not counted.

    0 when no row has a label. Raises ValueError for a label outside 0 … C-1 (both are named), or of an excluded class.
    """
    logits = full(logits, "logits")
    if logits.ndim != 2 or len(labels) != len(logits):
        raise ValueError(f"{len(labels)} labels for logits of shape {tuple(logits.shape)}: pass (B,) for (B, C)")
    known = labels != UNLABELLED
    wrong = known & ((labels < 0) | (labels >= logits.shape[-1]))
    if wrong.any():
        fix = f"labels run from 0 to {logits.shape[-1] - 1}, or are {UNLABELLED} for unlabelled rows"
        raise ValueError(f"label {labels[wrong][0].item()} but {logits.shape[-1]} classes: {fix}")
    rows = F.cross_entropy(logits, labels, reduction="none", ignore_index=UNLABELLED)
    if rows.isposinf().any():
        row = rows.isposinf().nonzero()[0].item()
        raise ValueError(f"the student excludes class {labels[row].item()} of row {row}, its label: mask other classes")
    return _reduce(rows, reduction, known)


def soft_kl(student_logits, teacher_logits, temperature=1.0, mask=None, *, reduction="mean"):
    """τ² · KL(σ(z_T/τ) ‖ σ(z_S/τ)) over the last axis. Hinton et al. 2015.

    Parameters
    ----------
    student_logits, teacher_logits : (..., C); the teacher receives no gradient
    temperature : τ
    mask : (..., C), true for the classes that a row has; or (...), true for the rows that count. None: all
    reduction : "mean" over the rows that count and have a class, or "none": (...), 0 for other rows

    Raises
    ------
    ValueError : shapes disagree; the student excludes what the teacher allows; the teacher's logits are NaN or +inf.
    """
    student, teacher, counted = _both(student_logits, teacher_logits, temperature, mask)
    log_s, log_t = student.log_softmax(-1), teacher.log_softmax(-1)
    p = log_t.exp()
    terms = torch.where(p == 0, 0, p * (log_t - log_s))
    return _reduce(temperature**2 * _per_row(terms.sum(-1), terms, student, teacher), reduction, counted)


def soft_cross_entropy(student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
    """-Σ_c σ(z_T/τ)_c log σ(z_S/τ)_c, without τ² (TinyBERT uses it at τ=1). Both (..., C)."""
    student, teacher, _ = _both(student_logits, teacher_logits, temperature)
    p = teacher.softmax(-1)
    terms = torch.where(p == 0, 0, p * student.log_softmax(-1))
    return _reduce(-_per_row(terms.sum(-1), terms, student, teacher), reduction)


def mse(student_logits, teacher_logits, *, reduction="mean"):
    """Mean over classes of (z_S - z_T)². Both (..., C). Ba and Caruana 2014; Annealing-KD passes Φ·z_T."""
    student, teacher, _ = _both(student_logits, teacher_logits)
    terms = apart(student, teacher).square()
    return _reduce(_per_row(terms.mean(-1), terms, student, teacher), reduction)


def _both(student, teacher, temperature=1.0, mask=None):
    """Both over τ, and which rows count (None: all). What the mask leaves out has no value and no gradient."""
    same_shape(student, teacher, "logits", "both models must answer about the same rows and classes")
    positive(temperature)
    student, teacher = full(student, "student logits"), full(teacher.detach(), "teacher logits")
    if mask is None:
        return student / temperature, teacher / temperature, None
    classes = mask.ndim == student.ndim
    try:
        mask = mask.bool().expand(student.shape if classes else student.shape[:-1])
    except RuntimeError as error:
        fix = "one entry a class, or one a row"
        raise ValueError(f"mask {tuple(mask.shape)} does not fit logits {tuple(student.shape)}: {fix}") from error
    counted = mask.any(-1) if classes else mask
    if classes:
        student, teacher = (torch.where(mask, x, -torch.inf) for x in (student, teacher))
    student, teacher = (torch.where(counted.unsqueeze(-1), x, 0) / temperature for x in (student, teacher))
    return student, teacher, counted


def _per_row(rows, terms, student, teacher):
    """The rows, or a ValueError that says which side makes them infinite, or what is wrong with the teacher."""
    if torch.isfinite(rows).all():
        return rows
    for place in (terms.isinf() & (student.isneginf() | teacher.isneginf())).nonzero()[:1].tolist():
        side, other = ("student", "teacher") if student[tuple(place)].isneginf() else ("teacher", "student")
        what = f"the {side} excludes class {place[-1]} of row {place[:-1]} (logit -inf), the {other} does not"
        raise ValueError(f"{what}: the loss is infinite; exclude a class on both sides or on neither")
    bad = int((teacher.isnan() | teacher.isposinf()).sum())
    if bad:
        raise ValueError(f"{bad} of the teacher's logits are NaN or infinite: look at its weights and inputs")
    return rows  # the student's own NaN is the training loop's to report: it knows step and learning rate


def _reduce(rows, reduction, counted=None):
    one_of("reduction", reduction, ("mean", "none"))
    if reduction == "none":
        return rows
    return rows.sum() / (rows.numel() if counted is None else counted.sum().clamp(min=1))

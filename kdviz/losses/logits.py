"""Losses on the classifier's output.

One convention for "the KD loss" everywhere: ``τ² · KL(σ(z_T/τ) ‖ σ(z_S/τ))``, summed over classes, mean over the
batch (Hinton, Vinyals, Dean 2015). The factor τ² keeps the size of the gradient when τ grows.

Every loss takes ``reduction="mean"`` (a scalar) or ``"none"`` (one value a row, (B,)).
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.losses._checks import one_of, same_shape

UNLABELLED = -100  # the label of a row that has none, everywhere in kdviz


def cross_entropy(logits, labels, *, reduction="mean"):
    """CE with the labels. logits (B, C), labels (B,); label -100 means unlabelled: left out and not counted.

    0 when no row has a label. Raises ValueError for a label outside 0 … C-1 (both are named).
    """
    logits = _float(logits)
    if len(labels) != len(logits):
        raise ValueError(f"{len(labels)} labels for {len(logits)} rows of logits: pass one label a row")
    known = labels != UNLABELLED
    wrong = known & ((labels < 0) | (labels >= logits.shape[-1]))
    if wrong.any():
        raise ValueError(
            f"label {labels[wrong][0].item()} but {logits.shape[-1]} classes: labels run from 0 to "
            f"{logits.shape[-1] - 1}, or are {UNLABELLED} for unlabelled rows"
        )
    rows = F.cross_entropy(logits, labels, reduction="none", ignore_index=UNLABELLED)
    return _reduce(rows, reduction, known.sum())


def soft_kl(student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
    """τ² · KL(σ(z_T/τ) ‖ σ(z_S/τ)). Hinton et al. 2015. Both (B, C); the teacher receives no gradient."""
    student, teacher = _both(student_logits, teacher_logits, temperature)
    log_s, log_t = (student / temperature).log_softmax(-1), (teacher / temperature).log_softmax(-1)
    return _reduce(temperature**2 * (log_t.exp() * (log_t - log_s)).sum(-1), reduction)


def soft_cross_entropy(student_logits, teacher_logits, temperature=1.0, *, reduction="mean"):
    """-Σ_c σ(z_T/τ)_c log σ(z_S/τ)_c, without τ² (TinyBERT uses it at τ=1). Both (B, C)."""
    student, teacher = _both(student_logits, teacher_logits, temperature)
    return _reduce(-((teacher / temperature).softmax(-1) * (student / temperature).log_softmax(-1)).sum(-1), reduction)


def mse(student_logits, teacher_logits, *, reduction="mean"):
    """Mean over classes of (z_S - z_T)². Both (B, C). Ba and Caruana 2014; Annealing-KD passes Φ·z_T."""
    student, teacher = _both(student_logits, teacher_logits, 1.0)
    return _reduce((student - teacher).square().mean(-1), reduction)


def _float(logits):
    if logits.ndim != 2 or not logits.is_floating_point():
        raise ValueError(f"logits are floating point (B, C), got {logits.dtype} of shape {tuple(logits.shape)}")
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _both(student, teacher, temperature):
    same_shape(student, teacher, "logits", "both models must answer about the same rows and classes")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    return _float(student), _float(teacher).detach()


def _reduce(rows, reduction, count=None):
    one_of("reduction", reduction, ("mean", "none"))
    if reduction == "none":
        return rows
    return rows.sum() / (len(rows) if count is None else count.clamp(min=1))

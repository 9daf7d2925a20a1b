"""Losses between a language model and its teacher, over the vocabulary at every position.

p is the teacher σ(z_T/τ), q the student σ(z_S/τ). Every loss takes logits (B, n, V) of both and a mask (B, n), true for
the positions that count (a completion, not its prompt), and gives τ² times the mean over those positions (see
`losses.logits` for τ²); 0 when none counts. The teacher receives no gradient. Float32 inside, or float64 when the
student is; half precision is raised a few positions at a time, so that a large vocabulary costs one gradient and little
else.

    forward_kl       KL(p ‖ q)                             covers all that the teacher does
    reverse_kl       KL(q ‖ p)                             avoids what the teacher does not do
    generalized_jsd  between the two, by β                 GKD
    skew_kl          KL(p ‖ αp + (1-α)q), and its reverse  DistiLLM
    total_variation  ½ Σ|p - q|                            1 - the rate at which a draft's words are accepted
    uld              Σ|sort(p) - sort(q)|                  other vocabularies
    sparse_kl        KL(p ‖ q) from a few stored entries of p

A word that is impossible on both sides (logit -inf) adds nothing. Where a single side excludes a word that the other
allows and the loss is infinite, an error says which.

>>> student, teacher = torch.randn(2, 5, 100, requires_grad=True), torch.randn(2, 5, 100)
>>> generalized_jsd(student, teacher, torch.ones(2, 5), beta=0.5).backward()
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from kdviz.losses._checks import one_of, positive, same_shape

__all__ = [
    "forward_kl",
    "generalized_jsd",
    "reverse_kl",
    "skew_kl",
    "skew_reverse_kl",
    "sparse_kl",
    "total_variation",
    "uld",
]

AT_ONCE = 2**19  # logits worked on at a time: 2 MB in float32, near what a processor keeps at hand
NEVER = -1e30  # stands for a logit of -inf; 0 · NEVER is 0, where 0 · -inf is NaN


def forward_kl(student_logits, teacher_logits, mask=None, *, temperature=1.0):
    """KL(p ‖ q), summed over the vocabulary: what `logits.soft_kl` is, position by position. Hinton et al. 2015.

    Shapes, mask and errors are the module's. A word that only the student excludes makes it infinite: ValueError.
    """
    return _dense(lambda log_q, log_p: _kl(log_p, log_q), student_logits, teacher_logits, mask, temperature)


def reverse_kl(student_logits, teacher_logits, mask=None, *, temperature=1.0):
    """KL(q ‖ p): the student pays for what the teacher would not say. Gu et al. 2024 (MiniLLM), here word by word.

    Shapes, mask and errors are the module's. A word that only the teacher excludes makes it infinite: ValueError.
    """
    return _dense(_kl, student_logits, teacher_logits, mask, temperature)


def generalized_jsd(student_logits, teacher_logits, mask=None, *, beta, temperature=1.0):
    """β KL(p ‖ m) + (1-β) KL(q ‖ m) with m = βp + (1-β)q. Agarwal et al. 2024 (GKD), Eq. 1.

    β=0 is KL(p ‖ q) and β=1 is KL(q ‖ p), by definition: the formula itself goes to 0 there, as β KL(p ‖ q) when β is
    small and as (1-β) KL(q ‖ p) near 1. So the loss is small beside either end, and a learning rate that suits β=0.01
    is too large for β=0.

    Shapes, mask and errors are the module's. Raises ValueError when β is not within 0 … 1.
    """
    _share("beta", beta)
    if beta in (0, 1):
        return (reverse_kl if beta else forward_kl)(student_logits, teacher_logits, mask, temperature=temperature)

    def rows(log_q, log_p):
        log_m = _mixture(log_p, log_q, beta)
        return beta * _kl(log_p, log_m) + (1 - beta) * _kl(log_q, log_m)

    return _dense(rows, student_logits, teacher_logits, mask, temperature)


def skew_kl(student_logits, teacher_logits, mask=None, *, alpha, temperature=1.0):
    """KL(p ‖ αp + (1-α)q): forward KL that is at most -log α. Ko et al. 2024 (DistiLLM, α=0.1); α=0 is forward KL.

    Shapes, mask and errors are the module's. Raises ValueError when α is not within 0 … 1.
    """
    _share("alpha", alpha)
    rows = lambda log_q, log_p: _kl(log_p, _mixture(log_p, log_q, alpha))
    return _dense(rows, student_logits, teacher_logits, mask, temperature)


def skew_reverse_kl(student_logits, teacher_logits, mask=None, *, alpha, temperature=1.0):
    """KL(q ‖ αq + (1-α)p): reverse KL that is at most -log α. Ko et al. 2024 (DistiLLM, α=0.1); α=0 is reverse KL.

    Shapes, mask and errors are the module's. Raises ValueError when α is not within 0 … 1.
    """
    _share("alpha", alpha)
    rows = lambda log_q, log_p: _kl(log_q, _mixture(log_q, log_p, alpha))
    return _dense(rows, student_logits, teacher_logits, mask, temperature)


def total_variation(student_logits, teacher_logits, mask=None, *, temperature=1.0):
    """½ Σ|p - q|, from 0 to 1 at τ=1. Of words drawn from one side, 1 minus it pass the other's check (Σ min(p, q)).

    Shapes, mask and errors are the module's.
    """
    rows = lambda log_q, log_p: (log_p.exp() - log_q.exp()).abs().sum(-1) / 2
    return _dense(rows, student_logits, teacher_logits, mask, temperature)


def uld(student_logits, teacher_logits, mask=None, *, temperature=1.0):
    """Σ|sort(p) - sort(q)|, the shorter padded with zeros. Boizard et al. 2024 (Universal Logit Distillation).

    The vocabularies may differ in size and in words: (B, n, V_S) and (B, n, V_T). Which word has which probability is
    not looked at. Raises ValueError when the positions differ; the rest is the module's.
    """
    if student_logits.shape[:-1] != teacher_logits.shape[:-1]:
        raise ValueError(
            f"student logits {tuple(student_logits.shape)} and teacher {tuple(teacher_logits.shape)} are at other "
            "positions: cut both texts to the same number of words"
        )
    size = max(student_logits.shape[-1], teacher_logits.shape[-1])

    def rows(log_q, log_p):
        p, q = (F.pad(x.exp().sort(descending=True).values, (0, size - x.shape[-1])) for x in (log_p, log_q))
        return (p - q).abs().sum(-1)

    return _logs(rows, student_logits, teacher_logits, mask, temperature)


def sparse_kl(student_logits, ids, log_probs, mask=None, *, tail="bucket", weights=None, temperature=1.0):
    """KL(p ‖ q) from k stored entries of the teacher at every position.

    Parameters
    ----------
    student_logits : (B, n, V)
    ids : (B, n, k) integers, the words whose entries are stored
    log_probs : (B, n, k), their log p = z_T/τ - logsumexp(z_T/τ) over *all* words: at the temperature given here
    mask : (B, n), true for the positions that count
    tail : what becomes of the words that are not stored.
        "renormalise": the k entries are divided by their sum. The student learns that no other word exists.
        "bucket": one more entry holds the rest of the mass, on both sides. Within it the student is free.
        "sampled": ids were drawn with replacement, and Σ w (log p - log q) estimates KL(p ‖ q) without bias.
    weights : (B, n, k) for "sampled": p / (k · the probability with which the word was drawn). None: drawn from p

    Returns
    -------
    τ² times the mean over the positions that count. "bucket" is never more than the full KL; "sampled" may be negative.

    Raises
    ------
    ValueError : shapes disagree, an id is outside the vocabulary, `tail` is unknown, or weights come with another tail.
    """
    one_of("tail", tail, ("renormalise", "bucket", "sampled"))
    if weights is not None and tail != "sampled":
        raise ValueError(f'weights belong to tail="sampled", got tail={tail!r}: leave them out, or change the tail')
    if ids.shape[:-1] != student_logits.shape[:-1]:
        fix = "k entries at every position of the student"
        raise ValueError(f"ids {tuple(ids.shape)} do not fit logits {tuple(student_logits.shape)}: {fix}")
    vocabulary, k = student_logits.shape[-1], ids.shape[-1]
    for name, x in {"log_probs": log_probs, "weights": weights}.items():
        if x is not None and x.shape != ids.shape:
            raise ValueError(f"{name} {tuple(x.shape)} and ids {tuple(ids.shape)} differ: one entry each")
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < vocabulary:
        low, high = int(ids.min()), int(ids.max())
        raise ValueError(f"ids run from {low} to {high}, the student has {vocabulary} words: use its own vocabulary")
    if weights is None:
        weights = torch.full_like(log_probs, 1 / k, dtype=torch.promote_types(log_probs.dtype, torch.float32))

    def rows(z, log_p, ids, weight):
        log_p, kept = _possible(log_p), z.gather(-1, ids)
        if tail != "bucket":
            log_q = kept - z.logsumexp(-1, keepdim=True)
            return (weight * (log_p - log_q)).sum(-1) if tail == "sampled" else _kl(log_p.log_softmax(-1), log_q)
        if k == vocabulary:  # nothing is left; what rounding leaves of the mass must not meet log 0
            return _kl(log_p, kept.log_softmax(-1))
        others = z.scatter(-1, ids, NEVER).logsumexp(-1)
        total = torch.logaddexp(kept.logsumexp(-1), others)
        rest = (1 - log_p.exp().sum(-1)).clamp(min=0)
        return _kl(log_p, kept - total.unsqueeze(-1)) + torch.xlogy(rest, rest) - rest * (others - total)

    return _mean(rows, student_logits, (log_probs, ids.long(), weights), mask, temperature)


def _kl(log_a, log_b):
    """KL(a ‖ b) of distributions given as logarithms: (R, V) -> (R,)."""
    return (log_a.exp() * (log_a - log_b)).sum(-1)


def _mixture(log_a, log_b, share):
    """log(share · a + (1-share) · b)."""
    if share in (0, 1):
        return log_a if share else log_b
    return torch.logaddexp(log_a + math.log(share), log_b + math.log1p(-share))


def _share(name, value):
    if not 0 <= value <= 1:
        raise ValueError(f"{name}={value} is a share, from 0 to 1")


def _dense(rows, student, teacher, mask, temperature):
    """The mean of rows(log q, log p) for two models of one vocabulary."""
    same_shape(student, teacher, "logits", "both models must answer about the same positions and words")
    return _logs(rows, student, teacher, mask, temperature)


def _logs(rows, student, teacher, mask, temperature):
    """The mean of rows(log q, log p): (R, V_S), (R, V_T) -> (R,)."""

    def both(z, other):
        return rows(z.log_softmax(-1), _possible(other / temperature).log_softmax(-1))

    return _mean(both, student, (teacher,), mask, temperature)


def _mean(rows, student, teacher, mask, temperature):
    """τ² times the mean of rows(student logits / τ, *teacher) over the positions that count.

    student (B, n, V) and teacher tensors (B, n, ·), logits or log-probabilities first; `rows` gets some positions of
    each and gives one value a position. Raises ValueError when the mask does not fit, when the mean is infinite, and
    when the teacher brings NaN.
    """
    positive(temperature)
    if not student.is_floating_point():
        raise ValueError(f"student logits must be floating point, not {student.dtype}: use .float()")
    if mask is not None and mask.shape != student.shape[:-1]:
        raise ValueError(f"mask {tuple(mask.shape)} does not fit logits {tuple(student.shape)}: one entry a position")
    places = None if mask is None else mask.reshape(-1).nonzero().squeeze(-1).to(student.device)
    flat = [x.reshape(-1, x.shape[-1]) for x in (student, *(x.detach() for x in teacher))]
    scaled = lambda z, *others: rows(_possible(z / temperature), *others)
    wanted = student.requires_grad and torch.is_grad_enabled()
    total = _Summed.apply(flat[0], wanted, scaled, places, *flat[1:])
    count = len(flat[0]) if places is None else len(places)
    mean = temperature**2 * total / max(count, 1)
    if not mean < -NEVER / 1e10:  # NaN too
        _explain(mean, flat[0].detach(), flat[1], places)
    return mean


class _Summed(torch.autograd.Function):
    """Sum over positions, a few at a time; the gradient is taken in the same pass and is all that is kept."""

    @staticmethod
    def forward(ctx, student, wanted, rows, places, *teacher):
        working = torch.promote_types(student.dtype, torch.float32)
        total, grad = student.new_zeros((), dtype=working), torch.zeros_like(student) if wanted else None
        count = len(student) if places is None else len(places)
        step = max(AT_ONCE // max(student.shape[-1], 1), 1)
        for start in range(0, count, step):
            part = slice(start, start + step) if places is None else places[start : start + step]
            with torch.set_grad_enabled(wanted):
                z = student[part].detach().to(working).requires_grad_(wanted)
                value = rows(z, *(_like(x[part], z) for x in teacher)).sum()
            if wanted:
                grad[part] = torch.autograd.grad(value, z)[0].to(grad.dtype)
            total += value.detach()
        ctx.save_for_backward(grad)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        (grad,) = ctx.saved_tensors
        return grad * upstream.to(grad.dtype), *[None] * (len(ctx.needs_input_grad) - 1)


def _like(x, z):
    """Numbers in the type in which the loss is worked out, ids as they are; on the student's device."""
    return x.to(z) if x.is_floating_point() else x.to(z.device)


def _possible(logits):
    return logits.clamp(min=NEVER)


def _explain(mean, student, teacher, places):
    """ValueError that says which side makes the loss infinite, or what is wrong with the teacher."""
    student, teacher = (x if places is None else x[places] for x in (student, teacher))
    if bad := int((teacher.isnan() | teacher.isposinf()).sum()):
        raise ValueError(f"{bad} of the teacher's logits are NaN or infinite: look at its weights and inputs")
    if not mean.isnan():
        excluded = [int(x.isneginf().sum()) for x in (student, teacher)]
        raise ValueError(
            f"the loss is infinite: logits of -inf exclude {excluded[0]} words of the student and {excluded[1]} of the "
            "teacher, not the same ones; exclude a word on both sides or on neither"
        )  # the student's own NaN is the training loop's to report: it knows step and learning rate

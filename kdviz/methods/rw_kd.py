"""RW-KD: what share the teacher has in each sample's loss (Lu et al., Findings of EMNLP 2021).

Read second-hand: two independent re-implementations agree on the algorithm below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from kdviz.methods.base import Method

SPLITS = ("train", "dev")
TERMS = ("labels", "logits")


@dataclass
class RWKD(Method):
    """(1-λ_i)·CE_i + λ_i·τ²·KL_i: every row has its own λ, the one that would have helped a held-out batch most.

    Give each row and term a weight ε = 0, take one look-ahead step along Σ ε·ℓ, and ask how the loss J of another
    labelled batch would change: u = max(-∂J/∂ε, δ), λ_i = u_i^KD / (u_i^CE + u_i^KD). At ε = 0 that derivative is the
    inner product of two gradients, -∂J/∂ε_i = η·⟨∇J, ∇ℓ_i⟩, so one backward pass for ∇J and one forward-mode
    derivative of the per-row losses along it give every u: no look-ahead step, no second-order graph [ours].
    J is the cross-entropy; η = 1, since it only scales δ [ours]; weights are found with dropout off [ours].

    temperature : τ
    meta        : where the held-out batch is drawn from: "train", or "dev", whose labels are then training data as well
    meta_size   : its rows; more are less noisy and cost more. A step costs about 2 + meta_size / batch size KD steps:
                  the default stays below 2.2 for batches of 32 or more
    floor       : δ > 0; a row that neither term helps gets λ = ½
    rows        : "all" lets the teacher label what has no label: there λ = 1
    """

    temperature: float = 4.0
    meta: str = "train"
    meta_size: int = 6
    floor: float = 1e-8
    rows: str = "all"
    needs = frozenset({"logits"})
    any_kind = True

    def __post_init__(self):
        for name in ("temperature", "meta_size", "floor"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)}: must be positive")
        if self.meta not in SPLITS:
            raise ValueError(f"meta={self.meta!r}: choose among {', '.join(SPLITS)}; a test split is for the end")

    def loss(self, student, teacher, batch, ctx):
        return {
            "labels": ctx.kind.hard(student["logits"], batch.labels, reduction="none"),
            "logits": ctx.kind.soft(student["logits"], teacher["logits"], self.temperature, reduction="none"),
        }

    def serves(self, kind):
        return super().serves(kind) and not kind.writes

    def weights(self, losses, ctx):
        batch, meta = ctx.batch, ctx.sample(self.meta, self.meta_size)
        share = torch.ones(len(batch.index), device=batch.labels.device)
        labelled = ctx.kind.known(batch.labels)
        if labelled.any():  # the others' share is known
            share[labelled] = self._shares(batch if labelled.all() else ctx.rows(batch.index[labelled]), meta, ctx)
        ctx.record("teacher_share", torch.stack([batch.index.to(share), share]))
        ctx.log(teacher_share=share.mean())
        return {"labels": 1 - share, "logits": share}

    def _shares(self, batch, meta, ctx):
        teacher = ctx.teacher_fields(batch, self.needs)

        def meta_loss(answer):
            return ctx.kind.hard(answer(meta), meta.labels)

        def row_losses(answer):
            terms = self.loss({"logits": answer(batch)}, teacher, batch, ctx)
            return tuple(terms[name] for name in TERMS)

        was_training = ctx.student.training
        ctx.student.eval()
        useful = gains(ctx.student, meta_loss, row_losses)
        ctx.student.train(was_training)
        return teacher_share(*useful, self.floor)


def gains(student, meta_loss: Callable, row_losses: Callable) -> tuple[Tensor, ...]:
    """⟨∇J, ∇ℓ_i⟩ for every row i of every loss in `row_losses`: by how much a small step on ℓ_i alone lowers J.

    student    : the model, in eval mode; its weights are left as they are
    meta_loss  : answer -> J (a scalar), where answer(batch) are the student's logits
    row_losses : answer -> tuple of (B,) losses
    One backward pass for ∇J, then one forward-mode derivative along it.
    """
    weights = {name: weight for name, weight in student.named_parameters() if weight.requires_grad}

    def answer_with(values):
        read = lambda *inputs: functional_call(student, values, inputs).logits
        return lambda batch: read(batch.input_ids, batch.attention_mask, batch.token_type_ids)

    slopes = torch.autograd.grad(meta_loss(answer_with({})), list(weights.values()), allow_unused=True)
    moved = [(name, weight, slope) for (name, weight), slope in zip(weights.items(), slopes) if slope is not None]
    # Fused attention has no forward-mode derivative; with torch's other rules a step takes 1.8 to 1.9 KD steps.
    with torch.no_grad(), forward_ad.dual_level(), sdpa_kernel(SDPBackend.MATH):
        moving = {name: forward_ad.make_dual(weight, slope) for name, weight, slope in moved}
        return tuple(forward_ad.unpack_dual(losses).tangent for losses in row_losses(answer_with(moving)))


def teacher_share(label_gain: Tensor, teacher_gain: Tensor, floor: float) -> Tensor:
    """λ = u^KD / (u^CE + u^KD) with u = max(gain, δ): (B,), (B,) -> (B,) in (0, 1)."""
    label_gain, teacher_gain = label_gain.clamp(min=floor), teacher_gain.clamp(min=floor)
    return teacher_gain / (label_gain + teacher_gain)

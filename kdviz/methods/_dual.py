"""Forward-mode derivatives of a transformer's large parts, written out: torch's own rules take more passes over memory."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode


class DualMode(TorchFunctionMode):
    """Within `forward_ad.dual_level()` and `torch.no_grad()`: linear layers, layer norm and attention by the rules below.

    Anything else, and attention that is causal or has dropout, goes by torch's rules; its fused attention kernels know
    no forward-mode derivative, so that they are switched off.
    """

    def __enter__(self):
        self._kernel = sdpa_kernel(SDPBackend.MATH)
        self._kernel.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self._kernel.__exit__(*error)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is F.scaled_dot_product_attention and (kwargs.get("dropout_p") or kwargs.get("is_causal")):
            return function(*args, **kwargs)
        return RULES.get(function, function)(*args, **kwargs)


def _parts(x: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Value and tangent; a tangent of zeros for what stands still."""
    if x is None:
        return None, None
    value, tangent = forward_ad.unpack_dual(x)
    return value, torch.zeros_like(value) if tangent is None else tangent


def linear(x, weight, bias=None):
    """(x·Wᵀ + b)˙ = ẋ·Wᵀ + ḃ + x·Ẇᵀ, the last product added in place."""
    (x, dx), (w, dw), (b, db) = map(_parts, (x, weight, bias))
    slope = F.linear(dx, w, db)
    slope.view(-1, len(w)).addmm_(x.reshape(-1, w.shape[1]), dw.T)
    return forward_ad.make_dual(F.linear(x, w, b), slope)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """With x̂ = (x - mean)/σ over the last axis: x̂˙ = (ẋ - mean(ẋ) - x̂·mean(x̂·ẋ))/σ, and y = w·x̂ + b by the product rule."""
    if len(normalized_shape) != 1 or weight is None or bias is None:
        return F.layer_norm(x, normalized_shape, weight, bias, eps)
    (x, dx), (w, dw), (b, db) = map(_parts, (x, weight, bias))
    unit, _, scale = torch.native_layer_norm(x, normalized_shape, None, None, eps)
    slope = (dx - dx.mean(-1, keepdim=True)).addcmul_(unit, (unit * dx).mean(-1, keepdim=True), value=-1).mul_(scale)
    return forward_ad.make_dual(torch.addcmul(b, unit, w), slope.mul_(w).addcmul_(unit, dw).add_(db))


def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, **_):
    """With P = softmax(S), S = QKᵀ/√d: Ṗ = P·(Ṡ - Σ P·Ṡ), and (PV)˙ = ṖV + PV̇."""
    (q, dq), (k, dk), (v, dv) = map(_parts, (query, key, value))
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    q, dq = q * scale, dq * scale
    scores = q @ k.transpose(-1, -2)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    p = scores.softmax(-1)
    slope = (dq @ k.transpose(-1, -2)).add_(q @ dk.transpose(-1, -2)).mul_(p)
    slope.addcmul_(p, slope.sum(-1, keepdim=True), value=-1)
    return forward_ad.make_dual(p @ v, (slope @ v).add_(p @ dv))


RULES = {F.linear: linear, F.layer_norm: layer_norm, F.scaled_dot_product_attention: attention}

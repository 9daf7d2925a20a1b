"""Fields: what a method compares. Computed alike for teacher and student from a model's Outputs."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from kdviz import relations
from kdviz.methods.base import FIELDS, Fields

# what a model must be asked for
WANTS = {"logits": "logits", "attentions": "attentions", "scores": "scores", "qkv": "qkv", "ffn": "ffn"} | dict.fromkeys(
    ("hidden", "cls", "mean", "last", "sentence", "word_gram", "layer_gram"), "hidden"
)
# where the token axes are, in the field of one text (batch axis left out)
TOKEN_AXES = {
    "logits": (), "cls": (), "mean": (), "sentence": (),
    "hidden": (1,), "last": (0,), "ffn": (1,), "qkv": (2,),
    "word_gram": (1, 2), "layer_gram": (0,), "attentions": (2, 3), "scores": (2, 3),
}  # fmt: skip
# of the last layer alone, or of the classifier: the same whichever layers are matched
OF_NO_LAYER = frozenset({"logits", "last", "sentence", "qkv"})


def wanted(needs: Iterable[str]) -> frozenset[str]:
    """The `want` of a forward pass that these fields call for. Raises ValueError for an unknown field."""
    if unknown := sorted(set(needs) - FIELDS):
        raise ValueError(f"no field {', '.join(unknown)}; fields are {', '.join(sorted(FIELDS))}")
    return frozenset(WANTS[field] for field in needs)


def compute(outputs, needs: Iterable[str], layers: tuple[int, ...], mask: Tensor) -> Fields:
    """Fields of a batch, float32. layers: which hidden states are matched, 0 is the embedding. mask: (B, n)."""
    needs = frozenset(needs)
    fields: Fields = {}
    if needs & {"hidden", "cls", "mean", "word_gram", "layer_gram"}:
        hidden = outputs.hidden
        if tuple(layers) != tuple(range(hidden.shape[1])):
            hidden = torch.stack([hidden[:, layer] for layer in layers], 1)
        hidden = hidden.float()
        fields |= {
            "hidden": lambda: hidden,
            "cls": lambda: hidden[:, :, 0],
            "mean": lambda: _mean(hidden, mask),
            "word_gram": lambda: relations.word_gram(hidden),
            "layer_gram": lambda: relations.layer_gram(hidden),
        }
    inner = [layer - 1 for layer in layers if layer > 0]
    fields |= {
        "logits": lambda: outputs.logits.float(),
        "last": lambda: outputs.hidden[:, -1].float(),
        "sentence": lambda: _mean(outputs.hidden[:, -1:].float(), mask)[:, 0],
        "attentions": lambda: outputs.attentions[:, inner].float(),
        "scores": lambda: outputs.scores[:, inner].float(),
        "ffn": lambda: outputs.ffn[:, inner].float(),
        "qkv": lambda: torch.stack([x[:, -1] for x in (outputs.queries, outputs.keys, outputs.values)], 1).float(),
    }
    return {name: fields[name]() for name in sorted(needs)}


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over real tokens. (B, M, n, d), (B, n) -> (B, M, d)."""
    weight = mask.to(hidden.dtype)[:, None, :, None]
    return (hidden * weight).sum(2) / weight.sum(2).clamp(min=1)

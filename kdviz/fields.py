"""Fields: what a method may compare. One table says of each what the model must put out and how it is computed.

Computed alike for teacher and student, float32. M matched layers, the embedding (layer 0) among them unless the method
leaves it out; n tokens, padded:

    logits (B, C)             cls (B, M, d)  first token [1]     sentence (B, d)  mean of the last layer's real tokens
    hidden (B, M, n, d)       mean (B, M, d) mean of real tokens last (B, n, d)   last layer
    word_gram (B, M, n, n)    layer_gram (B, n, M, M)            qkv (B, 3, h, n, d/h)  last layer
    attentions, scores (B, M-1, h, n, n)      ffn (B, M-1, n, d)      the matched layers without the embedding

[1] Of a causal model the last real token, the one that has read the whole text. Of multiple choice B is texts, K a row,
but for the logits, (rows, K).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from kdviz import relations

Fields = dict[str, Any]  # field name -> tensor; "perturbed" -> the Fields of a second pass


@dataclass
class Reading:
    """One forward pass, about to be turned into fields.

    outputs : the model's Outputs   layers : matched hidden states, 0 is the embedding
    mask    : (B, n), 1 for real tokens
    """

    outputs: Any
    layers: tuple[int, ...]
    mask: Tensor

    @cached_property
    def hidden(self) -> Tensor:
        """(B, M, n, d) of the matched layers."""
        hidden = self.outputs.hidden
        if tuple(self.layers) != tuple(range(hidden.shape[1])):
            hidden = torch.stack([hidden[:, layer] for layer in self.layers], 1)
        return hidden.float()

    def inner(self, name: str) -> Tensor:
        """An output of the matched layers without the embedding, which has none."""
        return getattr(self.outputs, name)[:, [layer - 1 for layer in self.layers if layer > 0]].float()

    def mean(self, hidden: Tensor) -> Tensor:
        """Mean over real tokens. (B, M, n, d) -> (B, M, d)."""
        weight = self.mask.to(hidden.dtype)[:, None, :, None]
        return (hidden * weight).sum(2) / weight.sum(2).clamp(min=1)

    def cls(self) -> Tensor:
        """The token that stands for the text: the first, or of a causal model the last real one. -> (B, M, d)."""
        if not getattr(self.outputs, "causal", False):
            return self.hidden[:, :, 0]
        last = self.mask.long().cumsum(1).argmax(1)
        return self.hidden[torch.arange(len(last), device=last.device), :, last]

    def last_qkv(self) -> Tensor:
        parts = self.outputs.queries, self.outputs.keys, self.outputs.values
        return torch.stack([part[:, -1] for part in parts], 1).float()


@dataclass(frozen=True)
class Field:
    """want : what a model must be asked for   axes : where the tokens are in the field of one text (no batch axis)
    layered : whether it depends on which layers are matched   compute : Reading -> tensor
    """

    want: str
    axes: tuple[int, ...]
    layered: bool
    compute: Callable[[Reading], Tensor]


FIELDS = {
    "logits": Field("logits", (), False, lambda r: r.outputs.logits.float()),
    "hidden": Field("hidden", (1,), True, lambda r: r.hidden),
    "cls": Field("hidden", (), True, Reading.cls),
    "mean": Field("hidden", (), True, lambda r: r.mean(r.hidden)),
    "last": Field("hidden", (0,), False, lambda r: r.outputs.hidden[:, -1].float()),
    "sentence": Field("hidden", (), False, lambda r: r.mean(r.outputs.hidden[:, -1:].float())[:, 0]),
    "word_gram": Field("hidden", (1, 2), True, lambda r: relations.word_gram(r.hidden)),
    "layer_gram": Field("hidden", (0,), True, lambda r: relations.layer_gram(r.hidden)),
    "attentions": Field("attentions", (2, 3), True, lambda r: r.inner("attentions")),
    "scores": Field("scores", (2, 3), True, lambda r: r.inner("scores")),
    "ffn": Field("ffn", (1,), True, lambda r: r.inner("ffn")),
    "qkv": Field("qkv", (2,), False, Reading.last_qkv),
}


def check(needs: Iterable[str], who: str) -> None:
    """Raises ValueError when `who` needs a field that there is not."""
    if unknown := sorted(set(needs) - set(FIELDS)):
        raise ValueError(f"{who} needs {', '.join(unknown)}; fields are {', '.join(sorted(FIELDS))}")


def wanted(needs: Iterable[str]) -> frozenset[str]:
    """What a forward pass must put out (`want`) for these fields. Raises ValueError for an unknown field."""
    check(needs, "this pass")
    return frozenset(FIELDS[name].want for name in needs)


def layered(needs: Iterable[str]) -> bool:
    """Whether any of these fields depends on which layers are matched."""
    return any(FIELDS[name].layered for name in needs)


def compute(outputs, needs: Iterable[str], layers: tuple[int, ...], mask: Tensor) -> Fields:
    """These fields of a batch, from a model's Outputs; see `Reading` for the arguments."""
    reading = Reading(outputs, layers, mask)
    return {name: FIELDS[name].compute(reading) for name in sorted(needs)}

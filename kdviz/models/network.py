"""The base class of every network that a `Model` runs, and what its forward pass gives."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

FIELDS = frozenset({"logits", "hidden", "attentions", "scores", "qkv", "ffn"})


@dataclass
class Outputs:
    """What a forward pass was asked for; everything else is None.

    logits     : (B, C), (B, n, 2) of what answers questions, or (B, n, V) of what writes
    hidden     : (B, L+1, n, d); index 0 is the embedding output
    attentions : (B, L, h, n, n) rows sum to 1, padded columns are 0, before attention dropout
    scores     : (B, L, h, n, n) QKᵀ/√(d/h), before any mask and before the softmax
    queries, keys, values : (B, L, h, n, d/h)
    ffn        : (B, L, n, d) output of the second feed-forward matrix, before residual and LayerNorm
    causal     : whether a word sees no later one, so that the last has read them all
    """

    logits: Tensor | None = None
    hidden: Tensor | None = None
    attentions: Tensor | None = None
    scores: Tensor | None = None
    queries: Tensor | None = None
    keys: Tensor | None = None
    values: Tensor | None = None
    ffn: Tensor | None = None
    causal: bool = False


@contextmanager
def seeded(seed: int):
    """Draws inside follow from the seed alone; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


class Module(nn.Module):
    """nn.Module whose properties say what went wrong in them."""

    def __getattr__(self, name: str):
        if hasattr(type(self), name):  # a property raised AttributeError: nn.Module would call the property missing
            return object.__getattribute__(self, name)
        return super().__getattr__(name)


def laid_out(encoder) -> bool:
    """Whether `device_map` laid a transformers model over several places; accelerate then moves what it reads."""
    return len(set(getattr(encoder, "hf_device_map", {}).values())) > 1


class Network(Module):
    """Layers that read ids. What a subclass has beside forward and settings:

    kind, description  : its key in `kdviz.models.model.NETWORKS`; what it is, for readers
    layers, width, heads : L, d and h (None without attention)
    fields, max_length : what `want` may name; the longest input in tokens
    causal             : whether a word sees no later one
    writes             : whether its logits are of the next token, at each position
    embedding          : the word table, an nn.Embedding or what has its `weight`
    """

    causal: bool = False
    writes: bool = False

    def forward(self, input_ids, attention_mask, token_type_ids, vectors, want) -> Outputs:
        """ids, mask and types (B, n); vectors (B, n, d) of words in place of ids, or None; want: names of `fields`."""
        raise NotImplementedError

    def settings(self) -> dict:
        """JSON-ready description from which `from_settings` builds the same architecture."""
        raise NotImplementedError

    @classmethod
    def from_settings(cls, settings: dict, seed: int = 0):
        """A freshly initialised network; the global random state is left as it was."""
        with seeded(seed):
            return cls(**settings)

"""What a model made of a few texts: the one object that figures, explorers and lessons pass around."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class States:
    """Hidden states, and what else was asked for, of one model on B texts.

    name, role : display name; ``"teacher"``, ``"student"`` or ``"model"`` (fixes the colour in every figure)
    texts      : the B texts as they were typed
    tokens     : per text its real tokens, special tokens included, no padding
    mask       : (B, n) bool, True for real tokens
    hidden     : (B, L+1, n, d) float32; index 0 is the embedding output
    attentions : (B, L, heads, n, n) or None when they were not asked for
    logits     : (B, C) or None when the model has no classifier
    labels     : the C class names
    notes      : what a reader must know, such as a text that was cut
    """

    name: str
    role: str
    texts: tuple[str, ...]
    tokens: tuple[tuple[str, ...], ...]
    mask: torch.Tensor
    hidden: torch.Tensor
    attentions: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def layers(self) -> int:
        """Number of transformer layers L; ``hidden`` has one entry more, the embedding output."""
        return self.hidden.shape[1] - 1

    def sentence(self, index: int = 0) -> States:
        """The States of one text alone, padding removed."""
        if not -len(self.texts) <= index < len(self.texts):
            raise IndexError(f"sentence {index} of {len(self.texts)}: choose 0 to {len(self.texts) - 1}")
        index %= len(self.texts)
        n = len(self.tokens[index])
        one = slice(index, index + 1)
        return replace(
            self,
            texts=self.texts[one],
            tokens=self.tokens[one],
            mask=self.mask[one, :n],
            hidden=self.hidden[one, :, :n],
            attentions=None if self.attentions is None else self.attentions[one, ..., :n, :n],
            logits=None if self.logits is None else self.logits[one],
        )

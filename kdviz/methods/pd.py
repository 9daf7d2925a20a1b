"""Pre-trained distillation: a small student reads first, is taught afterwards. Turc et al., 2019."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from kdviz.methods.base import Method, Phase, stages

HIDDEN_SHARE, MASKED, RANDOM = 0.15, 0.8, 0.1  # of the tokens; of those: shown as [MASK], as any token, else as it is


class MaskedWords(nn.Module):
    """BERT's masked-word head: (k, d) -> (k, V) over the student's own vocabulary, tied to its embedding."""

    def __init__(self, width: int, words: int):
        super().__init__()
        self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(words))

    def forward(self, hidden, embedding):
        return self.norm(F.gelu(self.dense(hidden))) @ embedding.T + self.bias


@dataclass
class PD(Method):
    """Masked words on all text, no teacher; then the teacher's soft labels on the transfer text.

    reading_epochs : of the first phase, None for half of the epochs
    rows           : of the second, "unlabelled" as in the paper, or "all". Labels are not used.
    """

    reading_epochs: int | None = None
    temperature: float = 1.0
    rows: str = "unlabelled"
    needs = frozenset({"logits"})
    any_kind = True

    def serves(self, kind):
        return super().serves(kind) and not kind.writes  # a masked word is guessed from what follows, too

    def phases(self, epochs):
        first = max(1, epochs // 2) if self.reading_epochs is None else self.reading_epochs
        return stages("reading", first, epochs, frozenset(), lambda left: Phase("soft labels", left, rows=self.rows))

    def setup(self, ctx):
        words = ctx.student.network.embedding.weight.shape[0]
        self._head = ctx.add_module("masked words", MaskedWords(ctx.student.width, words))

    def loss(self, student, teacher, batch, ctx):
        if ctx.at.phase != "reading":
            return {"logits": ctx.kind.soft(student["logits"], teacher["logits"], self.temperature)}
        model = ctx.student
        shown, hidden = mask_words(batch, model.tokenizer)
        last = ctx.student_fields(batch, frozenset({"last"}), input_ids=shown)["last"]
        guesses = self._head(last[hidden], model.network.embedding.weight)
        truth = batch.input_ids[hidden]
        return {"masked words": F.cross_entropy(guesses, truth if model.rows is None else model.rows[truth])}


def mask_words(batch, tokenizer):
    """(ids to show (B, n), which were hidden (B, n) bool): never special tokens or padding, one a batch at least."""
    ids = batch.input_ids
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids, device=ids.device)) | (batch.attention_mask == 0)
    chance = torch.rand(ids.shape, device=ids.device).masked_fill(special, 2)
    hidden = chance < HIDDEN_SHARE
    hidden |= chance == chance.min()
    how = torch.rand(ids.shape, device=ids.device)
    shown = torch.where(hidden & (how < MASKED), tokenizer.mask_token_id, ids)
    others = ids[~special]
    swap = hidden & (how >= MASKED) & (how < MASKED + RANDOM)
    picked = others[torch.randint(len(others), ids.shape, device=ids.device)]
    return torch.where(swap, picked, shown), hidden

"""What writes words into the masked places of a text: by chance, or a network that can be trained to (MATE-KD)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdviz.models.tokenizers import ids_of


class Writer(nn.Module):
    """For every masked place of a text, scores over the words it may write. All the same here: words by chance.

    allowed : (V,) bool, tokenizer ids that may be written: no special token, and nothing the student cannot read
    """

    def __init__(self, allowed: Tensor):
        super().__init__()
        self.register_buffer("allowed", allowed)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor, places: Tensor, words: Tensor) -> Tensor:
        """(B, n), m of them places -> scores (m, K) of the K words, very low where a word must not be written."""
        scores = self.scores(ids, mask, types, places, words)
        return scores.masked_fill(~self.allowed[words], torch.finfo(scores.dtype).min / 4)

    def scores(self, ids, mask, types, places, words) -> Tensor:
        return torch.zeros(int(places.sum()), len(words), device=ids.device)


class Generator(Writer):
    """A masked-word model made of a copy of `model`, whose own word table scores the words [ours].

    Scores are √d times the cosine of state and word vector, so that they differ by about 1 whatever network it is. With
    inner products a new network writes one word everywhere, from the start and for good: no gradient comes back.
    """

    def __init__(self, model, allowed: Tensor):
        super().__init__(allowed & readable(model))
        self.body = copy.deepcopy(model, {id(model.tokenizer): model.tokenizer}).requires_grad_(True)

    def scores(self, ids, mask, types, places, words):
        hidden = self.body(ids, mask, types, want={"hidden"}).hidden[:, -1][places]
        table = self.body.network.embedding.weight[words if self.body.rows is None else self.body.rows[words]]
        return hidden.shape[-1] ** 0.5 * F.normalize(hidden, dim=-1) @ F.normalize(table, dim=-1).T


class MaskedWordGenerator(Writer):
    """A copy of a `kdviz.models.masked_words.MaskedWords`, which writes the words that its head knows."""

    def __init__(self, model, allowed: Tensor):
        row = torch.full(allowed.shape, -1)
        row[model.words] = torch.arange(len(model.words))
        super().__init__(allowed & (row >= 0))
        self.register_buffer("row", row)
        self.body = copy.deepcopy(model, {id(model.tokenizer): model.tokenizer}).requires_grad_(True)

    def scores(self, ids, mask, types, places, words):
        return self.body(ids, mask, places)[:, self.row[words]]  # -1 is a word that must not be written


def readable(model) -> Tensor:
    """(V,) bool on the CPU: the words that the model has a vector of its own for, special tokens left out."""
    ids = torch.arange(ids_of(model.tokenizer), device=model.device)
    known = torch.isin(ids, ids.new_tensor(list(model.tokenizer.get_vocab().values()))) & ~model.unseen(ids)
    known = known.cpu()
    known[list(model.tokenizer.all_special_ids)] = False
    return known

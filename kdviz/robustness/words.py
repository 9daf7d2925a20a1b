"""What an attack may write in the place of a word, and who vouches that the label stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional as F

from kdviz.data import swaps
from kdviz.data.task import Task
from kdviz.models.model import Model
from kdviz.models.teachers import load_teacher
from kdviz.models.tokenizers import ids_of
from kdviz.states import encode

RULE, BOUND = "rule", "bound"
SHORTEST = 3  # letters of a word that a neighbour may replace, where no grammar says which words are open
STEM = 3  # letters: a neighbour that begins like the word is most often a form of it ("acting", "act")
# where no grammar says so: words that make sentences, and that no similarity may touch
FUNCTION_WORDS = frozenset(
    "about above after again all also although among and another any anyone are around because been before behind "
    "being below between both but can cannot could did does doing down during each either enough even ever every "
    "everyone few for from had half hardly has have having her here him his how however its itself just least less "
    "like little many may might more most much must neither never nobody none nor not nothing now off once one only "
    "other our out over own perhaps rather same several shall she should since some still such than that the their "
    "them then there these they this those though through too toward twice two under unless until upon very was were "
    "what when where whether which while who whom whose why will with within without would yet you your".split()
)


@dataclass
class Candidates:
    """What an attack may write, and who vouches that the label stays.

    rule    : word -> renamings that keep the label by the grammar (see `kdviz.data.swaps`)
    bound   : word -> renamings that only a similarity speaks for
    meaning : least cosine of the sentence vectors of a text before and after, for texts that hold a word of `bound`
    reader  : the model whose sentence vectors are compared; None when `bound` is empty
    """

    rule: Mapping[str, Sequence[swaps.Renaming]]
    bound: Mapping[str, Sequence[swaps.Renaming]] = field(default_factory=dict)
    meaning: float = 0.9
    reader: Model | None = None

    def __post_init__(self):
        if self.bound and self.reader is None:
            raise ValueError("candidates by similarity need reader=, the model whose sentence vectors are compared")
        self._vectors: dict[str, torch.Tensor] = {}

    def renamings(self, word: str) -> list[tuple[swaps.Renaming, str]]:
        """What may become of a word, each with "rule" or "bound"."""
        return [(one, RULE) for one in self.rule.get(word, ())] + [(one, BOUND) for one in self.bound.get(word, ())]

    def similarity(self, before: swaps.Row, after: swaps.Row) -> float:
        """Lowest cosine of the sentence vectors (mean of the last hidden states) over the texts of a row."""
        return min((float(self._vector(a) @ self._vector(b)) for a, b in zip(before, after) if a != b), default=1.0)

    def _vector(self, text: str) -> torch.Tensor:
        if text not in self._vectors:
            mean = encode(self.reader, text).hidden[0, -1].mean(0)
            self._vectors[text] = mean / mean.norm()
        return self._vectors[text]


def candidates(task: Task, *, most: int = 6, like: float = 0.45) -> Candidates:
    """Renamings by the task's grammar where it has one, and neighbours of the packaged model within two bounds.

    In an embedded task the grammar rules over every word that it reads, and neighbours are offered only for words that
    stand where no rule looks (the names of things and people). In a task of your own all words of three letters or
    more are open, but for function words: there, a similarity is all that speaks for the label.

    most : neighbours of a word       like : least cosine in the word table
    """
    rule, reader = swaps.by_rule(task.name) if task.folder else {}, load_teacher("minilm")
    if task.folder:
        open_, closed = sorted(swaps.unread(task.name)), swaps.known(task.name)
    else:
        rows = [row for split in task.splits.values() for row in swaps.texts(split)]
        every = {word for row in rows for word in swaps.words(row) if len(word) >= SHORTEST and word.isalpha()}
        open_, closed = sorted(every - FUNCTION_WORDS), FUNCTION_WORDS
    near = neighbours(reader, open_, most=most, like=like, closed=closed)
    bound = {word: tuple({word: other} for other, _ in found) for word, found in near.items() if found}
    return Candidates(rule, bound, reader=reader)


def neighbours(
    model: Model, words: Sequence[str], *, most: int = 6, like: float = 0.45, closed: frozenset[str] = frozenset()
) -> dict[str, list[tuple[str, float]]]:
    """word -> [(neighbour, cosine), …] in the model's word table, nearest first; [] for a word that is no token.

    Neighbours are whole words of letters, at least `like` near, with the same ending -s or not [ours: a stand-in for
    TextFooler's part of speech], none that begins like it (three letters), and none of `closed`.
    """
    if not 0 < like <= 1:
        raise ValueError(f"like={like}: the least cosine of a neighbour, above 0 and up to 1")
    tokens = [model.tokenizer.convert_ids_to_tokens(i) or "" for i in range(ids_of(model.tokenizer))]
    fit = lambda token: token.isascii() and token.isalpha() and len(token) >= SHORTEST and token not in closed
    usable = np.array([fit(token) for token in tokens])
    usable &= ~model.unseen(torch.arange(len(tokens), device=model.device)).cpu().numpy()
    rows = np.flatnonzero(usable)
    weight = model.network.embedding.weight.detach().cpu().float()
    table = F.normalize(weight if model.rows is None else weight[model.rows.cpu()], dim=-1)
    places, found = {token: place for place, token in enumerate(tokens)}, {}
    for word in words:
        found[word] = []
        if word not in places:
            continue
        near = table[rows] @ table[places[word]]
        for place in near.argsort(descending=True, stable=True).tolist():
            other, cosine = tokens[rows[place]], float(near[place])
            if cosine < like or len(found[word]) == most:
                break
            if other[:STEM] != word[:STEM] and other.endswith("s") == word.endswith("s"):
                found[word].append((other, cosine))
    return found

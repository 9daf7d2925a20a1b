"""Contextual knowledge distillation (Park, Kim, Yang, EMNLP 2021)."""

from __future__ import annotations

from dataclasses import dataclass

from kdviz.losses import contextual
from kdviz.methods.base import Method, Phase, stages
from kdviz.methods.kd import check_mixing, mixed_terms

PARTS = {None: (), "pair": ("pair",), "triple": ("triple",), "both": ("pair", "triple")}


@dataclass
class CKD(Method):
    """(1-α)·CE + α·L_soft + β·(WR_pair + λ_WR·WR_triple + μ·(LTR_pair + λ_LTR·LTR_triple)) [ours where it collects].

    Only Gram matrices are compared, so the student may have any width, depth and number of heads.
    docs/methods.md says which weights are the release's.

    alpha, temperature     : of the two logit terms, as in `KD`
    beta                   : weight of the relations beside the logit terms; 0 is vanilla KD
    wr, ltr                : "pair", "triple", "both" or None: word relation, layer transforming relation
    lambda_wr, lambda_ltr  : weight of the triples beside the pairs
    ltr_weight             : μ, weight of the layer relations beside the word relations
    window                 : odd width of the neighbourhood of a word triple, None for the whole sentence
    relation, pair_match   : see `kdviz.losses.contextual.word_pair`
    triple_match           : "l2", "huber" or "l1"
    relation_temperature   : of the row softmax (pair_match="kl")
    relation_epochs        : first so many of the epochs train the relations alone, on all text and without labels
    rows                   : of the main phase
    """

    alpha: float = 0.5
    temperature: float = 4.0
    beta: float = 10.0
    wr: str | None = "both"
    ltr: str | None = "both"
    lambda_wr: float = 1.0
    lambda_ltr: float = 1.0
    ltr_weight: float = 1.0
    window: int | None = 21
    relation: str = "cosine"
    pair_match: str = "kl"
    triple_match: str = "l2"
    relation_temperature: float = 1.0
    relation_epochs: int = 0
    rows: str = "all"
    any_kind = True

    def __post_init__(self):
        check_mixing(self.alpha, self.temperature)
        for name in ("wr", "ltr"):
            if getattr(self, name) not in PARTS:
                raise ValueError(f'{name}={getattr(self, name)!r}: choose "pair", "triple", "both" or None')
        if self.window is not None and (self.window < 3 or self.window % 2 == 0):
            raise ValueError(f"window={self.window}: must be odd and at least 3, or None for the whole sentence")
        for name in ("beta", "lambda_wr", "lambda_ltr", "ltr_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)}: must be 0 or more")
        if self.relation_epochs and not self.relation_fields:
            raise ValueError(f"relation_epochs={self.relation_epochs} but wr and ltr are None: nothing to train")

    @property
    def relation_fields(self) -> frozenset[str]:
        wanted = {"word_gram": self.wr, "layer_gram": self.ltr}
        return frozenset(field for field, part in wanted.items() if part)

    @property
    def needs(self):
        return (self.relation_fields if self.beta else frozenset()) | {"logits"}

    def phases(self, epochs):
        last = lambda left: Phase("distil", left, rows=self.rows)
        if not self.relation_epochs:
            return [last(epochs)]
        return stages("relations", self.relation_epochs, epochs, self.relation_fields, last)

    def loss(self, student, teacher, batch, ctx):
        if ctx.at.phase == "relations":
            return self.relation_terms(student, teacher, batch.attention_mask)
        terms = mixed_terms(student, teacher, batch, ctx, self.alpha, self.temperature)
        if self.beta:
            relations = self.relation_terms(student, teacher, batch.attention_mask)
            terms |= {name: self.beta * term for name, term in relations.items()}
        return terms

    def relation_terms(self, student, teacher, mask):
        """The relation losses that are switched on, before β. Word Grams (B, M, n, n), layer Grams (B, n, M, M)."""
        terms = {}
        pair = {"relation": self.relation, "match": self.pair_match, "temperature": self.relation_temperature}
        for part in PARTS[self.wr]:
            grams = student["word_gram"], teacher["word_gram"], mask
            if part == "pair":
                terms["word_pair"] = contextual.word_pair(*grams, **pair)
            else:
                angle = contextual.word_angle(*grams, window=self.window, match=self.triple_match)
                terms["word_triple"] = self.lambda_wr * angle
        for part in PARTS[self.ltr]:
            grams = student["layer_gram"], teacher["layer_gram"], mask
            if part == "pair":
                terms["layer_pair"] = self.ltr_weight * contextual.layer_pair(*grams, **pair)
            else:
                angle = contextual.layer_angle(*grams, match=self.triple_match)
                terms["layer_triple"] = self.ltr_weight * self.lambda_ltr * angle
        return terms

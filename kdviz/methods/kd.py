"""Labels alone, vanilla knowledge distillation (Hinton, Vinyals, Dean 2015), and its control with hard answers."""

from __future__ import annotations

from dataclasses import dataclass

from kdviz.losses import logits
from kdviz.methods.base import Method, Phase


@dataclass
class LabelsOnly(Method):
    """Cross-entropy on the labelled rows: the baseline that needs no teacher."""

    any_kind = True

    def phases(self, epochs):
        return [Phase("labels", epochs, rows="labelled")]

    def loss(self, student, teacher, batch, ctx):
        return {"labels": ctx.kind.hard(student["logits"], batch.labels)}


@dataclass
class KD(Method):
    """(1-α)·CE + α·τ²·KL(teacher ‖ student) of the softened class probabilities.

    alpha       : share of the soft term; 0 leaves the labels alone, 1 leaves them out
    temperature : τ
    rows        : "all" lets the teacher label what has no label; an unlabelled row has no cross-entropy
    """

    alpha: float = 0.5
    temperature: float = 4.0
    rows: str = "all"
    needs = frozenset({"logits"})
    any_kind = True

    def __post_init__(self):
        check_mixing(self.alpha, self.temperature)

    def loss(self, student, teacher, batch, ctx):
        return mixed_terms(student, teacher, batch, ctx, self.alpha, self.temperature)


@dataclass
class HardKD(Method):
    """(1-α)·CE with the labels + α·CE with the teacher's answer, its likeliest class. Touvron et al., ICML 2021.

    What `KD` gains over this, soft targets gain; what this gains over labels alone, labelling more texts gains.
    """

    alpha: float = 0.5
    rows: str = "all"
    needs = frozenset({"logits"})

    def __post_init__(self):
        check_mixing(self.alpha, 1.0)

    def loss(self, student, teacher, batch, ctx):
        answers = {"labels": (1 - self.alpha, batch.labels), "answers": (self.alpha, teacher["logits"].argmax(-1))}
        return {
            name: share * logits.cross_entropy(student["logits"], wanted)
            for name, (share, wanted) in answers.items()
            if share
        }


def mixed_terms(student, teacher, batch, ctx, alpha, temperature):
    """The two terms of vanilla KD; a term of weight 0 is left out."""
    terms = {}
    if alpha < 1:
        terms["labels"] = (1 - alpha) * ctx.kind.hard(student["logits"], batch.labels)
    if alpha > 0:
        terms["logits"] = alpha * ctx.kind.soft(student["logits"], teacher["logits"], temperature)
    return terms


def check_mixing(alpha, temperature):
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha={alpha}: the share of the soft term lies between 0 (labels) and 1 (teacher)")
    if not temperature > 0:
        raise ValueError(f"temperature={temperature}: must be positive; 1 leaves the probabilities as they are")

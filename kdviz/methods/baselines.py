"""What others match: PKD, TinyBERT, MobileBERT, MiniLM, RKD and a DistilBERT-like objective, objectives only.

Unlike CKD's relations, hidden states need equal widths or a learned projection, and attention maps equal head counts.
`heads="mean"` averages maps over heads first, so that head counts are free [ours]; "same" keeps to the papers.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from kdviz.data.kinds import CLASSIFICATION
from kdviz.losses import features, logits
from kdviz.methods.annealing import label_phase
from kdviz.methods.base import Method, Phase, stages
from kdviz.methods.kd import KD, check_mixing, mixed_terms


def projection(ctx, name: str = "projection") -> nn.Module:
    """A learned map from the student's width to the teacher's; nothing when they agree."""
    if ctx.student.width == ctx.teacher.width:
        return nn.Identity()
    return ctx.add_module(name, features.Projection(ctx.student.width, ctx.teacher.width))


def check_heads(heads: str, ctx=None) -> None:
    if heads not in ("same", "mean"):
        raise ValueError(f'heads={heads!r}: choose "same" or "mean"')
    if ctx is not None and heads == "same" and ctx.student.heads != ctx.teacher.heads:
        raise ValueError(
            f"the student has {ctx.student.heads} attention heads, the teacher {ctx.teacher.heads}: build the student "
            f'with heads={ctx.teacher.heads}, or pass heads="mean" to compare maps averaged over heads'
        )


def maps(x, heads: str):
    """(B, M, h, n, n) -> the same, or (B, M, 1, n, n) averaged over heads."""
    return x if heads == "same" else x.mean(2, keepdim=True)


@dataclass
class PKD(KD):
    """KD + β·Σ_l ‖ĥ_S - ĥ_T‖² of normalised [CLS] vectors of the inner layers. Sun et al., EMNLP 2019.

    mapping : "skip" spreads the student's layers over the teacher's, "last" takes the teacher's last ones
    A Projection is learned when widths differ [ours]; a student needs two layers, or there is no inner one.
    """

    beta: float = 10.0
    mapping: str = "skip"
    needs = frozenset({"logits", "cls"})

    def __post_init__(self):
        super().__post_init__()
        if self.mapping not in ("skip", "last"):
            raise ValueError(f'mapping={self.mapping!r}: choose "skip" or "last"')

    def layer_map(self, teacher_layers, student_layers):
        if not 2 <= student_layers <= teacher_layers:
            raise ValueError(
                f"PKD: {student_layers} student layers on {teacher_layers}: needs 2 to the teacher's number"
            )
        inner = range(1, student_layers)
        if self.mapping == "last":
            return tuple(teacher_layers - student_layers + layer for layer in inner), tuple(inner)
        return tuple(layer * teacher_layers // student_layers for layer in inner), tuple(inner)

    def setup(self, ctx):
        self._project = projection(ctx)

    def loss(self, student, teacher, batch, ctx):
        terms = mixed_terms(student, teacher, batch, ctx, self.alpha, self.temperature)
        return terms | {"cls": self.beta * features.pkd(self._project(student["cls"]), teacher["cls"])}


@dataclass
class TinyBERT(Method):
    """First MSE of embeddings, hidden states and raw attention scores; then soft cross-entropy. Jiao et al., 2020.

    layer_epochs : epochs of the first phase, None for two thirds
    """

    layer_epochs: int | None = None
    temperature: float = 1.0
    heads: str = "same"
    needs = frozenset({"hidden", "scores", "logits"})
    any_kind = True

    def __post_init__(self):
        check_heads(self.heads)

    def setup(self, ctx):
        check_heads(self.heads, ctx)
        self._words, self._inner = projection(ctx, "words"), projection(ctx)

    def phases(self, epochs):
        first = max(1, 2 * epochs // 3) if self.layer_epochs is None else self.layer_epochs
        last = lambda left: Phase("logits", left, needs=frozenset({"logits"}))
        return stages("layers", first, epochs, frozenset({"hidden", "scores"}), last)

    def loss(self, student, teacher, batch, ctx):
        if ctx.at.phase == "logits":
            soft = logits.soft_cross_entropy if ctx.kind == CLASSIFICATION else ctx.kind.soft
            return {"logits": soft(student["logits"], teacher["logits"], self.temperature)}
        mask, own, other = batch.attention_mask, student["hidden"], teacher["hidden"]
        pairs = maps(student["scores"], self.heads), maps(teacher["scores"], self.heads)
        return {
            "words": features.hidden_mse(self._words(own[:, :1]), other[:, :1], mask),
            "hidden": features.hidden_mse(self._inner(own[:, 1:]), other[:, 1:], mask) * (own.shape[1] - 1),
            "scores": features.attention_mse(*pairs, mask) * pairs[0].shape[1],
        }


@dataclass
class MobileBERT(KD):
    """Layer after layer: MSE of hidden states and KL of attention; then KD. Sun et al., ACL 2020.

    layer_epochs : epochs for each matched layer. The layers below go on learning their own terms, where the paper
    freezes them [ours].
    """

    layer_epochs: int = 1
    heads: str = "same"
    needs = frozenset({"hidden", "attentions", "logits"})

    def __post_init__(self):
        super().__post_init__()
        check_heads(self.heads)

    def setup(self, ctx):
        check_heads(self.heads, ctx)
        self._project = projection(ctx)
        self._layers = len(self.layer_map(ctx.teacher.layers, ctx.student.layers)[1]) - 1

    def phases(self, epochs):
        spent = self._layers * self.layer_epochs
        if spent >= epochs:
            raise ValueError(
                f"MobileBERT spends {spent} epochs on {self._layers} layers: pass {spent + 1} epochs or more"
            )
        fields = frozenset({"hidden", "attentions"})
        same = {"epochs": self.layer_epochs, "needs": fields, "student_needs": fields}
        first = [Phase(f"layer {number}", **same) for number in range(1, self._layers + 1)]
        return [*first, Phase("distil", epochs - spent, rows=self.rows, needs=frozenset({"logits"}))]

    def loss(self, student, teacher, batch, ctx):
        if ctx.at.phase == "distil":
            return mixed_terms(student, teacher, batch, ctx, self.alpha, self.temperature)
        done, mask = ctx.at.index + 1, batch.attention_mask
        hidden = self._project(student["hidden"][:, 1 : done + 1]), teacher["hidden"][:, 1 : done + 1]
        attention = (maps(x["attentions"][:, :done], self.heads) for x in (student, teacher))
        return {
            "hidden": done * features.hidden_mse(*hidden, mask),
            "attention": done * features.attention_kl(*attention, mask),
        }


@dataclass
class MiniLM(Method):
    """Relations of the last layer's attention first, then the labels. Wang et al., NeurIPS 2020, Findings of ACL 2021.

    version : 1 matches attention and value relations (head counts must agree); 2 matches Q-Q, K-K and V-V relations
              with heads split anew into `relation_heads`, so that head counts are free
    relation_epochs : of the first phase, on all text and without labels; None for half of the epochs, and then the
              labels get at most 10 passes over their rows, as in `AnnealingKD`
    then    : "labels", the papers' fine-tuning, or "KD" on all text with this alpha and temperature [ours]
    """

    version: int = 2
    relation_heads: int = 4
    relation_epochs: int | None = None
    then: str = "labels"
    alpha: float = 0.5
    temperature: float = 4.0
    any_kind = True

    def __post_init__(self):
        check_mixing(self.alpha, self.temperature)
        if self.version not in (1, 2):
            raise ValueError(f"version={self.version}: MiniLM is 1 or 2")
        if self.then not in ("labels", "KD"):
            raise ValueError(f'then={self.then!r}: choose "labels" or "KD"')

    @property
    def relation_fields(self):
        return frozenset({"qkv", "attentions"} if self.version == 1 else {"qkv"})

    @property
    def needs(self):
        return self.relation_fields | (frozenset({"logits"}) if self.then == "KD" else frozenset())

    def setup(self, ctx):
        if self.version == 1 and ctx.student.heads != ctx.teacher.heads:
            raise ValueError(
                f"MiniLM v1 needs equal head counts: student {ctx.student.heads}, teacher {ctx.teacher.heads}; "
                "use version=2, or build the student with the teacher's heads"
            )

    def phases(self, epochs):
        first = max(1, epochs // 2) if self.relation_epochs is None else self.relation_epochs
        answers = frozenset({"logits"})
        last = lambda left: label_phase(left, self.relation_epochs, answers, restart="last")
        if self.then == "KD":
            last = lambda left: Phase("distil", left, needs=answers)
        return stages("relations", first, epochs, self.relation_fields, last)

    def loss(self, student, teacher, batch, ctx):
        if ctx.at.phase == "labels":
            return {"labels": ctx.kind.hard(student["logits"], batch.labels)}
        if ctx.at.phase == "distil":
            return mixed_terms(student, teacher, batch, ctx, self.alpha, self.temperature)
        mask, own, other = batch.attention_mask, student["qkv"], teacher["qkv"]
        if self.version == 2:
            return {"qkv": features.minilm_v2(own, other, mask, heads=self.relation_heads)}
        return {
            "attention": features.attention_kl(student["attentions"][:, -1], teacher["attentions"][:, -1], mask),
            "values": features.qkv_relation(own[:, 2], other[:, 2], mask),
        }


@dataclass
class RKD(KD):
    """KD + distances (weight 1) and angles (weight 2) between the sentences of a batch. Park et al., CVPR 2019.

    beta : weight of both beside KD. A sentence is the mean of its last hidden states [ours].
    """

    beta: float = 1.0
    needs = frozenset({"logits", "sentence"})

    def loss(self, student, teacher, batch, ctx):
        terms = mixed_terms(student, teacher, batch, ctx, self.alpha, self.temperature)
        sentences = student["sentence"], teacher["sentence"]
        terms["distance"] = self.beta * features.rkd_distance(*sentences)
        return terms | {"angle": 2 * self.beta * features.rkd_angle(*sentences)}


@dataclass
class DistilBERT(Method):
    """5·L_soft + 2·CE + 1·(1 - cos(h_S, h_T)), τ = 2. Sanh et al., 2019, with the task's classifier in the place of
    the masked-word classifier [ours]: our teacher has none, and the three terms and weights stay the same.
    """

    temperature: float = 2.0
    needs = frozenset({"logits", "last"})
    any_kind = True

    def __post_init__(self):
        check_mixing(0.5, self.temperature)

    def setup(self, ctx):
        self._project = projection(ctx)

    def loss(self, student, teacher, batch, ctx):
        own = self._project(student["last"])
        return {
            "logits": 5 * ctx.kind.soft(student["logits"], teacher["logits"], self.temperature),
            "labels": 2 * ctx.kind.hard(student["logits"], batch.labels),
            "cosine": features.hidden_cosine(own, teacher["last"], batch.attention_mask),
        }

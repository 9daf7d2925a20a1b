"""KroneckerBERT's training (Tahaei et al., NAACL 2022): follow the teacher inside, layer by layer, with no projection.

The student is made by `kdviz.models.kronecker.compress`: it has its teacher's layers, width and heads.
"""

from __future__ import annotations

from dataclasses import dataclass

from kdviz.losses import features
from kdviz.methods.base import Method, Phase, stages


@dataclass
class KroneckerBERT(Method):
    """MSE(E) + Σ_l MSE(attention scores) + Σ_l MSE(FFN outputs) + L_logit + CE, all weights 1.

    E is the embedding output, scores are those before the softmax. L_logit is not defined in the paper; here it is
    L_soft [ours].

    general_epochs : first so many of the epochs are the general stage: all text, no label, no logits, the inner
                     terms alone. The paper does it on general text before the task's; here the texts are the
                     task's own [ours]. 0 leaves the stage out
    inner          : False leaves the inner terms out of the task stage, for an ablation
    temperature    : of L_soft
    rows           : of the task stage
    """

    general_epochs: int = 0
    inner: bool = True
    temperature: float = 4.0
    rows: str = "all"

    def __post_init__(self):
        if not self.temperature > 0:
            raise ValueError(f"temperature={self.temperature}: must be positive")
        if self.general_epochs < 0:
            raise ValueError(f"general_epochs={self.general_epochs}: must be 0 or more")

    inner_fields = frozenset({"hidden", "scores", "ffn"})

    any_kind = True

    def serves(self, kind):
        return super().serves(kind) and not kind.writes

    @property
    def needs(self):
        return (self.inner_fields if self.inner or self.general_epochs else frozenset()) | {"logits"}

    def phases(self, epochs):
        needs = (self.inner_fields if self.inner else frozenset()) | {"logits"}
        last = lambda left: Phase("task", left, rows=self.rows, needs=needs)
        if not self.general_epochs:
            return [last(epochs)]
        return stages("general", self.general_epochs, epochs, self.inner_fields, last)

    def layer_map(self, teacher_layers, student_layers):
        if teacher_layers != student_layers:
            raise ValueError(
                f"the teacher has {teacher_layers} layers, the student {student_layers}: KroneckerBERT compares them "
                "one to one; make the student with kd.compress(teacher)"
            )
        return (tuple(range(teacher_layers + 1)),) * 2

    def loss(self, student, teacher, batch, ctx):
        mask, terms = batch.attention_mask, {}
        if self.inner or ctx.at.phase == "general":
            layers = student["ffn"].shape[1]  # the losses are means over layers, the paper's are sums
            terms = {
                "embedding": features.hidden_mse(student["hidden"][:, :1], teacher["hidden"][:, :1], mask),
                "scores": layers * features.attention_mse(student["scores"], teacher["scores"], mask),
                "ffn": layers * features.hidden_mse(student["ffn"], teacher["ffn"], mask),
            }
        if ctx.at.phase == "task":
            terms["logits"] = ctx.kind.soft(student["logits"], teacher["logits"], self.temperature)
            terms["labels"] = ctx.kind.hard(student["logits"], batch.labels)
        return terms

"""Universal-KD (Wu et al., EMNLP 2021) and ALP-KD (Passban et al., AAAI 2021): all layers of the teacher teach.

Read second-hand. Which of a teacher's layers should teach which of a student's? Both let the student choose, by
attention: Universal-KD in the space of outputs, where models of any width and kind meet, ALP-KD among hidden states.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from kdviz.losses import logits
from kdviz.methods.annealing import label_phase, split_epochs
from kdviz.methods.base import Method, Phase
from kdviz.methods.baselines import projection
from kdviz.methods.kd import check_mixing, mixed_terms
from kdviz.models import probes

USES = ("layers", "output")
LABEL_SHARE = 0.25  # of the epochs [ours]
FRAMES = 20  # attention maps kept of a run
READ = 64  # rows at a time, when the teacher's probes are fitted


def mix_layers(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Attention of student layers over teacher layers, and what it picks.

    student (B, J, c), teacher (B, K, c) -> weights a (B, J, K) = softmax_k(s_j · t_k), targets Σ_k a_jk t_k (B, J, c).
    Both are targets: no gradient flows through them [ours].
    """
    with torch.no_grad():
        weights = (student @ teacher.transpose(1, 2)).softmax(-1)
        return weights, weights @ teacher


class _Layers(Method):
    """What both methods share: all layers but the embedding are compared, and attention is kept for a picture."""

    def layer_map(self, teacher_layers, student_layers):
        return tuple(range(1, teacher_layers + 1)), tuple(range(1, student_layers + 1))

    mix = staticmethod(mix_layers)

    def keep_attention(self, weights: Tensor, ctx) -> None:
        """Every so many steps the mean over the batch: run.records["attention"], (J, K) each."""
        if ctx.at.phase_step % max(1, ctx.at.phase_steps // FRAMES) == 0:
            ctx.record("attention", weights.mean(0))


@dataclass
class UniversalKD(_Layers):
    """Stage 1: (1-γ)·L_soft + γ·Σ_j KL(σ(Σ_k a_jk z_T^k) ‖ σ(z_S^j)); stage 2: the labels, from the best of stage 1.

    z_T^k is what a probe on the teacher's layer k answers (fitted on the labels, then frozen [ours]), z_S^j what a
    probe on the student's layer j answers (trained beside the student, dropped before stage 2), both on the mean of
    the real words; a_jk = softmax_k(z_S^j · z_T^k). All layers but the embedding are compared, the last among them;
    the port in GLMKD compares intermediate layers only [ours].

    gamma        : γ
    use          : "layers": as above, for students of any depth, width and kind.
                   "output": the capacity gap; only the student's final output attends over the teacher's layers
    temperature  : of L_soft
    label_epochs : of stage 2; None is a quarter of all epochs, at least 1, and at most 10 passes over the labelled
                   rows, as in `AnnealingKD`
    """

    gamma: float = 0.5
    use: str = "layers"
    temperature: float = 4.0
    label_epochs: int | None = None
    needs = frozenset({"logits", "mean"})

    def __post_init__(self):
        check_mixing(self.gamma, self.temperature)
        if self.use not in USES:
            raise ValueError(f"use={self.use!r}: choose among {', '.join(USES)}")

    def phases(self, epochs):
        last = split_epochs(epochs, self.label_epochs, LABEL_SHARE)
        answers = frozenset({"logits"})
        return [
            Phase("layers", epochs - last, student_needs=self.needs if self.use == "layers" else answers),
            label_phase(last, self.label_epochs, answers),
        ]

    def setup(self, ctx):
        classes, states, labels = len(ctx.task.labels), [], []
        for rows in torch.arange(len(ctx.task["train"])).split(READ):
            batch = ctx.rows(rows)
            states.append(ctx.teacher_fields(batch, self.needs)["mean"])
            labels.append(batch.labels)
        self.teacher_probes = probes.fit(torch.cat(states), torch.cat(labels), classes)
        if self.use == "layers":
            own = probes.Probes(ctx.student.layers, ctx.student.width, classes)
            self.student_probes = ctx.add_module("probes", own)

    def loss(self, student, teacher, batch, ctx):
        if ctx.at.phase == "labels":
            return {"labels": logits.cross_entropy(student["logits"], batch.labels)}
        answers = self.student_probes(student["mean"]) if self.use == "layers" else student["logits"][:, None]
        weights, targets = self.mix(answers, self.teacher_probes(teacher["mean"]))
        self.keep_attention(weights, ctx)
        layers = sum(logits.soft_kl(answers[:, j], targets[:, j]) for j in range(answers.shape[1]))
        soft = logits.soft_kl(student["logits"], teacher["logits"], self.temperature)
        return {"logits": (1 - self.gamma) * soft, "layers": self.gamma * layers}


@dataclass
class ALPKD(_Layers):
    """(1-α)·CE + α·L_soft + β·Σ_j MSE(h_S^j, Σ_k a_jk h_T^k) with a_jk = softmax_k(h_S^j · h_T^k) on [CLS] states.

    A student of another width is mapped by a projection that is trained beside it [ours].

    alpha, temperature : of the two logit terms, as in `KD`   beta : weight of the states
    rows               : as in `KD`
    """

    alpha: float = 0.5
    temperature: float = 4.0
    beta: float = 1.0
    rows: str = "all"
    needs = frozenset({"logits", "cls"})

    def __post_init__(self):
        check_mixing(self.alpha, self.temperature)
        if not self.beta > 0:
            raise ValueError(f"beta={self.beta}: must be positive; without the states this is KD")

    def setup(self, ctx):
        self.projection = projection(ctx)

    def loss(self, student, teacher, batch, ctx):
        own = self.projection(student["cls"])
        weights, targets = self.mix(own, teacher["cls"])
        self.keep_attention(weights, ctx)
        states = F.mse_loss(own, targets, reduction="none").mean((0, 2)).sum()
        return mixed_terms(student, teacher, batch, ctx, self.alpha, self.temperature) | {"layers": self.beta * states}

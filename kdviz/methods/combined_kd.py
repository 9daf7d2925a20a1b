"""Combined-KD (Li et al., Findings of EMNLP 2021): Annealing-KD on the text and on MATE-KD's rewriting of it."""

from __future__ import annotations

from dataclasses import dataclass

from kdviz.losses import logits
from kdviz.methods.annealing import AnnealingKD, phi
from kdviz.methods.mate_kd import MateKD


@dataclass
class CombinedKD(MateKD):
    """Phase 1: ½·‖z_S(x) - Φ·z_T(x)‖² + ½·‖z_S(x') - Φ·z_T(x')‖²; phase 2: the labels, from the best of phase 1.

    Φ grows as in `AnnealingKD`, x' is written as in `MateKD`, but by a generator that ascends ‖z_S - z_T‖², without
    Φ. (The released BERT script forgets the term of x'; the RoBERTa script is the method.)

    tau_max, label_epochs : as in `AnnealingKD`
    """

    tau_max: int = 7
    label_epochs: int | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.tau_max < 1:
            raise ValueError(f"tau_max={self.tau_max}: the teacher grows in 1 part or more")

    phases = AnnealingKD.phases

    def perturbs(self, at):
        return at.phase == "teacher"

    def disagreement(self, student, teacher, at):
        return (student.float() - teacher.float()).square().mean()

    def loss(self, student, teacher, batch, ctx):
        if ctx.at.phase == "labels":
            return {"labels": logits.cross_entropy(student["logits"], batch.labels)}
        share = phi(ctx.at, self.tau_max)
        new = student["perturbed"]["logits"], share * teacher["perturbed"]["logits"]
        return {
            "logits": logits.mse(student["logits"], share * teacher["logits"]) / 2,
            "rewritten": logits.mse(*new) / 2,
        }

"""Continuation-KD (Jafari, Kobyzev, Rezagholizadeh, Poupart, Ghodsi, Findings of EMNLP 2022)."""

from __future__ import annotations

from dataclasses import dataclass

from kdviz.methods.annealing import label_phase, phi, split_epochs
from kdviz.methods.base import Method, Phase, StepInfo

LABEL_SHARE = 1 / 3  # of the epochs: the paper's language tasks reach ψ = 1 at epoch 20 of 30
RESTARTS = ("last", "best")


@dataclass
class ContinuationKD(Method):
    """From the smooth objective of following the teacher to the hard one of the labels, one becoming the other.

    ψ·CE + (1-ψ)·max{0, ‖z_S - Φ·z_T‖² - m·Φ}, Φ as in Annealing-KD. Within the margin m·Φ of the teacher nothing
    pulls, so that its noise need not be copied. Phase "both": ψ grows from 0 to `psi_end`, Φ from 1/τ_max to 1. Phase
    "labels": ψ = 1. ψ grows step by step, the hinge is per row, ‖·‖² is the mean over classes, and Φ's parts divide
    the first phase, since Φ has no say in the second [all ours]. The paper never prints m.

    tau_max      : number of parts of Φ
    margin       : m; 0 follows the teacher to the digit
    psi_end      : ψ at the end of the first phase: 0.5 on the paper's language tasks, 1 on its images, 0 a step
    label_epochs : epochs with ψ = 1; None is a third, as on the paper's language tasks, and at most 10 passes over
                   the labelled rows, as in `AnnealingKD`
    restart      : "last" goes on smoothly; "best" starts the labels from the best student so far, with a new optimiser.
                   With margin=0, psi_end=0 and restart="best" this is Annealing-KD, step for step.
    """

    tau_max: int = 10
    margin: float = 1.0
    psi_end: float = 0.5
    label_epochs: int | None = None
    restart: str = "last"
    needs = frozenset({"logits"})
    any_kind = True

    def __post_init__(self):
        if self.tau_max < 1:
            raise ValueError(f"tau_max={self.tau_max}: the teacher grows in 1 part or more")
        if self.margin < 0:
            raise ValueError(f"margin={self.margin}: must be 0 or more")
        if not 0 <= self.psi_end <= 1:
            raise ValueError(f"psi_end={self.psi_end}: ψ lies between 0 (teacher) and 1 (labels)")
        if self.restart not in RESTARTS:
            raise ValueError(f"restart={self.restart!r}: choose among {', '.join(RESTARTS)}")

    def phases(self, epochs):
        last = split_epochs(epochs, self.label_epochs, LABEL_SHARE)
        start = {"restart": self.restart, "reset_optimizer": self.restart == "best"}
        return [Phase("both", epochs - last), label_phase(last, self.label_epochs, self.needs, **start)]

    def loss(self, student, teacher, batch, ctx):
        psi = self.psi(ctx.at)
        terms = {}
        if psi > 0:
            terms["labels"] = psi * ctx.kind.hard(student["logits"], batch.labels)
        if psi < 1:
            grown = phi(ctx.at, self.tau_max)
            distance = ctx.kind.squared(student["logits"], grown * teacher["logits"], reduction="none")
            terms["logits"] = (1 - psi) * (distance - self.margin * grown).clamp(min=0).mean()
        return terms

    def psi(self, at: StepInfo) -> float:
        """ψ at this step."""
        return 1.0 if at.phase == "labels" else self.psi_end * at.fraction

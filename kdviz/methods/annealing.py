"""Annealing-KD (Jafari, Rezagholizadeh, Sharma, Ghodsi, EACL 2021)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kdviz.methods.base import Method, Phase, StepInfo

MATCHES = ("mse", "kl")
LABEL_SHARE = 4 / 18  # of the epochs: the released GLUE setting is 14 for the teacher and 4 for the labels
LABEL_PASSES = 10  # over the labelled rows: the most in the papers (Continuation-KD); 48 over 100 rows ruined students


@dataclass
class AnnealingKD(Method):
    """Follow the teacher's logits while they grow from Φ = 1/τ_max to 1, then the labels.

    Stage "teacher", on all text and without labels: ‖z_S - Φ·z_T‖² with Φ(T) = 1 - (T-1)/τ_max, T from τ_max down to
    1 in equal parts. Stage "labels": cross-entropy alone, from the best student of the first stage, with a new
    optimiser. The parts are counted in steps, so that Φ ends at 1 whatever the number of epochs [ours]; the release
    counts epochs and runs past 1 when τ_max does not divide them.

    tau_max      : number of parts; 1 is the control without annealing (Φ = 1 throughout)
    label_epochs : of the second stage; None is 4 in 18 of all epochs, as in the release, at least 1, and at most 10
                   passes over the labelled rows, the steps that are left over going to the first stage [ours]
    match        : "mse" (mean over classes), or "kl" with Φ·z_T in the teacher's softmax, to ask whether MSE matters
    """

    tau_max: int = 7
    label_epochs: int | None = None
    match: str = "mse"
    needs = frozenset({"logits"})
    any_kind = True

    def __post_init__(self):
        if self.tau_max < 1:
            raise ValueError(f"tau_max={self.tau_max}: the teacher grows in 1 part or more")
        if self.match not in MATCHES:
            raise ValueError(f"match={self.match!r}: choose among {', '.join(MATCHES)}")

    def phases(self, epochs):
        last = split_epochs(epochs, self.label_epochs, LABEL_SHARE)
        return [Phase("teacher", epochs - last), label_phase(last, self.label_epochs, self.needs)]

    def loss(self, student, teacher, batch, ctx):
        if ctx.at.phase == "labels":
            return {"labels": ctx.kind.hard(student["logits"], batch.labels)}
        target = phi(ctx.at, self.tau_max) * teacher["logits"]
        match = ctx.kind.squared if self.match == "mse" else ctx.kind.soft
        return {"logits": match(student["logits"], target)}


def label_phase(epochs: int, label_epochs: int | None, needs: frozenset[str], **changes) -> Phase:
    """The last stage: labels alone, from the best student before it, no longer than few rows can bear."""
    passes = LABEL_PASSES if label_epochs is None else None  # who asks for epochs gets them
    phase = Phase("labels", epochs, "labelled", "best", needs=frozenset(), student_needs=needs, passes=passes)
    return replace(phase, **changes)


def phi(at: StepInfo, tau_max: int) -> float:
    """Φ at this step of its phase, in {1/τ_max, 2/τ_max, …, 1}: never above 1; 1 in the last of τ_max equal parts."""
    return growth(at.phase_step, at.phase_steps, tau_max)


def growth(step: int, steps: int, tau_max: int) -> float:
    """Φ(T) = 1 - (T-1)/τ_max for step 0 … steps-1 when T falls from τ_max to 1 in equal parts.

    With fewer steps than parts, parts are skipped, but never the last.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step {step} of {steps}: steps run from 0 to {steps - 1}")
    part = step * tau_max // steps if steps >= tau_max else tau_max - steps + step
    return (part + 1) / tau_max


def split_epochs(epochs: int, label_epochs: int | None, share: float) -> int:
    """How many of the epochs go to the labels, at the end. ValueError when one of the stages would get none."""
    chosen = max(1, round(share * epochs)) if label_epochs is None else label_epochs
    if not 1 <= chosen < epochs:
        raise ValueError(
            f"{chosen} of {epochs} epochs for the labels leave {epochs - chosen} for the teacher: each stage needs "
            f"1 or more, so pass epochs={max(2, chosen + 1)} or more, or other label_epochs"
        )
    return chosen

"""Stochastic weight averaging for compact language models (Lu et al., Findings of EMNLP 2022; Izmailov et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch.optim.swa_utils import AveragedModel

from kdviz.methods.base import Method
from kdviz.methods.kd import LabelsOnly

SCHEDULES = ("constant", "linear")


@dataclass
class SWA(Method):
    """The mean of the weights that another method passes through, w̄ ← (n·w̄ + w)/(n+1), is the result.

    base     : the method whose students are averaged; labels alone when it is left out: no teacher is needed
    start    : share of the last phase after which averaging begins
    every    : updates between two students that enter the mean
    schedule : of the last phase: "constant" after the warm-up, the high rate that keeps students apart, or "linear"
    lr       : of the last phase, None for the run's

    Several phases: only the last is averaged, since students of different objectives do not share a valley [ours].
    Layer norm keeps no statistics of batches, so that nothing has to be refreshed in the mean. It is not
    chosen on dev: the mean over the end of training is the result (`returns` = "last").
    """

    base: Method = field(default_factory=LabelsOnly)
    start: float = 0.5
    every: int = 1
    schedule: str = "constant"
    lr: float | None = None
    returns = "last"

    def __post_init__(self):
        if not 0 <= self.start < 1:
            raise ValueError(f"start={self.start}: a share of the last phase, from 0 to below 1")
        if self.every < 1:
            raise ValueError(f"every={self.every}: must be 1 or more updates")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule={self.schedule!r}: choose among {', '.join(SCHEDULES)}")
        for hook in ("layer_map", "loss", "select", "perturb", "weights", "teacher_for"):  # used as they are
            setattr(self, hook, getattr(self.base, hook))

    needs = property(lambda self: self.base.needs)
    needs_live_teacher = property(lambda self: self.base.needs_live_teacher)
    any_kind = property(lambda self: self.base.any_kind)
    name = property(lambda self: f"{self.base.name} + SWA")

    def serves(self, kind):
        return self.base.serves(kind)

    def phases(self, epochs):
        *before, last = [phase for phase in self.base.phases(epochs) if phase.epochs] or self.base.phases(epochs)
        return [*before, replace(last, schedule=self.schedule, lr=self.lr or last.lr)]

    def setup(self, ctx):
        self.base.setup(ctx)
        self._average = ctx.add_state("average", AveragedModel(ctx.student))

    def after_step(self, ctx):
        self.base.after_step(ctx)
        at = ctx.at
        # the last phase ends where the run ends; its last step counts whatever the start, so that there is a mean
        if at.step - at.phase_step + at.phase_steps < at.steps:
            return
        first = min(round(self.start * at.phase_steps), at.phase_steps - 1)
        if at.phase_step >= first and (at.phase_step - first) % self.every == 0:
            self._average.update_parameters(ctx.student)

    def finish(self, ctx):
        if self._average.n_averaged > 0:  # a run of no steps has no mean
            ctx.student.load_state_dict(self._average.module.state_dict())
        self.base.finish(ctx)

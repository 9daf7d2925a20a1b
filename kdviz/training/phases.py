"""Phases laid out in steps, the learning rate of each step, and the optimiser."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from kdviz.data.batches import BatchSampler
from kdviz.methods.base import Phase
from kdviz.training.context import Context


@dataclass
class ScheduledPhase:
    """A phase with its rows laid out in steps; phases that share an optimiser share `shared` steps of schedule."""

    phase: Phase
    order: BatchSampler
    steps: int
    first: int = 0  # step of the run at which it begins
    shared_first: int = 0
    shared: int = 0

    def lr(self, step: int, peak: float, warmup: float) -> float:
        """Linear warm-up over the first `warmup` of the shared steps, then linear decay to 0, or constant."""
        done, warm = self.first + step - self.shared_first, warmup * self.shared
        peak = self.phase.lr or peak
        if done < warm:
            return peak * (done + 1) / (warm + 1)
        return peak if self.phase.schedule == "constant" else peak * (self.shared - done) / (self.shared - warm)


def new_optimizer(run: Context):
    """AdamW (fused), no decay for biases and norms."""
    decayed = [p for p in run.parameters() if p.ndim > 1]
    free = [p for p in run.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": run.settings.weight_decay}, {"params": free, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=run.settings.lr, fused=True)
    if run.accelerator.scaler is None:
        return optimizer  # accelerate's wrapper looks twice a step on the disk for an optimiser that nobody uses here
    run.accelerator.free_memory()  # an earlier phase's optimiser would be unscaled again in half precision
    return run.accelerator.prepare(optimizer)


def schedule_phases(run: Context, phases: list[Phase]) -> list[ScheduledPhase]:
    """Phases in steps. Raises ValueError when a phase has no rows to train on."""
    made: list[ScheduledPhase] = []
    for number, phase in enumerate(phase for phase in phases if phase.epochs):
        members = run.table.members(phase.rows, run.task_rows)
        order = BatchSampler(members, run.table.lengths, run.settings.batch_size, run.seed, number)
        steps = phase.epochs * (run.settings.steps_per_epoch or order.per_pass)
        borne = min(steps, phase.passes * order.per_pass) if phase.passes and made else steps
        lengthen(made, steps - borne)
        made.append(ScheduledPhase(phase, order, borne))
    groups, first = [], 0
    for scheduled in made:
        scheduled.first = first
        first += scheduled.steps
        if scheduled.phase.reset_optimizer or not groups:
            groups.append([])
        groups[-1].append(scheduled)
    for group in groups:
        for scheduled in group:
            scheduled.shared_first, scheduled.shared = group[0].first, sum(one.steps for one in group)
    return made


def lengthen(phases: list[ScheduledPhase], spare: int) -> None:
    """Share `spare` more steps out among phases, in proportion to the steps that they have."""
    whole, done, given = sum(one.steps for one in phases), 0, 0
    for one in phases:
        done += one.steps
        more = spare * done // whole - given
        one.steps, given = one.steps + more, given + more

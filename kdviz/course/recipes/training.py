"""What the recipes share: steps of an optimizer, and the seeds of what is drawn to measure."""

from __future__ import annotations

from collections.abc import Callable

ON_DEV, ON_TEST = 10_000, 20_000  # added to the seed of what is drawn to measure


def descend(loss: Callable, steps: int, optimizer, schedule=None) -> None:
    """So many steps of an optimizer on loss(); a schedule of its rate moves with it."""
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()

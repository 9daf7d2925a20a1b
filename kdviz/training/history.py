"""The table of a run: one row a step, named loss terms, dev scores where an epoch ended."""

from __future__ import annotations

import math

import torch

FLUSH_EVERY = 25  # steps between copies from a GPU, which wait for it


class History:
    """Rows are dicts. Numbers that still are on a device wait in `pending`, so that no step waits for a copy."""

    def __init__(self, rows: list[dict] | None = None):
        self._rows, self._pending = list(rows or []), []
        self.extra: dict[str, float] = {}  # what a method logged during this step

    def add(self, at, lr: float, names: list[str], values: torch.Tensor) -> None:
        row = {"step": at.step, "epoch": at.epoch, "phase": at.phase, "lr": lr} | self.extra
        self.extra = {}
        self._rows.append(row)
        self._pending.append((row, names, values))
        if values.device.type == "cpu" or len(self._pending) >= FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        """Read what is pending. Raises FloatingPointError at the first step whose loss is not a number."""
        pending, self._pending = self._pending, []
        for row, names, values in pending:
            row |= dict(zip(names, values.tolist()))
            bad = [name for name in names if not math.isfinite(row[name])]
            if "loss" in bad:
                raise FloatingPointError(
                    f"step {row['step']} ({row['phase']}): {', '.join(bad)} became {row['loss']}; "
                    f"lower lr (now {row['lr']:.3g}) or the weight of that term"
                )

    def score(self, scores: dict[str, float]) -> None:
        """Write dev scores into the last row."""
        self._rows[-1] |= {f"dev_{name}": value for name, value in scores.items()}

    def rows(self) -> list[dict]:
        self.flush()
        return [dict(row) for row in self._rows]

    def shown(self) -> list[dict]:
        """Rows whose numbers have been read, without waiting for a device."""
        return self._rows[: len(self._rows) - len(self._pending)]

    def latest(self, name: str) -> float:
        """The newest known value of a column, NaN when there is none."""
        return next((row[name] for row in reversed(self.shown()) if name in row), math.nan)

    def __len__(self) -> int:
        return len(self._rows)

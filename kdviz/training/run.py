"""What a distillation leaves behind."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

from kdviz.data.kinds import kind_of
from kdviz.disk import check_file, file_sha256, read_sealed, write_sealed
from kdviz.training import checkpoint
from kdviz.training.snapshots import Snapshots

ABOUT = ("label", "settings", "info", "chosen", "scores")  # of a run, in run.json as they are
FILES = ("tensors.safetensors", "student/model.json")  # what belongs to a run.json; the model names its own weights
AGAIN = "so there is no finished run: remove its folder to run again"


@dataclass
class Run:
    """A finished run.

    label       : shown in tables and figures, the method's name unless you change it
    student     : the distilled model
    history     : one row a step: step, epoch, phase, lr, loss, its named terms, grad_norm; where an epoch ended also
                  dev_accuracy, dev_loss, dev_macro_f1, or what else the task's kind is scored by
    chosen      : dev scores of `student`, and "step", the row of the history after which it stood; of SWA the last
    scores      : split -> accuracy, loss, macro_f1 (or those of the task's kind), rows with a label, low, high (95 %
                  interval of the first)
    predictions : split -> (N,) predicted classes or values, in the split's order
    records     : what the method kept for pictures: name -> [(step, tensor), …]
    snapshots   : the student's States on a few texts through training, or None
    settings    : method, its parameters, and everything else that defines the run
    info        : seconds, versions, number of processes
    """

    label: str
    student: torch.nn.Module
    history: pd.DataFrame
    chosen: dict[str, float]
    scores: dict[str, dict[str, float]]
    predictions: dict[str, torch.Tensor] = field(default_factory=dict)
    records: dict[str, list] = field(default_factory=dict)
    snapshots: Snapshots | None = None
    settings: dict = field(default_factory=dict)
    info: dict = field(default_factory=dict)

    @property
    def test(self) -> dict[str, float]:
        """Scores on the test split."""
        if "test" not in self.scores:
            raise KeyError(f"this run was not scored on test, only on {', '.join(self.scores) or 'nothing'}")
        return self.scores["test"]

    @property
    def primary(self) -> str:
        """The score that the task is judged by: accuracy, of classification."""
        return kind_of(self.settings.get("kind", "classification")).primary

    @property
    def dev(self) -> pd.DataFrame:
        """The history's rows where an epoch ended; `chosen` says which of them is the student's."""
        if f"dev_{self.primary}" not in self.history:
            return self.history.iloc[:0]
        return self.history[self.history[f"dev_{self.primary}"].notna()]

    def plot(self):
        """Loss terms and the dev score over the steps, phases marked: a plotly figure."""
        from kdviz.figures.runs import history_figure

        return history_figure(self.history, self.label)

    def save(self, folder) -> Path:
        """Write student, tensors (safetensors) and tables (JSON). ``run.json`` comes last: without it there is none."""
        folder = Path(folder)
        self.student.save(folder / "student")
        frames = None if self.snapshots is None else self.snapshots.state()
        tensors = {"predictions": self.predictions, "records": self.records, "snapshots": frames}
        checkpoint.save(folder / "tensors.safetensors", tensors)
        rows = self.history.astype(object).where(self.history.notna(), None).values.tolist()
        about = {name: getattr(self, name) for name in ABOUT}
        about["history"] = {"columns": list(self.history), "data": rows}
        write_sealed(folder / "run.json", about | {"files": {name: file_sha256(folder / name) for name in FILES}})
        return folder

    @classmethod
    def load(cls, folder) -> Run:
        """Read what `save` wrote. FileNotFoundError when the folder holds no finished run."""
        from kdviz.models.model import Model

        folder = Path(folder)
        about = read_description(folder)
        for name, sha256 in about["files"].items():
            check_file(folder / name, sha256, AGAIN)
        tensors = checkpoint.load(folder / "tensors.safetensors")
        frames, history = tensors["snapshots"], about["history"]
        return cls(
            student=Model.load(folder / "student"),
            history=history_table([dict(zip(history["columns"], row)) for row in history["data"]]),
            predictions=tensors["predictions"],
            records={name: [tuple(pair) for pair in pairs] for name, pairs in tensors["records"].items()},
            snapshots=None if frames is None else Snapshots.from_state(frames),
            **{name: about[name] for name in ABOUT},
        )

    def __repr__(self) -> str:
        what = self.primary
        between = lambda s: "" if math.isnan(s["low"]) else f" [{s['low']:.3f}, {s['high']:.3f}]"
        parts = [f"{name} {s[what]:.3f}{between(s)}" for name, s in self.scores.items()]
        seconds = self.info.get("seconds", 0)
        scored = ", ".join(parts) or "not scored"
        return f"{self.label}: {len(self.history):,} steps in {seconds:,.0f} s; {what} {scored}"


def read_description(folder: Path) -> dict:
    """The content of a finished run's ``run.json``. FileNotFoundError or ValueError naming it."""
    return read_sealed(folder / "run.json", AGAIN)


def history_table(rows: list[dict]) -> pd.DataFrame:
    """History rows as a table; a term that a step did not have is missing (NaN) there."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pd.DataFrame(rows, columns=names)
    numbers = [name for name in names if name != "phase"]
    return table.astype({name: "int64" if name in ("step", "epoch") else "float64" for name in numbers})

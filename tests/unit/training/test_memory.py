"""A run's process stays small: what was freed or mapped is given back, and no number changes."""

from __future__ import annotations

import os
import sys

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from kdviz.training.memory import set_aside
from tests.unit.training import tiny


def resident_mb() -> float:
    """MB of files that are mapped into this process and present."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssFile"))


def test_mapped_weights_leave_the_process_and_come_back(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.arange(8_000_000.0), "b": torch.ones(3)}, path)
    with open(path, "rb") as file:
        os.fsync(file.fileno())  # pages that are not on the disk yet would stay
    model = nn.ParameterDict({name: nn.Parameter(value) for name, value in load_file(path).items()})
    total = model["a"].detach().double().sum().item()
    with torch.no_grad():
        model["a"][123] = -1.0  # a changed page belongs to the process, it must not be lost
    if sys.platform == "linux":
        before = resident_mb()
        set_aside(model)
        assert before - resident_mb() > 25
    else:
        set_aside(model)
    assert model["a"][123] == -1.0 and model["a"].detach().double().sum().item() == total - 124.0

"""A run that was killed goes on and ends as if nothing had happened, to the last bit."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors import SafetensorError

from kdviz.training import checkpoint
from kdviz.training.run import Run
from tests.unit.training import tiny

SCRIPT = Path(tiny.__file__)
DEATHS = 6


def run_script(folder, *args) -> None:
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[3])}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), *args], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume") / "untouched"
    run_script(folder)
    return Run.load(folder)


def assert_same_run(one: Run, other: Run) -> None:
    pd.testing.assert_frame_equal(one.history, other.history, check_exact=True)
    for name, weight in one.student.state_dict().items():
        assert torch.equal(weight, other.student.state_dict()[name]), name
    assert one.scores == other.scores
    assert one.snapshots.steps == other.snapshots.steps
    for a, b in zip(one.snapshots.states, other.snapshots.states, strict=True):
        assert torch.equal(a.hidden, b.hidden)


def test_killed_at_random_steps_the_run_ends_bit_for_bit_the_same(untouched, tmp_path):
    steps = len(untouched.history)
    deaths = sorted(random.sample(range(steps), DEATHS))
    run_script(tmp_path / "killed", *(part for step in deaths for part in ("--die-at", str(step))))
    print(f"killed at steps {deaths} of {steps}")  # shown when the comparison fails
    assert_same_run(untouched, Run.load(tmp_path / "killed"))
    assert not (tmp_path / "killed" / "checkpoint.safetensors").exists()


def test_a_finished_run_is_loaded_not_repeated(untouched, tmp_path):
    folder = tmp_path / "done"
    first = tiny.distill(folder=folder)
    again = tiny.distill(folder=folder, resume=True)
    assert again.info["seconds"] == first.info["seconds"]
    pd.testing.assert_frame_equal(first.history, again.history, check_exact=True)


def test_another_run_in_the_folder_is_refused_by_name(tmp_path):
    tiny.distill(folder=tmp_path)
    with pytest.raises(ValueError, match="holds a run already"):
        tiny.distill(folder=tmp_path)
    with pytest.raises(ValueError, match="lr was 0.0005, is now 0.001"):
        tiny.distill(folder=tmp_path, resume=True, lr=1e-3)
    with pytest.raises(ValueError, match="student was"):
        tiny.distill(folder=tmp_path, resume=True, student=tiny.student(seed=3))


def test_resume_without_a_folder_is_refused():
    with pytest.raises(ValueError, match="needs folder"):
        tiny.distill(resume=True)


def test_checkpoints_hold_nested_state_exactly(tmp_path):
    weight = torch.nn.Parameter(torch.randn(3, 2))
    optimizer = torch.optim.AdamW([weight], fused=True)
    weight.square().sum().backward()
    optimizer.step()
    state = {
        "optimizer": optimizer.state_dict(),
        "numbers": [1, 0.1, None, True, "x", float("inf")],
        "none": {},
        3: [weight],
    }
    checkpoint.save(tmp_path / "a", state)
    back = checkpoint.load(tmp_path / "a")
    assert back["numbers"] == state["numbers"] and back["none"] == {}
    assert torch.equal(back[3][0], weight)
    assert torch.equal(back["optimizer"]["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])
    assert back["optimizer"]["param_groups"][0]["betas"] == [0.9, 0.999]


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, {"a": torch.zeros(100)})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="checkpoint.safetensors is damaged"):
        checkpoint.load(path)
    with pytest.raises(TypeError, match="state.a is a set"):
        checkpoint.save(path, {"a": {1}})


def test_a_full_disk_leaves_the_former_checkpoint_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, {"a": 1})

    def full(tensors, name, metadata):
        Path(name).write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match=r"checkpoint\.safetensors cannot be written .*No space.*free some disk"):
        checkpoint.save(path, {"a": 2})
    assert checkpoint.load(path) == {"a": 1} and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["{", "[]", '{"label": "KD"}'])
def test_a_damaged_description_of_a_run_is_named(tmp_path, content):
    tiny.distill(epochs=1, folder=tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(content)
    for again in (
        lambda: Run.load(tmp_path / "run"),
        lambda: tiny.distill(epochs=1, folder=tmp_path / "run", resume=True),
    ):
        with pytest.raises(ValueError, match=r"run\.json is damaged .* remove its folder to run again"):
            again()

"""What lies damaged on disk is made again or refused in one line, and never read as something else."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

import kdviz as kd
from kdviz.training import checkpoint
from tests.unit.training import tiny
from tests.unit.training.fuzz_folders import SCENES, fuzz


def test_damaged_folders_are_read_rightly_or_refused_with_one_line(cache_folder):
    found, wrong = fuzz(seed=11, count=12 * len(SCENES))
    assert wrong == []
    assert found["cache right"] >= 10 and all(found[f"{scene} refused"] >= 5 for scene in SCENES if scene != "cache")


def test_a_number_that_was_changed_in_a_finished_run_is_noticed(tmp_path):
    tiny.distill(epochs=1, folder=tmp_path)
    path = tmp_path / "run.json"
    about = json.loads(path.read_text())
    about["scores"]["test"]["accuracy"] = 0.999
    path.write_text(json.dumps(about))
    for again in (lambda: kd.Run.load(tmp_path), lambda: tiny.distill(epochs=1, folder=tmp_path, resume=True)):
        with pytest.raises(ValueError, match=r"run\.json is damaged .its checksum .*: remove its folder to run again"):
            again()


def test_the_parts_of_two_runs_make_none(tmp_path):
    for seed in (0, 1):
        tiny.distill(epochs=1, folder=tmp_path / str(seed), seed=seed)
    for part in ("student", "tensors.safetensors"):
        mixed = shutil.copytree(tmp_path / "0", tmp_path / f"mixed {part}")
        if (mixed / part).is_dir():
            shutil.rmtree(mixed / part)
            shutil.copytree(tmp_path / "1" / part, mixed / part)
        else:
            shutil.copy(tmp_path / "1" / part, mixed / part)
        with pytest.raises(ValueError, match=f"{part}.* is damaged: its SHA-256 .* remove its folder to run again"):
            kd.Run.load(mixed)
    assert kd.Run.load(tmp_path / "0").settings["seed"] == 0


def test_a_bit_of_a_checkpoint_that_turned_is_noticed(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, {"weight": torch.arange(64.0), "steps": [1, 2]})
    good = path.read_bytes()
    for place in (len(good) - 3, len(good) // 2, good.index(b"dict")):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(ValueError, match=r"checkpoint\.safetensors is damaged.*remove its folder to run again"):
            checkpoint.load(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"checkpoint\.safetensors is missing"):
        checkpoint.load(path)


def test_a_model_whose_numbers_are_none_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    from tests.unit.models.conftest import save_tiny

    folder = save_tiny(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    weights["bert.encoder.layer.0.output.dense.bias"][3] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="'m' is a model .*its hidden states hold numbers that are NaN or infinite"):
        kd.load_teacher(folder)

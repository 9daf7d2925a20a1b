"""What lies damaged on disk is made again or refused in one line, and never read as something else."""

from __future__ import annotations

import copy
import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

import kdviz as kd
from kdviz import disk
from kdviz.training import checkpoint
from kdviz.training.snapshots import Snapshots
from tests.unit.models.families import save_family
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
        tiny.distill(epochs=1, folder=tmp_path / str(seed), seed=seed, snapshots=["the film is great"])
    other = shutil.copytree(tmp_path / "0", tmp_path / "other")
    shutil.copy(other / "student" / "model.json", other / "run.json")
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        kd.Run.load(other)
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


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("method", [kd.KD(), kd.CKD()])
def test_a_teacher_of_no_numbers_is_told_from_a_rate_that_is_too_high(method, cache):
    teacher = copy.deepcopy(tiny.teacher())
    with torch.no_grad():
        next(teacher.network.encoder.base_model.encoder.layer[0].parameters())[0] = float("nan")
    with pytest.raises(ValueError, match="teacher.* NaN or infinite: look at its weights"):
        tiny.distill(method, teacher=teacher, epochs=1, cache=cache)


def test_a_precision_that_there_is_not_spoils_no_later_run():
    first = tiny.distill(epochs=1)
    with pytest.raises(ValueError, match="mixed_precision='fp8'"):
        tiny.distill(epochs=1, mixed_precision="fp8")
    assert tiny.distill(epochs=1, mixed_precision="bf16").test["rows"] > 0
    assert tiny.distill(epochs=1).scores == first.scores


def test_tied_layers_are_trained_kept_and_taken_up_again(tmp_path):
    tied = copy.deepcopy(tiny.student())
    layers = tied.network.encoder.base_model.encoder.layer
    layers[1] = layers[0]
    run = tiny.distill(epochs=1, student=tied, folder=tmp_path, checkpoint_every=1)
    for again in (kd.Run.load(tmp_path), tiny.distill(epochs=1, student=tied, folder=tmp_path, resume=True)):
        assert again.student.fingerprint() == run.student.fingerprint()
        kept = again.student.network.encoder.base_model.encoder.layer
        assert next(kept[0].parameters()) is next(kept[1].parameters())


def test_snapshots_show_what_a_tokenizer_padded_on_its_left_read(tmp_path):
    model = kd.load_teacher(save_family(tmp_path / "m", "bert", padding_side="left"))
    frames = Snapshots(["the plot is very thin and dull", "a film"], model, 1, 24)
    frames.take(model, 0)
    alone = kd.encode(model, "a film").hidden
    for states in (frames.teacher, frames.states[0]):
        torch.testing.assert_close(states.sentence(1).hidden, alone, atol=1e-5, rtol=1e-5)


def test_a_disk_that_fills_up_keeps_the_former_file_and_nothing_else(tmp_path, monkeypatch):
    path, write = tmp_path / "a.json", Path.write_bytes
    disk.write_json(path, {"a": 1})

    def full(self, data):
        write(self, data[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"a\.json cannot be written \(No space left on device\); free some disk"):
        disk.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1} and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("damage", [{"model_max_length": {}}, {"model_max_length": "long"}])
def test_a_tokenizer_that_fails_at_its_first_text_is_refused_when_it_is_loaded(tmp_path, damage):
    kd.load_teacher(save_family(tmp_path / "m", "bert")).save(tmp_path / "saved")
    path = tmp_path / "saved" / "tokenizer" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(ValueError, match=r"the tokenizer in .* cannot be read \(.*restore its files"):
        kd.load_teacher(tmp_path / "saved")


def test_a_model_whose_numbers_are_none_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    from tests.unit.models.conftest import save_tiny

    folder = save_tiny(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    weights["bert.encoder.layer.0.output.dense.bias"][3] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="'m' is a model .*its hidden states hold numbers that are NaN or infinite"):
        kd.load_teacher(folder)

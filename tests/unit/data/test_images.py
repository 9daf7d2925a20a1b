"""Images by name: CIFAR-10 from a cache with the hub's layout, with the code that digits run with."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

import kdviz as kd
from kdviz.models.convnet import conv_net
from tests.unit.training import tiny

NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()
FEATURES = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
COMMIT = "2" * 40
ROWS = {"train": 200, "test": 40}


def images(rows: int, seed: int, side: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, side, side, 3)).astype(np.uint8)


def write(folder, split: str, pictures, shards: int = 1) -> None:
    """Parquet files as the hub has them: pictures as PNG, labels with their names."""
    rows = {"img": [Image.fromarray(one) for one in pictures], "label": [n % 10 for n in range(len(pictures))]}
    whole = datasets.Dataset.from_dict(rows, features=FEATURES)
    for shard in range(shards):
        part = whole.shard(shards, shard, contiguous=True)
        part.to_parquet(folder / f"{split}-{shard:05}-of-{shards:05}.parquet")


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    """A small stand-in for the hub's CIFAR-10 in the cache; the folder of its Parquet files."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("KDVIZ_CACHE", str(tmp_path / "kdviz"))
    home = tmp_path / "datasets--uoft-cs--cifar10"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(COMMIT)
    folder = home / "snapshots" / COMMIT / "plain_text"
    folder.mkdir(parents=True)
    write(folder, "train", images(ROWS["train"], 0), shards=2)
    write(folder, "test", images(ROWS["test"], 1))
    return folder


def test_cifar10_from_the_cache(cifar10, capsys):
    task = kd.load_task("cifar10")
    assert task.labels == tuple(NAMES)
    assert {name: len(split) for name, split in task.splits.items()} == {"train": 180, "dev": 20, "test": 40}
    assert "20 of 200 training rows became dev" in capsys.readouterr().out
    assert repr(task).startswith("cifar10: images, labels airplane")
    ids = np.array(task["test"]["input_ids"][:])
    np.testing.assert_array_equal(ids.reshape(40, 3, 32, 32), images(40, 1).transpose(0, 3, 1, 2))
    assert task["test"]["label"][:] == [n % 10 for n in range(40)]
    kept = {tuple(row[:6]) for name in ("train", "dev") for row in task[name]["input_ids"][:]}
    assert kept == {tuple(one.transpose(2, 0, 1).ravel()[:6].tolist()) for one in images(200, 0)}


def test_the_network_divides_by_the_brightest_value(cifar10):
    task = kd.load_task("cifar10")
    model = conv_net(task, (4,), seed=3)
    ids = torch.tensor(task["test"]["input_ids"][:5])
    block = model.network.blocks[0][0]
    by_hand = torch.relu(
        torch.nn.functional.conv2d(ids.reshape(5, 3, 32, 32) / 255, block.weight, block.bias, padding=1)
    )
    by_hand = model.network.classifier(torch.nn.functional.max_pool2d(by_hand, 2).flatten(1))
    torch.testing.assert_close(model(ids, torch.ones_like(ids)).logits, by_hand)


def test_the_code_of_digits_runs_on_cifar10(cifar10, tmp_path):
    task = kd.load_task("cifar10").with_labels(0.5)
    assert set(task["transfer"]["label"]) == {-100} and task["transfer"].features == task["train"].features
    teacher, student = conv_net(task, (4, 8), role="teacher"), conv_net(task, (2, 2), seed=1)
    run = tiny.distill(
        kd.AnnealingKD(2), student=student, teacher=teacher, task=task, epochs=2, batch_size=32, folder=tmp_path / "run"
    )
    assert run.test["rows"] == 40 and 0 <= run.test["accuracy"] <= 1
    assert kd.models.model.Model.load(tmp_path / "run" / "student").network.brightest == 255


def test_digits_have_a_name_too():
    from kdviz.data.images import load_digits

    assert kd.load_task("digits").fingerprint == load_digits().fingerprint


def test_what_is_not_cached_damaged_or_of_another_kind_is_refused_by_name(cifar10):
    [path] = cifar10.glob("test-*")
    write(cifar10, "test", images(3, 2, side=28))
    with pytest.raises(ValueError, match="image 0 of CIFAR-10 is 28 × 28, not 32 × 32"):
        kd.load_task("cifar10")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"test-00000-of-00001\.parquet: damaged.*kdviz prefetch cifar10"):
        kd.load_task("cifar10")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no file of test.*kdviz prefetch cifar10"):
        kd.load_task("cifar10")
    plain = datasets.Dataset.from_dict({"img": [b""], "label": [3]})
    plain.to_parquet(path)
    with pytest.raises(ValueError, match="'label': the class names are not in the file"):
        kd.load_task("cifar10")
    for file in cifar10.iterdir():
        file.unlink()
    cifar10.rmdir()
    with pytest.raises(
        FileNotFoundError, match="'cifar10' is not in the cache .* HF_HUB_OFFLINE.*kdviz prefetch cifar10"
    ):
        kd.load_task("cifar10")

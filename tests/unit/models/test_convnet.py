"""Images in place of texts: the digits task, small convolutional models, and everything else as with texts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kdviz as kd
from kdviz.data.images import load_digits
from kdviz.models.convnet import conv_net
from kdviz.models.model import Model
from kdviz.training.run import Run
from tests.unit.training import tiny


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def test_every_digit_is_in_one_split_with_its_label(digits):
    from sklearn.datasets import load_digits as stored

    assert {name: len(split) for name, split in digits.splits.items()} == {"train": 1000, "dev": 297, "test": 500}
    rows = [
        (tuple(ids), label)
        for split in digits.splits.values()
        for ids, label in zip(split["input_ids"][:], split["label"][:])
    ]
    found = stored()
    assert sorted(rows) == sorted(zip(map(tuple, found.data.astype(int).tolist()), found.target.tolist()))
    for split in digits.splits.values():
        assert np.bincount(split["label"][:]).min() >= 0.08 * len(split)
    assert load_digits(1)["train"]["label"][:] != digits["train"]["label"][:] == load_digits(0)["train"]["label"][:]


def test_the_network_sees_the_image_as_it_is(digits):
    """The forward pass written out for one block."""
    model = conv_net(digits, (4,), seed=3)
    ids = torch.tensor(digits["train"]["input_ids"][:5])
    images = ids.reshape(5, 1, 8, 8).float() / 16
    block = model.network.blocks[0][0]
    by_hand = torch.relu(torch.nn.functional.conv2d(images, block.weight, block.bias, padding=1))
    by_hand = torch.nn.functional.max_pool2d(by_hand, 2).reshape(5, -1)
    by_hand = torch.nn.functional.linear(by_hand, model.network.classifier.weight, model.network.classifier.bias)
    torch.testing.assert_close(model(ids, torch.ones_like(ids)).logits, by_hand)


def test_a_convolutional_model_is_kept_and_found(digits, tmp_path):
    model = conv_net(digits, (4, 8), seed=1)
    again = Model.load(model.save(tmp_path))
    ids = torch.tensor(digits["test"]["input_ids"][:3])
    assert torch.equal(model(ids, torch.ones_like(ids)).logits, again(ids, torch.ones_like(ids)).logits)
    assert again.fingerprint() == model.fingerprint() != conv_net(digits, (4, 8), seed=2).fingerprint()
    assert again.labels == tuple("0123456789") and again.tokenizer is None


@pytest.mark.parametrize(
    "method",
    [
        kd.AnnealingKD(tau_max=2),
        kd.ContinuationKD(tau_max=2),
        kd.ProKD([None]),
        kd.RWKD(meta_size=8),
        kd.SWA(kd.KD()),
        kd.CoDistillation(),
        kd.LabelRefinement(),
    ],
    ids=lambda method: method.name,
)
def test_every_schedule_and_remedy_runs_on_images(digits, method, tmp_path):
    few = digits.subset(100).with_labels(0.5)
    teacher, student = conv_net(digits, (8, 16), role="teacher"), conv_net(digits, (2, 4), seed=1)
    settings = {"student": student, "teacher": teacher, "task": few, "epochs": 3, "batch_size": 32}
    run = tiny.distill(method, folder=tmp_path, **settings)
    assert 0 <= run.test["accuracy"] <= 1 and run.test["rows"] == len(few["test"])
    loaded = Run.load(tmp_path)
    assert all(torch.equal(w, loaded.student.state_dict()[n]) for n, w in run.student.state_dict().items())


@pytest.mark.parametrize("channels", [(), (0,), (4, 4, 4, 4)])
def test_impossible_shapes_are_refused_by_name(digits, channels):
    with pytest.raises(ValueError, match="1 to 3 blocks"):
        conv_net(digits, channels)


def test_a_task_of_texts_is_refused():
    with pytest.raises(ValueError, match="'tiny' has rows of 0 pixels"):
        conv_net(tiny.task())

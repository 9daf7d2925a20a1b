"""kd.measure: size, time and accuracy of models side by side, and the figure of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kdviz as kd
from tests.unit.training import tiny

TEXTS = ["the film is fine", "the plot is dull and short"]


@pytest.fixture(scope="module")
def table():
    models = {"teacher": tiny.teacher(), "student": tiny.student()}
    return kd.measure(models, TEXTS, tiny.task(), repeats=3)


def test_a_row_holds_size_time_and_accuracy(table, tmp_path):
    assert list(table.index) == ["teacher", "student"] and "student" in repr(table)
    for name, model in (("teacher", tiny.teacher()), ("student", tiny.student())):
        row = table.loc[name]
        assert row.weights == sum(p.numel() for p in model.parameters())
        [file] = model.save(tmp_path / name).glob("model-*.safetensors")
        assert row.megabytes * 1e6 == pytest.approx(file.stat().st_size, rel=0.01)
        for size in (1, 32):
            assert row[f"ms_{size}"] > 0 and row[f"ms_{size}_spread"] >= 0
        lengths = [len(model.tokenizer(text)["input_ids"]) for text in TEXTS]
        assert row.tokens_per_second == pytest.approx(16 * sum(lengths) / row.ms_32 * 1000)
        test = tiny.task()["test"]
        wanted = [tiny.task().labels[label] for label in test["label"]]
        assert row.accuracy == pytest.approx(np.mean(model.predict(list(test["text"])).label == wanted))
        assert row.accuracy_low < row.accuracy < row.accuracy_high


def test_pairs_splits_and_lists_of_models_are_measured_too():
    one, other = tiny.student(), tiny.student(hidden=24)
    found = kd.measure({"one": one, "other": other}, [("the film", "is fine")], repeats=1)
    assert "accuracy" not in found and (found.ms_1 > 0).all()
    images = kd.load_task("digits")
    from kdviz.models.convnet import conv_net

    found = kd.measure([conv_net(images)], images["dev"], images, repeats=1)
    assert found.index[0] == "student" and 0 <= found.accuracy.iloc[0] <= 1


def test_the_models_stay_as_they_were():
    model = tiny.student().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.random.get_rng_state()
    kd.measure([model], TEXTS, tiny.task(), repeats=1)
    assert model.training and torch.equal(random, torch.random.get_rng_state())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    model.eval()


def test_shared_weights_count_once():
    model = kd.build_student(tiny.task(), layers=2, hidden=64, heads=2, vocabulary="full")
    whole = kd.measure([model], TEXTS, repeats=1).megabytes.iloc[0]
    model.network.encoder.base_model.encoder.layer[1] = model.network.encoder.base_model.encoder.layer[0]
    assert kd.measure([model], TEXTS, repeats=1).megabytes.iloc[0] < whole - 0.1


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="2 models share 1 names"):
        kd.measure([tiny.student(), tiny.student(hidden=24)], TEXTS)
    with pytest.raises(ValueError, match="0 texts"):
        kd.measure([tiny.student()], [])
    with pytest.raises(ValueError, match="repeats=0"):
        kd.measure([tiny.student()], TEXTS, repeats=0)
    with pytest.raises(ValueError, match="pass the task"):
        kd.figures.measured(kd.measure([tiny.student()], TEXTS, repeats=1))


def test_the_figure_says_what_the_table_says(table):
    figure = kd.figures.measured(table)
    for trace, (model, row) in zip(figure.data, table.sort_values("ms_1").iterrows(), strict=True):
        assert (trace.x[0], trace.y[0]) == (row.ms_1, row.accuracy)
        assert trace.name.startswith(f"{model}, ") and trace.marker.color == kd.theme.colour(model)
        assert trace.y[0] + trace.error_y.array[0] == pytest.approx(row.accuracy_high)
    sizes = {trace.name.partition(",")[0]: trace.marker.size for trace in figure.data}
    ratio = table.megabytes.teacher / table.megabytes.student
    assert sizes["teacher"] / sizes["student"] == pytest.approx(ratio**0.5)
    assert f"teacher {table.accuracy['teacher']:.3f} in" in figure.layout.meta["alt"]

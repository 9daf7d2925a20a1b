from __future__ import annotations

import numpy as np
import pytest
import torch

import kdviz as kd


def maps(count=3):
    g = torch.Generator().manual_seed(0)
    return [(10 * k, torch.rand(2, 4, generator=g).softmax(-1)) for k in range(count)]


def test_every_step_shows_its_map_and_the_last_comes_first():
    frames = maps()
    figure = kd.figures.layer_attention(frames)
    slider = figure.layout.sliders[0]
    assert [step.label for step in slider.steps] == ["0", "10", "20"] and slider.active == 2
    for frame, (_, expected) in zip(figure.frames, frames, strict=True):
        np.testing.assert_allclose(np.asarray(frame.data[0].z), expected.numpy(), rtol=1e-3)
    np.testing.assert_allclose(np.asarray(figure.data[0].z), frames[-1][1].numpy(), rtol=1e-3)
    assert f"teacher layer {int(frames[-1][1][0].argmax()) + 1}" in figure.layout.meta["alt"]
    assert list(figure.layout.xaxis.ticktext) == ["1", "2", "3", "4"]


def test_long_runs_are_thinned_and_wrong_maps_refused():
    figure = kd.figures.layer_attention(maps(200))
    assert len(figure.frames) == 40 and figure.layout.sliders[0].steps[-1].label == "1990"
    assert len(figure.to_json()) < 300_000
    with pytest.raises(ValueError, match="rows must sum to 1"):
        kd.figures.layer_attention([(0, torch.ones(2, 3))])
    with pytest.raises(ValueError, match="no maps"):
        kd.figures.layer_attention([])
    with pytest.raises(ValueError, match="shapes"):
        kd.figures.layer_attention([(0, torch.ones(2, 1)), (1, torch.ones(3, 1))])


def test_probe_accuracy_draws_each_model():
    figure = kd.figures.probe_accuracy({"teacher": [0.2, 0.5, 0.7], "<b>": [0.3]}, chance=0.2)
    np.testing.assert_allclose(np.asarray(figure.data[0].y), [0.2, 0.5, 0.7], rtol=1e-3)
    assert list(figure.data[0].x) == [1, 2, 3] and figure.data[1].name == "&lt;b&gt;"
    assert "0.70 at layer 3" in figure.layout.meta["alt"] and figure.layout.shapes[0].y0 == 0.2
    with pytest.raises(ValueError, match="no curves"):
        kd.figures.probe_accuracy({})

"""factor_shapes: what is on screen is what the shapes cost and lose; the slider shows the spectrum of its shape."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kdviz as kd
from kdviz.models import kronecker


@pytest.fixture
def rows():
    weight = torch.randn(8, 12, generator=torch.Generator().manual_seed(0))
    return kronecker.shapes(weight, [(2, 3), (4, 6), (8, 1), (1, 12)])


def test_dots_are_size_and_error(rows):
    figure = kd.figures.factor_shapes(rows, of="query of layer 1")
    dots = figure.data[0]
    assert list(dots.x) == [row["parameters"] for row in rows]
    np.testing.assert_allclose(np.asarray(dots.y), [row["error"] for row in rows], rtol=1e-3)
    np.testing.assert_allclose(np.asarray(dots.marker.color), [row["flops"] for row in rows], rtol=1e-3)
    for text, row in zip(dots.text, rows):
        assert f"A {row['a'][0]}×{row['a'][1]}" in text and f"{row['parameters']:,} weights" in text
    assert (
        "query of layer 1" in figure.layout.meta["alt"]
        and f"{min(row['error'] for row in rows):.3f}" in figure.layout.meta["alt"]
    )


def test_the_slider_rings_a_shape_and_shows_its_spectrum(rows):
    figure = kd.figures.factor_shapes(rows)
    slider = figure.layout.sliders[0]
    assert [step.args[0][0] for step in slider.steps] == [frame.name for frame in figure.frames]
    for step, row in enumerate(rows):
        dot, bars = figure.frames[step].data
        assert list(dot.x) == [row["parameters"]] and dot.y[0] == pytest.approx(row["error"], abs=1e-4)
        expected = (row["sigma"] / row["sigma"][0]).numpy()
        np.testing.assert_allclose(np.asarray(bars.y), expected, rtol=1e-3, atol=1e-6)
    start = figure.frames[slider.active].data
    np.testing.assert_array_equal(np.asarray(start[1].y), np.asarray(figure.data[2].y))


def test_measured_times_take_the_place_of_flops(rows):
    timed = [row | {"milliseconds": 1.5 + k} for k, row in enumerate(rows)]
    figure = kd.figures.factor_shapes(timed)
    np.testing.assert_allclose(np.asarray(figure.data[0].marker.color), [1.5, 2.5, 3.5, 4.5], rtol=1e-3)
    assert figure.data[0].marker.colorbar.title.text == "ms" and "1.50 ms" in figure.data[0].text[0]
    with pytest.raises(ValueError, match="1 of 4 shapes have milliseconds"):
        kd.figures.factor_shapes([timed[0], *rows[1:]])
    with pytest.raises(ValueError, match="0 shapes"):
        kd.figures.factor_shapes([])


def test_it_stays_small_and_its_names_are_text(rows):
    figure = kd.figures.factor_shapes(rows * 10, of="<b>W</b>")
    assert len(figure.to_json()) < 300_000
    assert "&lt;b&gt;" in figure.layout.title.text

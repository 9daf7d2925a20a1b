from __future__ import annotations

import html

import numpy as np
import pytest
import torch

import kdviz as kd

OPERATIONS = ["synonyms", "synonyms", "synonyms", "deletion"]


def test_the_share_of_each_operation_among_the_picked():
    frames = [(0, torch.tensor([1, 1, 2, 4])), (10, torch.tensor([4, 4, 0, 0]))]
    figure = kd.figures.picked_share(frames, OPERATIONS)
    assert [trace.name for trace in figure.data] == ["synonyms (3 of 4 copies)", "deletion (1 of 4 copies)"]
    np.testing.assert_allclose(np.array([trace.y for trace in figure.data], float), [[0.5, 1], [0.5, 0]])
    assert list(figure.data[0].x) == [0, 10]
    assert sorted(line.y0 for line in figure.layout.shapes) == [0.25, 0.75]
    assert "deletion from 0.50 to 0.00, 0.25 on average (0.25 by chance)" in figure.layout.meta["alt"]
    assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text and len(figure.to_json()) < 20_000
    assert str(kd.figures.table(figure)).count("<table>") == 2
    hostile = kd.figures.picked_share(frames, ["<b>x</b>", "$y$", "$y$", "$y$"])
    assert "&lt;b&gt;x&lt;/b&gt;" in hostile.data[0].name and "&#36;y&#36;" in hostile.data[1].name


@pytest.mark.parametrize(
    "frames, operations, message",
    [
        ([], OPERATIONS, "no counts"),
        ([(0, torch.ones(4))], OPERATIONS[:3], "counts of 4 copies, but 3 operations"),
        ([(0, torch.ones(4)), (7, torch.zeros(4))], OPERATIONS, "nothing was picked at step 7"),
    ],
)
def test_counts_that_make_no_sense_are_refused(frames, operations, message):
    with pytest.raises(ValueError, match=message):
        kd.figures.picked_share(frames, operations)


def test_the_worst_copies_of_each_moment_are_crossed():
    badness = np.array([[0.1, 0.9, 0.5], [0.7, 0.2, 0.1]])
    figure = kd.figures.picked_copies("the <i>text</i>", ["one", "two", "three"], [0, 5], badness, 2)
    heat, crosses = figure.data
    np.testing.assert_allclose(np.asarray(heat.z, float), badness.T, rtol=1e-3)
    assert set(zip(crosses.x, crosses.y)) == {(0, 1), (0, 2), (1, 0), (1, 1)}
    assert list(figure.layout.yaxis.ticktext) == ["one", "two", "three"] and list(figure.layout.xaxis.ticktext) == [
        "0",
        "5",
    ]
    assert "Picked most often, 2 times: two; 3 of 3 copies" in figure.layout.meta["alt"]
    assert html.unescape(figure.layout.title.subtitle.text) == "from: the <i>text</i>"


@pytest.mark.parametrize("shape, k", [((2, 2), 1), ((3, 3), 1), ((2, 3), 4), ((2, 3), 0)])
def test_maps_of_other_sizes_are_refused(shape, k):
    with pytest.raises(ValueError, match=r"wanted are \(2, 3\)"):
        kd.figures.picked_copies("text", ["a", "b", "c"], [0, 1], np.ones(shape), k)

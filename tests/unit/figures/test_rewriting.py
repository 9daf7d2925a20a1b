from __future__ import annotations

import html

import numpy as np
import pytest

import kdviz as kd
from tests.unit.figures.made import HOSTILE


def test_new_words_are_marked_and_only_they():
    before, after = ["the", "film", "is", "dull"], ["the", "play", "is", "dull"]
    figure = kd.figures.rewrites([3, 9], [before, after], [before, before])
    np.testing.assert_array_equal(np.asarray(figure.data[0].z, float), [[0, 0], [1, 2], [0, 0], [0, 0]])
    assert [list(row) for row in figure.data[0].text][1] == ["play", "<b>film</b>"]
    np.testing.assert_array_equal(np.asarray(figure.frames[0].data[0].z, float), np.zeros((4, 2)))
    assert [step.label for step in figure.layout.sliders[0].steps] == ["3", "9"]
    assert "At step 9, 1 of 4 tokens are new: play becomes film" in figure.layout.meta["alt"]


def test_texts_of_other_lengths_leave_blanks_and_one_step_needs_no_slider():
    figure = kd.figures.rewrites([0, 1], [["a"], ["a", "b", "c"]], [["a"], ["a", "b", "d"]])
    first = figure.frames[0].data[0]
    assert np.isnan(np.asarray(first.z, float)[1:]).all() and [list(row) for row in first.text][1:] == [["", ""]] * 2
    alone = kd.figures.rewrites([0], [["a"]], [["b"]])
    assert not alone.layout.sliders and not alone.frames


def test_long_texts_and_runs_are_cut_and_it_is_said():
    text = [f"w{k}" for k in range(60)]
    figure = kd.figures.rewrites(range(90), [text] * 90, [text[::-1]] * 90)
    assert len(figure.frames) == 25 and figure.layout.sliders[0].steps[-1].label == "89"
    assert len(figure.data[0].text) == 40 and "first 40 of up to 60 tokens" in figure.layout.title.subtitle.text
    assert len(figure.to_json()) < 300_000


def test_hostile_words_are_shown_literally_on_both_sides():
    figure = kd.figures.rewrites([0], [list(HOSTILE)], [list(HOSTILE[::-1])])
    shown = [kd.theme.shortened(kd.theme.visible(word)) for word in HOSTILE]
    for (old, new), a, b in zip(figure.data[0].text, shown, shown[::-1]):
        assert html.unescape(old) == a and html.unescape(new.removeprefix("<b>").removesuffix("</b>")) == b


def test_cycles_are_shaded_and_averaged():
    steps = np.arange(100, 140)
    climbing = steps % 10 < 4
    gap = np.where(climbing, 5.0, 1.0) + (steps % 10) / 10
    figure = kd.figures.disagreement(steps, gap, 0 * gap + 0.5, climbing)
    left, right = figure.data[0], figure.data[1]
    np.testing.assert_allclose(right.y, 1 + 4 * (np.arange(10) < 4) + np.arange(10) / 10, rtol=1e-3)
    np.testing.assert_allclose(left.x, steps)
    bands = [(shape.x0, shape.x1) for shape in figure.layout.shapes]
    assert bands == [(99.5, 103.5), (109.5, 113.5), (119.5, 123.5), (129.5, 133.5), (-0.5, 3.5)]
    assert (
        f"{gap[climbing].mean():.3g} while the generator climbs, {gap[~climbing].mean():.3g} while it rests"
        in figure.layout.meta["alt"]
    )


def test_a_run_that_begins_at_rest_and_ends_in_a_climb():
    climbing = np.array([False, False, True, True, False, False, True])
    figure = kd.figures.disagreement(range(7), np.arange(7.0), np.zeros(7), climbing)
    np.testing.assert_allclose(
        figure.data[1].y, [4, 3, 4, 5], rtol=1e-3
    )  # means of (2, 6), 3, 4, 5; the first two belong to none
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes][:2] == [(1.5, 3.5), (5.5, 6.5)]


@pytest.mark.parametrize(
    "steps, before, after, words",
    [
        ([], [], [], "0 steps"),
        ([1, 2], [["a"]], [["b"]], "2 steps, 1 texts"),
        ([1], [["a"]], [["b", "c"]], "1 tokens was rewritten to 2"),
    ],
)
def test_what_does_not_fit_is_refused(steps, before, after, words):
    with pytest.raises(ValueError, match=words):
        kd.figures.rewrites(steps, before, after)


def test_a_generator_that_never_climbs_is_refused():
    with pytest.raises(ValueError, match="never climbs"):
        kd.figures.disagreement(range(3), [1, 2, 3], [1, 2, 3], [False] * 3)
    with pytest.raises(ValueError, match="all must be"):
        kd.figures.disagreement(range(3), [1, 2], [1, 2, 3], [True] * 3)

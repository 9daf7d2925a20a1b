"""Pictures of answers of other kinds: shares of endings, one of them right; numbers against the teacher's."""

from __future__ import annotations

import numpy as np
import pytest

import kdviz as kd

ENDINGS = ["he slept", "<b>he ran</b>", "he sang"]


def test_bars_are_shares_and_the_right_ending_is_outlined():
    figure = kd.figures.choices(np.log([0.2, 0.5, 0.3]), np.log([0.6, 0.3, 0.1]), ENDINGS, 1, "At night")
    teacher, student = figure.data
    assert (teacher.name, student.name) == ("teacher", "student")
    np.testing.assert_allclose(teacher.x, [0.6, 0.3, 0.1], atol=1e-3)
    np.testing.assert_allclose(student.x, [0.2, 0.5, 0.3], atol=1e-3)
    assert [width > 0 for width in student.marker.line.width] == [False, True, False]
    assert (
        figure.layout.yaxis.ticktext[1] == "&lt;b&gt;he\xa0ran&lt;/b&gt;"
        and "At night" in figure.layout.title.subtitle.text
    )
    alt = figure.layout.meta["alt"]
    assert "Ending 1 is right: the teacher gives it 30% and chooses ending 0; the student gives it 50%" in alt


def test_points_are_values_and_equal_ones_lie_on_the_diagonal():
    figure = kd.figures.values([0.0, 1.0, 2.0], [0.5, 1.0, 2.5], ["a", "<i>b</i>", "c"])
    diagonal, points = figure.data
    assert list(diagonal.x) == list(diagonal.y) == [0.0, 2.5]
    np.testing.assert_allclose((points.x, points.y), ([0.5, 1, 2.5], [0, 1, 2]), atol=1e-3)
    assert points.text[1] == "&lt;i&gt;b&lt;/i&gt;" and "0.33 apart in the mean" in figure.layout.meta["alt"]
    assert "never varies" in kd.figures.values([1.0, 1.0], [0.0, 1.0]).layout.meta["alt"]


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: kd.figures.choices([1.0, 2.0], [1.0, 2.0], ENDINGS, 0), r"\(2,\) and \(2,\) for 3 endings"),
        (lambda: kd.figures.choices([1.0] * 3, [1.0] * 3, ENDINGS, 3), "right=3: there are 3 endings, counted from 0"),
        (lambda: kd.figures.values([1.0], [1.0]), r"values \(1,\), \(1,\): pass \(N,\) of both"),
        (lambda: kd.figures.values([1.0, 2.0], [1.0, 2.0], ["a"]), r"\(2,\) and 1 names"),
    ],
)
def test_what_does_not_fit_is_named(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()

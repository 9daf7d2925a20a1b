"""Pictures of language models: what is on screen is the mass, the distribution and the loss that was handed over."""

from __future__ import annotations

import numpy as np
import pytest

import kdviz as kd

TEACHER = {"I … am": 0.6, "she … is": 0.4, "none": 0.0}
STUDENTS = {0: {"I … am": 0.3, "she … is": 0.2, "none": 0.5}, 1: {"I … am": 0.9, "she … is": 0.0, "none": 0.1}}


def test_mass_of_the_student_moves_and_the_teachers_stays():
    figure = kd.figures.mode_mass(TEACHER, STUDENTS)
    assert [step.label for step in figure.layout.sliders[0].steps] == ["0", "1"]
    for frame, student in zip(figure.frames, STUDENTS.values(), strict=True):
        np.testing.assert_allclose(frame.data[0].y, list(TEACHER.values()))
        np.testing.assert_allclose(frame.data[1].y, list(student.values()))
    assert list(figure.layout.xaxis.ticktext) == ["I\xa0…\xa0am", "she\xa0…\xa0is", "none"]
    assert "I … am from 0.30 to 0.90" in figure.layout.meta["alt"].replace("\xa0", " ")


def test_what_is_kept_and_lost_with_the_range_over_seeds():
    points = {"top-k": [("k = 1", 6, [0.3, 0.3, 0.6]), ("k = 4", 24, [0.1, 0.1])], "all": [("all", 80, 0.01)]}
    figure = kd.figures.kept_and_lost(points, y_title="KL")
    top, everything = figure.data
    np.testing.assert_allclose((top.x, top.y), ([6, 24], [0.4, 0.1]), rtol=1e-3)
    np.testing.assert_allclose((top.error_y.array, top.error_y.arrayminus), ([0.2, 0], [0.1, 0]), atol=1e-3)
    assert everything.error_y.array is None and figure.layout.xaxis.type == "log"
    assert list(figure.layout.xaxis.ticktext) == ["5", "10", "20", "50", "100"]
    assert "top-k is lowest, 0.1000, with k = 4 at 24" in figure.layout.meta["alt"].replace("\xa0", " ")


def test_drafts_are_counted_beside_what_is_expected():
    nan = np.nan
    accepted = np.array([[1, 1], [0, nan], [1, 0], [1, 1]], float)
    expected = np.array([[0.6, 0.5], [0.8, nan], [0.6, 0.5], [0.8, 0.7]])
    figure = kd.figures.accepted_drafts({"reverse": (accepted, expected)})
    wanted, counted = figure.data
    np.testing.assert_allclose(wanted.y, [0.7, 1.7 / 3], rtol=1e-3)
    np.testing.assert_allclose(counted.y, [0.75, 2 / 3], rtol=1e-3)
    assert list(counted.x) == [1, 2] and counted.mode == "markers" and counted.marker.color == wanted.line.color
    half = 3.182 * np.std([1, 0, 1, 1], ddof=1) / 2
    np.testing.assert_allclose(counted.error_y.array[0], half, rtol=1e-3)
    assert "reverse 0.750 counted and 0.700 expected" in figure.layout.meta["alt"].replace("\xa0", " ")


def test_a_text_shows_who_wrote_each_word():
    figure = kd.figures.drafted_text(["a", "<b>", "c", "d"], [True, False, True, True], per_line=3)
    shown = figure.data[0]
    np.testing.assert_allclose(shown.z, [[1, 0, 1], [1, np.nan, np.nan]])
    assert [list(row) for row in shown.text] == [["a", "&lt;b&gt;", "c"], ["d", "", ""]]
    assert list(shown.customdata[0]) == ["the draft", "the large model", "the draft"]
    assert "4 words, 3 of them drafted and accepted. The large model wrote: <b>." in figure.layout.meta["alt"]
    long = kd.figures.drafted_text(["a"] * 100, [True] * 100)
    assert long.data[0].z.shape == (8, 12) and "first 96 of 100 tokens" in long.layout.title.subtitle.text


ONE = np.array([[1.0], [0.0]])


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: kd.figures.mode_mass(TEACHER, {0: {"x": 1.0}}), r"β = 0 has the modes \['x'\]"),
        (lambda: kd.figures.mode_mass(TEACHER, {}), "no student to show"),
        (lambda: kd.figures.kept_and_lost({"a": [("k", 0, 1.0)]}, y_title="KL"), "must be above 0, got 0"),
        (lambda: kd.figures.accepted_drafts({"a": (ONE, ONE[0])}), r"accepted \(2, 1\) and expected \(1,\)"),
        (lambda: kd.figures.accepted_drafts({"a": (ONE, ONE * np.nan)}), "NaN at different places"),
        (lambda: kd.figures.accepted_drafts({"a": (ONE[:1], ONE[:1])}), r"\[1\] calls reached the places"),
        (lambda: kd.figures.drafted_text(["a"], [True, False]), "1 words and 2 marks"),
    ],
)
def test_what_does_not_fit_is_named(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()

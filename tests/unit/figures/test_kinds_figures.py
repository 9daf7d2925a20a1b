"""Pictures of answers of other kinds: shares of endings, numbers against the teacher's, where an answer begins."""

from __future__ import annotations

import numpy as np
import pytest

import kdviz as kd
from tests.unit.figures.made import asked_states, make_states

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


CONTEXT = ["[CLS]", "who", "[SEP]", "ana", "ran", "<i>", "##ger", "[SEP]"]  # "ana ran <i>ger"


def test_bars_are_starts_and_ends_and_the_right_span_is_shaded():
    logits = np.full((8, 2), -1e4)
    logits[[0, 3, 5, 6]] = np.log([[0.2, 0.1], [0.5, 0.1], [0.2, 0.1], [0.1, 0.7]])
    teacher = asked_states(CONTEXT, first=3, logits=logits)
    student = asked_states(CONTEXT, "student", first=3, logits=np.where(logits < -1e3, logits, 0.0))
    figure = kd.figures.spans([teacher, student], (8, 14))
    starts, ends = figure.data[:2]
    np.testing.assert_allclose(starts.y, [0.2, 0.5, 0, 0.2, 0.1], atol=1e-3)
    np.testing.assert_allclose(ends.y, [0.1, 0.1, 0, 0.1, 0.7], atol=1e-3)
    np.testing.assert_allclose(figure.data[2].y, [0.25, 0.25, 0, 0.25, 0.25], atol=1e-3)
    assert [trace.marker.color for trace in figure.data[::2]] == [
        kd.theme.colour("teacher"),
        kd.theme.colour("student"),
    ]
    assert list(figure.layout.xaxis2.ticktext) == ["no\xa0answer", "ana", "ran", "&lt;i&gt;", "##ger"]
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(2.5, 4.5)] * 2
    assert "no answer: teacher · minilm 2%, student 6%" in figure.layout.title.subtitle.text
    said = "teacher · minilm gives 2% to no answer and, of all spans, the most to “ana ran <i> ##ger” 35%"
    assert f"“<i> ##ger” is right; {said}" in figure.layout.meta["alt"]
    nothing = kd.figures.spans(teacher, (0, 0))
    assert nothing.layout.shapes[0].x0 == -0.5 and "nothing answers it" in nothing.layout.meta["alt"]


def test_of_a_long_context_the_part_around_the_answer_is_shown():
    words = ["[CLS]", *(f"w{place:03}" for place in range(120))]
    logits = np.zeros((121, 2))
    logits[100] = 9
    figure = kd.figures.spans(asked_states(words, logits=logits), (250, 254))  # w050
    shown = list(figure.layout.xaxis2.ticktext)
    assert len(shown) == kd.theme.MOST_TOKENS and shown[20] == "w050" and figure.layout.shapes[0].x0 == 19.5
    assert "tokens 32 to 70 of the 120 of the context" in figure.layout.title.subtitle.text
    assert "w099" in kd.figures.spans(asked_states(words, logits=logits), (0, 0)).layout.xaxis2.ticktext


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: kd.figures.choices([1.0, 2.0], [1.0, 2.0], ENDINGS, 0), r"\(2,\) and \(2,\) for 3 endings"),
        (lambda: kd.figures.choices([1.0] * 3, [1.0] * 3, ENDINGS, 3), "right=3: there are 3 endings, counted from 0"),
        (
            lambda: kd.figures.spans(make_states(), (0, 0)),
            r"'minilm' answers no questions: kd.encode\(models, \(question",
        ),
        (
            lambda: kd.figures.spans(asked_states(CONTEXT, first=3), (90, 95)),
            r"right=\(90, 95\): .* characters 0 to 14",
        ),
        (lambda: kd.figures.values([1.0], [1.0]), r"values \(1,\), \(1,\): pass \(N,\) of both"),
        (lambda: kd.figures.values([1.0, 2.0], [1.0, 2.0], ["a"]), r"\(2,\) and 1 names"),
    ],
)
def test_what_does_not_fit_is_named(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()

"""word_relation and word_angles: the numbers on screen are the relations, at every step, under every menu entry."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import kdviz as kd
from tests.unit.figures.made import HOSTILE, drawn, make_states, visible

CLOSE = {"rtol": 1e-3, "atol": 1e-3}  # a figure keeps four digits


def by_hand(hidden: np.ndarray) -> dict[str, np.ndarray]:
    """Cosine, distance and row distribution of (n, d) vectors, written out."""
    hidden = hidden.astype(np.float64)
    unit = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
    cosine = unit @ unit.T
    distance = np.linalg.norm(hidden[:, None] - hidden[None], axis=-1)
    grown = np.exp(cosine) * (1 - np.eye(len(hidden)))
    rows = grown / grown.sum(1, keepdims=True)
    rows[np.eye(len(hidden), dtype=bool)] = np.nan
    return {"cosine": cosine, "distance": distance, "row distribution": rows}


def test_every_step_and_menu_entry_shows_the_relation(teacher, student):
    figure = kd.figures.word_relation([teacher, student])
    buttons = figure.layout.updatemenus[0].buttons
    assert [button.label for button in buttons] == ["cosine", "distance", "row distribution"]
    assert [step.label for step in figure.layout.sliders[0].steps] == ["0", "3↔1", "6↔2"]
    for step, (t, s) in enumerate([(0, 0), (3, 1), (6, 2)]):
        arrays = drawn(figure, step)
        expected_t, expected_s = by_hand(teacher.hidden[0, t].numpy()), by_hand(student.hidden[0, s].numpy())
        for button in buttons:
            places = [place for place, shown in enumerate(button.args[0]["visible"]) if shown]
            assert len(places) == 3
            left, right, difference = (arrays[place] for place in places)
            np.testing.assert_allclose(left, expected_t[button.label], **CLOSE)
            np.testing.assert_allclose(right, expected_s[button.label], **CLOSE)
            np.testing.assert_allclose(difference, expected_s[button.label] - expected_t[button.label], **CLOSE)


def test_slider_steps_name_frames_that_exist_and_start_with_what_is_drawn(teacher):
    figure = kd.figures.word_relation(teacher)
    names = [frame.name for frame in figure.frames]
    slider = figure.layout.sliders[0]
    assert [step.args[0][0] for step in slider.steps] == names
    for before, at_start in zip(drawn(figure), drawn(figure, slider.active), strict=True):
        np.testing.assert_array_equal(before, at_start)
    assert not np.allclose(drawn(figure, 0)[0], drawn(figure, 1)[0])


def test_one_model_has_one_panel_and_no_difference(teacher):
    figure = kd.figures.word_relation(teacher)
    assert visible(figure) == [0]
    assert len(figure.data) == 3
    assert len(figure.frames) == 7


def test_duplicate_tokens_stay_apart():
    states = make_states(tokens=["[CLS]", "not", "good", "not", "bad", "[SEP]"])
    figure = kd.figures.word_relation(states)
    assert list(figure.layout.xaxis.ticktext) == ["[CLS]", "not", "good", "not", "bad", "[SEP]"]
    assert list(figure.layout.xaxis.tickvals) == [0, 1, 2, 3, 4, 5]
    assert figure.layout.yaxis.autorange == "reversed"
    assert drawn(figure)[0].shape == (6, 6)


def test_window_blanks_what_is_farther_apart(teacher):
    figure = kd.figures.word_relation(teacher, window=5)
    far = np.abs(np.subtract.outer(np.arange(12), np.arange(12))) > 2
    for array in drawn(figure, 3)[:2]:
        np.testing.assert_array_equal(np.isnan(array), far)
    assert any("window 5" in note for note in figure.layout.meta["notes"])


@pytest.mark.parametrize("window", [4, 1, 0])
def test_a_window_that_is_not_odd_is_refused(teacher, window):
    with pytest.raises(ValueError, match=str(window)):
        kd.figures.word_relation(teacher, window=window)


def test_difference_is_centred_on_zero_and_magnitudes_are_not(teacher, student):
    figure = kd.figures.word_relation([teacher, student])
    for place, trace in enumerate(figure.data):
        axis = figure.layout[trace.coloraxis]
        if place % 3 == 2:
            assert axis.cmin == -axis.cmax
            assert axis.colorscale[1][0] == 0.5
        else:
            assert [shade for _, shade in axis.colorscale] == list(kd.theme.SEQUENTIAL)
        for step in range(3):
            array = drawn(figure, step)[place]
            slack = 1e-3 * axis.cmax  # of rounding
            assert np.nanmin(array) >= axis.cmin - slack
            assert np.nanmax(array) <= axis.cmax + slack


def test_angles_equal_the_angle_between_difference_vectors(teacher):
    vertex = 4
    figure = kd.figures.word_angles(teacher, vertex, window=7)
    hidden = teacher.hidden[0].double().numpy()
    buttons = figure.layout.updatemenus[0].buttons
    assert len(buttons) == 12
    assert figure.layout.updatemenus[0].active == vertex
    for step in (0, 5):
        for j, array in enumerate(drawn(figure, step)):
            for i in range(12):
                for k in range(12):
                    exists = len({i, j, k}) == 3 and max(abs(i - j), abs(k - j)) <= 3
                    assert np.isfinite(array[i, k]) == exists
                    if exists:
                        a, b = hidden[step, i] - hidden[step, j], hidden[step, k] - hidden[step, j]
                        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                        assert array[i, k] == pytest.approx(cosine, abs=2e-3)


def test_angles_at_a_word_by_its_text_and_in_a_sentence_too_long_for_a_menu():
    states = [make_states(tokens=30), make_states("student", tokens=30, layers=6, seed=1)]
    figure = kd.figures.word_angles(states, "word7")
    assert not figure.layout.updatemenus
    assert "word7" in figure.layout.title.text
    assert np.isnan(drawn(figure)[0][8]).all()


def test_a_vertex_that_does_not_exist_is_refused_by_name(teacher):
    with pytest.raises(ValueError, match="'banana' is not a token"):
        kd.figures.word_angles(teacher, "banana")
    with pytest.raises(ValueError, match="12 tokens: choose 0 to 11"):
        kd.figures.word_angles(teacher, 12)


def test_equal_vectors_make_no_angle():
    states = make_states(tokens=5)
    states.hidden[:, :, 2] = states.hidden[:, :, 1]
    array = drawn(kd.figures.word_angles(states, 1))[1]
    assert np.isnan(array[2]).all()
    assert np.isfinite(array[0, 3])


@pytest.mark.parametrize("tokens", [("x",), ("x", "y")])
def test_the_shortest_sentences_are_drawn(tokens):
    figure = kd.figures.word_relation([make_states(tokens=tokens), make_states("student", tokens=tokens, seed=1)])
    assert drawn(figure)[0].shape == (len(tokens),) * 2
    kd.figures.word_angles(make_states(tokens=tokens), 0)


def test_models_that_cut_the_text_differently_are_refused(teacher):
    other = make_states("student", tokens=9)
    with pytest.raises(ValueError, match="12 tokens.*9 tokens"):
        kd.figures.word_relation([teacher, other])


def test_nan_is_refused_by_count(teacher):
    teacher.hidden[0, 2, 3, 4] = torch.nan
    with pytest.raises(ValueError, match="1 of 1344 hidden values of 'minilm'"):
        kd.figures.word_relation(teacher)


def test_three_models_and_other_things_are_refused(teacher):
    with pytest.raises(ValueError, match="one model or of two"):
        kd.figures.word_relation([teacher] * 3)
    with pytest.raises(ValueError, match="str"):
        kd.figures.word_relation("hello")


@pytest.mark.parametrize(("layers", "shown"), [((6, 6), 7), ((12, 12), 7), ((24, 24), 7), ((6, 2), 3)])
def test_long_inputs_and_deep_models_stay_small_and_say_so(layers, shown):
    states = [make_states(tokens=40, layers=layers[0]), make_states("student", tokens=40, layers=layers[1], seed=1)]
    figure = kd.figures.word_relation(states)
    assert len(figure.to_json()) <= 300_000
    steps = [step.label for step in figure.layout.sliders[0].steps]
    assert len(steps) == shown
    assert steps[0] == "0" and steps[-1].startswith(str(layers[0]))
    notes = " ".join(figure.layout.meta["notes"])
    kept = len(figure.layout.xaxis.ticktext)
    assert kept >= 24
    assert (kept == 40) or f"first {kept} of 40 tokens" in notes
    assert (layers[0] < 12) or f"7 of {layers[0] + 1} layers" in notes
    assert "tokens" in figure.layout.title.subtitle.text


def test_a_thinned_layer_shows_that_layer():
    states = make_states(tokens=30, layers=48)
    figure = kd.figures.word_relation(states)
    labels = [step.label for step in figure.layout.sliders[0].steps]
    assert len(labels) < 49
    for step, label in enumerate(labels):
        n = len(figure.layout.xaxis.ticktext)
        expected = by_hand(states.hidden[0, int(label)].numpy())["cosine"][:n, :n]
        np.testing.assert_allclose(drawn(figure, step)[0], expected, **CLOSE)


def test_hostile_tokens_take_part(teacher):
    figure = kd.figures.word_angles(make_states(tokens=HOSTILE), 1)
    assert "<img" not in figure.layout.title.text
    assert "&lt;/script&gt;" in figure.layout.title.text


def test_layers_are_compared_as_the_student_was_trained(teacher, student):
    """PKD compares other layers than CKD; a map of no use (another model first, all layers with all) is left alone."""
    trained = dataclasses.replace(student, layer_map=((2, 6), (1, 2)))
    steps = lambda *models: [step.label for step in kd.figures.word_relation(models).layout.sliders[0].steps]
    assert steps(teacher, student) == ["0", "3↔1", "6↔2"]
    assert steps(teacher, trained) == ["2↔1", "6↔2"]
    assert steps(dataclasses.replace(student, name="other"), trained) == ["0", "1", "2"]
    assert steps(teacher, dataclasses.replace(student, layer_map=((1, 2, 3, 4, 5, 6), (1, 2)))) == ["0", "3↔1", "6↔2"]
    assert steps(teacher, dataclasses.replace(student, layer_map=((0, 12), (0, 2)))) == ["0", "3↔1", "6↔2"]
    drawn_at = drawn(kd.figures.word_relation([teacher, trained]), 0)
    np.testing.assert_allclose(drawn_at[0], by_hand(teacher.hidden[0, 2].numpy())["cosine"], **CLOSE)
    np.testing.assert_allclose(drawn_at[1], by_hand(student.hidden[0, 1].numpy())["cosine"], **CLOSE)


def test_every_figure_of_two_models_follows_the_map(teacher):
    student = make_states("student", layers=3, width=8, seed=1, heads=2)
    student = dataclasses.replace(student, layer_map=((1, 4, 5), (1, 2, 3)))
    pair = [make_states(heads=2), student]
    labels = ["1", "4↔2", "5↔3"]
    for figure in (kd.figures.word_relation(pair), kd.figures.word_angles(pair, 1), kd.figures.attention(pair)):
        assert [step.label for step in figure.layout.sliders[0].steps] == labels
    assert list(kd.figures.layer_relation(pair).layout.xaxis3.ticktext) == labels
    assert [list(trace.customdata) for trace in kd.figures.layer_path(pair).data[::12]] == [
        ["1", "4", "5"],
        ["1", "2", "3"],
    ]
    film = kd.figures.replay([0, 1], [student, student], pair[0])
    assert [button.label for button in film.layout.updatemenus[0].buttons] == [f"layer {label}" for label in labels]


def test_figures_that_are_compared_may_share_their_colours(teacher, student):
    def colours(figure, place):
        axis = figure.layout[figure.data[place].coloraxis]
        return axis.cmin, axis.cmax

    near = dataclasses.replace(student, hidden=0.1 * student.hidden + 0.9 * teacher.hidden[:, ::3, :, :8])
    first, second = (kd.figures.word_relation([teacher, one], scale=0.8) for one in (student, near))
    assert colours(first, 2) == colours(second, 2) == (-0.8, 0.8)
    assert colours(first, 0) == colours(second, 0) and colours(first, 0)[0] in (-1, -0.5, 0)
    assert colours(kd.figures.word_relation([teacher, near]), 2) != colours(first, 2)
    assert colours(kd.figures.layer_relation([teacher, near], scale=0.3), 2) == (-0.3, 0.3)
    assert colours(kd.figures.replay([0, 1], [student, near], teacher, scale=1.5), 2) == (-1.5, 1.5)

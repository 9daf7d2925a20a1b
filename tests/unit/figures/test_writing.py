"""What language models say of the next word: colours and bars are the divergences and probabilities of the States."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import kdviz as kd
from tests.unit.figures.made import make_states, writing_states


def test_colours_are_divergence_and_entropies_on_one_scale():
    teacher, student = writing_states(tokens=13), writing_states("student", tokens=13, seed=1)
    logits = torch.zeros(1, 13, 30)
    logits[0, 4, 7] = 1e4
    teacher = replace(teacher, logits=logits)  # knows what follows the fifth word, and nothing of the others
    figure = kd.figures.coloured_text([teacher, student])
    divergence, accepted, of_teacher, of_student = (np.ravel(trace.z)[:13] for trace in figure.data)
    expected = np.full(13, math.log(30))
    expected[4] = 0
    np.testing.assert_allclose(of_teacher, expected, rtol=1e-3, atol=1e-6)
    p, q = (model.logits[0].double().softmax(-1).numpy() for model in (teacher, student))
    terms = np.where(p > 0, p * (np.log(np.maximum(p, 1e-300)) - np.log(q)), 0)
    np.testing.assert_allclose(divergence, terms.sum(-1), rtol=1e-3)
    np.testing.assert_allclose(of_student, -(q * np.log(q)).sum(-1), rtol=1e-3)
    np.testing.assert_allclose(accepted, np.minimum(p, q).sum(-1), rtol=1e-3)
    assert (figure.data[1].zmax, figure.data[1].colorbar.title.text) == (1, "probability")
    assert f"{accepted.mean():.2f} are accepted" in figure.layout.meta["alt"].replace("\xa0", " ")
    assert figure.data[2].zmax == figure.data[3].zmax == pytest.approx(math.log(30), rel=1e-3)
    assert [button.label for button in figure.layout.updatemenus[0].buttons] == [
        "KL(teacher ‖ student)",
        "accepted, Σ min(p, q)",
        "entropy, minilm",
        "entropy, student",
    ]
    assert f"“{teacher.tokens[0][divergence.argmax()]}”" in figure.layout.meta["alt"]
    alone = kd.figures.coloured_text(teacher)
    np.testing.assert_allclose(np.ravel(alone.data[0].z)[:13], of_teacher)
    assert len(alone.data) == 1 and not alone.layout.updatemenus


def test_two_models_of_one_name_have_an_entropy_each():
    pair = [writing_states(), replace(writing_states("student", seed=1), name="minilm")]
    buttons = kd.figures.coloured_text(pair).layout.updatemenus[0].buttons
    assert [button.label for button in buttons][2:] == ["entropy, teacher", "entropy, student"]


def test_what_has_no_next_word_and_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="'minilm' does not say the next word"):
        kd.figures.coloured_text(make_states())
    other = [writing_states(), writing_states("student", words=31)]
    with pytest.raises(ValueError, match="vocabularies of 30 and 31 tokens cannot be compared"):
        kd.figures.coloured_text(other)
    never = writing_states("student")
    never.logits[0, 0, 0] = -torch.inf
    with pytest.raises(ValueError, match="KL.teacher ‖ student. is not finite at some word"):
        kd.figures.coloured_text([writing_states(), never])


def test_the_next_word_after_every_prefix():
    teacher, student = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]), np.array([[0.6, 0.3, 0.1], [0.5, 0.5, 0.0]])
    figure = kd.figures.next_words(["a", "<b>"], [teacher, student], ["a", "<b>", "c"])
    for place, frame in enumerate(figure.frames):
        np.testing.assert_allclose(frame.data[0].y, teacher[place])
        np.testing.assert_allclose(frame.data[1].y, student[place])
    assert figure.layout.sliders[0].steps[1].label == "a &lt;b&gt;"
    alone = kd.figures.next_words(["a", "<b>"], student, ["a", "<b>", "c"], names=["student"])
    np.testing.assert_allclose(alone.frames[1].data[0].y, student[1])
    assert len(alone.data) == 1 and alone.data[0].marker.color == figure.data[1].marker.color
    assert "total variation of 0.80" in figure.layout.meta["alt"].replace("\xa0", " ")


def test_a_large_vocabulary_is_cut_to_what_matters_and_the_rest_is_one_bar():
    rows = np.random.default_rng(0).dirichlet(np.full(5000, 0.01), (2, 3))
    figure = kd.figures.next_words("abc", rows, [f"w{k}" for k in range(5000)])
    words = list(figure.layout.xaxis.ticktext)
    assert len(words) == 21 and words[-1].replace("\xa0", " ") == "all others"
    assert f"w{rows[0, 1].argmax()}" in words and f"w{rows[1, 2].argmax()}" in words
    for frame in figure.frames:
        assert [pytest.approx(1, abs=2e-3)] * 2 == [sum(data.y) for data in frame.data]


def test_probabilities_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="2 words read, 2 known and 1 names"):
        kd.figures.next_words("ab", np.ones((2, 1)), "xy")
    with pytest.raises(ValueError, match="sums to 2.000"):
        kd.figures.next_words("a", np.ones((1, 2)), "xy")

"""A text coloured by the next word: what is on screen is the divergence and the entropies of the States."""

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
    divergence, of_teacher, of_student = (np.ravel(trace.z)[:13] for trace in figure.data)
    expected = np.full(13, math.log(30))
    expected[4] = 0
    np.testing.assert_allclose(of_teacher, expected, rtol=1e-3, atol=1e-6)
    p, q = (model.logits[0].double().softmax(-1).numpy() for model in (teacher, student))
    terms = np.where(p > 0, p * (np.log(np.maximum(p, 1e-300)) - np.log(q)), 0)
    np.testing.assert_allclose(divergence, terms.sum(-1), rtol=1e-3)
    np.testing.assert_allclose(of_student, -(q * np.log(q)).sum(-1), rtol=1e-3)
    assert figure.data[1].zmax == figure.data[2].zmax == pytest.approx(math.log(30), rel=1e-3)
    assert [button.label for button in figure.layout.updatemenus[0].buttons] == [
        "KL(teacher ‖ student)",
        "entropy, minilm",
        "entropy, student",
    ]
    assert f"“{teacher.tokens[0][divergence.argmax()]}”" in figure.layout.meta["alt"]
    alone = kd.figures.coloured_text(teacher)
    np.testing.assert_allclose(np.ravel(alone.data[0].z)[:13], of_teacher)
    assert len(alone.data) == 1 and not alone.layout.updatemenus


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

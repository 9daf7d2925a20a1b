"""What runs is what is defined: compiled loops, blocks and definitions agree in value and gradient."""

from __future__ import annotations

import functools

import pytest
import torch
from hypothesis import given, settings, strategies as st

from kdviz import relations
from kdviz.losses import contextual, fast
from kdviz.losses.contextual import angle_sum, layer_angle, pair_sum, word_angle, word_pair

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10}
MATCHES = ("l1", "l2", "huber")
quick = settings(max_examples=12, deadline=None)


@st.composite
def sentences(draw, dtype=torch.float64, longest=14):
    """(student (S, n, d), teacher (S, n, d'), real (S, n)): other widths and lengths, equal and zero words."""
    sets, n = draw(st.integers(1, 3)), draw(st.integers(1, longest))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    student, teacher = (
        torch.randn(sets, n, draw(st.integers(2, 6)), generator=generator, dtype=torch.float64).to(dtype) for _ in "st"
    )
    lengths = torch.tensor([draw(st.integers(0, n)) for _ in range(sets)])
    for hidden in (student, teacher):
        if draw(st.booleans()):
            hidden[:, n // 2] = hidden[:, 0]
        if draw(st.booleans()):
            hidden[:, -1] = 0
    return student, teacher, torch.arange(n) < lengths.unsqueeze(-1)


def both(compute, hidden, teacher, real):
    """Value, count, and gradient with respect to the hidden states."""
    hidden = hidden.clone().requires_grad_()
    total, count = compute(relations.word_gram(hidden), relations.word_gram(teacher), real)
    (grad,) = torch.autograd.grad(total, hidden)
    return total.detach(), count.to(total), grad


def agree(one, other, dtype):
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * max(1.0, b.abs().max().item()))


def in_blocks(*args, **settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "_compiled", lambda device: False)
        return angle_sum(*args, **settings)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("window", [None, 3, 5, 99])
@pytest.mark.parametrize("match", MATCHES)
@given(data=st.data())
@quick
def test_sums_of_angles_are_the_definition(match, window, dtype, data):
    drawn = data.draw(sentences(dtype))
    defined = both(functools.partial(angle_sum.__wrapped__, window=window, match=match), *drawn)
    for route in (angle_sum, in_blocks):
        agree(both(functools.partial(route, window=window, match=match), *drawn), defined, dtype)


@pytest.mark.parametrize("match", MATCHES)
@pytest.mark.parametrize("sets, n, window", [(2, 40, 5), (130, 24, None), (1500, 5, None), (40, 70, 21)])
def test_long_sentences_take_several_blocks(sets, n, window, match):
    """More vertices than a block, more sentences than a chunk."""
    torch.manual_seed(0)
    student, teacher = torch.randn(sets, n, 4, dtype=torch.double), torch.randn(sets, n, 6, dtype=torch.double)
    real = torch.arange(n) < torch.randint(n // 2, n + 1, (sets, 1))
    compiled, blocks = (
        both(functools.partial(route, window=window, match=match), student, teacher, real)
        for route in (angle_sum, in_blocks)
    )
    agree(compiled, blocks, torch.float64)
    if sets * n < 300:
        defined = functools.partial(angle_sum.__wrapped__, window=window, match=match)
        agree(compiled, both(defined, student, teacher, real), torch.float64)


@pytest.mark.parametrize("dtype", TOLERANCE)
@given(data=st.data(), temperature=st.floats(0.2, 5))
@quick
def test_kl_of_rows_is_the_definition(dtype, data, temperature):
    drawn = data.draw(sentences(dtype))
    how = {"relation": "cosine", "match": "kl", "temperature": temperature}
    compiled, defined = (both(functools.partial(route, **how), *drawn) for route in (pair_sum, pair_sum.__wrapped__))
    agree(compiled, defined, dtype)


@pytest.mark.parametrize("window, n", [(None, 7), (3, 7), (3, 25), (99, 9)])
@pytest.mark.parametrize("match", MATCHES)
def test_word_angle_is_the_mean_over_valid_triples(window, n, match):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 2, n, 4, dtype=torch.double), torch.randn(2, 2, n, 6, dtype=torch.double)
    mask = torch.arange(n) < torch.tensor([[n], [n - 2]])
    grams = relations.word_gram(student), relations.word_gram(teacher)
    valid = relations.angle_mask(grams[0], window=window, mask=mask)
    difference = contextual.POINTWISE[match](*(relations.angle(g, window=window, mask=mask) for g in grams))
    torch.testing.assert_close(word_angle(*grams, mask, window=window, match=match), difference[valid].mean())


def test_a_window_of_width_2_delta_plus_1_reaches_delta_words_to_either_side():
    near = relations.window_mask(9, 5)
    assert near[4].nonzero().flatten().tolist() == [2, 3, 5, 6] and near[0].nonzero().flatten().tolist() == [1, 2]
    assert relations.window_mask(9, None).sum() == 9 * 8
    gram = relations.word_gram(torch.eye(9, dtype=torch.double))
    _, triples = angle_sum(gram[None], gram[None], torch.ones(1, 9, dtype=torch.bool), 3, "l2")
    assert triples == 7 * 2  # seven inner vertices, one pair of neighbours in either order


@pytest.mark.parametrize("vertex", [-1, 9])
@pytest.mark.parametrize("function", [relations.angle, relations.angle_mask])
def test_a_vertex_that_is_no_word_is_refused(function, vertex):
    with pytest.raises(ValueError, match=f"vertex {vertex} is not one of the 9 words"):
        function(torch.eye(9), vertex)


def test_an_angle_of_a_vertex_of_a_slice_and_of_all_is_the_same():
    torch.manual_seed(0)
    gram, mask = relations.word_gram(torch.randn(2, 3, 6, 4)), torch.tensor([[1] * 6, [1, 1, 1, 1, 0, 0]])
    for function in (relations.angle, relations.angle_mask):
        everyone = function(gram, window=5, mask=mask)
        assert everyone.shape == (2, 3, 6, 6, 6)
        assert torch.equal(function(gram, slice(2, 4), 5, mask), everyone[..., 2:4, :, :])
        assert torch.equal(function(gram, 3, 5, mask), everyone[..., 3, :, :])


BREAKABLE = {
    "word angle": (word_angle, {}),
    "layer angle": (layer_angle, {}),
    "word angle, l1": (word_angle, {"match": "l1"}),
    "word pair": (word_pair, {}),
    "word pair, distance": (word_pair, {"relation": "distance", "match": "l2"}),
}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("side", ["student", "teacher"])
@pytest.mark.parametrize("case", BREAKABLE)
def test_relations_of_broken_vectors_are_refused(case, side, bad, compiled, monkeypatch):
    """A relation without a meaning counts 0, a number that is none never does; in padding it may stand."""
    monkeypatch.setattr(fast, "_compiled", lambda device: compiled)
    torch.manual_seed(0)
    loss, how = BREAKABLE[case]
    gram = relations.layer_gram if loss is layer_angle else relations.word_gram
    hidden, mask = torch.randn(2, 3, 9, 4), torch.ones(2, 9)
    broken = hidden.clone()
    broken[0, 1, 2, 3] = bad
    grams = {"student": gram(hidden), "teacher": gram(hidden), side: gram(broken)}
    with pytest.raises(ValueError, match=rf"[1-9]\d* {side} values"):
        loss(grams["student"], grams["teacher"], mask, **how)
    mask[0, 2] = 0
    student = grams["student"].requires_grad_()
    value = loss(student, grams["teacher"], mask, **how)
    value.backward()
    assert value < 1e-6 and student.grad.isfinite().all()

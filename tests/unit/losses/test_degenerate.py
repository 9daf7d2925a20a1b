"""Impossible classes, masked entries and broken padding: losses follow the limit, or an error names the side."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings, strategies as st

from kdviz.losses import features, logits

INF = torch.inf
SOFT = {
    "soft_kl": logits.soft_kl,
    "soft_cross_entropy": logits.soft_cross_entropy,
    "mse": lambda s, t, temperature, **how: logits.mse(s, t, **how),
}
quick = settings(max_examples=25, deadline=None)


@st.composite
def scenes(draw):
    """(student, teacher, possible), each (…, C): any leading shape; every row has a possible class."""
    shape = (*draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)), draw(st.integers(2, 6)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    student, teacher = (3 * torch.randn(shape, generator=generator, dtype=torch.double) for _ in "st")
    possible = torch.rand(shape, generator=generator) < 0.6
    possible[..., 0] = True
    return student, teacher, possible


def value_and_grad(loss, student, *others, **how):
    student = student.clone().requires_grad_()
    value = loss(student, *others, **how)
    value.sum().backward()
    return value.detach(), student.grad


@pytest.mark.parametrize("name", SOFT)
@given(scene=scenes(), temperature=st.floats(0.5, 5))
@quick
def test_impossible_classes_follow_the_limit(name, scene, temperature):
    """-inf on both sides is what a logit that falls and falls on both sides comes to."""
    student, teacher, possible = scene
    value, grad = value_and_grad(
        SOFT[name], *(x.masked_fill(~possible, -INF) for x in (student, teacher)), temperature, reduction="none"
    )
    low = [x.masked_fill(~possible, -1e4) for x in (student, teacher)]
    limit, slope = value_and_grad(SOFT[name], *low, temperature, reduction="none")
    torch.testing.assert_close(value, limit)
    torch.testing.assert_close(grad, slope)
    assert (grad[~possible] == 0).all()


@given(scene=scenes(), temperature=st.floats(0.5, 5))
@quick
def test_what_the_teacher_alone_excludes_has_a_limit(scene, temperature):
    student, teacher, possible = scene
    excluded = teacher.masked_fill(~possible, -INF)
    for loss in (logits.soft_kl, logits.soft_cross_entropy):
        value, grad = value_and_grad(loss, student, excluded, temperature)
        limit, slope = value_and_grad(loss, student, teacher.masked_fill(~possible, -1e4), temperature)
        torch.testing.assert_close(value, limit)
        torch.testing.assert_close(grad, slope)


@pytest.mark.parametrize("name", SOFT)
def test_a_class_that_the_student_alone_excludes_is_an_error(name):
    student, teacher = torch.zeros(2, 3), torch.zeros(2, 3)
    student[1, 2] = -INF
    with pytest.raises(ValueError, match=r"the student excludes class 2 of row \[1\] .* the teacher does not"):
        SOFT[name](student, teacher, 1.0)


def test_other_infinities_name_their_side():
    student, teacher = torch.zeros(2, 3), torch.zeros(2, 3)
    teacher[0, 1] = -INF
    with pytest.raises(ValueError, match=r"the teacher excludes class 1 of row \[0\] .* the student does not"):
        logits.mse(student, teacher)
    for bad in (torch.nan, INF):
        teacher[0, 1] = bad
        for loss in (logits.soft_kl, logits.soft_cross_entropy, logits.mse):
            with pytest.raises(ValueError, match="1 of the teacher's logits are NaN or infinite"):
                loss(student, teacher)
    student[1, 0] = -INF
    with pytest.raises(ValueError, match="the student excludes class 0 of row 1, its label"):
        logits.cross_entropy(student, torch.tensor([0, 0]))


def test_other_classes_may_be_impossible_for_the_label_loss():
    student = torch.tensor([[0.3, -INF, 1.0], [0.1, 0.2, 0.3]])
    value, grad = value_and_grad(logits.cross_entropy, student, torch.tensor([2, 1]))
    limit, slope = value_and_grad(logits.cross_entropy, student.clamp(min=-1e4), torch.tensor([2, 1]))
    torch.testing.assert_close(value, limit)
    torch.testing.assert_close(grad, slope)


def test_the_students_own_nan_is_left_to_the_training_loop():
    student = torch.full((2, 3), torch.nan)
    for loss in (logits.soft_kl, logits.soft_cross_entropy, logits.mse):
        assert loss(student, torch.zeros(2, 3)).isnan()


@given(scene=scenes(), temperature=st.floats(0.5, 5))
@quick
def test_a_mask_of_classes_is_a_row_without_them(scene, temperature):
    student, teacher, possible = scene
    filled = [torch.where(possible, x, torch.nan) for x in (student, teacher)]
    value, grad = value_and_grad(logits.soft_kl, *filled, temperature, possible, reduction="none")
    assert value.shape == student.shape[:-1] and (grad[~possible] == 0).all()
    for row in range(value.numel()):
        (s, t, keep) = (x.flatten(0, -2)[row : row + 1] for x in (student, teacher, possible))
        torch.testing.assert_close(value.flatten()[row], logits.soft_kl(s[keep][None], t[keep][None], temperature))
    torch.testing.assert_close(logits.soft_kl(*filled, temperature, possible), value.mean())


@given(scene=scenes(), temperature=st.floats(0.5, 5))
@quick
def test_a_mask_of_rows_leaves_the_others_as_they_are(scene, temperature):
    student, teacher, possible = scene
    rows = possible[..., 1]
    filled = [torch.where(rows.unsqueeze(-1), x, torch.nan) for x in (student, teacher)]
    value, grad = value_and_grad(logits.soft_kl, *filled, temperature, rows.long())
    assert (grad[~rows] == 0).all() and grad.isfinite().all()
    if rows.any():
        alone = value_and_grad(logits.soft_kl, student[rows], teacher[rows], temperature)
        torch.testing.assert_close(value, alone[0])
        torch.testing.assert_close(grad[rows], alone[1])
    else:
        assert value == 0


def test_a_row_without_classes_does_not_count():
    torch.manual_seed(0)
    student, teacher = torch.randn(3, 4), torch.randn(3, 4)
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    value, grad = value_and_grad(logits.soft_kl, student, teacher, 2.0, mask)
    rows = logits.soft_kl(student, teacher, 2.0, mask, reduction="none")
    assert rows[1] == 0 and (grad[1] == 0).all()
    torch.testing.assert_close(value, rows[[0, 2]].mean())
    start_and_end = logits.soft_kl(student[None], teacher[None], 2.0, mask[:1, None], reduction="none")
    assert start_and_end.shape == (1, 3)  # one mask of tokens for both ends of an answer
    with pytest.raises(ValueError, match=r"mask \(3, 3\) does not fit logits \(3, 4\)"):
        logits.soft_kl(student, teacher, 2.0, mask[:, :3])


PADDED = {
    "hidden_mse": (features.hidden_mse, lambda g: torch.randn(2, 5, 4, generator=g)),
    "hidden_cosine": (features.hidden_cosine, lambda g: torch.randn(2, 5, 4, generator=g)),
    "attention_mse": (features.attention_mse, lambda g: torch.randn(2, 3, 5, 5, generator=g)),
    "attention_kl": (features.attention_kl, lambda g: torch.randn(2, 3, 5, 5, generator=g).softmax(-1)),
    "qkv_relation": (features.qkv_relation, lambda g: torch.randn(2, 3, 5, 4, generator=g)),
}


@pytest.mark.parametrize("name", PADDED)
def test_padding_may_hold_anything(name):
    """NaN too: an attention row of which everything is masked holds it."""
    loss, make = PADDED[name]
    generator = torch.Generator().manual_seed(0)
    student, teacher = make(generator), make(generator)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    real = mask.bool().unsqueeze(-1) if student.ndim == 3 else mask.bool()[:, None, :, None]
    if name.startswith("attention"):
        real = real & real.mT
    plain = value_and_grad(loss, student, teacher, mask)
    broken = value_and_grad(loss, *(torch.where(real, x, torch.nan) for x in (student, teacher)), mask)
    for a, b in zip(plain, broken, strict=True):
        torch.testing.assert_close(a, b)
    assert plain[0] > 0


def test_impossible_pairs_of_attention():
    """A causal mask: scores of -inf, probabilities of 0."""
    torch.manual_seed(0)
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    student, teacher = (torch.randn(2, 3, 5, 5, dtype=torch.double) for _ in "st")
    mask, lowest = torch.ones(2, 5), -1e4
    scores = [x.masked_fill(later, -INF) for x in (student, teacher)]
    low = [x.masked_fill(later, lowest) for x in (student, teacher)]
    for loss, probabilities in ((features.attention_mse, False), (features.attention_kl, True)):
        of = (lambda x: x.softmax(-1)) if probabilities else (lambda x: x)
        value, grad = value_and_grad(lambda s, t: loss(of(s), of(t), mask), *scores)  # noqa: B023
        limit, slope = value_and_grad(lambda s, t: loss(of(s), of(t), mask), *low)  # noqa: B023
        torch.testing.assert_close(value, limit)
        torch.testing.assert_close(grad, slope)
        assert value > 0

"""What must hold for any sentence: invariances, zero at the teacher, symmetry, finite whatever finite comes in."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings, strategies as st

from kdviz import relations
from kdviz.losses import contextual, features, logits
from kdviz.losses.contextual import layer_angle, layer_pair, word_angle, word_pair

MATCHES = ("l1", "l2", "huber")
WORD_LOSSES = [
    *[
        (word_pair, {"relation": r, "match": m})
        for r in ("cosine", "distance", "scaled_distance")
        for m in (*MATCHES, "kl")
    ],
    *[(word_angle, {"window": w, "match": m}) for w in (None, 3, 5) for m in MATCHES],
]
LAYER_LOSSES = [
    *[(layer_pair, {"relation": r, "match": m}) for r in ("cosine", "distance") for m in (*MATCHES, "kl")],
    *[(layer_angle, {"match": m}) for m in MATCHES],
]
name = lambda case: f"{case[0].__name__}-{'-'.join(map(str, case[1].values()))}"  # noqa: E731
every_word_loss = pytest.mark.parametrize("case", WORD_LOSSES, ids=name)
every_layer_loss = pytest.mark.parametrize("case", LAYER_LOSSES, ids=name)
quick = settings(max_examples=12, deadline=None)


@st.composite
def sentences(draw, smallest=2):
    """(student (B, L, n, d_S), teacher (B, L, n, d_T), mask (B, n)), float64, unlike lengths."""
    batch, layers, n = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(smallest, 9))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    student, teacher = (
        torch.randn(batch, layers, n, draw(st.integers(2, 6)), generator=generator, dtype=torch.double) for _ in "st"
    )
    lengths = torch.tensor([draw(st.integers(smallest, n)) for _ in range(batch)])
    return student, teacher, torch.arange(n) < lengths.unsqueeze(-1)


def value(case, student, teacher, mask):
    loss, options = case
    gram = relations.word_gram if loss in (word_pair, word_angle) else relations.layer_gram
    return loss(gram(student), gram(teacher), mask, **options)


def rotated(hidden, seed=0):
    generator = torch.Generator().manual_seed(seed)
    basis, _ = torch.linalg.qr(torch.randn(hidden.shape[-1], hidden.shape[-1], generator=generator, dtype=torch.double))
    return hidden @ basis


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


@every_word_loss
@given(sentences())
@quick
def test_word_losses_do_not_see_rotation_or_padding(case, drawn):
    student, teacher, mask = drawn
    plain = value(case, student, teacher, mask)
    close(value(case, rotated(student), rotated(teacher, 1), mask), plain)
    longer = [torch.cat([x, 1e3 * torch.ones_like(x)], -2) for x in (student, teacher)]
    close(value(case, *longer, torch.cat([mask, torch.zeros_like(mask)], -1)), plain)
    filled = [torch.where(mask[:, None, :, None], x, 1e6) for x in (student, teacher)]
    close(value(case, *filled, mask), plain)


@every_word_loss
@given(sentences())
@quick
def test_word_losses_are_zero_at_the_teacher_only(case, drawn):
    student, teacher, mask = drawn
    close(value(case, teacher, teacher, mask), torch.zeros((), dtype=torch.double))
    assert value(case, student, teacher, mask) >= 0


@every_layer_loss
@given(sentences())
@quick
def test_layer_losses_do_not_see_rotation_padding_or_word_order(case, drawn):
    student, teacher, mask = drawn
    plain = value(case, student, teacher, mask)
    close(value(case, rotated(student), rotated(teacher, 1), mask), plain)
    filled = [torch.where(mask[:, None, :, None], x, 1e6) for x in (student, teacher)]
    close(value(case, *filled, mask), plain)
    order = torch.randperm(mask.shape[-1], generator=torch.Generator().manual_seed(0))
    close(value(case, student[:, :, order], teacher[:, :, order], mask[:, order]), plain)
    close(value(case, teacher, teacher, mask), torch.zeros((), dtype=torch.double))


@pytest.mark.parametrize("case", [c for c in WORD_LOSSES if "window" not in c[1] or c[1]["window"] is None], ids=name)
@given(sentences())
@quick
def test_word_order_does_not_matter_without_a_window(case, drawn):
    student, teacher, mask = drawn
    order = torch.randperm(mask.shape[-1], generator=torch.Generator().manual_seed(0))
    close(value(case, student[:, :, order], teacher[:, :, order], mask[:, order]), value(case, student, teacher, mask))


@pytest.mark.parametrize(
    "case", [c for c in WORD_LOSSES if c[1].get("relation") in (None, "cosine", "scaled_distance")], ids=name
)
@given(sentences(), st.floats(1e-2, 1e2))
@quick
def test_scale_does_not_matter_for_cosines_and_angles(case, drawn, scale):
    student, teacher, mask = drawn
    close(value(case, student * scale, teacher / scale, mask), value(case, student, teacher, mask))


@pytest.mark.parametrize("case", [c for c in WORD_LOSSES if c[1]["match"] != "kl"], ids=name)
@given(sentences())
@quick
def test_pointwise_matchings_are_symmetric(case, drawn):
    student, teacher, mask = drawn
    close(value(case, student, teacher, mask), value(case, teacher, student, mask))


def awkward():
    """Inputs that break careless code: (name, hidden (2, 2, n, d), mask (2, n))."""
    torch.manual_seed(0)
    usual = torch.randn(2, 2, 6, 4)
    same = usual.clone()
    same[..., 3, :] = same[..., 1, :]
    zero = usual.clone()
    zero[..., 2, :] = 0
    full = torch.ones(2, 6)
    yield "duplicate vectors", same, full
    yield "zero vectors", zero, full
    yield "all zero", torch.zeros(2, 2, 6, 4), full
    yield "all equal", torch.ones(2, 2, 6, 4), full
    yield "one token", usual[..., :1, :], full[:, :1]
    yield "one real token", usual, torch.tensor([[1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]])
    yield "two real tokens", usual, torch.tensor([[1, 1, 0, 0, 0, 0]] * 2)
    yield "a row of padding", usual, torch.tensor([[0] * 6, [1] * 6])
    yield "nothing but padding", usual, torch.zeros(2, 6)
    yield "huge", usual * 1e8, full
    yield "tiny", usual * 1e-8, full
    yield "half precision", usual.half(), full


@pytest.mark.parametrize("case", WORD_LOSSES + LAYER_LOSSES, ids=name)
@pytest.mark.parametrize("hidden, mask", [pytest.param(h, m, id=i) for i, h, m in awkward()])
def test_never_nan(case, hidden, mask):
    torch.manual_seed(1)
    other = torch.randn(*hidden.shape[:-1], 5)
    for student, teacher in ((hidden, other), (other, hidden), (hidden, hidden)):
        student = student.clone().requires_grad_()
        loss = value(case, student, teacher, mask)
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(student.grad).all()


@pytest.mark.parametrize("case", WORD_LOSSES + LAYER_LOSSES, ids=name)
def test_gradients(case):
    torch.manual_seed(0)
    n = 13 if case[1].get("window") else 5
    student = torch.randn(2, 3, n, 3, dtype=torch.double, requires_grad=True)
    teacher = torch.randn(2, 3, n, 4, dtype=torch.double)
    mask = torch.arange(n) < torch.tensor([[n], [n - 1]])
    assert torch.autograd.gradcheck(lambda s: value(case, s, teacher, mask), (student,))


def test_angle_is_the_cosine_between_difference_vectors():
    torch.manual_seed(0)
    h = torch.randn(6, 3, dtype=torch.double)
    angles = relations.angle(relations.word_gram(h))
    for j, i, k in ((0, 1, 2), (3, 5, 4), (2, 0, 5)):
        close(angles[j, i, k], torch.cosine_similarity(h[i] - h[j], h[k] - h[j], dim=0))
        close(relations.angle(relations.word_gram(h), vertex=j)[i, k], angles[j, i, k])
    assert (angles.diagonal(dim1=-2, dim2=-1) == 0).all()


@pytest.mark.parametrize("gram", [relations.word_gram, relations.layer_gram])
def test_grams_have_every_derivative(gram):
    """Backward, backward of the backward, forward mode and vmap."""
    torch.manual_seed(0)
    hidden = torch.randn(2, 3, 4, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(gram, (hidden,), check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(gram, (hidden,))
    close(torch.func.vmap(gram)(hidden), gram(hidden))


def test_numpy_in_numpy_out():
    h = torch.randn(2, 3, 5, 4)
    for function in (relations.word_gram, relations.layer_gram):
        close(torch.from_numpy(function(h.numpy())), function(h))
    gram, mask = relations.word_gram(h), torch.ones(2, 5)
    for function in (relations.cosine, relations.distance):
        close(torch.from_numpy(function(gram.numpy())), function(gram))
    for function in (relations.angle, relations.row_distribution):
        close(torch.from_numpy(function(gram.numpy(), mask=mask.numpy())), function(gram, mask=mask))
    assert relations.word_gram(h.half()).dtype == torch.float32
    assert relations.word_gram(h.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    "call, values",
    [
        (lambda g, m: word_pair(g, g[..., :3, :3], m), ["5, 5", "3, 3"]),
        (lambda g, m: word_angle(g, g[:1], m), ["(2, 3, 5, 5)", "(1, 3, 5, 5)"]),
        (lambda g, m: word_pair(g, g, m[:, :4]), ["(2, 4)", "(2, 3, 5, 5)"]),
        (lambda g, m: word_pair(g.long(), g.long(), m), ["int64"]),
        (lambda g, m: word_pair(g, g * torch.nan, m), ["0 student", "150 teacher"]),
        (lambda g, m: word_angle(g, g, m, window=4), ["4", "5"]),
        (lambda g, m: word_angle(g, g, m, window=5, normalization="release"), ["release", "window=5"]),
        (lambda g, m: word_pair(g, g, m, match="cosine"), ["'cosine'", "'kl'"]),
        (lambda g, m: word_pair(g, g, m, relation="angle"), ["'angle'", "'distance'"]),
        (lambda g, m: word_pair(g, g, m, temperature=0), ["0"]),
        (lambda g, m: relations.angle(g, vertex=9), ["9", "5 words"]),
        (lambda g, m: logits.soft_kl(torch.zeros(2, 3), torch.zeros(2, 4)), ["(2, 3)", "(2, 4)"]),
        (lambda g, m: logits.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 7])), ["7", "3 classes"]),
        (lambda g, m: logits.cross_entropy(torch.zeros(2, 3), torch.tensor([0])), ["1 labels", "(2, 3)"]),
        (lambda g, m: features.hidden_mse(torch.zeros(2, 5, 3), torch.zeros(2, 5, 4), m), ["3)", "4)", "Projection"]),
        (lambda g, m: features.pkd(torch.zeros(2, 1, 3), torch.zeros(2, 1, 4)), ["3)", "4)", "Projection"]),
    ],
)
def test_errors_name_both_values(call, values):
    torch.manual_seed(0)
    with pytest.raises(ValueError) as error:
        call(relations.word_gram(torch.randn(2, 3, 5, 4)), torch.ones(2, 5))
    for value_ in values:
        assert value_ in str(error.value)


def test_layer_map():
    assert relations.layer_map(12, 6) == ((0, 2, 4, 6, 8, 10, 12), (0, 1, 2, 3, 4, 5, 6))
    assert relations.layer_map(6, 2) == ((0, 3, 6), (0, 1, 2))
    assert relations.layer_map(4, 6) == ((0, 2, 4), (0, 3, 6))
    assert relations.layer_map(5, 3) == ((0, 5), (0, 3))
    assert contextual.layer_map is relations.layer_map  # the name that lessons type
    with pytest.raises(ValueError, match="teacher has 3, student 0"):
        relations.layer_map(3, 0)


def test_half_and_autocast_compute_in_float32():
    torch.manual_seed(0)
    s, t, m = torch.randn(2, 3, 8, 16), torch.randn(2, 3, 8, 24), torch.ones(2, 8)
    plain = word_angle(relations.word_gram(s), relations.word_gram(t), m)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(word_angle(relations.word_gram(s), relations.word_gram(t), m), plain)


# ── logits and features ─────────────────────────────────────────────────────────────────────────────────────────
def test_soft_kl_gradient_keeps_its_size_with_temperature():
    """Why τ² is there: as τ grows the gradient tends to (z_S - z_T)/C, it does not vanish."""
    torch.manual_seed(0)
    teacher = torch.randn(4, 5, dtype=torch.double)
    teacher = teacher - teacher.mean(-1, keepdim=True)
    student = torch.zeros(4, 5, dtype=torch.double, requires_grad=True)
    logits.soft_kl(student, teacher, temperature=1e4, reduction="none").sum().backward()
    torch.testing.assert_close(student.grad, -teacher / 5, rtol=1e-3, atol=1e-5)


def test_unlabelled_rows_do_not_count():
    torch.manual_seed(0)
    z, y = torch.randn(6, 3), torch.tensor([0, -100, 2, -100, 1, 1])
    torch.testing.assert_close(logits.cross_entropy(z, y), logits.cross_entropy(z[y >= 0], y[y >= 0]))
    assert logits.cross_entropy(z, torch.full((6,), -100)) == 0
    assert logits.cross_entropy(z, y, reduction="none").shape == (6,)


FEATURES = {
    "hidden_mse": lambda s, t, m: features.hidden_mse(s, t, m),
    "hidden_cosine": lambda s, t, m: features.hidden_cosine(s, t, m),
    "attention_mse": lambda s, t, m: features.attention_mse(*_heads(s, t, False), m),
    "attention_kl": lambda s, t, m: features.attention_kl(*_heads(s, t, True), m),
    "qkv_relation": lambda s, t, m: features.qkv_relation(s.unsqueeze(1), t.unsqueeze(1), m, heads=2),
    "minilm_v2": lambda s, t, m: features.minilm_v2(
        *(x[:, None, None].expand(-1, 3, -1, -1, -1) for x in (s, t)), m, heads=2
    ),
    "rkd_distance": lambda s, t, m: features.rkd_distance(s[:, 0], t[:, 0]),
    "rkd_angle": lambda s, t, m: features.rkd_angle(s[:, 0], t[:, 0]),
    "pkd": lambda s, t, m: features.pkd(s[:, :1], t[:, :1]),
    "soft_kl": lambda s, t, m: logits.soft_kl(s[:, 0], t[:, 0], 3.0),
    "soft_cross_entropy": lambda s, t, m: logits.soft_cross_entropy(s[:, 0], t[:, 0], 3.0),
    "mse": lambda s, t, m: logits.mse(s[:, 0], t[:, 0]),
}


def _heads(s, t, probabilities):
    scores = [(x @ x.transpose(-1, -2)).unsqueeze(1) for x in (s, t)]
    return [x.softmax(-1) for x in scores] if probabilities else scores


@pytest.mark.parametrize("loss", FEATURES.values(), ids=FEATURES)
def test_feature_losses(loss):
    torch.manual_seed(0)
    s, t = (torch.randn(4, 5, 6, dtype=torch.double) for _ in "st")
    s.requires_grad_()
    mask = torch.arange(5) < torch.tensor([[5], [3], [4], [2]])
    assert torch.autograd.gradcheck(lambda x: loss(x, t, mask), (s,))
    least, more = loss(t, t, mask), loss(s, t, mask)
    assert least < more
    filled = [torch.where(mask[..., None], x, 7.0) for x in (s, t)]
    close(FEATURES["hidden_mse"](*filled, mask), FEATURES["hidden_mse"](s, t, mask))


@pytest.mark.parametrize("loss", FEATURES.values(), ids=FEATURES)
def test_the_teacher_receives_no_gradient(loss):
    torch.manual_seed(0)
    s, t = (torch.randn(4, 5, 6, requires_grad=True) for _ in "st")
    loss(s, t, torch.ones(4, 5)).backward()
    assert s.grad.abs().sum() > 0 and t.grad is None


@pytest.mark.parametrize("case", WORD_LOSSES + LAYER_LOSSES, ids=name)
def test_relations_of_the_teacher_receive_no_gradient_and_the_finer_type_counts(case):
    torch.manual_seed(0)
    s = torch.randn(2, 3, 7, 4, requires_grad=True)
    t = torch.randn(2, 3, 7, 5, dtype=torch.double, requires_grad=True)
    loss = value(case, s, t, torch.ones(2, 7))
    loss.backward()
    assert loss.dtype == torch.float64 and s.grad.abs().sum() > 0 and t.grad is None


def test_minilm_v1_is_attention_plus_values():
    torch.manual_seed(0)
    s, t = torch.randn(2, 3, 5, 5).softmax(-1), torch.randn(2, 3, 5, 5).softmax(-1)
    v, w, mask = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 5, 8), torch.ones(2, 5)
    close(features.minilm_v1(s, t, v, w, mask), features.attention_kl(s, t, mask) + features.qkv_relation(v, w, mask))
    with pytest.raises(ValueError, match="3 heads and teacher 2"):
        features.qkv_relation(v, w[:, :2], mask)


def test_masked_attention_ignores_padding():
    torch.manual_seed(0)
    s, t = torch.randn(2, 3, 5, 5), torch.randn(2, 3, 5, 5)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]])
    pairs = (mask[:, None, :, None] * mask[:, None, None, :]).bool()
    close(
        features.attention_mse(s.masked_fill(~pairs, 9), t.masked_fill(~pairs, -9), mask),
        features.attention_mse(s, t, mask),
    )


def test_projection_joins_widths():
    projection = features.Projection(4, 6)
    assert features.hidden_mse(projection(torch.randn(2, 5, 4)), torch.randn(2, 5, 6), torch.ones(2, 5)).isfinite()

"""Losses between language models: a few lines of numpy, published code, and what a large vocabulary must not cost."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from kdviz.losses import language, logits

REFERENCE = Path(__file__).parents[1] / "reference" / "language_losses.safetensors"
INF = torch.inf


def softmax(z):
    shifted = np.exp(z - z.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def kl(a, b):
    return (a * np.log(a / b)).sum(-1)


def padded(p, size):
    return np.concatenate([-np.sort(-p, axis=-1), np.zeros((*p.shape[:-1], size - p.shape[-1]))], -1)


def jsd(p, q, beta):
    m = beta * p + (1 - beta) * q
    return beta * kl(p, m) + (1 - beta) * kl(q, m)


# name -> loss, its value at every position in numpy from p and q
DENSE = {
    "forward_kl": (language.forward_kl, lambda p, q: kl(p, q)),
    "reverse_kl": (language.reverse_kl, lambda p, q: kl(q, p)),
    "jsd .3": (functools.partial(language.generalized_jsd, beta=0.3), lambda p, q: jsd(p, q, 0.3)),
    "skew_kl .1": (functools.partial(language.skew_kl, alpha=0.1), lambda p, q: kl(p, 0.1 * p + 0.9 * q)),
    "skew_kl 0": (functools.partial(language.skew_kl, alpha=0), lambda p, q: kl(p, q)),
    "skew_reverse .1": (functools.partial(language.skew_reverse_kl, alpha=0.1), lambda p, q: kl(q, 0.1 * q + 0.9 * p)),
    "total_variation": (language.total_variation, lambda p, q: np.abs(p - q).sum(-1) / 2),
    "uld": (language.uld, lambda p, q: np.abs(padded(p, 7) - padded(q, 7)).sum(-1)),
}
every_loss = pytest.mark.parametrize("loss, rows", DENSE.values(), ids=DENSE)


def pair(shape=(3, 5, 7), seed=0, dtype=torch.double):
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (2 * torch.randn(shape, generator=generator, dtype=dtype) for _ in range(2))
    return student.requires_grad_(), teacher, torch.rand(shape[:-1], generator=generator) > 0.4


def stored(teacher, k, temperature=1.0):
    log_probs, ids = (teacher / temperature).log_softmax(-1).topk(k)
    return ids, log_probs


# ---- values and gradients ------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_value_and_gradient(loss, rows, temperature):
    student, teacher, mask = pair()
    value = loss(student, teacher, mask, temperature=temperature)
    p, q = (softmax(z.detach().numpy() / temperature) for z in (teacher, student))
    assert value.item() == pytest.approx(temperature**2 * rows(p, q)[mask.numpy()].mean(), rel=1e-10)
    assert torch.autograd.gradcheck(lambda z: loss(z, teacher, mask, temperature=temperature), student)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("tail", ["renormalise", "bucket", "sampled"])
def test_value_and_gradient_of_stored_entries(tail, temperature):
    student, teacher, mask = pair()
    ids, log_probs = stored(teacher, 3, temperature)
    loss = functools.partial(language.sparse_kl, mask=mask, tail=tail, temperature=temperature)
    p, q = (softmax(z.detach().numpy() / temperature) for z in (teacher, student))
    p, q = (np.take_along_axis(x, ids.numpy(), -1) for x in (p, q))
    rows = {
        "renormalise": lambda: kl(p / p.sum(-1, keepdims=True), q),
        "bucket": lambda: kl(*(np.concatenate([x, 1 - x.sum(-1, keepdims=True)], -1) for x in (p, q))),
        "sampled": lambda: np.log(p / q).mean(-1),
    }[tail]()
    value = loss(student, ids, log_probs)
    assert value.item() == pytest.approx(temperature**2 * rows[mask.numpy()].mean(), rel=1e-10)
    assert torch.autograd.gradcheck(lambda z: loss(z, ids, log_probs), student)


def cases():
    with safe_open(REFERENCE, "pt") as file:
        return json.loads(file.metadata()["cases"])


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["case"])
def test_published_code_gives_the_same(case):
    with safe_open(REFERENCE, "pt") as file:
        read = file.get_tensor
        student, teacher, mask = read("student").requires_grad_(), read(case["teacher"]), read(case["mask"])
        expected, gradient = read(f"{case['case']}.value").float().squeeze(), read(f"{case['case']}.grad")
    settings = dict(case["settings"])
    teacher = stored(teacher, settings.pop("k")) if "k" in settings else (teacher,)
    value = getattr(language, case["loss"])(student, *teacher, mask, **settings)
    value.backward()
    torch.testing.assert_close(student.grad, case["times"] * gradient, rtol=1e-5, atol=1e-7)
    if not case["gradient_only"]:
        torch.testing.assert_close(value.detach(), case["times"] * expected, rtol=1e-5, atol=1e-7)


# ---- what each is for ----------------------------------------------------------------------------------------------


def test_forward_kl_is_the_soft_loss_of_every_position():
    student, teacher, mask = pair()
    soft = logits.soft_kl(student, teacher, 2.0, mask)
    torch.testing.assert_close(language.forward_kl(student, teacher, mask, temperature=2.0), soft)


def test_beta_runs_from_forward_to_reverse():
    """Teacher with two modes: a student that covers both has little forward KL, one that sits on one little reverse."""
    teacher = torch.tensor([[[0.4998, 0.4998, 0.0004]]]).log()
    covers, sits = torch.tensor([[[0.4, 0.4, 0.2]]]).log(), torch.tensor([[[0.98, 0.01, 0.01]]]).log()
    prefers = [
        (language.generalized_jsd(covers, teacher, beta=b) < language.generalized_jsd(sits, teacher, beta=b)).item()
        for b in (0, 1)
    ]
    assert prefers == [True, False]
    student, teacher, mask = pair()
    near = 1e-7
    ends = {0: language.forward_kl(student, teacher, mask), 1: language.reverse_kl(student, teacher, mask)}
    for end, expected in ends.items():
        beside = language.generalized_jsd(student, teacher, mask, beta=abs(end - near)) / near
        torch.testing.assert_close(beside, expected, rtol=1e-4, atol=0)
        torch.testing.assert_close(language.generalized_jsd(student, teacher, mask, beta=end), expected)


def test_skew_bounds_what_a_missing_word_costs():
    teacher = torch.tensor([[[0.0, -INF]]])
    student = torch.tensor([[[-INF, 0.0]]])
    for loss in (language.skew_kl, language.skew_reverse_kl):
        assert loss(student, teacher, alpha=0.1).item() == pytest.approx(-np.log(0.1), rel=1e-5)
    assert language.total_variation(student, teacher).item() == 1
    assert language.generalized_jsd(student, teacher, beta=0.5).item() == pytest.approx(np.log(2), rel=1e-5)


def test_uld_does_not_see_which_word_is_which():
    student, teacher, _ = pair()
    shuffled = teacher[..., torch.tensor([3, 0, 6, 1, 5, 2, 4])]
    losses = [language.uld(student, x) for x in (teacher, shuffled)]
    gradients = [torch.autograd.grad(loss, student)[0] for loss in losses]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)
    assert language.forward_kl(student, teacher).item() != pytest.approx(language.forward_kl(student, shuffled).item())
    wider = torch.cat([teacher, teacher.new_full((3, 5, 2), -INF)], -1)
    torch.testing.assert_close(language.uld(student, wider), losses[0])


def test_a_bucket_never_asks_for_more_than_the_whole_teacher():
    student, teacher, mask = pair()
    whole = language.forward_kl(student, teacher, mask)
    *some, all_but_one, every = (language.sparse_kl(student, *stored(teacher, k), mask) for k in range(1, 8))
    assert all(a < b for a, b in zip(some, [*some[1:], whole], strict=True))
    torch.testing.assert_close(torch.stack([all_but_one, every]), torch.stack([whole, whole]))
    torch.testing.assert_close(language.sparse_kl(student, *stored(teacher, 7), mask, tail="renormalise"), whole)


@pytest.mark.parametrize("tail, least", [("bucket", True), ("renormalise", False)])
def test_where_the_teacher_itself_stands_is_the_minimum_of_the_bucket_alone(tail, least):
    _, teacher, _ = pair()
    student = teacher.clone().requires_grad_()
    language.sparse_kl(student, *stored(teacher, 3), tail=tail).backward()
    assert (student.grad.abs().max() < 1e-12).item() is least


@pytest.mark.parametrize("drawn_from", ["teacher", "flatter"])
def test_sampled_entries_are_right_on_average(drawn_from):
    """All outcomes of one draw, weighted with their probabilities, give the whole KL and its gradient."""
    student, teacher, _ = pair((1, 1, 7))
    log_p = teacher.log_softmax(-1)
    proposal = (teacher if drawn_from == "teacher" else teacher / 2).softmax(-1)
    total = 0
    for word in range(7):
        ids = torch.tensor([[[word]]])
        weights = (log_p.exp() / proposal)[..., word : word + 1]
        weights = None if drawn_from == "teacher" else weights
        one = language.sparse_kl(student, ids, log_p[..., word : word + 1], tail="sampled", weights=weights)
        total = total + proposal[0, 0, word] * one
    whole = language.forward_kl(student, teacher)
    torch.testing.assert_close(total, whole)
    torch.testing.assert_close(*(torch.autograd.grad(x, student)[0] for x in (total, whole)))


# ---- masks, types, sizes -------------------------------------------------------------------------------------------


@every_loss
def test_the_mask_decides_what_is_read(loss, rows):
    student, teacher, mask = pair()
    value = loss(student, teacher, mask)
    broken = torch.where(mask.unsqueeze(-1), student.detach(), torch.nan).requires_grad_()
    again = loss(broken, torch.where(mask.unsqueeze(-1), teacher, torch.nan), mask.float())
    again.backward()
    torch.testing.assert_close(again, value, rtol=0, atol=0)
    assert (broken.grad[~mask] == 0).all() and broken.grad[mask].abs().sum() > 0
    nothing = loss(student, teacher, torch.zeros_like(mask))
    assert nothing == 0 and (torch.autograd.grad(nothing, student)[0] == 0).all()


@every_loss
def test_the_teacher_has_no_gradient_and_half_precision_is_raised(loss, rows):
    student, teacher, mask = pair()
    teacher.requires_grad_()
    loss(student, teacher, mask).backward()
    assert teacher.grad is None and not loss(student.detach(), teacher, mask).requires_grad
    half = student.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(half, teacher.bfloat16(), mask)
    value.backward()
    exact = half.detach().float().requires_grad_()
    expected = loss(exact, teacher.detach().bfloat16().float(), mask)
    expected.backward()
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected, rtol=0, atol=0)
    torch.testing.assert_close(half.grad.float(), exact.grad, rtol=0.02, atol=1e-6)


def few_at_a_time(patch):
    """Two positions of seven words at a time; returns the list of how many were worked on."""
    sizes, seen = [], language._possible
    patch.setattr(language, "AT_ONCE", 14)
    patch.setattr(language, "_possible", lambda logits: sizes.append(len(logits)) or seen(logits))
    return sizes


@every_loss
def test_a_few_positions_at_a_time_are_the_same(loss, rows, monkeypatch):
    student, teacher, mask = pair()
    for where in (mask, None):
        whole = loss(student, teacher, where)
        gradient = torch.autograd.grad(3 * whole, student)[0]
        with monkeypatch.context() as few:
            sizes = few_at_a_time(few)
            parts = loss(student, teacher, where)
            assert max(sizes) == 2 and sum(sizes) == 2 * (mask.sum() if where is mask else 15)
            torch.testing.assert_close(parts, whole)
            for _ in range(2):  # asked twice, the same answer
                torch.testing.assert_close(torch.autograd.grad(3 * parts, student, retain_graph=True)[0], gradient)


def test_no_gradient_is_worked_out_where_none_is_asked_for(monkeypatch):
    student, teacher, _ = pair()
    monkeypatch.setattr(torch.autograd, "grad", None)
    with torch.no_grad():
        language.forward_kl(student, teacher)
    language.forward_kl(student.detach(), teacher)


# ---- impossible words, and errors ----------------------------------------------------------------------------------


@every_loss
def test_a_word_that_both_exclude_adds_nothing(loss, rows):
    student, teacher, mask = pair((3, 5, 6))
    out = torch.full((3, 5, 1), -INF, dtype=torch.double)
    wide = torch.cat([student.detach(), out], -1).requires_grad_()
    value = loss(wide, torch.cat([teacher, out], -1), mask)
    value.backward()
    expected = loss(student, teacher, mask)
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(wide.grad[..., :-1], student.grad)
    assert (wide.grad[..., -1] == 0).all()


@pytest.mark.parametrize(
    "loss, side", [(language.forward_kl, "student"), (language.reverse_kl, "teacher"), (language.sparse_kl, "student")]
)
def test_a_word_that_one_side_excludes_is_named(loss, side):
    student, teacher, mask = pair()
    student = student.detach()
    place = torch.arange(7) == teacher.argmax(-1, keepdim=True)
    if side == "student":
        student = torch.where(place, -INF, student)
    else:
        teacher = torch.where(place, -INF, teacher)
    count = int(mask.sum())
    words = (count, 0) if side == "student" else (0, count)
    what = f"exclude {words[0]} words of the student and {words[1]} of the teacher"
    teacher = stored(teacher, 3) if loss is language.sparse_kl else (teacher,)
    with pytest.raises(ValueError, match=what):
        loss(student, *teacher, mask)


@every_loss
def test_nan_of_the_teacher_is_an_error_and_of_the_student_is_a_nan(loss, rows):
    student, teacher, _ = pair()
    with pytest.raises(ValueError, match="35 of the teacher's logits are NaN"):
        loss(student[:1], torch.full_like(teacher[:1], torch.nan))
    assert loss(torch.full_like(student, torch.nan), teacher).isnan()


def test_errors_name_both_values():
    student, teacher, mask = pair()
    ids, log_probs = stored(teacher, 3)
    wrong = {
        r"\(3, 5, 7\) and teacher \(3, 5, 6\)": lambda: language.forward_kl(student, teacher[..., :6]),
        r"\(3, 5, 7\) and teacher \(3, 4, 7\).*same number": lambda: language.uld(student, teacher[:, :4]),
        r"mask \(3, 4\) does not fit logits \(3, 5, 7\)": lambda: language.reverse_kl(student, teacher, mask[:, :4]),
        "temperature must be positive, got 0": lambda: language.uld(student, teacher, temperature=0),
        "beta=1.5 is a share": lambda: language.generalized_jsd(student, teacher, beta=1.5),
        "alpha=-0.1 is a share": lambda: language.skew_kl(student, teacher, alpha=-0.1),
        "alpha=2 is a share": lambda: language.skew_reverse_kl(student, teacher, alpha=2),
        "torch.int64: use .float": lambda: language.forward_kl(student.long(), teacher),
        "tail='drop' is not one of": lambda: language.sparse_kl(student, ids, log_probs, tail="drop"),
        "weights belong to.*tail='bucket'": lambda: language.sparse_kl(student, ids, log_probs, weights=log_probs),
        r"log_probs \(3, 5, 2\) and ids \(3, 5, 3\)": lambda: language.sparse_kl(student, ids, log_probs[..., :2]),
        "from 7 to 7, the student has 7": lambda: language.sparse_kl(student, ids * 0 + 7, log_probs),
        r"ids \(3, 4, 3\) do not fit logits \(3, 5, 7\)": lambda: language.sparse_kl(
            student, ids[:, :4], log_probs[:, :4]
        ),
    }
    for message, call in wrong.items():
        with pytest.raises(ValueError, match=message):
            call()

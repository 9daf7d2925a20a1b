"""Every exercise recognises its own reference, every named mistake, and whatever else a reader may hand over."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest
import torch

from kdviz import relations
from kdviz.course import check
from kdviz.losses import contextual, features, logits

EXERCISES = check.exercises()


def mistakes(exercise) -> dict[str, list]:
    """What the exercise tells the reader -> functions that make that mistake."""

    def wrong(message, place):
        def function(*case):
            answer = exercise.answers(*case)[1][message]
            return answer[place] if isinstance(answer, list) else answer

        return function

    known = exercise.answers(*exercise.cases()[0])[1]
    return {
        message: [wrong(message, place) for place in range(len(answer) if isinstance(answer, list) else 1)]
        for message, answer in known.items()
    }


MISTAKES = [(name, message) for name, exercise in EXERCISES.items() for message in mistakes(exercise)]


def stub(*arguments):
    """A docstring does not make it an answer."""


@pytest.mark.parametrize("name", EXERCISES)
def test_reference_passes_and_stub_is_not_attempted(name):
    exercise = EXERCISES[name]
    right = check.diagnose(name, exercise.reference)
    assert (right.attempted, right.passed, right.message) == (True, True, exercise.praise)
    empty = check.diagnose(name, stub)
    assert not empty.attempted and not empty.passed and empty.message.startswith("not attempted yet")


@pytest.mark.parametrize("name", EXERCISES)
def test_every_exercise_knows_six_mistakes_or_more(name):
    assert len(mistakes(EXERCISES[name])) >= 6


@pytest.mark.parametrize(("name", "message"), MISTAKES)
def test_each_mistake_gets_its_own_diagnosis(name, message):
    """Also proves that mistakes of one exercise differ from what is right and from one another on the cases."""
    for wrong in mistakes(EXERCISES[name])[message]:
        found = check.diagnose(name, wrong)
        assert found.attempted and not found.passed and found.message == message


def double(function):
    return lambda *arguments: 2 * function(*arguments)


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("wr-cosine", lambda hidden: print(end=""), "returned nothing"),
        ("wr-cosine", lambda hidden: "0.5", "returned str"),
        ("wr-cosine", lambda hidden: torch.ones(3, 3), "shape (3, 3), the right one (6, 6)"),
        ("wr-cosine", lambda hidden: torch.full((6, 6), torch.nan), "36 of your 36 numbers are NaN"),
        ("wr-cosine", lambda hidden: torch.ones(6, 6), "The largest gap is at position"),
        ("wr-cosine", double(EXERCISES["wr-cosine"].reference), "every number is 2 × what it should be"),
        ("minilm-relation", lambda v, m: EXERCISES["minilm-relation"].reference(v, m).mT, "transposed"),
        ("kd-loss", lambda s, t, tau: EXERCISES["kd-loss"].reference(s, t, tau).item(), "no gradient"),
        ("kd-loss", lambda student_logits: 0, "(student_logits, teacher_logits, tau)"),
        ("kd-loss", lambda s, t, tau: s @ t, "stopped with RuntimeError"),
        ("kd-loss", 3.0, "hand over the function itself"),
        ("wr-musk", stub, "there is no exercise of this name"),
        ("wr-cosine", lambda hidden: hidden.to("meta") @ hidden.to("meta").T, "lies on device meta"),
        ("wr-cosine", lambda hidden: EXERCISES["wr-cosine"].reference(hidden).half(), "few digits that torch.float16"),
        ("wr-cosine", lambda hidden: EXERCISES["wr-cosine"].reference(hidden).numpy(), "in a NumPy array"),
        ("window", lambda n, width: EXERCISES["window"].reference(n, width).float(), "as numbers (torch.float32)"),
        ("nearest-word", lambda c: EXERCISES["nearest-word"].reference(c).double(), "whole number (torch.int64)"),
        ("nearest-word", lambda c: c.topk(1), "take `.values` or `.indices`"),
        ("layer-map", lambda a, b: ([0, 1], [0, 1, 2]), "have lengths 2 and 3; they belong together"),
        ("annealing-phi", lambda epochs, tau_max: torch.ones(14), "right one (16,). Which axis"),
        ("kron-count", lambda *sizes: 10**6, "With m1 = 6, n1 = 5, m2 = 2, n2 = 4, rank = 3: the right number is 114"),
    ],
)
def test_anything_else_is_explained(name, wrong, words):
    found = check.diagnose(name, wrong)
    assert not found.passed and words in found.message


def test_the_line_of_an_exception_is_shown():
    def broken(hidden):
        return hidden / absent  # noqa: F821

    found = check.diagnose("wr-cosine", broken)
    assert "NameError" in found.message and "`return hidden / absent" in found.message


def test_an_answer_that_writes_into_its_input_does_not_spoil_the_comparison():
    def in_place(hidden):
        hidden /= hidden.norm(dim=-1, keepdim=True)
        return hidden @ hidden.T

    assert check.diagnose("wr-cosine", in_place).passed


def test_a_factor_is_believed_when_all_cases_agree_on_it():
    """One number always is a multiple of another."""
    reference = EXERCISES["ckd-kept"].reference
    assert (
        "every number is 3 × what it should be"
        in check.diagnose("ckd-kept", lambda *case: 3 * reference(*case)).message
    )
    assert "the sign of every number" in check.diagnose("ckd-kept", lambda *case: -reference(*case)).message
    assert "×" not in check.diagnose("ckd-kept", lambda n, matched, classes: n).message
    by_row = lambda hidden: EXERCISES["wr-cosine"].reference(hidden) / hidden.norm()  # noqa: E731
    assert "off by one factor, another one in every case" in check.diagnose("wr-cosine", by_row).message


def test_a_gradient_is_compared_where_the_exercise_is_about_it():
    right = EXERCISES["straight-through"].reference

    def sloped(slope):
        return lambda scores, gumbel, tau: (
            right(*(scores.detach(), gumbel, tau))
            + slope * (right(scores, gumbel, tau) - right(scores, gumbel, tau).detach())
        )

    assert check.diagnose("straight-through", sloped(1)).passed
    wrong = "the numbers are right, their gradient with respect to `scores` is not: "
    assert check.diagnose("straight-through", sloped(-1)).message == wrong + "the sign of every number is turned round."
    assert check.diagnose("straight-through", sloped(0.5)).message.startswith(wrong + "every number is 0.5 ×")


def test_what_is_right_in_some_cases_says_so():
    found = check.diagnose("window", lambda n, width: EXERCISES["window"].reference(n, 5))
    assert found.message.startswith("right in ") and " of 8 random cases. With n = " in found.message


def test_run_prints_one_line_and_returns_nothing(capsys):
    assert check.run("wr-cosine", stub) is None
    assert check.run("wr-cosine", lambda hidden: hidden @ hidden.T) is None
    assert check.run("wr-cosine", EXERCISES["wr-cosine"].reference) is None
    empty, wrong, right = capsys.readouterr().out.splitlines()
    assert empty.startswith("wr-cosine ○ not attempted yet")
    assert wrong.startswith("wr-cosine ✗ not yet: this is the Gram matrix")
    assert right.startswith("wr-cosine ✓ right: ")


def test_importing_check_does_not_import_torch():
    code = "import sys, kdviz.course.check; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


AS_THE_PACKAGE_SAYS = {
    "kd-loss": logits.soft_kl,
    "wr-cosine": lambda hidden: relations.cosine(relations.word_gram(hidden)),
    "wr-mask": relations.row_distribution,
    "angle-from-gram": relations.angle,
    "window": relations.window_mask,
    "layer-gram": relations.layer_gram,
    "ltr-pair": lambda s, t, mask: contextual.layer_pair(s, t, mask, match="l2"),
    "layer-map": contextual.layer_map,
}


@pytest.mark.parametrize("name", AS_THE_PACKAGE_SAYS)
def test_the_reference_is_what_the_package_computes(name):
    """A reader who solves an exercise has written a function of kdviz."""
    assert check.diagnose(name, AS_THE_PACKAGE_SAYS[name]).passed


def test_rkd_distances_give_the_packages_loss():
    student, teacher = torch.randn(5, 4), torch.randn(5, 7)
    maps = [EXERCISES["rkd-distance"].reference(h) for h in (student, teacher)]
    torch.testing.assert_close(torch.nn.functional.smooth_l1_loss(*maps), features.rkd_distance(student, teacher))


@pytest.mark.parametrize(
    ("new", "better", "verdict"),
    [
        ([0.60, 0.61, 0.62], "higher", "seen here"),
        ([0.60, 0.61, 0.62], "lower", "the opposite is seen"),
        ([0.40, 0.41, 0.42], "higher", "the opposite is seen"),
        ([0.40, 0.41, 0.42], "lower", "seen here"),
        ([0.50, 0.51, 0.52], "higher", "no difference of more than 0"),
        ([0.40, 0.51, 0.72], "higher", "too noisy to tell"),
        ([0.40, 0.51, 0.72], "lower", "too noisy to tell"),
    ],
)
def test_a_claim_is_judged_by_its_interval(new, better, verdict, capsys):
    assert check.claim("new beats old", {"new": new, "old": [0.50, 0.51, 0.52]}, "new", "old", better=better) == verdict
    assert f"Verdict: {verdict}." in capsys.readouterr().out


def test_a_margin_tells_no_difference_from_too_little_known():
    scores = {"old": [0.50, 0.51, 0.52, 0.53], "new": [0.503, 0.507, 0.521, 0.529]}
    wanted = {0.0: "too noisy to tell", 0.004: "too noisy to tell", 0.01: "no difference of more than 0.01"}
    assert {margin: check.claim("", scores, "new", "old", margin=margin) for margin in wanted} == wanted
    scores["new"] = [0.505, 0.515, 0.524, 0.536]
    assert check.claim("", scores, "new", "old", margin=0.1) == "seen here", "a difference that is seen stays one"


def test_the_interval_is_students():
    found = check.interval([1.0, 2.0, 3.0])
    assert found.mean == 2.0 and found.half == pytest.approx(4.302653 / 3**0.5)
    assert str(found) == "2.000 ± 2.484"
    assert str(check.interval([0.0012, 0.0013, 0.0014])) == "0.00130 ± 0.00025"
    assert str(check.interval([0.5, 0.5])) == "0.500 ± 0.000"


@pytest.mark.parametrize(
    ("scores", "words"),
    [([0.5], "two seeds or more"), ([0.5, float("nan")], "did a run diverge"), ([1, 2, 3], "same seeds")],
)
def test_a_claim_refuses_what_it_cannot_judge(scores, words):
    with pytest.raises(ValueError, match=words):
        check.claim("", {"new": scores, "old": scores if len(scores) < 3 else [1, 2]}, "new", "old")


def test_claims_about_recorded_rows_agree_with_claims_about_runs(capsys):
    scores = {"old": [0.5, 0.51, 0.52], "new": [0.62, 0.6, 0.61], "odd": [0.4, 0.51, 0.72]}
    rows = pd.DataFrame(
        [
            {"task": "made", "labels": 0.05, "method": name, "seed": seed, "test": value, "traps": 1 - value}
            for seed in (2, 0, 1)
            for name, values in scores.items()
            for seed, value in [(seed, values[seed])]
        ]
    )
    wanted = {"new helps": ("new", "old"), "odd helps": ("odd", "old")}
    assert check.claims(rows, wanted) == {text: check.claim(text, scores, *pair) for text, pair in wanted.items()}
    told = capsys.readouterr().out
    assert told.startswith("made, 5% of the labels, 3 seeds, test:")
    assert "new 0.610 ± 0.025, old 0.510 ± 0.025, difference +0.100 ± 0.043" in told
    assert check.claims(rows, wanted, "traps")["new helps"] == "the opposite is seen"
    even = rows.assign(test=0.5 + 0.01 * rows["seed"])  # every method has the same scores
    assert set(check.claims(even, wanted, margin=0.01).values()) == {"no difference of more than 0.01"}
    with pytest.raises(ValueError, match="no none in these rows, which hold old, new, odd"):
        check.claims(rows, {"?": ("none", "old")})
    with pytest.raises(ValueError, match="no split 'abroad'"):
        check.claims(rows, wanted, "abroad")
    shifted = rows.assign(seed=rows["seed"] + (rows["method"] == "old"))
    with pytest.raises(ValueError, match=r"new has the seeds \[0, 1, 2\], old \[1, 2, 3\]"):
        check.claims(shifted, wanted)

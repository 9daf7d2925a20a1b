"""Sums with their carries: what is written is right, and what is wrong is found at the step where it begins."""

from __future__ import annotations

import numpy as np
import pytest

import kdviz as kd
from kdviz.course import addition
from kdviz.course.addition import Checked, Sum, check


def test_traces_are_sums_done_by_hand():
    assert Sum(457, 86).trace() == "7+6+0=3,1 5+8+1=4,1 4+0+1=5,0 > 543"
    assert Sum(999, 1).steps == [(9, 1, 0, 0, 1), (9, 0, 1, 0, 1), (9, 0, 1, 0, 1)] and Sum(999, 1).answer == "1000"
    assert (Sum(909, 181).carries, Sum(909, 181).chain, Sum(123, 456).chain) == (2, 1, 0)
    for one in addition.sums(300, 5):
        for form in addition.FORMS:
            assert check(one.prompt, one.written(form)) == Checked(True, None, 0)
        digits = [str(step[3]) for step in one.steps][::-1]
        assert int("".join(["1" * one.steps[-1][4], *digits])) == one.a + one.b


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("7+6+0=3,1 5+8+1=4,1 4+0+1=5,0 > 542", Checked(False, None, 0)),
        ("7+6+0=3,0 5+8+0=3,1 4+0+1=5,0 > 533", Checked(False, 0, 1)),  # forgets the carry, then goes on rightly
        ("7+6+0=3,1 5+8+0=3,1 4+0+1=5,0 > 533", Checked(False, 1, 0)),  # takes the carry for none
        ("7+6+0=3,1 5+8+1=4,1 > 543", Checked(True, 2, 0)),  # leaves a step out
        ("7+6+0=3,1 what 4+0+1=5,0 > 543", Checked(True, 1, 1)),
        ("543", Checked(True, None, 0)),
        ("", Checked(False, None, 0)),
        ("7+6+0=3,1 5+8", Checked(False, None, 0)),
    ],
)
def test_the_first_wrong_step_is_found(completion, expected):
    assert check("457+86=", completion) == expected


def test_sums_have_all_numbers_of_carries_and_no_split_shares_one():
    sizes = {"train": 80, "dev": 20, "test": 41}
    answers, traces = (addition.task(form, sizes=sizes) for form in addition.FORMS)
    prompts = {name: split["text"][:] for name, split in answers.splits.items()}
    assert {name: len(some) for name, some in prompts.items()} == sizes
    assert len({text for some in prompts.values() for text in some}) == sum(sizes.values())
    assert prompts == {name: split["text"][:] for name, split in traces.splits.items()}
    assert answers.tokenizer.get_vocab() == traces.tokenizer.get_vocab()
    table = addition.accuracy(prompts["train"], traces["train"]["label"][:])
    assert list(table.index) == [0, 1, 2, 3] and (table["rows"] == 20).all()
    assert (table[["answer", "steps"]] == 1).all(axis=None)
    wrong = addition.accuracy(prompts["train"], ["0"] * 80)
    assert (wrong.answer == 0).all()
    with pytest.raises(ValueError, match="form='words': choose answer or trace"):
        addition.task("words", sizes=sizes)
    with pytest.raises(ValueError, match="80 sums of 1 digits, as many with every number of carries"):
        addition.sums(80, 0, addition.sums(20, 1, digits=1), digits=1)
    with pytest.raises(ValueError, match="'seven' is no sum"):
        check("seven", "7")


def test_a_small_model_learns_to_write_traces_that_can_be_checked():
    task = addition.task("trace", sizes={"train": 60, "dev": 10, "test": 10}, digits=1)
    student = kd.build_student(task, layers=2, hidden=64, heads=4)
    run = kd.distill(student, None, task, kd.LabelsOnly(), epochs=60, lr=3e-3, progress="off")
    said = run.student.predict(task["train"]["text"][:])
    table = addition.accuracy(said.text, said.completion)
    assert table.steps.min() > 0.5, "chance is one in twenty"


def test_a_right_trace_needs_no_correction_and_a_wrong_one_is_taken_for_granted():
    for one in addition.sums(200, 9):
        assert addition.corrected(one.prompt, one.trace()) == one.trace()
    for written, said in (
        ("7+6+0=3,0 5+8+1=4,1 4+0+1=5,0 > 543", "7+6+0=3,1 5+8+0=4,1 4+0+1=5,0 > 543"),  # a wrong carry out
        ("7+6+0=9,1 5+8+1=4,1 4+0+1=5,0 > 543 ", "7+6+0=3,1 5+8+1=4,1 4+0+1=5,0 > 549 "),  # a wrong digit
        ("9+6+0=3", "7+6+0=5"),  # a wrong copy
        ("what?", "7+6+0"),
    ):
        assert addition.corrected("457+086=", written) == said


def test_a_correction_looks_at_what_stands_before_alone():
    draws = np.random.default_rng(0)
    for one in addition.sums(60, 3):
        written = "".join(draws.choice(list(addition.SYMBOLS), 40))
        said, place = addition.corrected(one.prompt, written), int(draws.integers(40))
        later = written[:place] + "".join(draws.choice(list(addition.SYMBOLS), 40 - place))
        assert addition.corrected(one.prompt, later)[: place + 1] == said[: place + 1]
        assert len(said) == 40

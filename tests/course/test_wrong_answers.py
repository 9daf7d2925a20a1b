"""What readers answer is met with the right words, and what is right in other words is praised."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter

import pytest

from kdviz.course import check
from tests.course import wrong_answers

for _, module, _ in pkgutil.iter_modules(wrong_answers.__path__):
    importlib.import_module(f"{wrong_answers.__name__}.{module}")

WRONG, RIGHT = wrong_answers.WRONG, wrong_answers.RIGHT


def names(answers) -> list[str]:
    """Test names: the exercise, numbered."""
    seen = Counter()
    return [f"{name}-{seen.update([name]) or seen[name]}" for name, *_ in answers]


@pytest.mark.parametrize(("name", "words", "function"), WRONG, ids=names(WRONG))
def test_a_wrong_answer_meets_the_right_words(name, words, function):
    found = check.diagnose(name, function)
    assert found.attempted and not found.passed and words in found.message, found.message


@pytest.mark.parametrize(("name", "function"), RIGHT, ids=names(RIGHT))
def test_other_right_words_are_praised(name, function):
    found = check.diagnose(name, function)
    assert found.passed, found.message


@pytest.mark.parametrize("name", check.exercises())
def test_every_exercise_has_eight_wrong_and_two_right_answers(name):
    assert Counter(name for name, *_ in WRONG)[name] >= 8
    assert Counter(name for name, *_ in RIGHT)[name] >= 2

"""What readers answer: a file for each lesson, with wrong answers and the words that must meet them, and right ones.

They are written as a reader would write them, not as the checks compute them.
"""

from __future__ import annotations

from collections.abc import Callable

WRONG: list[tuple[str, str, Callable]] = []  # exercise, words of the diagnosis, the reader's function
RIGHT: list[tuple[str, Callable]] = []  # exercise, the reader's function


def wrong(exercise: str, words: str, function: Callable) -> None:
    """`function` is a wrong answer whose diagnosis must contain `words`."""
    WRONG.append((exercise, words, function))


def right(exercise: str, function: Callable) -> None:
    """`function` is right, in other words than the lesson's solution."""
    RIGHT.append((exercise, function))

"""Exercise checks that name the likely mistake.

A lesson writes ``kd.check.run("wr-mask", my_function)``. The function is called on a few random cases with fixed seeds
and compared with what is right; a wrong answer is then compared with the *typical mistakes* of that exercise, and the
one it agrees with in all cases is explained. So an exercise is a maker of cases and one function that computes the
right answer and the wrong ones, and no answer is stored that a reader could copy.

Checks print and never raise: an exception in the reader's function is shown with the line that caused it.
``kd.check.claim`` closes a lesson: it says whether a paper's claim was seen in the lesson's own runs, and
``kd.check.claims`` says it of recorded ones.
"""

from __future__ import annotations

import dis
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kdviz.course.check.verdicts import claim, claims, interval

__all__ = ["Diagnosis", "Exercise", "claim", "claims", "diagnose", "exercise", "exercises", "interval", "run"]

CASES = 8  # random cases a check: enough that no mistake agrees with what is right, or with another, by chance
NOT_ATTEMPTED = "not attempted yet. Replace the `...` by your lines and run both cells again."
_FAMILIES = "vectors logits contextual features schedules paths samples noisy averages kronecker universal glitter"
_FAMILIES = (
    *_FAMILIES.split(),
    "adversarial",
    "together",
    "scale",
    "language",
)  # modules of this package that hold exercises
_EXERCISES: dict[str, Exercise] = {}


@dataclass(frozen=True)
class Exercise:
    """One exercise, made by the `exercise` decorator around its function.

    answers  : the arguments of a case -> the right answer, and {what to tell the reader: an answer that makes this
        mistake}. A list in place of an answer holds several that are equally right, or make the same mistake. NaN in
        the right answer stands where any finite number will do. The docstring is what a right answer has earned.
    inputs   : `parts.Draw` -> the arguments of one case
    learns   : position of the argument that a gradient must reach, None when no training follows
    gradient : whether that gradient is compared, too
    needs    : modules of kdviz that an answer may use; all others are left out when it is graded
    """

    name: str
    answers: Callable
    inputs: Callable
    learns: int | None = None
    gradient: bool = False
    needs: tuple[str, ...] = ()

    @property
    def praise(self) -> str:
        """What a right answer has earned."""
        words = inspect.getdoc(self.answers).replace("\n", " ")
        return words[0].lower() + words[1:]

    @property
    def arguments(self) -> list[str]:
        """Names of the arguments, in their order."""
        return list(inspect.signature(self.answers).parameters)

    def cases(self, seeds=range(CASES)) -> list[tuple]:
        """Arguments of every case; the one that is learned is a leaf."""
        from kdviz.course.check.parts import Draw

        cases = [self.inputs(Draw(seed)) for seed in seeds]
        if self.learns is not None:
            for case in cases:
                case[self.learns].requires_grad_()
        return cases

    def reference(self, *case):
        """The right answer; 0 where any number will do."""
        right, _ = self.answers(*case)
        right = right[0] if isinstance(right, list) else right
        return right.nan_to_num() if getattr(right, "is_floating_point", bool)() else right


@dataclass(frozen=True)
class Diagnosis:
    """What a check found: whether there was an answer, whether it is right, and what to tell the reader."""

    attempted: bool
    passed: bool
    message: str


def exercise(
    inputs: Callable, *, learns: int | None = None, gradient: bool = False, needs: tuple[str, ...] = ()
) -> Callable[[Callable], Exercise]:
    """Register the decorated function as an exercise, by its name with dashes; see `Exercise`."""

    def register(answers: Callable) -> Exercise:
        name = answers.__name__.replace("_", "-")
        _EXERCISES[name] = Exercise(name, answers, inputs, learns, gradient, needs)
        return _EXERCISES[name]

    return register


def exercises() -> Mapping[str, Exercise]:
    """All exercises by name."""
    for family in _FAMILIES:  # here and not at import: they need torch
        importlib.import_module(f"{__name__}.{family}")
    return _EXERCISES


def run(name: str, function: Callable) -> None:
    """Print how `function` does in exercise `name`: not attempted yet, a diagnosis, or praise. Never raises."""
    found = diagnose(name, function)
    sign = "✓ right" if found.passed else "✗ not yet" if found.attempted else "○"
    print(f"{name} {sign}{': ' if found.attempted else ' '}{found.message}")


def diagnose(name: str, function: Callable) -> Diagnosis:
    """What `run` prints, as a value. Mistakes of the reader end in a message, never in an exception."""
    from kdviz.course.check import diagnosis

    known = exercises()
    if name not in known:
        names = ", ".join(sorted(known))
        return Diagnosis(True, False, f"there is no exercise of this name; the names are {names}.")
    if not callable(function):
        call = f'kd.check.run("{name}", my_function)'
        return Diagnosis(True, False, f"hand over the function itself, not what it returns: {call}.")
    if is_empty(getattr(function, "__code__", None)):
        return Diagnosis(False, False, NOT_ATTEMPTED)
    fault = diagnosis.fault(known[name], function)
    return Diagnosis(True, fault is None, known[name].praise if fault is None else fault)


def is_empty(code) -> bool:
    """True when a function's body is `...` or `pass`, docstring or not: nothing but a `return None` is left of it."""
    if code is None:
        return False
    steps = list(dis.get_instructions(code))
    nothing = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    constants = [step.argval for step in steps if step.opname.endswith("_CONST")]
    return {step.opname for step in steps} <= nothing and constants in ([None], [...])

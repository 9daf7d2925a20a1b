"""Exercise checks that name the likely mistake.

A lesson writes ``kd.check.run("wr-mask", my_function)``. The function is called on a few random inputs with
fixed seeds and compared with a reference; a wrong answer is then compared with the *typical mistakes* of that
exercise, and the one it agrees with is explained. So an exercise is an inputs maker, a reference and a list of
named mistakes, and no answer is stored that a reader could copy.

Checks print and never raise: an exception in the reader's function is shown with the line that caused it.
``kd.check.claim`` closes a lesson: it says whether a paper's claim was seen in the lesson's own runs, and
``kd.check.claims`` says it of recorded ones.
"""

from __future__ import annotations

import dis
import importlib
import inspect
import linecache
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kdviz.course.check.verdicts import claim, claims, interval

__all__ = ["Diagnosis", "Exercise", "claim", "claims", "diagnose", "exercise", "exercises", "interval", "run"]

CASES = 3  # random inputs per check: enough that no mistake agrees with the reference by chance
_FAMILIES = (  # modules of this package that hold exercises
    "vectors", "logits", "contextual", "features", "kronecker", "schedules", "paths", "averages", "samples", "noisy", "universal",
    "adversarial", "glitter", "scale", "together",
)  # fmt: skip
_EXERCISES: dict[str, Exercise] = {}


@dataclass(frozen=True)
class Exercise:
    """One exercise, made by the `exercise` decorator around its reference function.

    inputs   : random generator -> the arguments of one case
    mistakes : what to tell the reader -> an implementation that makes that mistake
    praise   : what the reader has earned
    learns   : position of the argument that a gradient must reach, None when no training follows
    """

    name: str
    reference: Callable
    inputs: Callable
    mistakes: Mapping[str, Callable]
    praise: str
    learns: int | None = None

    def cases(self) -> list[tuple]:
        import torch

        cases = [self.inputs(torch.Generator().manual_seed(seed)) for seed in range(CASES)]
        if self.learns is not None:
            for case in cases:
                case[self.learns].requires_grad_()
        return cases


@dataclass(frozen=True)
class Diagnosis:
    """What a check found: whether there was an answer, whether it is right, and what to tell the reader."""

    attempted: bool
    passed: bool
    message: str


def exercise(
    name: str, *, inputs: Callable, mistakes: Mapping[str, Callable], praise: str, learns: int | None = None
) -> Callable[[Callable], Exercise]:
    """Register the decorated function as the reference of exercise `name`; see `Exercise`."""

    def register(reference: Callable) -> Exercise:
        _EXERCISES[name] = Exercise(name, reference, inputs, mistakes, praise, learns)
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
    known = exercises()
    if name not in known:
        return _wrong(f"there is no exercise of this name; the names are {', '.join(sorted(known))}.")
    if not callable(function):
        return _wrong(f'hand over the function itself, not what it returns: kd.check.run("{name}", my_function).')
    task, answers = known[name], []
    if _is_stub(function):
        return Diagnosis(False, False, "not attempted yet. Replace the `...` by your lines and run both cells again.")
    for case in task.cases():
        try:
            answer = function(*_copies(case))
        except Exception as error:  # whatever a reader's code raises is theirs to read, kindly
            return _wrong(_explain(error, function, task))
        if answer is None or answer is ...:
            return _wrong("your function returned nothing. Does its last line say `return`?")
        answers.append(answer)
    return _judge(task, answers)


def _judge(task: Exercise, answers: list) -> Diagnosis:
    cases = task.cases()
    expected = [task.reference(*_copies(case)) for case in cases]
    if all(map(_agree, answers, expected)):
        if task.learns is not None and not all(getattr(answer, "requires_grad", False) for answer in answers):
            return _wrong("the number is right, but no gradient can flow back through it: look for `.item()`, "
                          "`.detach()`, `float(...)` or `torch.no_grad()`.")
        return Diagnosis(True, True, task.praise)
    for message, mistaken in task.mistakes.items():
        if all(_agree(answer, mistaken(*_copies(case))) for answer, case in zip(answers, cases)):
            return _wrong(message)
    worst = next(pair for pair in zip(answers, expected) if not _agree(*pair))
    return _wrong(_difference(*worst))


def _wrong(message: str) -> Diagnosis:
    return Diagnosis(True, False, message)


def _is_stub(function: Callable) -> bool:
    """True when the body is `...` or `pass`, docstring or not: nothing but a `return None` is left of it."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    steps = list(dis.get_instructions(code))
    nothing = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    constants = [step.argval for step in steps if step.opname.endswith("_CONST")]
    return {step.opname for step in steps} <= nothing and constants in ([None], [...])


def _copies(case: tuple) -> tuple:
    """The arguments of a case, tensors copied: a function that writes into its input must not spoil the comparison."""
    return tuple(value.clone() if hasattr(value, "clone") else value for value in case)


def _tensor(value):
    """`value` as a float64 tensor without gradient, or None when it is no block of numbers."""
    import torch

    try:
        return torch.as_tensor(value).detach().to(torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return None


def _agree(answer, expected) -> bool:
    import torch

    answer, expected = _tensor(answer), _tensor(expected)
    if answer is None or answer.shape != expected.shape:
        return False
    return torch.allclose(answer, expected, rtol=1e-4, atol=1e-6, equal_nan=True)


def _difference(answer, expected) -> str:
    """What can be said of a wrong answer that is no known mistake: type, shape, NaN, transposed, factor, distance."""
    import torch

    given, right = _tensor(answer), _tensor(expected)
    if given is None:
        return (f"your function returned {type(answer).__name__} ({answer!r:.60}); "
                f"wanted are numbers of shape {_shape(right)}.")
    if given.shape != right.shape:
        return (f"your answer has shape {_shape(given)}, the right one {_shape(right)}. "
                "Which axis went missing or was added?")
    if not torch.isfinite(given).all():
        return (f"{int((~torch.isfinite(given)).sum())} of your {given.numel()} numbers are NaN or infinite. "
                "Is something divided by zero, or a whole row masked with -inf before a softmax?")
    if right.dim() >= 2 and _agree(given.transpose(-1, -2), right):
        return "your answer is the right one transposed: the last two axes are swapped."
    large = right.abs() > 1e-6
    ratio = (given[large] / right[large]) if large.any() else right
    scaled = large.any() and torch.allclose(ratio, ratio[:1].expand_as(ratio), rtol=1e-4)
    if scaled and _agree(given[~large], right[~large]):
        return f"every number is {ratio[0]:.4g} × what it should be: look for a missing or an extra factor or divisor."
    gap = (given - right).abs().flatten()
    where = tuple(int(i) for i in torch.unravel_index(gap.argmax(), right.shape))
    at = f" at position {where}" if where else ""
    return (f"the shape is right, the numbers are not. The largest gap is{at}: yours {given[where]:.4g}, "
            f"right {right[where]:.4g}; {int((gap > 1e-6).sum())} of {gap.numel()} numbers differ.")


def _shape(tensor) -> str:
    return str(tuple(tensor.shape)) if tensor.dim() else "() (a single number)"


def _explain(error: Exception, function: Callable, task: Exercise) -> str:
    """An exception of the reader's function in two plain sentences, with the line that caused it."""
    wanted = inspect.signature(task.reference).parameters
    try:
        inspect.signature(function).bind(*wanted)
    except TypeError:
        return f"your function must take these arguments, in this order: ({', '.join(wanted)})."
    home = getattr(getattr(function, "__code__", None), "co_filename", None)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == home]
    text = linecache.getline(own[-1].filename, own[-1].lineno).strip() if own else ""
    line = f" in the line `{text}`" if text else ""
    return f"your function stopped with {type(error).__name__}: {error}{line}"

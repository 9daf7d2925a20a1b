"""What is wrong with an answer: a known mistake of the exercise, or what can be said of any wrong answer."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

NO_GRADIENT = (
    "the number is right, but no gradient can flow back through it: look for `.item()`, `.detach()`, `.numpy()`, "
    "`float(...)` or `torch.no_grad()`."
)
DISGUISES = {  # what the reader sees -> what the right answer has become on its way
    "this is the logarithm of what it should be.": torch.log,
    "this is the square of what it should be.": torch.square,
    "this is the root of what it should be.": torch.sqrt,
    "this is 1 minus what it should be.": lambda right: 1 - right,
    "this is what it should be without its signs.": torch.abs,
}
REDUCTIONS = {"mean": torch.mean, "sum": torch.sum}
REMEDIES = {  # part of an exception's text -> what usually helps
    "Dimension out of range": "a vector has one axis only, 0 or -1. `F.cosine_similarity` and some others take dim=1 "
    "when none is named: write dim=-1, the last axis.",
    "boolean masks": "a mask holds True and False: make it one by `.bool()` or a comparison.",
    "not implemented for 'Float'": "`~` and `&` are for True and False: make a mask by `.bool()` or a comparison.",
    "must match the size": "print the shapes. An axis of length 1, by `[:, None]` or keepdim=True, fits any length.",
    "cannot be multiplied": "print the shapes. `@` sums over the last axis of the first and the last but one of the "
    "second.",
    "must be Tensor, not": "this function takes tensors, not plain numbers: `** 0.5` and `math` do for numbers.",
}


@dataclass(frozen=True, eq=False)  # tensors have no single truth value
class Trial:
    """One case: the reader's answer beside the right ones and the typical mistakes.

    free : where the right answer may be any finite number
    leaf : the argument by which gradients are compared, None when they are not
    """

    arguments: tuple
    answer: object
    rights: list
    slips: dict[str, list]
    free: torch.Tensor
    leaf: torch.Tensor | None

    def agrees(self, expected, gradient: bool = True) -> bool:
        """Whether the answer is `expected`: its numbers and, where it is compared, its gradient."""
        answer, numbers = _numbers(self.answer), _numbers(expected)
        if answer is None or answer.shape != numbers.shape:
            return False
        if numbers.shape == self.free.shape:
            answer = torch.where(self.free & answer.isfinite() & numbers.isfinite(), numbers, answer)
        if not _close(answer, numbers):
            return False
        return self.leaf is None or not gradient or _close(_slope(self.answer, self.leaf), _slope(expected, self.leaf))

    def right(self, gradient: bool = True) -> bool:
        """Whether the answer is one of the right ones."""
        return any(self.agrees(right, gradient) for right in self.rights)


def fault(task, function: Callable) -> str | None:
    """What to tell the reader about `function` as an answer to an exercise; None when it is right."""
    trials = attempt(task, function, task.cases())
    return trials if isinstance(trials, str) else verdict(task, trials)


def attempt(task, function: Callable, cases: list[tuple]) -> list[Trial] | str:
    """`function` called on every case; what to tell the reader in place of the trials when it stopped on one."""
    trials = []
    for case in cases:
        try:
            answer = function(*_copies(case))
        except Exception as error:  # whatever a reader's code raises is theirs to read, kindly
            return _explain(error, function, task)
        if answer is None or answer is ...:
            return "your function returned nothing. Does its last line say `return`?"
        rights, slips = task.answers(*_copies(case))
        rights, free = _alternatives(rights), _numbers(_alternatives(rights)[0]).isnan()
        rights = [right.nan_to_num() for right in rights] if free.any() else rights
        slips = {message: _alternatives(slip) for message, slip in slips.items()}
        trials.append(Trial(case, answer, rights, slips, free, case[task.learns] if task.gradient else None))
    return trials


def verdict(task, trials: list[Trial]) -> str | None:
    """What to tell the reader about the answers to all cases; None when they are right."""
    numbers_right = all(trial.right(gradient=False) for trial in trials)
    if numbers_right and not learns(task, trials):
        return NO_GRADIENT
    if all(trial.right() for trial in trials):
        return clothes(trials[0].answer, trials[0].rights[0])
    for gradient in (True, False)[: 1 if numbers_right else 2]:
        for message in trials[0].slips:
            if all(any(trial.agrees(slip, gradient) for slip in trial.slips[message]) for trial in trials):
                return message
    return _wrong_slope(task, trials) if numbers_right else _difference(task, trials)


def learns(task, trials: list[Trial]) -> bool:
    """Whether a gradient flows back from every answer, where the exercise asks for one."""
    return task.learns is None or all(getattr(trial.answer, "requires_grad", False) for trial in trials)


def fits(trial: Trial) -> bool:
    """Whether an answer has the shape and the type of a right one, whatever its numbers."""
    answer = _numbers(trial.answer)
    shapes = {tuple(_numbers(right).shape) for right in trial.rights}
    return answer is not None and tuple(answer.shape) in shapes and clothes(trial.answer, trial.rights[0]) is None


def _alternatives(value) -> list:
    return value if isinstance(value, list) else [value]


def _copies(case: tuple) -> tuple:
    """The arguments of a case, tensors copied: a function that writes into its input must not spoil the comparison."""
    return tuple(value.clone() if hasattr(value, "clone") else value for value in case)


def _numbers(value) -> torch.Tensor | None:
    """`value` as a float64 tensor without gradient, or None when it is no block of numbers."""
    if isinstance(value, (tuple, list)):
        if hasattr(value, "indices"):  # of torch.max or topk: a pair that is no block of numbers
            return None
        parts = [_numbers(part) for part in value]
        whole = parts and all(part is not None and part.shape == parts[0].shape for part in parts)
        return torch.stack(parts) if whole else None
    try:
        return torch.as_tensor(value).detach().to("cpu", torch.float64)
    except (TypeError, ValueError, RuntimeError):  # NotImplementedError, of device meta, is a RuntimeError
        return None


def _close(one: torch.Tensor, other: torch.Tensor, digits: float = 1e-4) -> bool:
    """Whether two tensors are equal up to rounding; 0/0 and 1/0 are alike, rounding chooses between them."""
    one, other = (torch.where(x.isfinite(), x, torch.nan) for x in (one, other))
    return one.shape == other.shape and torch.allclose(one, other, rtol=digits, atol=1e-6, equal_nan=True)


def _slope(value: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
    """Gradient with respect to `leaf` of a fixed random projection of `value`; zeros when none reaches it."""
    if not getattr(value, "requires_grad", False):
        return torch.zeros_like(leaf)
    weights = torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
    (found,) = torch.autograd.grad((value * weights).sum(), leaf, retain_graph=True, allow_unused=True)
    return torch.zeros_like(leaf) if found is None else found


def clothes(answer, right) -> str | None:
    """What is wrong with an answer whose numbers are right: no tensor, another device, numbers for truth values."""
    if isinstance(answer, np.ndarray) and answer.ndim:
        return "the numbers are right, but stand in a NumPy array, where no gradient can flow: return a torch tensor."
    if not (isinstance(answer, torch.Tensor) and isinstance(right, torch.Tensor)):
        return None
    if answer.device != right.device:
        return f"the numbers are right, but lie on device {answer.device}, the arguments on {right.device}."
    if right.dtype == torch.bool and answer.dtype != torch.bool:
        return f"right, but as numbers ({answer.dtype}); a mask holds True and False: end in a comparison or `.bool()`."
    if not right.dtype.is_floating_point and answer.dtype.is_floating_point:
        return f"right, but a position is a whole number ({right.dtype}), and yours are {answer.dtype}."
    return None


def _wrong_slope(task, trials: list[Trial]) -> str:
    slopes = [(_slope(trial.answer, trial.leaf), _slope(trial.rights[0], trial.leaf)) for trial in trials]
    words = _factor([one for one, _ in slopes], [other for _, other in slopes]) or "look at what is detached."
    return f"the numbers are right, their gradient with respect to `{task.arguments[task.learns]}` is not: {words}"


def _difference(task, trials: list[Trial]) -> str:
    """What can be said of a wrong answer that is no known mistake."""
    wrong = [trial for trial in trials if not trial.right()]
    given, right = ([_numbers(one) for one in some] for some in zip(*((t.answer, t.rights[0]) for t in trials)))
    first = trials.index(wrong[0])
    if (odd := next((place for place, one in enumerate(given) if one is None), None)) is not None:
        words = _wrong_kind(trials[odd].answer, right[odd])
    elif not (words := _wrong_shape(given, right)):
        given = [torch.where(trial.free, *pair) for trial, *pair in zip(trials, right, given)]
        words = _wrong_numbers(given, right, first, getattr(wrong[0].answer, "dtype", None))
    return _example(task, trials, wrong) + words


def _example(task, trials: list[Trial], wrong: list[Trial]) -> str:
    """In how many cases the answer was right, and one in which it was not where that can be said in a line."""
    partly = f"right in {len(trials) - len(wrong)} of {len(trials)} random cases. " if len(wrong) < len(trials) else ""
    if not all(isinstance(value, (int, float)) for value in wrong[0].arguments):
        return partly + "In another: " if partly else ""
    return f"{partly}With {', '.join(f'{k} = {v:.4g}' for k, v in zip(task.arguments, wrong[0].arguments))}: "


def _wrong_kind(answer, right: torch.Tensor) -> str:
    if isinstance(answer, torch.Tensor):
        return f"your answer lies on device {answer.device}: make new tensors where the arguments are."
    if hasattr(answer, "values") and hasattr(answer, "indices"):
        return "along an axis this gives values and their places: take `.values` or `.indices`."
    if isinstance(answer, (tuple, list)) and all(hasattr(part, "__len__") for part in answer):
        sizes = " and ".join(str(len(part)) for part in answer)
        return f"the parts of your answer have lengths {sizes}; they belong together and have one length."
    kind = type(answer).__name__
    return f"your function returned {kind} ({answer!r:.60}); wanted are numbers of shape {_shape(right)}."


def _wrong_shape(given: list[torch.Tensor], right: list[torch.Tensor]) -> str:
    """Words for numbers in the wrong place; empty when the shape is right and no order of the axes is."""
    pairs, axes = list(zip(given, right)), range(right[0].dim())
    for order in itertools.permutations(axes):
        if all(one.dim() == len(axes) and _close(one.permute(order), other) for one, other in pairs):
            last = order == (*axes[:-2], *reversed(axes[-2:]))
            how = "transposed: the last two axes are swapped" if last else f"in another order of axes: permute{order}"
            return f"these are the right numbers {how}."
    one, other = next((pair for pair in pairs if pair[0].shape != pair[1].shape), (None, None))
    if one is None:
        return ""
    for name, reduce in REDUCTIONS.items():
        if all(_close(reduce(one), other) for one, other in pairs):
            return f"your answer has shape {_shape(one)}; asked is its {name}, a single number."
    alike = one.numel() == other.numel() and _close(one.flatten(), other.flatten())
    hint = "The numbers are right, only laid out differently." if alike else "Which axis went missing or was added?"
    return f"your answer has shape {_shape(one)}, the right one {_shape(other)}. {hint}"


def _wrong_numbers(given: list[torch.Tensor], right: list[torch.Tensor], place: int, dtype) -> str:
    """Words for numbers that are wrong, in all cases or as in the one at `place`."""
    first, wanted, pairs = given[place], right[place], list(zip(given, right))
    if not first.isfinite().all():
        count = int((~first.isfinite()).sum())
        causes = "the logarithm taken of a negative number, or a whole row masked with -inf before a softmax"
        return f"{count} of your {first.numel()} numbers are NaN or infinite. Is something divided by zero, {causes}?"
    if dtype in (torch.float16, torch.bfloat16) and all(_close(*pair, digits=0.02) for pair in pairs):
        return f"right to the few digits that {dtype} has: compute in float32."
    if words := _factor(given, right):
        return words
    for words, disguise in DISGUISES.items():
        if all(_close(one, disguise(other)) for one, other in pairs):
            return words
    gap = (first - wanted).abs().flatten()
    if not wanted.dim():
        return f"the right number is {wanted:.4g}, yours {first:.4g}."
    where = tuple(int(place) for place in torch.unravel_index(gap.argmax(), wanted.shape))
    return (
        f"the shape is right, the numbers are not. The largest gap is at position {where}: yours {first[where]:.4g}, "
        f"right {wanted[where]:.4g}; {int((gap > 1e-6).sum())} of {gap.numel()} numbers differ."
    )


def _factor(given: list[torch.Tensor], right: list[torch.Tensor]) -> str:
    """Words for one factor between all numbers of an answer and the right ones; empty when there is none.

    A single number always is a multiple of another: a factor is believed when all cases agree on it.
    """
    ratios = []
    for one, other in zip(given, right):
        large = other.abs() > 1e-6
        if not large.any():
            return ""
        ratio = one[large] / other[large]
        if not (_close(ratio, ratio[:1].expand_as(ratio)) and _close(one[~large], other[~large])):
            return ""
        ratios.append(ratio.flatten()[0])
    if _close(torch.stack(ratios), ratios[0].expand(len(ratios))):
        if _close(ratios[0], -torch.ones_like(ratios[0])):
            return "the sign of every number is turned round."
        return f"every number is {ratios[0]:.4g} × what it should be: look for a missing or an extra factor or divisor."
    if min(one.numel() for one in given) > 2:
        return "all numbers are off by one factor, another one in every case: what do you multiply with, or divide by?"
    return ""


def _shape(tensor: torch.Tensor) -> str:
    return str(tuple(tensor.shape)) if tensor.dim() else "() (a single number)"


def _explain(error: Exception, function: Callable, task) -> str:
    """An exception of the reader's function in two plain sentences, with the line that caused it."""
    try:
        with contextlib.suppress(ValueError):  # functions written in C have no signature
            inspect.signature(function).bind(*task.arguments)
    except TypeError:
        return f"your function must take these arguments, in this order: ({', '.join(task.arguments)})."
    home = getattr(getattr(function, "__code__", None), "co_filename", None)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == home]
    text = linecache.getline(own[-1].filename, own[-1].lineno).strip() if own else ""
    line = f" in the line `{text}`" if text else ""
    remedy = next((f". Remedy: {words}" for part, words in REMEDIES.items() if part in str(error)), "")
    return f"your function stopped with {type(error).__name__}: {error}{line}{remedy}"

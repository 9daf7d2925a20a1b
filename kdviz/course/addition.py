"""Sums of whole numbers, written as an answer alone or with every carry, and checked step by step.

The digits are added from the right. A trace says at each place the two digits, the carry that comes in, the digit that
is written and the carry that goes out; the answer follows:

>>> print(Sum(457, 86).trace())
7+6+0=3,1 5+8+1=4,1 4+0+1=5,0 > 543

Whatever a model writes can be checked, for a trace holds all that decides the next step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kdviz.data.language import LanguageModelling
from kdviz.data.load import load_task
from kdviz.data.symbols import symbol_tokenizer

DIGITS = 3
SYMBOLS = "0123456789+=,> "
FORMS = ("answer", "trace")
MOST_IDLE = 50  # thousands of sums drawn without a new one, before it is said that there is none
SIZES = {"train": 2000, "dev": 200, "test": 400}
STEP = re.compile(r"(\d)\+(\d)\+([01])=(\d),([01])")


@dataclass(frozen=True)
class Sum:
    """a + b, each a whole number of at most so many digits as the longer of them."""

    a: int
    b: int

    @property
    def prompt(self) -> str:
        """ "457+86=" """
        return f"{self.a}+{self.b}="

    @property
    def answer(self) -> str:
        return str(self.a + self.b)

    @property
    def steps(self) -> list[tuple[int, int, int, int, int]]:
        """(digit of a, digit of b, carry in, digit written, carry out) from the right."""
        made, carry = [], 0
        for place in range(max(len(str(self.a)), len(str(self.b)))):
            one, other = (number // 10**place % 10 for number in (self.a, self.b))
            carried, digit = divmod(one + other + carry, 10)
            made.append((one, other, carry, digit, carried))
            carry = carried
        return made

    @property
    def carries(self) -> int:
        """How many places hand a carry on."""
        return sum(step[-1] for step in self.steps)

    @property
    def chain(self) -> int:
        """The longest run of places that hand a carry on, one to the next."""
        return max(map(len, "".join(str(step[-1]) for step in self.steps).split("0")))

    def trace(self) -> str:
        """Every step, then the answer; the module shows one."""
        said = (f"{one}+{other}+{carry}={digit},{out}" for one, other, carry, digit, out in self.steps)
        return f"{' '.join(said)} > {self.answer}"

    def written(self, form: str) -> str:
        """The completion of the prompt in a form, "answer" or "trace"."""
        if form not in FORMS:
            raise ValueError(f"form={form!r}: choose {' or '.join(FORMS)}")
        return self.answer if form == "answer" else self.trace()


@dataclass(frozen=True)
class Checked:
    """What is right of a completion.

    answer : whether the number at its end is the sum
    wrong  : the first step that is not what the numbers ask for, from 0; None when all are right, or none is written
    slips  : steps that are wrong by themselves: their digits and carry in do not make their digit and carry out
    """

    answer: bool
    wrong: int | None
    slips: int


def asked_by(prompt: str) -> Sum:
    """The sum of a prompt; ValueError for one that is none."""
    found = re.fullmatch(r"(\d+)\+(\d+)=", prompt)
    if found is None:
        raise ValueError(f"{prompt!r} is no sum: write it as in {Sum(457, 86).prompt!r}")
    return Sum(*map(int, found.groups()))


def corrected(prompt: str, written: str) -> str:
    """What a teacher writes at each place of a student's trace, given all that the student wrote before that place.

    What follows a wrong digit or carry takes it for granted. As long as `written`, spaces behind the answer; of a right
    trace it is the trace itself. ValueError for a prompt that is no sum. [ours]
    """
    trace, carry, answer = "", 0, ""

    def stands(place, right):
        return int(written[place]) if "0" <= written[place : place + 1] <= "9" else right

    for one, other, *_ in asked_by(prompt).steps:
        at = len(trace)
        total = stands(at, one) + stands(at + 2, other) + min(1, stands(at + 4, carry))
        trace += f"{one}+{other}+{carry}={total % 10},{total // 10} "
        carry, answer = min(1, stands(at + 8, total // 10)), f"{stands(at + 6, total % 10)}{answer}"
    return f"{trace}> {'1' * carry}{answer}".ljust(len(written))[: len(written)]


def check(prompt: str, completion: str) -> Checked:
    """What is right of a completion of a prompt. ValueError for a prompt that is no sum."""
    asked = asked_by(prompt)
    before, arrow, end = completion.rpartition(" > ")
    if not arrow:
        return Checked(completion.strip() == asked.answer, None, 0)
    said = [STEP.fullmatch(step) for step in before.split(" ")]
    steps = [None if step is None else tuple(map(int, step.groups())) for step in said]
    expected, most = asked.steps, max(len(steps), len(asked.steps))
    pairs = [(steps[k] if k < len(steps) else None, expected[k] if k < len(expected) else None) for k in range(most)]
    wrong = next((place for place, (one, right) in enumerate(pairs) if one != right), None)
    slips = sum(step is None or divmod(sum(step[:3]), 10) != (step[4], step[3]) for step in steps)
    return Checked(end.strip() == asked.answer, wrong, slips)


def sums(count: int, seed: int, without=(), digits: int = DIGITS) -> list[Sum]:
    """So many different sums of numbers of up to so many digits, none of those in `without`, drawn by the seed.

    Each number of carries, from none to all, has the same share: drawn evenly, few would have none or all.
    """
    draw, found = np.random.default_rng([seed, digits]), {number: [] for number in range(digits + 1)}
    taken, share, idle = set(without), -(-count // (digits + 1)), 0
    while any(len(some) < share for some in found.values()):
        before, idle = len(taken), idle + 1
        for pair in draw.integers(0, 10**digits, (1000, 2)).tolist():
            one = Sum(*pair)
            if one not in taken and len(found[one.carries]) < share:
                found[one.carries].append(one)
                taken.add(one)
        idle *= before == len(taken)
        if idle == MOST_IDLE:
            raise ValueError(
                f"{count} sums of {digits} digits, as many with every number of carries, beside {len(set(without))}: "
                "there are not so many; ask for fewer, or for more digits"
            )
    together = [one for group in zip(*found.values()) for one in group]
    return together[:count]


def task(form: str = "answer", seed: int = 0, sizes=None, digits: int = DIGITS):
    """A task of language modelling: sums as prompts, their answers or traces as completions, a token a character.

    sizes : rows of train, dev and test, `SIZES` when None. No sum stands in two of them; both forms have the same sums.
    """
    splits, taken = {}, []
    for number, (split, count) in enumerate((sizes or SIZES).items()):
        made = sums(count, 10 * seed + number, taken, digits)
        taken += made
        splits[split] = pd.DataFrame(
            {"prompt": [s.prompt for s in made], "completion": [s.written(form) for s in made]}
        )
    tokenizer = symbol_tokenizer([SYMBOLS])
    return load_task(**splits, kind=LanguageModelling.name, tokenizer=tokenizer)


def accuracy(prompts, completions) -> pd.DataFrame:
    """Shares of right answers and of traces without a wrong step, by the number of carries, with the rows of each."""
    rows = []
    for prompt, completion in zip(prompts, completions, strict=True):
        seen = check(prompt, completion)
        rows.append(
            {"carries": asked_by(prompt).carries, "answer": seen.answer, "steps": seen.wrong is None, "rows": 1}
        )
    table = pd.DataFrame(rows).groupby("carries")
    return table[["answer", "steps"]].mean().join(table["rows"].sum())

"""The scores task: how much of what two sentences say is the same, from 0 to 5.

The sentences are those of the entail grammar, whose rules give every statement the possible worlds in which it is
true. With P and H these sets, the score is 5 · |P ∩ H| / |P ∪ H|: 0 for what is never true together, 5 for two ways to
say one thing, and between them the share of worlds, among those that make one of the two true, that make both true.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa

from . import common
from .common import sentence
from .entail import SHARES
from .entail_lexicon import HELD_OUT, MAIN
from .entail_rules import Grammar, Statement

LABELS = ("score",)
HIGHEST = 5
SEED = 20261127
SIZES = {"train": 2000, "transfer": 6000, "dev": 1000, "test": 2000, "ood_lexicon": 1000}
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("text_b", pa.string()),
        ("label", pa.float64()),
        ("phenomenon", pa.string()),
        ("rules", pa.string()),  # first statement > second statement: "all>some"
    ]
)
PARTS = ((0, 0), (0.01, 0.49), (0.5, 0.99), (1, 1))  # of the share in common; they take turns


def share(one: frozenset, other: frozenset) -> float:
    """|P ∩ H| / |P ∪ H|."""
    return len(one & other) / len(one | other)


def choose(statements: list[Statement], part: tuple[float, float], rng: random.Random) -> tuple | None:
    """Two different statements whose share lies in that part, or None when there are none."""
    for one in rng.sample(statements, len(statements)):
        low, high = part
        others = [two for two in statements if two[1] != one[1] and low <= share(one[2], two[2]) <= high]
        if others:
            return one, rng.choice(others)
    return None


def _split(split: str, lexicon: dict, unique: common.Unique) -> list[dict]:
    rng = random.Random(f"{SEED}-{split}")
    grammar = Grammar(lexicon, rng)

    def propose(i):
        phenomenon = rng.choices(list(SHARES), SHARES.values())[0]
        pair = choose(getattr(grammar, phenomenon)(), PARTS[i % len(PARTS)], rng)
        if pair is None:
            return None
        one, other = pair
        score = round(HIGHEST * share(one[2], other[2]), 2)
        return {
            "id": f"scores-{split}-{i:05d}",
            "text": sentence(one[1]),
            "text_b": sentence(other[1]),
            "label": np.nan if split == "transfer" else score,
            "phenomenon": phenomenon,
            "rules": f"{one[0]}>{other[0]}",
        }

    rows = common.fill(SIZES[split], propose, unique, ("text", "text_b"))
    rng.shuffle(rows)
    return rows


def build(folder: Path) -> dict[str, list[dict]]:
    """Every split's rows."""
    return common.in_order(_split, MAIN, HELD_OUT, SIZES)

"""The endings task: a beginning and four endings, of which exactly one follows.

The sentences are those of the entail grammar, whose rules give every statement the possible worlds in which it is true.
An ending follows when it is true in every world in which the beginning is. The four endings are drawn first, such that
each of them could be the one, and then which it is, and a beginning for it: so the endings alone say nothing, and a
word is as often in the right one as in the wrong ones. Where one statement leaves too few worlds apart, a beginning
joins two that have nothing to do with each other, and the endings are about the one or the other.
"""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa

from kdviz.losses.logits import UNLABELLED

from . import common
from .entail import SHARES
from .entail_lexicon import HELD_OUT, MAIN
from .entail_rules import Grammar, Statement

CHOICES = 4
SEED = 20261128
SIZES = {"train": 2000, "transfer": 6000, "dev": 1000, "test": 2000, "ood_lexicon": 1000}
ALONE = "roles"  # of who did what to whom four endings are apart; other beginnings join two statements
TRIALS = 40  # draws of four endings before other words are tried
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("endings", pa.list_(pa.string())),
        ("label", pa.int64()),
        ("phenomenon", pa.string()),
        ("rules", pa.string()),  # statements of the beginning > statement of the right ending: "all>some"
    ]
)


def followers(statement: Statement, endings: list[Statement]) -> frozenset[int]:
    """Which of the endings are true whenever the statement is."""
    return frozenset(place for place, ending in enumerate(endings) if statement[2] <= ending[2])


def beginnings(parts: list[list[Statement]], endings: list[tuple[int, Statement]], right: int) -> list[tuple]:
    """Statements, one of each part, from which the right ending follows and no other does.

    parts : statements about one thing, and about another; endings : (their part, statement)
    """
    texts, found = {ending[1] for _, ending in endings}, [()]
    for number, statements in enumerate(parts):
        own = [place for place, (part, _) in enumerate(endings) if part == number]
        wanted = frozenset(own.index(place) for place in own if place == right)
        fits = [s for s in statements if s[1] not in texts and followers(s, [endings[k][1] for k in own]) == wanted]
        found = [(*before, one) for before in found for one in fits]
    return found


def choose(parts: list[list[Statement]], right: int, rng: random.Random) -> tuple | None:
    """(the beginning's statements, four endings) with the right ending at that place; None when no draw would do."""
    every = [(number, statement) for number, part in enumerate(parts) for statement in part]
    if len({statement[1] for _, statement in every}) < len(every):  # by chance, both parts are about the same
        return None
    for _ in range(TRIALS):
        endings = rng.sample(every, CHOICES)
        found = [beginnings(parts, endings, place) for place in range(CHOICES)]
        if all(found):
            return rng.choice(found[right]), [statement for _, statement in endings]
    return None


def _split(split: str, lexicon: dict, unique: common.Unique) -> list[dict]:
    rng = random.Random(f"{SEED}-{split}")
    grammar = Grammar(lexicon, rng)

    def propose(i):
        phenomenon = rng.choices(list(SHARES), SHARES.values())[0]
        parts = [getattr(grammar, phenomenon)() for _ in range(1 if phenomenon == ALONE else 2)]
        chosen = choose(parts, i % CHOICES, rng)
        if chosen is None:
            return None
        beginning, endings = chosen
        return {
            "id": f"endings-{split}-{i:05d}",
            "text": common.sentence(", and ".join(one[1] for one in beginning)).rstrip(".") + ", so",
            "endings": [f"{one[1]}." for one in endings],
            "label": UNLABELLED if split == "transfer" else i % CHOICES,
            "phenomenon": phenomenon,
            "rules": f"{' & '.join(one[0] for one in beginning)}>{endings[i % CHOICES][0]}",
        }

    rows = common.fill(SIZES[split], propose, unique)
    rng.shuffle(rows)
    return rows


def build(folder: Path) -> dict[str, list[dict]]:
    """Every split's rows."""
    return common.in_order(_split, MAIN, HELD_OUT, SIZES)

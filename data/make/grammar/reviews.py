"""The reviews task: its splits, drawn from the rules (reviews_rules.py) and the words (reviews_lexicon.py)."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa

from kdviz.losses.logits import UNLABELLED

from . import common
from .common import sentence
from .reviews_adversarial import TRAPS
from .reviews_lexicon import HELD_OUT, MAIN
from .reviews_rules import Clause, Grammar

LABELS = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
SEED = 20211107
SIZES = {"train": 2000, "transfer": 8000, "dev": 1000, "test": 2000, "ood_lexicon": 1000, "adversarial": 800}
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("label", pa.int64()),
        ("phenomenon", pa.string()),
        ("rules", pa.string()),  # every rule used, frame first: "contrast+negated+plain"
        ("domain", pa.string()),
        ("polarity_words", pa.string()),  # opinion words in the text, in order, separated by spaces
        ("pair", pa.string()),  # adversarial: rows of one minimal pair share it; "" elsewhere
    ]
)
# Share of each phenomenon, in hundredths. Two-clause frames lead: there, counting words fails.
SHARES = {
    "plain": 6,
    "intensity": 9,
    "negation": 13,
    "comparison": 8,
    "implicit": 9,
    "contrast": 14,
    "concession": 14,
    "expectation": 7,
    "attribution": 6,
    "time": 6,
    "mixed": 8,
    "topic": 5,
}


def _capitals(text: str) -> str:
    """Upper case after every full stop inside a review."""
    parts = text.split(". ")
    return ". ".join(p[:1].upper() + p[1:] for p in parts)


def _row(split: str, i: int, clause: Clause, domain: str, phenomenon: str, pair: str = "") -> dict:
    label = UNLABELLED if split == "transfer" else clause.value + 2
    return {
        "id": f"reviews-{split}-{i:05d}",
        "text": sentence(_capitals(clause.text)),
        "label": label,
        "phenomenon": phenomenon,
        "rules": "+".join(clause.rules),
        "domain": domain,
        "polarity_words": " ".join(clause.words),
        "pair": pair,
    }


def _split(split: str, lexicon: dict, unique: common.Unique) -> list[dict]:
    """The rows of one generated split; labels take turns, so they are balanced to one row."""
    rng = random.Random(f"{SEED}-{split}")
    grammar = Grammar(lexicon, rng)
    shares = {p: s for p, s in SHARES.items() if lexicon["implicit"] or p not in ("implicit", "topic")}

    def propose(i):
        phenomenon = rng.choices(list(shares), shares.values())[0]
        domain = rng.choice(list(lexicon["domains"]))
        clause = grammar.review(phenomenon, i % 5 - 2, domain)
        return None if clause is None else _row(split, i, clause, domain, phenomenon)

    rows = common.fill(SIZES[split], propose, unique)
    rng.shuffle(rows)
    return rows


def _adversarial(unique: common.Unique) -> list[dict]:
    """Equally many rows of every trap; a pair is taken whole or not at all."""
    rng = random.Random(f"{SEED}-adversarial")
    grammar = Grammar(MAIN, rng)
    rows = []
    for trap, make in TRAPS.items():
        start, attempt = len(rows), 0
        while len(rows) - start < SIZES["adversarial"] // len(TRAPS):
            domain = rng.choice(list(MAIN["domains"]))
            pair = f"{trap.replace(' ', '-')}-{attempt:04d}"
            made = [
                _row("adversarial", len(rows) + k, clause, domain, trap, pair)
                for k, clause in enumerate(make(grammar, domain))
            ]
            if all(unique.take(row["text"]) for row in made):
                rows.extend(made)
            attempt += 1
    return rows


def _natural(folder: Path, unique: common.Unique) -> list[dict]:
    """The hand-written sentences of ``ood_natural.tsv``."""
    rows = []
    for i, cells in enumerate(common.read_tsv(folder / "ood_natural.tsv", ("stars", "domain", "phenomenon", "text"))):
        if not unique.take(cells["text"]):
            raise ValueError(f"ood_natural.tsv: this text occurs twice or in a generated split: {cells['text']!r}")
        rows.append(
            {
                "id": f"reviews-ood_natural-{i:05d}",
                "text": cells["text"],
                "label": int(cells["stars"]) - 1,
                "phenomenon": cells["phenomenon"],
                "rules": "",
                "domain": cells["domain"],
                "polarity_words": "",
                "pair": "",
            }
        )
    return rows


def build(folder: Path) -> dict[str, list[dict]]:
    """Every split's rows, in the order in which they claim their texts. ``folder`` holds ``ood_natural.tsv``."""
    unique = common.Unique()
    first = {"ood_natural": _natural(folder, unique), "adversarial": _adversarial(unique)}
    return common.with_generated(first, lambda split, lexicon: _split(split, lexicon, unique), MAIN, HELD_OUT)

"""The entail task: its splits, drawn from the rules (entail_rules.py) and the words (entail_lexicon.py)."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa

from kdviz.losses.logits import UNLABELLED

from . import common
from .common import sentence
from .entail_lexicon import HELD_OUT, MAIN
from .entail_rules import Grammar

LABELS = ("entailment", "neutral", "contradiction")
SEED = 20211110
SIZES = {"train": 2000, "transfer": 8000, "dev": 1000, "test": 2000, "ood_lexicon": 1000, "adversarial": 720}
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("text_b", pa.string()),
        ("label", pa.int64()),
        ("phenomenon", pa.string()),
        ("rules", pa.string()),  # premise statement > hypothesis statement: "all>some"
    ]
)
SHARES = {
    "hypernym": 14,
    "modifier": 8,
    "quantifier": 14,
    "number": 4,
    "roles": 12,
    "implicative": 13,
    "scale": 13,
    "temporal": 6,
    "comparison": 6,
    "spatial": 6,
    "coordination": 9,
    "belief": 5,
}


def _row(split, i, premise, hypothesis, label, phenomenon, rules) -> dict:
    return {
        "id": f"entail-{split}-{i:05d}",
        "text": premise,
        "text_b": hypothesis,
        "label": UNLABELLED if split == "transfer" else label,
        "phenomenon": phenomenon,
        "rules": rules,
    }


def _split(split: str, lexicon: dict, unique: common.Unique) -> list[dict]:
    """The rows of one generated split; labels take turns, so they are balanced to one row."""
    rng = random.Random(f"{SEED}-{split}")
    grammar = Grammar(lexicon, rng)

    def propose(i):
        phenomenon = rng.choices(list(SHARES), SHARES.values())[0]
        premise, hypothesis, rules = grammar.pair(phenomenon, i % 3)
        return _row(split, i, premise, hypothesis, i % 3, phenomenon, rules)

    rows = common.fill(SIZES[split], propose, unique, ("text", "text_b"))
    rng.shuffle(rows)
    return rows


# Every word of the hypothesis is in the premise, and yet overlap does not tell the label. X, Y: people; {v}, {w}: past
# tenses; {t}, {p}: past tense and participle of one transitive verb.
TRAPS = {
    "swap": [
        ("the X {t} the Y", "the Y {t} the X", 1),
        ("the X was {p} by the Y", "the X {t} the Y", 1),
        ("the X was {p} by the Y", "the Y {t} the X", 0),
        ("the X was never {p} by the Y", "the Y {t} the X", 2),
    ],
    "subsequence": [
        ("the X near the Y {v}", "the Y {v}", 1),
        ("the X who {t} the Y {v}", "the Y {v}", 1),
        ("the boss of the X {v}", "the X {v}", 1),
        ("the X near the Y {v}", "the X {v}", 0),
        ("the X who {t} the Y {v}", "the X {t} the Y", 0),
        ("the X {t} the Y who {v}", "the Y {v}", 0),
        ("the X near the Y never {v}", "the X {v}", 2),
        ("the X whom the Y {t} never {v}", "the X {v}", 2),
    ],
    "constituent": [
        ("if the X {v}, the Y {w}", "the X {v}", 1),
        ("unless the X {v}, the Y {w}", "the Y {w}", 1),
        ("the Y claims that the X {v}", "the X {v}", 1),
        ("perhaps the X {v}, but the Y {w}", "the X {v}", 1),
        ("because the X {v}, the Y {w}", "the X {v}", 0),
        ("the Y knows that the X {v}", "the X {v}", 0),
        ("it is not true that the X {v}", "the X {v}", 2),
        ("the Y wrongly thinks that the X {v}", "the X {v}", 2),
        ("hardly anyone saw it, but the X {v}", "the X {v}", 0),
    ],
    "conjunct": [
        ("the X and the Y {v}", "the Y {v}", 0),
        ("the X or the Y {v}", "the Y {v}", 1),
        ("neither the X nor the Y {v}", "the Y {v}", 2),
        ("the X, not the Y, {v}", "the Y {v}", 2),
        ("either the X or the Y {v}", "the X {v}", 1),
        ("not only the X but the Y {v}", "the X {v}", 0),
    ],
}


def _adversarial(unique: common.Unique) -> list[dict]:
    """Lexical-overlap traps, in the spirit of HANS (McCoy et al., ACL 2019); the sentences are our own."""
    rng = random.Random(f"{SEED}-adversarial")
    grammar = Grammar(MAIN, rng)
    traps = [(kind, i) for kind, forms in TRAPS.items() for i in range(len(forms))]
    by_label = [[(k, i) for k, i in traps if TRAPS[k][i][2] == label] for label in range(3)]

    def propose(n):
        kind, i = rng.choice(by_label[n % 3])
        premise, hypothesis, label = TRAPS[kind][i]
        x, y = grammar.some("people", 2)
        (_, t, p), (v, w) = grammar.some("transitive"), [verb[1] for verb in grammar.some("intransitive", 2)]
        fill = lambda text: sentence(text.replace("X", x).replace("Y", y).format(t=t, p=p, v=v, w=w))  # noqa: E731
        return _row("adversarial", n, fill(premise), fill(hypothesis), label, kind, premise)

    return common.fill(SIZES["adversarial"], propose, unique, ("text", "text_b"))


def _natural(folder: Path, unique: common.Unique) -> list[dict]:
    """The hand-written pairs of ``ood_natural.tsv``."""
    rows = []
    for i, cells in enumerate(
        common.read_tsv(folder / "ood_natural.tsv", ("label", "phenomenon", "premise", "hypothesis"))
    ):
        if not unique.take(cells["premise"], cells["hypothesis"]):
            raise ValueError(f"ood_natural.tsv: this pair occurs twice or in a generated split: {cells['premise']!r}")
        rows.append(
            _row(
                "ood_natural",
                i,
                cells["premise"],
                cells["hypothesis"],
                LABELS.index(cells["label"]),
                cells["phenomenon"],
                "",
            )
        )
    return rows


def build(folder: Path) -> dict[str, list[dict]]:
    """Every split's rows, in the order in which they claim their texts. ``folder`` holds ``ood_natural.tsv``."""
    unique = common.Unique()
    first = {"ood_natural": _natural(folder, unique), "adversarial": _adversarial(unique)}
    return common.with_generated(first, lambda split, lexicon: _split(split, lexicon, unique), MAIN, HELD_OUT)

"""The answers task: a paragraph, a question, and the part of the paragraph that answers it, or nothing.

A paragraph is a scene (answers_rules.py) and two statements of another one about the same people, in any order. The
other scene has no word in common with the question but names and the smallest words, so it cannot answer it.
"""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa

from kdviz.losses.logits import UNLABELLED

from . import common
from .answers_rules import Scenes
from .entail_lexicon import HELD_OUT, MAIN

SEED = 20261129
SIZES = {"train": 4000, "transfer": 4000, "dev": 1000, "test": 1500, "ood_lexicon": 1000}
PHENOMENA = ("roles", "actions", "kinds", "counts", "order", "places", "jobs", "both")
WITHOUT = 3  # one question in so many has no answer
EXTRA = 2  # statements of another scene
SMALL = set(
    "a an and any but by did do fewer how is kind many more neither never nor not of than the to was what who "
    "whom".split()
)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),  # the question
        ("text_b", pa.string()),  # the paragraph
        ("answers", pa.list_(pa.string())),
        ("label", pa.list_(pa.int64())),  # characters of text_b, start and end
        ("phenomenon", pa.string()),
    ]
)


def content(text: str, names: list[str]) -> set[str]:
    """The words of a text but for the smallest ones and names, cut to four letters: call and called are one."""
    return {word[:4] for word in set(common.words(text)) - SMALL - {name.lower() for name in names}}


def paragraph(told: list[str], answer: tuple[int, str] | None, order: list[int]) -> tuple[str, tuple[int, int]]:
    """The statements as sentences in that order, and the characters of the answer; (0, 0) for none."""
    text, span = "", (0, 0)
    for place in order:
        text += " " * bool(text)
        if answer is not None and place == answer[0]:
            start = len(text) + told[place].index(answer[1])
            span = start, start + len(answer[1])
        text += common.sentence(told[place])
    return text, span


def _split(split: str, lexicon: dict, unique: common.Unique) -> list[dict]:
    rng = random.Random(f"{SEED}-{split}")
    scenes = Scenes(lexicon, rng)

    def propose(i):
        names = scenes.some("names", 3)
        phenomenon, elsewhere = rng.sample(PHENOMENA, 2)
        told, question, answer = getattr(scenes, phenomenon)(names, i % WITHOUT != 0)
        extra = getattr(scenes, elsewhere)(rng.sample(names, 3), True)[0]
        told = told + rng.sample(extra, EXTRA)
        if content(" ".join(extra), names) & content(f"{question} {' '.join(told[:-EXTRA])}", names):
            return None
        text, span = paragraph(told, answer, rng.sample(range(len(told)), len(told)))
        labelled = split != "transfer"
        return {
            "id": f"answers-{split}-{i:05d}",
            "text": question,
            "text_b": text,
            "answers": [answer[1]] if answer and labelled else [],
            "label": list(span) if labelled else [UNLABELLED] * 2,
            "phenomenon": phenomenon,
        }

    rows = common.fill(SIZES[split], propose, unique, ("text", "text_b"))
    rng.shuffle(rows)
    return rows


def build(folder: Path) -> dict[str, list[dict]]:
    """Every split's rows."""
    return common.in_order(_split, MAIN, HELD_OUT, SIZES)

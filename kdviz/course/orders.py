"""Reviews on order: the wanted stars are the prompt, a review is the completion, and the rules of the grammar judge it.

A review is written in lower case, with a space around every word and mark:

>>> order(4), spelled("The plot isn't dull, although the cast is poor.")
('★★★★', "the plot isn't dull , although the cast is poor .")
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from kdviz.course.reviews import STARS, judge, vocabulary, words
from kdviz.data.language import LanguageModelling
from kdviz.data.load import load_task
from kdviz.data.symbols import symbol_tokenizer

SPLITS = ("train", "dev", "test")
STAR = "★"
MOST = 48  # tokens of a review that is written; the longest embedded one has 41


def order(stars: int) -> str:
    """The prompt that asks for so many stars, "★" to "★★★★★"."""
    if stars not in STARS:
        raise ValueError(f"{stars} stars: a review has {STARS[0]} to {STARS[-1]}")
    return STAR * stars


def wanted(prompt: str) -> int:
    """The stars that a prompt asks for; ValueError for one that is no order."""
    if prompt not in map(order, STARS):
        raise ValueError(f"{prompt!r} is no order: write it as in {order(4)!r}")
    return len(prompt)


def orders(count: int) -> list[str]:
    """So many prompts, the stars in turns."""
    return [order(STARS[place % len(STARS)]) for place in range(count)]


def spelled(text: str) -> str:
    """A review as it is written to order; the module shows one."""
    return " ".join(words(text))


@cache
def tokenizer():
    """A token a word or mark of the grammar, and one for each order."""
    return symbol_tokenizer([" ".join([*vocabulary(), *map(order, STARS)])], "words")


def table(texts, labels) -> pd.DataFrame:
    """Prompts and completions of reviews with labels 0 to 4."""
    prompts = [order(int(label) + 1) for label in labels]
    return pd.DataFrame({"prompt": prompts, "completion": list(map(spelled, texts))})


def task(rows: dict[str, int] | None = None):
    """The embedded reviews, labelled splits alone, as a task of language modelling.

    rows : how many of a split, its first; all where it is not named
    """
    source, splits = load_task("reviews"), {}
    for name in SPLITS:
        split = source[name][: (rows or {}).get(name, len(source[name]))]
        splits[name] = table(split["text"], split["label"])
    return load_task(**splits, kind=LanguageModelling.name, tokenizer=tokenizer())


def shares(prompts, completions) -> dict[str, float]:
    """Of what was written to these orders: the shares of "valid" reviews, and of those with the "wanted" stars.

    What is no review has no stars, so "wanted" is never above "valid".
    """
    found = [(judge(text).stars, wanted(prompt)) for prompt, text in zip(prompts, completions, strict=True)]
    if not found:
        raise ValueError("no completions: write some, as with kdviz.models.writing.write(model, orders(500), MOST)")
    return {
        "valid": float(np.mean([stars is not None for stars, _ in found])),
        "wanted": float(np.mean([stars == asked for stars, asked in found])),
    }

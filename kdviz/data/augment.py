"""Augmentation: a pool of altered copies of every text, made once, by a committed lexicon and a seed.

The two operations of EDA (Wei and Zou 2019) that need no large resource: replace words by words of the same meaning
class, and delete words. A deletion may take a "not" away, so an augmented text has no hard label: only a teacher, or
the student itself, may say what it means now.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache

import datasets

from kdviz.data.grammar import reviews_lexicon, reviews_rules

WORD = re.compile(r"[A-Za-z0-9]+(?:['-][A-Za-z0-9]+)*")
OPERATIONS = ("synonyms", "deletion")
Synonyms = Mapping[str, Sequence[str]]


@cache
def synonyms() -> dict[str, tuple[str, ...]]:
    """Words of the reviews grammar that may take each other's place without changing the stars of any review.

    Opinion words of one value that suit the same nouns, degree words of one strength, things of one domain. Words held
    out for ``ood_lexicon`` are not among them.
    """
    known: dict[str, set[str]] = {}

    def add(word: str, others) -> None:
        known.setdefault(word, set()).update(set(others) - {word})

    opinions = {kind: {value: words.split() for value, words in values.items()}
                for kind, values in reviews_lexicon.MAIN["opinions"].items()}
    for kind, values in opinions.items():
        for value, words in values.items():
            for word in words:
                add(word, [*words, *opinions["any"].get(value, ())])
    for degrees in (reviews_rules.STRONG, reviews_rules.WEAK):
        for words in degrees.values():
            for word in words:
                add(word, words)
    for domain in reviews_lexicon.MAIN["domains"].values():
        for word in domain["items"].split():
            add(word, domain["items"].split())
    # a word of two classes (another value beside another noun) has no synonym that is safe everywhere
    twice = _ambiguous(opinions)
    return {word: tuple(sorted(others - twice)) for word, others in sorted(known.items()) if word not in twice and " " not in word}


def _ambiguous(opinions) -> set[str]:
    values: dict[str, set[int]] = {}
    for kind in opinions.values():
        for value, words in kind.items():
            for word in words:
                values.setdefault(word, set()).add(value)
    return {word for word, found in values.items() if len(found) > 1}


def spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text are."""
    return [match.span() for match in WORD.finditer(text)]


def put(text: str, span: tuple[int, int], word: str) -> str:
    """The text with another word at `span`; a capital stays, and a/an before it agrees."""
    start, end = span
    if text[start].isupper():
        word = word[0].upper() + word[1:]
    before = re.sub(r"\b([Aa])n?(\s+)$", lambda m: m[1] + ("n" if word[0].lower() in "aeiou" else "") + m[2], text[:start])
    return before + word + text[end:]


def replace_words(text: str, rng: random.Random, share: float = 0.3, known: Synonyms | None = None) -> str | None:
    """A share (at least one) of the words that have synonyms replaced; None when no word has one."""
    known = synonyms() if known is None else known
    places = [span for span in spans(text) if known.get(text[slice(*span)].lower())]
    if not places:
        return None
    chosen = rng.sample(places, max(1, round(share * len(places))))
    for span in sorted(chosen, reverse=True):  # from the end, so that earlier places stay where they are
        text = put(text, span, rng.choice(known[text[slice(*span)].lower()]))
    return text


def delete_words(text: str, rng: random.Random, share: float = 0.1) -> str:
    """A share (at least one) of the words left out; a text of one word stays."""
    places = spans(text)
    if len(places) < 2:
        return text
    for start, end in sorted(rng.sample(places, min(len(places) - 1, max(1, round(share * len(places))))), reverse=True):
        text = text[:start].rstrip() + " " + text[end:].lstrip()
    return re.sub(r"\s+([.,;:!?])", r"\1", text).strip()


def pool(dataset, size: int = 8, *, seed: int = 0, known: Synonyms | None = None) -> datasets.Dataset:
    """`size` altered copies of every text, source by source: rows i·size … i·size + size-1 come from row i.

    dataset : columns text[, text_b]; both texts of a pair are altered
    Returns columns text[, text_b], source (row of `dataset`) and operation. The first half of a text's copies have
    words replaced, the rest have words deleted; where no word has a synonym, all are deletions and say so. A copy
    depends on seed, text and its number alone.
    """
    if size < 1:
        raise ValueError(f"size={size}: a pool needs 1 copy of each text or more")
    columns = [name for name in ("text", "text_b") if name in dataset.column_names]
    made: dict[str, list] = {name: [] for name in (*columns, "source", "operation")}
    for row, texts in enumerate(zip(*(dataset[name][:] for name in columns), strict=True)):
        rng = random.Random(repr((seed, texts)))
        for number in range(size):
            new = [replace_words(text, rng, known=known) for text in texts] if number < -(-size // 2) else [None]
            replaced = any(text is not None for text in new)
            if replaced:
                new = [old if text is None else text for old, text in zip(texts, new)]
            else:
                new = [delete_words(text, rng) for text in texts]
            for name, text in zip(columns, new):
                made[name].append(text)
            made["source"].append(row)
            made["operation"].append(OPERATIONS[0] if replaced else OPERATIONS[1])
    return datasets.Dataset.from_dict(made)

"""Augmentation: a pool of altered copies of every text, made once, by a committed lexicon and a seed.

The two operations of EDA (Wei and Zou 2019) that need no large resource: replace words by words of the same meaning
class, and delete words; and mask-and-reconstruct, which hides words and lets a masked-word model write others. A
deletion may take a "not" away and a model may write its opposite, so an augmented text has no hard label: only a
teacher, or the student itself, may say what it means now.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

import datasets

from kdviz.data.words import lexicon

WORD = re.compile(r"[A-Za-z0-9]+(?:['-][A-Za-z0-9]+)*")
OPERATIONS = ("synonyms", "deletion", "reconstruction")
Synonyms = Mapping[str, Sequence[str]]
# texts, per text the places of its hidden words, per text a seed -> per text the words to write there
Fill = Callable[[list[str], list[list[tuple[int, int]]], list[int]], list[list[str]]]


def synonyms() -> dict[str, tuple[str, ...]]:
    """Words of the reviews grammar that may take each other's place without changing the stars of any review.

    Opinion words of one value that suit the same nouns, degree words of one strength, things of one domain. Words held
    out for ``ood_lexicon`` are not among them.
    """
    return {word: tuple(others) for word, others in lexicon("reviews")["synonyms"].items()}


def opinions() -> dict[str, int]:
    """The opinion words of the reviews grammar, and their values from -2 to 2."""
    return lexicon("reviews")["opinions"]


def spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text are."""
    return [match.span() for match in WORD.finditer(text)]


def put(text: str, span: tuple[int, int], word: str) -> str:
    """The text with another word at `span`; a capital stays, and a/an before it agrees."""
    start, end = span
    if text[start].isupper():
        word = word[0].upper() + word[1:]
    article = r"\1n\2" if word[0].lower() in "aeiou" else r"\1\2"
    return re.sub(r"\b([Aa])n?(\s+)$", article, text[:start]) + word + text[end:]


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
    count = min(len(places) - 1, max(1, round(share * len(places))))
    for start, end in sorted(rng.sample(places, count), reverse=True):
        text = text[:start].rstrip() + " " + text[end:].lstrip()
    return re.sub(r"\s+([.,;:!?])", r"\1", text).strip()


def reconstruct(texts: Sequence[str], fill: Fill, rngs: Sequence[random.Random], share: float = 0.3) -> list[str]:
    """Mask-and-reconstruct: a share (at least one) of each text's words hidden and written anew by a model.

    fill : such as `kdviz.models.masked_words.MaskedWords.fill`; it may write a word that was there
    rngs : one for each text; which words are hidden, and the seed of what is written
    All but the hidden words stays as it is, to the last space; a capital stays, and a text without words stays.
    """
    places = []
    for text, rng in zip(texts, rngs, strict=True):
        every = spans(text)
        places.append(sorted(rng.sample(every, min(len(every), max(1, round(share * len(every)))))))
    written = fill(list(texts), places, [rng.getrandbits(31) for rng in rngs])
    made = []
    for text, here, words in zip(texts, places, written, strict=True):
        for (start, end), word in sorted(zip(here, words, strict=True), reverse=True):
            capital = text[start].isupper() and word[:1].islower()
            text = text[:start] + (word[0].upper() + word[1:] if capital else word) + text[end:]
        made.append(text)
    return made


def pool(
    dataset, size: int = 8, *, seed: int = 0, known: Synonyms | None = None, fill: Fill | None = None
) -> datasets.Dataset:
    """`size` altered copies of every text, source by source: rows i·size … i·size + size-1 come from row i.

    dataset : columns text[, text_b]; both texts of a pair are altered. Endings of multiple choice stay as they are
    fill    : with a masked-word model's `fill`, a third of the copies is made by `reconstruct`
    Returns columns text[, text_b or endings], source (row of `dataset`) and operation. The first half of a text's
    copies (third, with `fill`) have words replaced, the next have words deleted; where no word has a synonym, they are
    deletions and say so. A copy depends on seed, text and its number alone.
    """
    if size < 1:
        raise ValueError(f"size={size}: a pool needs 1 copy of each text or more")
    columns = [name for name in ("text", "text_b") if name in dataset.column_names]
    kinds, known = OPERATIONS[: 2 if fill is None else 3], synonyms() if known is None else known
    made: dict[str, list] = {name: [] for name in (*columns, "source", "operation")}
    waiting = []  # (row of the pool, rng): read by the model all together, which is quicker
    for row, texts in enumerate(zip(*(dataset[name][:] for name in columns), strict=True)):
        rng = random.Random(repr((seed, texts)))
        for number in range(size):
            kind, new = kinds[number * len(kinds) // size], list(texts)
            if kind == "synonyms":
                replaced = [replace_words(text, rng, known=known) for text in texts]
                kind = "synonyms" if any(text is not None for text in replaced) else "deletion"
                new = [old if text is None else text for old, text in zip(texts, replaced)]
            if kind == "deletion":
                new = [delete_words(text, rng) for text in texts]
            if kind == "reconstruction":
                waiting.append((len(made["source"]), random.Random(repr((seed, texts, number)))))
            for name, text in zip(columns, new):
                made[name].append(text)
            made["source"].append(row)
            made["operation"].append(kind)
    for name in columns if waiting else ():
        written = reconstruct([made[name][place] for place, _ in waiting], fill, [rng for _, rng in waiting])
        for (place, _), text in zip(waiting, written):
            made[name][place] = text
    if "endings" in dataset.column_names:
        made["endings"] = [endings for endings in dataset["endings"][:] for _ in range(size)]
    return datasets.Dataset.from_dict(made)

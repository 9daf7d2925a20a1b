"""How a BERT tokenizer reads text, written down so that a page's JavaScript reads it alike (WordPiece)."""

from __future__ import annotations

import json
import sys
import unicodedata

SURROGATES = range(0xD800, 0xE000)  # halves of a character: no text holds one
PARTS = {"normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer", "model": "WordPiece"}


def rules(tokenizer, name: str) -> dict:
    """All that ``static/tokens.js`` needs to cut a text as `tokenizer` does.

    Browsers and tokenizers know different versions of Unicode. So what the tokenizer makes of a character is asked of
    the tokenizer, for each one, and nothing is left to a browser but to take accents off letters (NFD).

    Returns
    -------
    dict of vocab (tokens by id), prefix, longest (characters of a word), unknown, first, last (ids), decompose (whether
    letters are parted from accents), drop, space, split (ranges of characters, [from, to, …]: left out, between words,
    words of their own) and change (what becomes of others, by character).
    Raises ValueError, with `name`, for a tokenizer of another kind.
    """
    about, backend = check(tokenizer, name), tokenizer.backend_tokenizer
    model, settings = about["model"], about["normalizer"]
    decompose = settings["lowercase"] if settings["strip_accents"] is None else settings["strip_accents"]
    normalize, cut = backend.normalizer.normalize_str, backend.pre_tokenizer.pre_tokenize_str
    drop, space, split, change = [], [], [], {}
    for code in range(sys.maxunicode + 1):
        if code in SURROGATES:
            continue
        letter = chr(code)
        if decompose and unicodedata.normalize("NFD", letter) != letter:
            continue  # read as its parts
        becomes = normalize(letter)
        if not becomes:
            _add(drop, code)
        elif becomes == " ":
            _add(space, code)
        elif becomes == f" {letter} ":
            _add(split, code)
        else:
            if becomes != letter:
                change[letter] = becomes
            pieces = len(cut(f"a{becomes}a"))
            if pieces != 1:
                _add(space if pieces == 2 else split, code)
    first, last = tokenizer("")["input_ids"]
    by_id = {number: token for token, number in tokenizer.get_vocab().items()}
    return {
        "vocab": [by_id.get(number) for number in range(1 + max(by_id))],
        "prefix": model["continuing_subword_prefix"],
        "longest": model["max_input_chars_per_word"],
        "unknown": tokenizer.unk_token_id,
        "first": first,
        "last": last,
        "decompose": decompose,
        "drop": drop,
        "space": space,
        "split": split,
        "change": change,
    }


def check(tokenizer, name: str) -> dict:
    """The tokenizer's settings. Raises ValueError, with `name`, unless it is BERT's."""
    about = json.loads(tokenizer.backend_tokenizer.to_str()) if tokenizer.is_fast else {}
    found = {part: (about.get(part) or {}).get("type") for part in PARTS}
    if found != PARTS:
        raise ValueError(f"{name!r} cuts text by {_listed(found)}; a page can do that by {_listed(PARTS)} (BERT) alone")
    return about


def _add(ranges: list[int], code: int) -> None:
    """Lengthen the last range by a character, or begin another."""
    if ranges and ranges[-1] == code - 1:
        ranges[-1] = code
    else:
        ranges += [code, code]


def _listed(parts: dict) -> str:
    return ", ".join(map(str, parts.values()))

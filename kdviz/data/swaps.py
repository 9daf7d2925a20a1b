"""Words that may be exchanged without changing a label: what the grammars of the embedded tasks can tell.

A *renaming* maps word forms to other forms, such as ``{"guests": "players", "guest": "player"}``. It is carried out
everywhere in a row at once, in both texts of a pair, so that what was the same word before is the same word after.
Every renaming given here keeps the label by the rules that made the row: the grammar could have drawn the new word in
the old one's place, and would have given the new row the same label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import permutations

from kdviz.data import augment
from kdviz.data.files import TEXTS
from kdviz.data.words import lexicon

Renaming = Mapping[str, str]
Row = tuple[str, ...]  # (text,) or (text, text_b)


def rename(row: Row, renaming: Renaming) -> Row:
    """The row with every occurrence of the renamed words replaced; capitals stay, a and an agree."""
    return tuple(_rename(text, renaming) for text in row)


def _rename(text: str, renaming: Renaming) -> str:
    for start, end in reversed(augment.spans(text)):  # from the end, so that earlier places stay where they are
        new = renaming.get(text[start:end].lower())
        if new is not None:
            text = augment.put(text, (start, end), new)
    return text


def delete(row: Row, word: str) -> Row:
    """The row without the word, wherever it stood."""
    left = []
    for text in row:
        for start, end in reversed(augment.spans(text)):
            if text[start:end].lower() == word:
                text = text[:start] + text[end:]
        left.append(re.sub(r"\s+", " ", text).strip())
    return tuple(left)


def texts(dataset) -> list[Row]:
    """The texts of a split, row by row."""
    return list(zip(*(dataset[name][:] for name in TEXTS if name in dataset.column_names), strict=True))


def words(row: Row) -> list[str]:
    """The words of a row in lower case, in order, repetitions included."""
    return [text[slice(*span)].lower() for text in row for span in augment.spans(text)]


def by_rule(task: str) -> dict[str, tuple[Renaming, ...]]:
    """word -> renamings of it that keep the label of every row of an embedded task; {} for any other task."""
    words, found = lexicon(task), {}
    for word, others in words.get("synonyms", {}).items():
        found[word] = [{word: other} for other in others]
    for members in words.get("classes", ()):
        for old, new in permutations(members, 2):
            renaming = dict(zip(old, new))
            # two forms that look alike and become two that do not (visited -> saw, seen) cannot be renamed blindly
            if all(renaming[a] == b for a, b in zip(old, new)):
                for form in dict.fromkeys(old):
                    found.setdefault(form, []).append(renaming)
    return {word: tuple(renamings) for word, renamings in sorted(found.items())}


def unread(task: str) -> frozenset[str]:
    """Words of an embedded task that stand where no rule looks, so that *any* noun or name might stand there."""
    return frozenset(lexicon(task).get("open", ()))


def known(task: str) -> frozenset[str]:
    """Every word of an embedded task's lexicons: a similarity has no say over them, the rules have."""
    return frozenset(lexicon(task).get("known", ()))

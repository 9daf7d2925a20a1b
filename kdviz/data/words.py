"""What the grammars of the embedded tasks say of their words, read from ``data/<task>/words.json``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kdviz.disk import read_json
from kdviz.paths import data_dir, restore

TASKS = ("reviews", "entail")


def lexicon(task: str) -> dict:
    """The words of an embedded task, as ``python -m data.make.words`` wrote them; {} for any other task.

    synonyms : word -> words that may take its place without changing any label
    classes  : groups of words, each with its forms, any of which may take another's place in all forms at once
    open     : words that stand where no rule looks, so that any noun or name might stand there
    known    : every word of the grammar, held-out ones included
    opinions : word -> its value, from -2 to 2
    Raises FileNotFoundError or ValueError, with the fix, when the file is missing or damaged.
    """
    return _read(data_dir() / task / "words.json") if task in TASKS else {}


@cache
def _read(path: Path) -> dict:
    return read_json(path, f"restore it with: {restore(f'data/{path.parent.name}', 'python -m data.make.words')}")

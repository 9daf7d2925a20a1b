"""What both grammars share: English details, unique rows per split, Parquet files."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kdviz.data.task import SPLITS
from kdviz.disk import write_whole

_HERE = Path(__file__).resolve()


def default_folder(task: str) -> Path:
    """The folder of an embedded task in the clone: ``data/<task>`` beside the package."""
    return _HERE.parents[2] / task


def normalise(text: str) -> str:
    """Lower case, letters and digits only: two texts equal here are the same text to a reader."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower().replace("'", "")))


def words(text: str) -> list[str]:
    """Lower-case words with inner hyphens and apostrophes kept (``"mind-numbing"``, ``"isn't"``)."""
    return re.findall(r"[a-z0-9]+(?:['-][a-z0-9]+)*", text.lower())


def article(phrase: str) -> str:
    """``"an owl"`` from ``"owl"``, by the first letter (the lexicons hold no "hour" and no "uniform")."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def sentence(text: str) -> str:
    """First letter upper case, one full stop at the end, no double spaces."""
    text = re.sub(r"\s+", " ", text).strip()
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


class Words:
    """A lexicon and the dice that draw from it."""

    def __init__(self, lexicon: dict, rng: random.Random):
        self.lexicon, self.rng = lexicon, rng

    def some(self, key: str, count: int = 1):
        drawn = self.rng.sample(self.lexicon[key], count)
        return drawn if count > 1 else drawn[0]


class Unique:
    """Remembers every text that any split has used, so that no two rows of a task read the same."""

    def __init__(self):
        self._seen: set[str] = set()

    def take(self, *texts: str) -> bool:
        """True, and remembered, when these texts (together one row) are new."""
        key = " | ".join(normalise(t) for t in texts)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def fill(count: int, propose, unique: Unique, text_columns=("text",)) -> list[dict]:
    """``count`` rows from ``propose(i)`` (a dict, or None for "try again"), none read before.

    ``propose`` is asked again with the same ``i`` until its row is new, so what depends on ``i`` (the label, the
    phenomenon) keeps its exact share. Raises RuntimeError when the grammar has no new row left for ``i``.
    """
    rows = []
    for i in range(count):
        for _ in range(500):
            row = propose(i)
            if row is not None and unique.take(*(row[c] for c in text_columns)):
                rows.append(row)
                break
        else:
            raise RuntimeError(f"row {i} of {count}: 500 proposals and none was new; the lexicon is too small")
    return rows


def in_order(split_of, main: dict, held_out: dict, sizes: dict[str, int]) -> dict[str, list[dict]]:
    """Rows of every split of `sizes`, made in the order in which splits claim their texts: test before all others.

    split_of : (split, lexicon, Unique) -> rows; ``ood_lexicon`` is made of the lexicon `held_out`
    """
    unique = Unique()
    rows = {split: split_of(split, main, unique) for split in ("test", "dev", "train", "transfer")}
    rows["ood_lexicon"] = split_of("ood_lexicon", held_out, unique)
    return {split: rows[split] for split in sizes}


def read_tsv(path: Path, columns: tuple[str, ...]) -> list[dict]:
    """Rows of a hand-written table: a header line, tabs, ``#`` comments. Errors name file, line and columns."""
    rows, header = [], None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.split("\t")
        if header is None:
            if tuple(cells) != columns:
                raise ValueError(f"{path} line {number}: header {cells}, expected {list(columns)} separated by tabs")
            header = cells
        elif len(cells) != len(columns):
            raise ValueError(f"{path} line {number}: {len(cells)} cells, expected {len(columns)} {list(columns)}")
        else:
            rows.append(dict(zip(columns, cells)))
    return rows


def write_split(path: Path, rows: list[dict], schema: pa.Schema) -> None:
    """One Parquet file (zstd), written whole."""
    table, written = pa.Table.from_pylist(rows, schema=schema), io.BytesIO()
    pq.write_table(table, written, compression="zstd", compression_level=19, write_page_checksum=True)
    write_whole(path, written.getvalue())


def with_generated(
    first: dict, generate: Callable[[str, dict], list[dict]], main: dict, held_out: dict
) -> dict[str, list[dict]]:
    """All splits: `first`, whose texts are taken already, and the generated ones; test draws before train."""
    generated = {split: generate(split, main) for split in ("test", "dev", "train", "transfer")}
    splits = first | generated | {"ood_lexicon": generate("ood_lexicon", held_out)}
    return {split: splits[split] for split in SPLITS}

"""Made files and texts of all sorts: ``python tests/unit/data/fuzz_files.py --seed 0 --files 10000 --texts 10000``.

Every file is read as the same rows that were written, with the classes of a second, plain statement of the rule, or
refused with an error of one line. Prints what it found; exits 1 when something is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import sys
import tempfile
from collections import Counter
from fractions import Fraction
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import kdviz as kd
from kdviz.data.batches import encode_split
from kdviz.models.tokenizers import load_tokenizer

SEPARATORS = "\u2028\u2029\x85\x0c\x0b\x1c\x1d\x1e\n\r\t"
PIECES = [
    *SEPARATORS,
    '"',
    "'",
    ",",
    ";",
    "\\",
    "\\n",
    "</script>",
    "[MASK]",
    "[SEP]",
    "👩‍👩‍👧",
    "שלום",
    "\u202e",
    "\ufeff",
    "e\u0301",
]
PIECES += [
    "é",
    "\u00a0",
    "\u200b",
    "a",
    "fine film",
    "NULL",
    "NaN",
    "10.0",
    "{",
    "}",
    "#",
    "=1+1",
    "½",
    "߀",
    "٣",
    "\x7f",
]
POOLS = {  # what labels of one file are drawn from
    "words": [
        "pos",
        "neg",
        "Pos",
        "true story",
        "a,b",
        'say "no"',
        "näh",
        "[UNK]",
        "none",
        "nan",
        "10 stars",
        "x\u2028y",
        "٣",
        "1_0",
        "(0, 10]",
    ],
    "numbers as text": ["0", "1", "2", "10", "3", "10.0", "2.", "1.00", "007", "+4", "1e1", "1E+2"],
    "whole numbers": [0, 1, 2, 3, 9, 10, 11, 100, 2**40],
    "whole floats": [0.0, 1.0, 2.0, 10.0, 11.0, 1e16],
    "truth": [True, False],
    "truth as text": ["True", "false", "TRUE", "true"],
    "fractions": [0.5, 2.5, 3.0, 1.0],
    "fractions as text": ["0.5", "2.50", "3", ".5"],
    "negative": [-1, 0, 1, 2],
    "negative as text": ["-1", "0", "1"],
    "lists as text": ["[0, 2]", "[1]", "[]", "['a', 'b']", "(1, 2)", "[0 1]"],
    "holes": ["a", "b", "", "  "],
    "words and numbers": ["a", "1", "b", "2"],
}


def expected(labels: list) -> tuple[list[int], tuple[str, ...]] | None:
    """Class of each row and class names, or None when the labels have to be refused."""
    names, spellings = [], {}
    for label in labels:
        if isinstance(label, bool):
            names.append("true" if label else "false")
            continue
        text = str(label).strip()
        if not text or (isinstance(label, str) and text[0] in "[(" and text not in ("[UNK]", "(0, 10]")):
            return None
        try:
            if "_" in text or not text.isascii():
                raise ValueError
            value = Fraction(text.rstrip(".") if text != "." else text)
        except ValueError:
            names.append(text)
            continue
        if value.denominator != 1 or value < 0:
            return None
        spelling = text.split(".")[0] if isinstance(label, str) else str(value)
        if spellings.setdefault(value, spelling) != spelling:
            return None
        names.append(value)
    if len({isinstance(name, Fraction) for name in names}) == 2:
        return None
    if {str(name).lower() for name in names} == {"true", "false"}:
        names = [name.lower() for name in names]
    order = sorted(set(names))
    if len(order) < 2:
        return None
    return [order.index(name) for name in names], tuple(map(str, order))


def quoted(value) -> str:
    return '"' + str(value).replace('"', '""') + '"'


def write_csv(path: Path, rows: list[dict], rng: random.Random) -> None:
    end, names = rng.choice(["\n", "\r\n", "\r"]), list(rows[0])
    bare = lambda value: str(value) if str(value).isalnum() and rng.random() < 0.7 else quoted(value)
    lines = [",".join(names)] + [",".join(bare(row[name]) for name in names) for row in rows]
    text = end.join(lines) + rng.choice(["", end])
    path.write_bytes(rng.choice([b"", b"\xef\xbb\xbf"]) + text.encode())


def write_jsonl(path: Path, rows: list[dict], rng: random.Random) -> None:
    ascii_only, end = rng.random() < 0.5, rng.choice(["\n", "\r\n"])
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    path.write_bytes((end.join(lines) + rng.choice(["", end])).encode())


def write_parquet(path: Path, rows: list[dict], rng: random.Random) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path, write_page_checksum=True)


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


def sources(folder: Path, rows: list[dict], rng: random.Random) -> dict:
    """The same rows in one file of each kind, as a DataFrame and as a Dataset."""
    made = {}
    for ending, write in WRITERS.items():
        made[ending] = folder / f"rows.{ending}"
        write(made[ending], rows, rng)
    return made | {"frame": pd.DataFrame(rows), "dataset": datasets.Dataset.from_list(rows)}


def load(**given):
    """A task, or the error that refuses it."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            return kd.load_task(**given)
        except (ValueError, FileNotFoundError) as error:
            return error


def whole_line(error) -> bool:
    return str(error).isprintable() and 20 < len(str(error)) < 1000


def read_back(task) -> tuple[list[str], list[int], tuple[str, ...]]:
    return task["test"]["text"][:], task["test"]["label"][:], task.labels


def fuzz_labels(folder: Path, rng: random.Random) -> tuple[str, list[str]]:
    """One set of labels in five forms; returns what became of it, and what is wrong."""
    pool = POOLS[rng.choice(list(POOLS))]
    labels = [rng.choice(pool) for _ in range(rng.randint(1, 12))]
    texts = [f"text {number}" + rng.choice(["", *PIECES]) for number in range(len(labels))]
    rows = [{"text": text, "label": label} for text, label in zip(texts, labels)]
    right, wrong = expected(labels), []
    for kind, source in sources(folder, rows, rng).items():
        found = load(train=source, dev=source, test=source)
        if isinstance(found, Exception):
            if right is not None or not whole_line(found):
                wrong.append(f"{kind} {labels}: {found!r}")
        elif right is None or read_back(found) != (texts, *right):
            wrong.append(f"{kind} {labels}: {read_back(found)} instead of {right}")
    return "refused" if right is None else "read", wrong


def fuzz_damage(folder: Path, rng: random.Random) -> tuple[str, list[str]]:
    """A file with some bytes changed, cut or added is read, or refused with one line."""
    ending = rng.choice(list(WRITERS))
    path = folder / f"damaged.{ending}"
    rows = [{"text": f"text {n}" + rng.choice(PIECES), "label": rng.choice(["a", "b"])} for n in range(8)]
    WRITERS[ending](path, rows, rng)
    data = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(data) + 1)
        change = rng.choice(["flip", "cut", "add"])
        if change == "add":
            data[place:place] = rng.choice([b'"', b",", b"\n", b"\x00", b"\xff", b"{", b"\r", "\u2028".encode()])
        elif change == "cut":
            del data[place : place + rng.randint(1, 20)]
        elif place < len(data):
            data[place] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(data))
    found = load(train=path, dev=path, test=path)
    if isinstance(found, Exception):
        return "damaged, refused", [] if whole_line(found) else [f"{ending} {bytes(data)!r}: {found!r}"]
    return "damaged, read", []


def fuzz_text(rng: random.Random) -> str:
    text = "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 8)))
    if rng.random() < 0.3:
        text += "".join(chr(rng.choice([rng.randrange(1, 0xD800), rng.randrange(0xE000, 0x110000)])) for _ in range(3))
    return text + rng.choice(["", "", "", "\x00", "\ud800"]) if rng.random() < 0.1 else text


def fuzz_texts(folder: Path, rng: random.Random, count: int, tokenizer) -> tuple[Counter, list[str]]:
    """Texts in five forms come back as they were; those that cannot be read are refused by their row."""
    texts, found, wrong = [fuzz_text(rng) for _ in range(count)], Counter(), []
    good = [text for text in texts if text.strip() and "\x00" not in text and "\ud800" not in text]
    for text in set(texts) - set(good):
        path = folder / "refused.jsonl"  # the one form that can hold half a surrogate pair
        path.write_text(
            "\n".join(json.dumps({"text": one, "label": label}) for one, label in (("fine", "a"), (text, "b")))
        )
        error = load(train=path, dev=path, test=path)
        found["texts refused"] += 1
        if not isinstance(error, Exception) or "row 2, column 'text'" not in str(error) or not whole_line(error):
            wrong.append(f"{text!r}: {error!r}")
    rows = [{"text": text, "label": rng.choice("ab")} for text in ["x", "y", *good]]
    rows[0]["label"], rows[1]["label"] = "a", "b"
    expected = ["x", "y", *good], ["ab".index(row["label"]) for row in rows], ("a", "b")
    for kind, source in sources(folder, rows, rng).items():
        task = load(train=source, dev=source, test=source)
        if isinstance(task, Exception) or read_back(task) != expected:
            wrong.append(f"{kind}: {task!r:.200} instead of {good!r:.400}")
    encoded = encode_split(task["test"], tokenizer)
    special = {tokenizer.mask_token_id, tokenizer.pad_token_id}
    if any(set(ids.tolist()) & special or ids.tolist().count(tokenizer.sep_token_id) != 1 for ids in encoded.input_ids):
        wrong.append("a text was read as markup")
    found["texts read"] += len(good)
    return found, wrong


def fuzz(seed: int, files: int, texts: int) -> tuple[Counter, list[str]]:
    """How many files and texts ended in which way, and all that is wrong."""
    found, wrong, tokenizer = Counter(), [], load_tokenizer()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number in range(files):
            rng = random.Random(f"{seed} file {number}")
            end, faults = (fuzz_damage if number % 4 == 3 else fuzz_labels)(folder, rng)
            found[f"files {end}"] += 1
            wrong += [f"file {number}: {fault}" for fault in faults]
        for start in range(0, texts, 100):
            ends, faults = fuzz_texts(
                folder, random.Random(f"{seed} texts {start}"), min(100, texts - start), tokenizer
            )
            found += ends
            wrong += [f"texts {start}: {fault}" for fault in faults]
    return found, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--texts", type=int, default=10_000)
    arguments = parser.parse_args()
    found, wrong = fuzz(**vars(arguments))
    print(f"seed {arguments.seed}:", ", ".join(f"{count:,} {end}" for end, count in sorted(found.items())))
    print(*wrong[:50], sep="\n")
    print(f"{len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

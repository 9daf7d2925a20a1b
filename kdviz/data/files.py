"""Reads rows from CSV, JSONL and Parquet files; every fault is named by file, row, column and its fix."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

TEXTS = ("text", "text_b")


class BadFile(ValueError):
    """A data file that cannot be used; the message says where and how to mend it."""

    def __init__(self, path, problem, fix, row=None, column=None):
        row = "" if row is None else f", row {row:,}"
        column = "" if column is None else f", column {column!r}"
        super().__init__(f"{path}{row}{column}: {problem}. {fix}.")


def read_rows(path) -> list[dict]:
    """Rows of a file as dicts of its columns, as they stand there. Row 1 is the first below a header."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file. Check the path; the current folder is {Path.cwd()}")
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
    if path.suffix.lower() not in readers:
        raise BadFile(path, f"the ending {path.suffix!r} is unknown", f"Use {', '.join(readers)}")
    rows = readers[path.suffix.lower()](path)
    if not rows:
        raise BadFile(path, "there are no rows", "Add a header and at least one row below it")
    return rows


def _read_text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadFile(
            path, f"byte {raw[error.start]:#04x} in line {line:,} is not UTF-8", "Save the file with the encoding UTF-8"
        ) from error


def _read_csv(path: Path) -> list[dict]:
    lines = csv.reader(_read_text(path).splitlines(keepends=True), strict=True)
    rows, row = [], 0
    try:
        header = next(lines, [])
        if len(set(header)) < len(header):
            raise BadFile(path, f"the header repeats a column: {header}", "Give every column its own name")
        for cells in lines:
            row += 1
            if not cells:
                raise BadFile(path, "the row is blank", "Delete the line", row)
            if len(cells) != len(header):
                fix = 'Put text that contains commas in double quotes, and write a double quote in it as ""'
                raise BadFile(
                    path, f"{len(cells)} cells, but the header has {len(header)} ({', '.join(header)})", fix, row
                )
            rows.append(dict(zip(header, cells)))
    except csv.Error as error:
        raise BadFile(
            path, f"not valid CSV ({error})", "Look for a double quote that is not closed", row + 1
        ) from error
    return rows


def _read_jsonl(path: Path) -> list[dict]:
    rows = []
    for row, line in enumerate(_read_text(path).rstrip("\n").split("\n"), start=1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise BadFile(
                path, f"not JSON ({error})", 'Write one object a line: {"text": "…", "label": 0}', row
            ) from error
        if not isinstance(record, dict):
            raise BadFile(
                path, f"not an object: {line[:40]}", 'Write one object a line: {"text": "…", "label": 0}', row
            )
        if rows and record.keys() != rows[0].keys():
            fix = "Give every line the same keys"
            raise BadFile(path, f"keys {sorted(record)}, but row 1 has {sorted(rows[0])}", fix, row)
        rows.append(record)
    return rows


def read_table(path: Path, fix: str = "Write the file again"):
    """A Parquet file as an Arrow table; a damaged one is refused by name."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise BadFile(path, f"damaged or no Parquet file ({reason})", fix) from error
    return table


def read_shards(folder: Path, split: str, columns, name: str) -> datasets.Dataset:
    """These columns of all Parquet files of a split of data set `name`, as the hub stores it: ``<split>-*.parquet``."""
    fix, parts = f"Delete the folder and run: kdviz prefetch {name}", sorted(folder.glob(f"{split}-*.parquet"))
    if not parts:
        raise FileNotFoundError(f"{folder} has no {split}-*.parquet. {fix}")
    whole = datasets.concatenate_datasets([datasets.Dataset(read_table(part, fix)) for part in parts])
    for column in columns:
        if column not in whole.column_names:
            raise BadFile(parts[0], f"there are: {', '.join(whole.column_names)}", fix, column=column)
    if not isinstance(whole.features["label"], datasets.ClassLabel):
        raise BadFile(parts[0], "the class names are not in the file", fix, column="label")
    return whole.select_columns(list(columns))


def named_labels(splits: dict) -> tuple[tuple[str, ...], dict]:
    """The class names that train's label column carries, and the splits with labels as plain whole numbers."""
    names = tuple(splits["train"].features["label"].names)
    return names, {key: split.cast_column("label", datasets.Value("int64")) for key, split in splits.items()}


def _read_parquet(path: Path) -> list[dict]:
    return read_table(path).to_pylist()


def checked_text(path, rows: list[dict], column: str) -> list[str]:
    """The texts of a column, every one a str with something to read in it."""
    if column not in rows[0]:
        found = ", ".join(map(str, rows[0]))
        hint = ""
        if len(rows[0]) == 1 and any(mark in found for mark in ";\t|"):
            hint = " (are the cells separated by something else than commas?)"
        fix = (
            "Rename the column that holds the text"
            if column == "text"
            else "Add the second text, or leave it out everywhere"
        )
        raise BadFile(path, f"the column is missing; there are: {found}{hint}", fix, column=column)
    texts = []
    for row, record in enumerate(rows, start=1):
        text = record[column]
        if not isinstance(text, str):
            raise BadFile(path, f"{text!r:.40} is not text", "Write the text, or delete the row", row, column)
        if not text.strip():
            raise BadFile(path, "the text is empty", "Write the text, or delete the row", row, column)
        if "\x00" in text:
            raise BadFile(path, f"a NUL character at position {text.index(chr(0))}", "Remove it", row, column)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            problem = f"half a surrogate pair at position {error.start}"
            raise BadFile(path, problem, "Remove it, or write the whole character", row, column) from error
        texts.append(text)
    return texts


def checked_labels(path, rows: list[dict], labels: tuple[str, ...] | None = None) -> tuple[list[int], tuple[str, ...]]:
    """Class indices of a file's rows, and the class names.

    Whole numbers are ordered by size and words by the alphabet. `labels` are the names known from train;
    any other is refused.
    """
    column = "label"
    if column not in rows[0]:
        found = ", ".join(map(str, rows[0]))
        fix = "Rename the column that holds the class; unlabelled text goes into transfer=…"
        raise BadFile(path, f"the column is missing; there are: {found}", fix, column=column)
    names = [_label_name(path, row, record[column]) for row, record in enumerate(rows, start=1)]
    first = {}  # kind of label -> its first row
    for row, name in enumerate(names, start=1):
        first.setdefault(_is_number(name), row)
    if len(first) == 2:
        word, number = first[False], first[True]
        problem = f"the label {names[word - 1]!r} is a word, but row {number:,} has the number {names[number - 1]!r}"
        raise BadFile(path, problem, "Write all labels as words or all as numbers", word, column)
    if labels is None:
        labels = tuple(sorted(set(names), key=int if True in first else str))
        if len(labels) < 2:
            raise BadFile(
                path, f"every row has the label {labels[0]!r}", "A classifier needs two classes", column=column
            )
    index = {name: i for i, name in enumerate(labels)}
    for row, name in enumerate(names, start=1):
        if name not in index:
            known = ", ".join(labels[:10]) + (", …" if len(labels) > 10 else "")
            problem = f"the label {name!r} does not occur in train, which has: {known}"
            raise BadFile(path, problem, "Correct the label, or add training rows that have it", row, column)
    return [index[name] for name in names], labels


def _label_name(path, row, value) -> str:
    """A label as a name: "positive", "3"; refused when it is empty, a fraction or a mark for "no label"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    name = str(value).strip() if isinstance(value, (str, int)) else ""
    if not name:
        problem = "the label is empty" if value in (None, "") else f"{value!r:.40} is no class"
        fix = "Write a word or a whole number; rows without a label go into transfer=…"
        raise BadFile(path, problem, fix, row, "label")
    if _is_number(name):
        if int(name) < 0:
            fix = "Count classes from 0; rows without a label go into transfer=…"
            raise BadFile(path, f"the label {name} is negative", fix, row, "label")
        name = str(int(name))
    return name


def _is_number(name: str) -> bool:
    return name.removeprefix("-").isdecimal()

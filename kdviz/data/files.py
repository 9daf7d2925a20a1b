"""Reads rows from files, DataFrames and Datasets; every fault is named by file, row, column and its fix."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

TEXTS = ("text", "text_b")
LONGEST_CELL = 2**31 - 1  # characters of a CSV cell; the csv module's own limit is 131,072
ONE_OBJECT = 'Write one object a line: {"text": "…", "label": 0}'


class BadFile(ValueError):
    """Data that cannot be used; the message, of one line, says where and how to mend it."""

    def __init__(self, path, problem, fix, place=None, column=None):
        column = "" if column is None else f", column {column!r}"
        message = f"{path}{'' if place is None else f', {place}'}{column}: {problem}. {fix}."
        super().__init__("".join(char if char.isprintable() else repr(char)[1:-1] for char in message))


@dataclass(frozen=True)
class Table:
    """Rows as they are written.

    name    : the file, or the split and what was passed for it
    columns : name -> values, row by row
    lines   : of a CSV file, the line on which each row begins
    classes : column -> its class names in order, where the source has them
    own     : "text", "text_b" or "label" -> what the source calls this column
    """

    name: str
    columns: dict[str, list]
    lines: tuple[int, ...] = ()
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def bad(self, problem: str, fix: str, row: int | None = None, column: str | None = None) -> BadFile:
        """The error for a row (counted from 1) and a column of this table."""
        place = None if row is None else _place(row, self.lines[row - 1] if self.lines else None)
        return BadFile(self.name, problem, fix, place, self.own.get(column, column))

    def called(self, names: dict[str, str]) -> Table:
        """The table with its columns renamed; `names` are "text", "text_b" or "label" -> what the source calls it."""
        for new, old in names.items():
            if old not in self.columns:
                found = ", ".join(self.columns)
                raise self.bad(f"the column is missing; there are: {found}", f"Correct columns[{new!r}]", column=old)
        old_names = {old: old for old in self.columns if old not in names and old not in names.values()} | names
        columns = {new: self.columns[old] for new, old in old_names.items()}
        classes = {new: self.classes[old] for new, old in old_names.items() if old in self.classes}
        return replace(self, columns=columns, classes=classes, own=dict(names))

    def texts(self, column: str) -> list[str]:
        """The texts of a column, each a str with something to read in it."""
        for row, text in enumerate(self.columns[column], start=1):
            if not isinstance(text, str):
                raise self.bad(f"{text!r:.40} is not text", "Write the text, or delete the row", row, column)
            if not text.strip():
                raise self.bad("the text is empty", "Write the text, or delete the row", row, column)
            if problem := unreadable(text):
                raise self.bad(*problem, row, column)
        return self.columns[column]


def unreadable(text: str) -> tuple[str, str] | None:
    """What no tokenizer and no file can take of a text, and the fix; None when all is well."""
    if "\x00" in text:
        return f"a NUL character at position {text.index(chr(0))}", "Remove it"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return f"half a surrogate pair at position {error.start}", "Remove it, or write the whole character"
    return None


def read(source, split: str = "train") -> Table:
    """A CSV, JSONL or Parquet file, a pandas DataFrame or a `datasets.Dataset` as a table, with one row or more."""
    if isinstance(source, Table):
        table = source
    elif isinstance(source, pd.DataFrame):
        table = _from_frame(source, f"{split} (DataFrame)")
    elif isinstance(source, datasets.Dataset):
        table = _from_dataset(source, f"{split} (Dataset)")
    elif isinstance(source, (str, Path)):
        table = _read_file(Path(source))
    else:
        expected = "the path of a file, a pandas DataFrame or a datasets.Dataset"
        raise TypeError(f"{split}= is of type {type(source).__name__}: pass {expected}")
    if not len(table):
        raise table.bad("there are no rows", "Add a header and at least one row below it")
    return table


def _read_file(path: Path) -> Table:
    if not path.is_file():
        what = "is a folder: pass a file" if path.is_dir() else "no such file. Check the path"
        raise FileNotFoundError(f"{path}: {what}; the current folder is {Path.cwd()}")
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet, ".json": _read_squad}
    if path.suffix.lower() not in readers:
        raise BadFile(path, f"the ending {path.suffix!r} is unknown", f"Use {', '.join(readers)}")
    return readers[path.suffix.lower()](path)


def _place(row: int, line: int | None) -> str:
    """Where a row is; the line is said where it is not the next one below the header."""
    return f"row {row:,}" if line in (None, row + 1) else f"row {row:,} (line {line:,})"


def _read_text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = f"byte {raw[error.start]:#04x} in line {line:,} is not UTF-8"
        raise BadFile(path, problem, "Save the file with the encoding UTF-8") from error


def _distinct(name, header: list[str]) -> list[str]:
    if len(set(header)) < len(header):
        raise BadFile(name, f"the header repeats a column: {header}", "Give every column its own name")
    return header


def _read_csv(path: Path) -> Table:
    # StringIO with newline="" ends lines where CSV does, at \n, \r and \r\n, and not at every separator of Unicode
    reader = csv.reader(io.StringIO(_read_text(path), newline=""), strict=True)
    limit, rows, lines, line = csv.field_size_limit(LONGEST_CELL), [], [], 1
    try:
        header = _distinct(path, next(reader, []))
        line = reader.line_num + 1
        for cells in reader:
            if not cells:
                raise BadFile(path, "the row is blank", "Delete the line", _place(len(rows) + 1, line))
            if len(cells) != len(header):
                fix = 'Put text that contains commas in double quotes, and write a double quote in it as ""'
                problem = f"{len(cells)} cells, but the header has {len(header)} ({', '.join(header)})"
                raise BadFile(path, problem, fix, _place(len(rows) + 1, line))
            rows.append(cells)
            lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        fix = 'Look for a double quote that is not closed, or that is not written as "" inside of a cell'
        raise BadFile(path, f"not valid CSV ({error})", fix, _place(len(rows) + 1, line)) from error
    finally:
        csv.field_size_limit(limit)
    return Table(str(path), dict(zip(header, map(list, zip(*rows)))), tuple(lines))


def _read_jsonl(path: Path) -> Table:
    columns: dict[str, list] = {}
    for row, line in enumerate(_read_text(path).rstrip("\r\n").split("\n"), start=1):
        place = _place(row, None)
        try:
            record = json.loads(line, object_pairs_hook=_record)
        except ValueError as error:
            raise BadFile(path, f"not JSON ({error})", ONE_OBJECT, place) from error
        if not isinstance(record, dict):
            raise BadFile(path, f"not an object: {line[:40]}", ONE_OBJECT, place)
        if row > 1 and record.keys() != columns.keys():
            problem = f"keys {sorted(record)}, but row 1 has {sorted(columns)}"
            raise BadFile(path, problem, "Give every line the same keys", place)
        for name, value in record.items():
            columns.setdefault(name, []).append(value)
    return Table(str(path), columns)


def _read_squad(path: Path) -> Table:
    """A file of SQuAD, a row a question: data > paragraphs (context) > qas (question, answers)."""
    fix = "Write SQuAD's layout, data > paragraphs > qas; or one object a line, into a .jsonl file"
    text = _read_text(path)
    try:
        parts = [part for article in json.loads(text)["data"] for part in article["paragraphs"]]
        rows = [(one["question"], part["context"], one.get("answers", [])) for part in parts for one in part["qas"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(path, f"no file of SQuAD ({type(error).__name__}: {error})", fix) from error
    return Table(str(path), dict(zip(("question", "context", "answers"), map(list, zip(*rows)))))


def _record(pairs: list[tuple[str, object]]) -> dict:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError(f"the key {Counter(key for key, _ in pairs).most_common(1)[0][0]!r} is repeated")
    return record


def _read_parquet(path: Path, *fix: str) -> Table:
    return _from_dataset(datasets.Dataset(read_table(path, *fix)), str(path))


def read_parts(paths: list[Path], name: str, fix: str) -> Table:
    """Files that hold a split together, as one table; the columns and classes of the first are those of all."""
    tables = [_read_parquet(path, fix) if path.suffix == ".parquet" else read(path) for path in paths]
    first = tables[0]
    for table in tables[1:]:
        if (table.columns.keys(), table.classes) != (first.columns.keys(), first.classes):
            raise table.bad(f"other columns or classes than in {first.name}", fix)
    columns = {key: [value for table in tables for value in table.columns[key]] for key in first.columns}
    return Table(
        first.name if len(paths) == 1 else name, columns, first.lines if len(paths) == 1 else (), first.classes
    )


def _from_dataset(dataset: datasets.Dataset, name: str) -> Table:
    features = dataset.features
    kinds = {key: getattr(kind, "feature", kind) for key, kind in features.items()}  # also of lists of classes
    classes = {key: tuple(kind.names) for key, kind in kinds.items() if isinstance(kind, datasets.ClassLabel)}
    table = dataset.with_format("arrow")[:]
    return Table(name, {key: table.column(key).to_pylist() for key in table.column_names}, classes=classes)


def _from_frame(frame: pd.DataFrame, name: str) -> Table:
    header = _distinct(name, list(map(str, frame.columns)))
    columns = (frame.iloc[:, place].astype(object) for place in range(len(header)))
    return Table(name, {key: values.where(values.notna(), None).tolist() for key, values in zip(header, columns)})


def read_table(path: Path, fix: str = "Write the file again") -> pa.Table:
    """A Parquet file as an Arrow table; a damaged one is refused by name."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise BadFile(path, f"damaged or no Parquet file ({' '.join(str(error).split())})", fix) from error
    return table


def read_shards(files: dict[str, list[Path]], split: str, columns, name: str) -> datasets.Dataset:
    """These columns of all Parquet files of a split of data set `name` of the hub."""
    fix, parts = again(name), files.get(split)
    if not parts:
        raise FileNotFoundError(f"{name!r} has no file of {split} in the cache. {fix}")
    whole = datasets.concatenate_datasets([datasets.Dataset(read_table(part, fix)) for part in parts])
    for column in columns:
        if column not in whole.column_names:
            raise BadFile(parts[0], f"there are: {', '.join(whole.column_names)}", fix, column=column)
    if not isinstance(whole.features["label"], datasets.ClassLabel):
        raise BadFile(parts[0], "the class names are not in the file", fix, column="label")
    return whole.select_columns(list(columns))


def again(name: str) -> str:
    """What mends damaged files of the cache."""
    return f"Delete the folder and run: kdviz prefetch {name}"


def named_labels(splits: dict) -> tuple[tuple[str, ...], dict]:
    """The class names that train's label column carries, and the splits with labels as plain whole numbers."""
    names = tuple(splits["train"].features["label"].names)
    return names, {key: split.cast_column("label", datasets.Value("int64")) for key, split in splits.items()}

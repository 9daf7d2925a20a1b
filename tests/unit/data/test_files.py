"""Bad files: every error names file, row, column and the fix."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import kdviz as kd
from kdviz.data.files import read

GOOD = [{"text": "a good film", "label": "yes"}, {"text": "a bad, long film", "label": "no"}] * 10


def write_csv(path, rows, header="text,label"):
    lines = [header] + [",".join(f'"{str(cell)}"' for cell in row.values()) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_jsonl(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def write_parquet(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path, write_page_checksum=True)
    return path


@pytest.mark.parametrize("write, ending", [(write_csv, "csv"), (write_jsonl, "jsonl"), (write_parquet, "parquet")])
def test_three_formats_read_alike(tmp_path, write, ending):
    rows = [*GOOD, {"text": 'שלום 😀 </script> "quoted"'.replace('"', "”"), "label": "yes"}]
    assert read(write(tmp_path / f"a.{ending}", rows)).columns == {key: [row[key] for row in rows] for key in rows[0]}


def test_csv_details(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbftext,label\r\n"two\nlines, and a ""quote""",1\r\n')
    assert read(path).columns == {"text": ['two\nlines, and a "quote"'], "label": ["1"]}


@pytest.mark.parametrize(
    "content, message",
    [
        (
            b"text,label\nfine,1\ncaf\xe9,2\n",
            r"a\.csv: byte 0xe9 in line 3 is not UTF-8\. Save the file with the encoding UTF-8",
        ),
        (b"text,label\nfine,1\na, b,2\n", r"a\.csv, row 2: 3 cells, but the header has 2 .*double quotes"),
        (b"text,label\nfine,1\n\nfine,2\n", r"a\.csv, row 2: the row is blank\. Delete"),
        (b'text,label\n"open,1\n', r"a\.csv, row 1: not valid CSV.*double quote that is not closed"),
        (b"text,text\na,b\n", r"header repeats a column"),
        (b"text,label\n", r"a\.csv: there are no rows"),
        (b"", r"a\.csv: there are no rows"),
        (b"review,label\nfine,1\n", r"a\.csv, column 'text': the column is missing; there are: review, label\. Rename"),
        (b"text;label\nfine;1\n", r"column 'text'.*separated by something else than commas"),
        (b"text\nfine\n", r"a\.csv, column 'label': the column is missing"),
        (b"text,label\nfine,1\n  ,2\n", r"a\.csv, row 2, column 'text': the text is empty"),
        (b"text,label\nfine,1\nb\x00d,2\n", r"a\.csv, row 2, column 'text': a NUL character at position 1\. Remove"),
        (b"text,label\nfine,1\nbad,\n", r"a\.csv, row 2, column 'label': the label is empty"),
        (
            b"text,label\nfine,1\nbad,yes\n",
            r"row 2, column 'label': the label 'yes' is a word, but row 1 has the number '1'",
        ),
        (b"text,label\nfine,1\nbad,-100\n", r"row 2, column 'label': the label -100 is negative.*transfer="),
        (b"text,label\nfine,1\nbad,1\n", r"every row has the label '1'"),
    ],
)
def test_a_bad_csv_is_refused(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        kd.load_task(train=path)


@pytest.mark.parametrize(
    "lines, message",
    [
        (['{"text": "a", "label": 0}', "{oops"], r"a\.jsonl, row 2: not JSON.*Write one object a line"),
        (['{"text": "a", "label": 0}', "[1, 2]"], r"row 2: not an object"),
        (['{"text": "a", "label": 0}', '{"text": "b"}'], r"row 2: keys \['text'\], but row 1 has \['label', 'text'\]"),
        (['{"text": "a", "label": 0}', '{"text": null, "label": 1}'], r"row 2, column 'text': None is not text"),
        (
            ['{"text": "a", "label": 0}', '{"text": "b \\ud800", "label": 1}'],
            r"row 2, column 'text': half a surrogate pair at position 2",
        ),
        (
            ['{"text": "a", "label": 0}', '{"text": "b", "label": 0.5}'],
            r"row 2, column 'label': the label 0\.5 is a fraction.*regression",
        ),
        (['{"text": "a", "label": 0}', '{"text": "b", "label": null}'], r"row 2, column 'label': the label is empty"),
        (
            ['{"text": "a", "label": "x"}', '{"text": "b", "label": 3}'],
            r"row 1, column 'label': the label 'x' is a word, but row 2",
        ),
    ],
)
def test_a_bad_jsonl_is_refused(tmp_path, lines, message):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=message):
        kd.load_task(train=path)


def test_a_damaged_parquet_is_refused(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", GOOD)
    good = path.read_bytes()
    spot = good.index(b"a good film")
    for bad in (good[:-20], good[:spot] + b"X" + good[spot + 1 :], b"text,label\n"):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"a\.parquet: damaged or no Parquet file"):
            kd.load_task(train=path)


def test_a_missing_file_and_an_unknown_ending(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv: no such file"):
        kd.load_task(train=tmp_path / "none.csv")
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(
        ValueError, match=r"a\.xlsx: the ending '\.xlsx' is unknown\. Use \.csv, \.jsonl, \.parquet, \.json"
    ):
        kd.load_task(train=tmp_path / "a.xlsx")


def test_other_splits_must_fit_train(tmp_path):
    train = write_csv(tmp_path / "train.csv", GOOD)
    test = write_csv(tmp_path / "test.csv", [{"text": "x", "label": "maybe"}])
    with pytest.raises(
        ValueError,
        match=r"test\.csv, row 1, column 'label': the label 'maybe' does not occur in train, which has: no, yes",
    ):
        kd.load_task(train=train, test=test)
    pairs = write_csv(tmp_path / "test.csv", [{"text": "x", "text_b": "y", "label": "yes"}], "text,text_b,label")
    with pytest.raises(ValueError, match="column 'text_b': train has no such column"):
        kd.load_task(train=train, test=pairs)
    rows = [{"text": "x", "text_b": "y", "label": "yes"}, {"text": "x", "text_b": "z", "label": "no"}]
    pairs = write_csv(tmp_path / "pairs.csv", rows, "text,text_b,label")
    with pytest.raises(
        ValueError, match=r"train\.csv, column 'text_b': the column is missing.*leave it out everywhere"
    ):
        kd.load_task(train=pairs, test=train)


def test_labels_are_names_in_a_fixed_order(tmp_path):
    rows = [{"text": f"text {i}", "label": label} for i, label in enumerate([10, 9, 2, 10.0, 9, 2] * 4)]
    task = kd.load_task(train=write_jsonl(tmp_path / "a.jsonl", rows))
    assert task.labels == ("2", "9", "10")
    everything = {text: label for split in task.splits.values() for text, label in zip(split["text"], split["label"])}
    assert [everything[f"text {i}"] for i in range(6)] == [2, 1, 0, 2, 1, 0]


def test_a_missing_dev_is_split_off_train_and_said(tmp_path, capsys):
    train, test = write_csv(tmp_path / "train.csv", unique(40)), write_csv(tmp_path / "t.csv", GOOD)
    task = kd.load_task(train=train, test=test)
    assert "no dev given: 4 of 40 training rows became dev" in capsys.readouterr().out
    assert {name: len(split) for name, split in task.splits.items()} == {"train": 36, "dev": 4, "test": 20}
    assert not set(task["train"]["text"]) & set(task["dev"]["text"])
    assert sorted(task["dev"]["label"]) == [0, 0, 1, 1]
    assert kd.load_task(train=train, test=test).fingerprint == task.fingerprint
    assert "became dev" in repr(task)


def test_transfer_needs_no_label(tmp_path):
    transfer = write_jsonl(tmp_path / "more.jsonl", [{"text": "only text"}])
    task = kd.load_task(train=write_csv(tmp_path / "train.csv", unique(40)), transfer=transfer)
    assert task["transfer"]["label"][:] == [-100]
    assert list(task.splits) == ["train", "transfer", "dev", "test"]


def unique(rows):
    return [{"text": f"text {i}", "label": "yes" if i % 2 else "no"} for i in range(rows)]

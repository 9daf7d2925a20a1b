"""Several labels in a row, several endings in a row: read alike from every format, faults named by row."""

from __future__ import annotations

import datasets
import numpy as np
import pandas as pd
import pytest
from datasets import ClassLabel, Value

import kdviz as kd
from kdviz.data.kinds import MULTI_LABEL, MULTIPLE_CHOICE

TOPICS = [["plot"], [], ["cast", "plot"], ["music"], ["cast"], ["music", "plot", "cast"]] * 4
ROWS = pd.DataFrame({"text": [f"text {n}" for n in range(len(TOPICS))], "labels": TOPICS})
CHOICES = pd.DataFrame(
    {
        "text": [f"beginning {n}" for n in range(12)],
        "endings": [[f"ending {n} {k}" for k in range(3)] for n in range(12)],
        "label": [n % 3 for n in range(12)],
    }
)
OF = {"multi-label": ROWS, "multiple-choice": CHOICES}


def sources(kind: str, folder) -> dict:
    """The same rows in every format that there is for them."""
    table = OF[kind]
    table.to_json(folder / "a.jsonl", orient="records", lines=True)
    table.to_parquet(folder / "a.parquet")
    made = {"frame": table, "jsonl": folder / "a.jsonl", "parquet": folder / "a.parquet"}
    made["dataset"] = datasets.Dataset.from_dict(table.to_dict("list"))
    flat = table.copy()
    if kind == "multi-label":
        flat["labels"] = ["|".join(row) for row in TOPICS]
        names = ["cast", "music", "plot"]
        classes = datasets.List(ClassLabel(names=names))
        coded = {"text": table["text"].tolist(), "labels": [[names.index(name) for name in row] for row in TOPICS]}
        features = datasets.Features({"text": Value("string"), "labels": classes})
        made["classes"] = datasets.Dataset.from_dict(coded, features=features)
    else:
        for k in range(3):
            flat[f"ending_{k}"] = [row[k] for row in table["endings"]]
        flat = flat.drop(columns="endings")
    flat.to_csv(folder / "a.csv", index=False)
    return made | {"csv": folder / "a.csv"}


@pytest.mark.parametrize("kind", OF)
def test_the_same_rows_mean_the_same_in_every_format(tmp_path, kind):
    made = {name: kd.load_task(train=one, test=one, kind=kind) for name, one in sources(kind, tmp_path).items()}
    assert len({task.fingerprint for task in made.values()}) == 1
    task = made["csv"]
    if kind == "multi-label":
        assert task.kind == MULTI_LABEL and task.labels == ("cast", "music", "plot")
        assert task["test"]["label"][:3] == [[0, 0, 1], [0, 0, 0], [1, 0, 1]], "an empty cell: no label applies"
    else:
        assert task.kind == MULTIPLE_CHOICE and task.labels == ("ending_0", "ending_1", "ending_2")
        assert (
            task["test"][1]["endings"] == ["ending 1 0", "ending 1 1", "ending 1 2"] and task["test"][1]["label"] == 1
        )


def test_columns_of_0_and_1_are_labels_by_their_names(tmp_path):
    marks = {name: [int(name in row) for row in TOPICS] for name in ("plot", "cast", "music")}
    pd.DataFrame({"comment": ROWS["text"]} | marks).to_csv(tmp_path / "a.csv", index=False)
    columns = {"text": "comment", "label": ["plot", "cast", "music"]}
    task = kd.load_task(train=tmp_path / "a.csv", columns=columns, kind="multi-label")
    assert task.labels == ("plot", "cast", "music")
    assert sum(map(sum, task["train"]["label"][:] + task["dev"]["label"][:] + task["test"]["label"][:])) == 32
    with pytest.raises(ValueError, match=r'Pass kind="multi-label" and columns=.*plot.*cast.*music'):
        kd.load_task(train=tmp_path / "a.csv", columns={"text": "comment"})
    marks["cast"][4] = 2
    with pytest.raises(ValueError, match="row 5, column 'cast': 2 is neither 0 nor 1"):
        kd.load_task(train=pd.DataFrame({"comment": ROWS["text"]} | marks), columns=columns, kind="multi-label")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "row 2, column 'labels': the labels are missing.*nothing where none applies"),
        (float("nan"), "row 2, column 'labels': the labels are missing"),
        (["plot", "plot"], "row 2.*says a label twice"),
        ([["plot"]], "row 2.*is a list"),
        ("[0, 1]", r'row 2.*is a list.*"a\|b"'),
        ([0.5], "row 2.*fraction"),
    ],
)
def test_what_is_no_set_of_labels_is_named_by_row(value, words):
    table = pd.DataFrame({"text": ["a", "b", "c"], "labels": pd.Series([["plot"], value, ["cast"]], dtype=object)})
    with pytest.raises(ValueError, match=words):
        kd.load_task(train=table, kind="multi-label")


def test_a_label_that_train_lacks_is_named():
    with pytest.raises(ValueError, match=r"row 1, column 'label': the label 'sound' does not occur in train"):
        kd.load_task(train=ROWS, test=ROWS.assign(labels=[["sound"]] * len(ROWS)), kind="multi-label")


def test_unlabelled_is_not_without_labels():
    task = kd.load_task(train=ROWS, dev=ROWS, test=ROWS, transfer=ROWS[["text"]], kind="multi-label")
    transfer, train = (np.array(task[split]["label"][:]) for split in ("transfer", "train"))
    assert np.isnan(transfer).all() and transfer.shape == (24, 3)
    assert not MULTI_LABEL.known(transfer).any() and MULTI_LABEL.known(train).all() and (train.sum(1) == 0).any()
    few = task.with_labels(0.3)
    kept = np.array(few["train"]["label"][:])
    assert (kept.sum(0) > 0).all() and (kept.sum(1) == 0).any(), (
        "each label, and none, is among the rows that are drawn"
    )
    assert np.isnan(np.array(few["transfer"]["label"][:])).all()
    assert "multi-label labels cast, music, plot" in repr(task)


ENDINGS = CHOICES["endings"].tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"endings": [*ENDINGS[:4], ["a", "b"], *ENDINGS[5:]]},
            "row 5, column 'endings': 2 endings, but other rows have 3",
        ),
        ({"endings": [["a", " ", "c"], *ENDINGS[1:]]}, "row 1, column 'endings': ending 1 is ' ', no text"),
        ({"endings": [["a", "b", 3], *ENDINGS[1:]]}, "row 1, column 'endings': ending 2 is 3, no text"),
        ({"endings": [["a", "b\x00", "c"], *ENDINGS[1:]]}, "row 1.*NUL"),
        ({"endings": ["a", *ENDINGS[1:]]}, "row 1, column 'endings': 'a' are no endings"),
        ({"endings": [["a"], *ENDINGS[1:]]}, "row 1.*are no endings. Write a list of two"),
        (
            {"label": [3, *CHOICES["label"][1:]]},
            "row 1, column 'label': the label 3 is none of 3 endings.*Write 0 to 2",
        ),
        ({"label": ["x", *CHOICES["label"][1:]]}, "row 1.*'x' is none of 3 endings"),
        ({"label": [None, *CHOICES["label"][1:]]}, "row 1.*the label is empty.*0 to 2"),
        ({"text": ["", *CHOICES["text"][1:]]}, "row 1, column 'text': the text is empty"),
    ],
)
def test_what_is_no_choice_is_named_by_row(change, words):
    with pytest.raises(ValueError, match=words):
        kd.load_task(
            train=CHOICES.assign(**{key: pd.Series(value, dtype=object) for key, value in change.items()}),
            kind="multiple-choice",
        )


def test_choices_are_refused_or_asked_for_by_their_columns():
    other = CHOICES.rename(columns={"text": "ctx"})
    with pytest.raises(ValueError, match='multiple choice.*Pass kind="multiple-choice".*columns='):
        kd.load_task(train=other)
    with pytest.raises(
        ValueError, match=r"column 'text': the column is missing; there are: ctx.*the beginning: columns="
    ):
        kd.load_task(train=other, kind="multiple-choice")
    with pytest.raises(
        ValueError, match=r"column 'endings': the column is missing; there are: text, label.*Say which hold"
    ):
        kd.load_task(train=CHOICES[["text", "label"]], kind="multiple-choice")
    with pytest.raises(ValueError, match="columns= has the key 'text_b': choose among text, endings, label"):
        kd.load_task(train=CHOICES, columns={"text_b": "x"}, kind="multiple-choice")
    with pytest.raises(ValueError, match=r"columns\['label'\] is \['a', 'b'\]: of classification name one column"):
        kd.load_task(train=ROWS, columns={"label": ["a", "b"]})
    with pytest.raises(ValueError, match="labels=.*leave labels out"):
        kd.load_task(train=CHOICES, labels=("a", "b", "c"), kind="multiple-choice")
    swag = CHOICES.assign(sent1=CHOICES["text"], a=[row[0] for row in ENDINGS], b=[row[1] for row in ENDINGS])
    columns = {"text": "sent1", "endings": ["a", "b"]}
    task = kd.load_task(
        train=swag.assign(label=swag["label"] % 2)[["sent1", "a", "b", "label"]],
        columns=columns,
        kind="multiple-choice",
    )
    assert len(task.labels) == 2


def test_rows_of_endings_are_encoded_side_by_side():
    from kdviz.data.batches import encode_split
    from kdviz.models.tokenizers import load_tokenizer

    tokenizer = load_tokenizer()
    rows = encode_split([("a film", ["is good", "is very very good"]), ("the plot", ["is bad", "thin"])], tokenizer)
    assert len(rows) == 2 and rows.choices == 2 and rows.texts([1]).tolist() == [2, 3]
    batch = rows.batch([1, 0])
    assert batch.input_ids.shape == (4, rows.lengths.max()) and batch.index.tolist() == [1, 0]
    read = [tokenizer.decode(ids[mask.bool()]) for ids, mask in zip(batch.input_ids, batch.attention_mask)]
    assert read[0] == "[CLS] the plot [SEP] is bad [SEP]" and read[3] == "[CLS] a film [SEP] is very very good [SEP]"
    assert rows.lengths.tolist() == [rows.text_lengths[1], rows.text_lengths[2]]
    assert len(rows.digests()) == 2 and rows.digests()[0] != rows.digests()[1]
    with pytest.raises(ValueError, match="rows have 2 and 3 endings"):
        encode_split([("a", ["b", "c"]), ("a", ["b", "c", "d"])], tokenizer)

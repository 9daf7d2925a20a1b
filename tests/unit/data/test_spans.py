"""Questions with their answers: alike from every format, faults named by row and column; SQuAD by its name."""

from __future__ import annotations

import json
import re

import datasets
import numpy as np
import pandas as pd
import pytest
from datasets import Value

import kdviz as kd
from kdviz.data.kinds import QUESTION_ANSWERING
from kdviz.data.questions import SPAN
from tests.unit.data import asked
from tests.unit.data.test_stored import add, sizes  # noqa: F401  a fixture

KIND = {"kind": "question-answering"}
CONTEXT = "The red lamp is near the red door."
ANSWER = {"text": ["red door", "the red door"], "answer_start": [25, 21]}


def squad(table: pd.DataFrame, nested: bool = False) -> list[dict]:
    made = []
    for row in table.to_dict("records"):
        text, context = row["answer"], row["context"]
        pairs = [(text, context.index(text))] if text else []
        texts, starts = [one for one, _ in pairs], [start for _, start in pairs]
        answers = {"text": texts, "answer_start": starts}
        if nested:
            answers = [{"text": text, "answer_start": start} for text, start in pairs]
        made.append({"question": row["question"], "context": context, "answers": answers})
    return made


def sources(folder) -> dict:
    table = asked.rows()
    table.to_csv(folder / "a.csv", index=False)
    records, nested = squad(table), squad(table, nested=True)
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    pd.DataFrame(records).to_parquet(folder / "a.parquet")
    paragraphs = [{"context": r["context"], "qas": [{k: r[k] for k in ("question", "answers")}]} for r in nested]
    whole = {"version": "v2.0", "data": [{"title": "x", "paragraphs": paragraphs[:9]}, {"paragraphs": paragraphs[9:]}]}
    (folder / "a.json").write_text(json.dumps(whole), encoding="utf-8")
    columns = {key: [row[key] for row in records] for key in records[0]}
    files = {name: folder / name for name in ("a.csv", "a.jsonl", "a.parquet", "a.json")}
    return files | {"frame": table, "dataset": datasets.Dataset.from_dict(columns), "lists": pd.DataFrame(records)}


def test_the_same_questions_mean_the_same_in_every_format(tmp_path):
    tasks = {
        name: kd.load_task(train=source, dev=asked.rows(9, 1), **KIND) for name, source in sources(tmp_path).items()
    }
    one = tasks["frame"]
    assert {task.fingerprint for task in tasks.values()} == {one.fingerprint}
    assert one.kind == QUESTION_ANSWERING and one.labels == SPAN and "question-answering" in repr(one)
    for row in one["train"]:
        start, end = row["label"]
        assert row["text_b"][start:end] == (row["answers"] or [""])[0]
    train, dev = (table.rename(columns={"question": "q", "answer": "a"}) for table in (asked.rows(), asked.rows(9, 1)))
    again = kd.load_task(train=train, dev=dev, columns={"question": "q", "answer": "a"}, **KIND)
    assert again.fingerprint == one.fingerprint


def test_several_answers_count_and_the_first_is_learnt():
    task = kd.load_task(
        train=pd.DataFrame({"question": ["Near?"] * 9, "context": [CONTEXT] * 9, "answers": [ANSWER] * 9}), **KIND
    )
    row = task["train"][0]
    assert row["answers"] == ["red door", "the red door"] and row["label"] == [25, 33]


def test_transfer_has_no_labels_and_few_labels_leave_the_others(capsys):
    task = asked.task()
    assert np.array(task["transfer"]["label"][:]).tolist() == [[-100, -100]] * 12
    few = task.with_labels(0.25)
    assert len(few["train"]) == 6 and len(few["transfer"]) == 12 + 18
    bare = asked.rows(6, 5)[["question", "context"]]
    assert len(kd.load_task(train=asked.rows(), transfer=bare, **KIND)["transfer"]) == 6


def test_an_answer_within_a_word_is_said():
    table = asked.rows()
    table.loc[1, ["context", "answer"]] = "Ana bought lamps.", "lamp"
    task = kd.load_task(train=table, dev=asked.rows(9, 1), **KIND)
    assert "1 of 24 answers begin or end within a word" in repr(task)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"answer": "blue"}, "row 2, column 'answer': the context does not hold the answer 'blue'. Copy it"),
        ({"answer": "red"}, "row 2, column 'answer': the answer 'red' occurs more than once.*answer_start"),
        ({"answer": 3}, "row 2, column 'answer': 3 is not text"),
        ({"answer": "red", "answer_start": 5}, "row 2, column 'answer_start': at 5 the context has 'ed ', not .* at 4"),
        ({"answer": "red", "answer_start": 99}, "row 2.*would begin at 99, the context has 34 characters"),
        ({"answer": "red", "answer_start": -1}, "row 2.*would begin at -1"),
        ({"answer": "red", "answer_start": "x"}, "row 2.*'x' is no whole number"),
        ({"answer": "red", "answer_start": 1.5}, "row 2.*1.5 is no whole number"),
        ({"context": ""}, "row 2, column 'context': the text is empty"),
        ({"question": None}, "row 2, column 'question': None is not text"),
        ({"answers": {"text": ["red"], "answer_start": []}}, "row 2, column 'answers': 1 texts, but 0 starts"),
        ({"answers": "red"}, "row 2, column 'answers': 'red' are no answers. Write"),
        ({"answers": {"text": ["red"], "answer_start": [None]}}, "row 2.*'red' with the start None is none"),
        (
            {"answers": {"text": ["blue"], "answer_start": [4]}},
            "row 2.*at 4 the context has 'red ', not .*does not hold",
        ),
    ],
)
def test_faults_are_named_by_row_and_column(change, words):
    good = {"question": "What?", "context": CONTEXT, "answer": "lamp", "answer_start": 8}
    if "answers" in change:
        good = {"question": "What?", "context": CONTEXT, "answers": ANSWER}
    elif "answer" in change and "answer_start" not in change:
        good["answer_start"] = ""
    table = pd.DataFrame([good, good | change, good], dtype=object)
    with pytest.raises(ValueError, match=words):
        kd.load_task(train=table, **KIND)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"drop": "context"}, "column 'context': the column is missing; there are: question, answer"),
        ({"drop": "answer"}, "column 'answers': the column is missing; there are: question, context"),
        ({"columns": {"text": "question"}}, "columns= has the key 'text': choose among question, context, answers"),
        ({"columns": {"question": "q"}}, "column 'q': the column is missing"),
        ({"labels": ("a", "b")}, "answers are parts of their contexts; leave labels out"),
        ({"kind": None}, 'those of question answering.*kind="question-answering"'),
    ],
)
def test_what_is_missing_or_too_much_is_named(options, words):
    options = dict(options)
    table = asked.rows().rename(columns={"answer": "answers"} if options.get("kind", 0) is None else {})
    table = table.drop(columns=options.pop("drop", []))
    with pytest.raises(ValueError, match=words):
        kd.load_task(train=table, **KIND | options)


@pytest.mark.parametrize("text", ["[1]", '{"data": 3}', '{"data": [{"paragraphs": [{"context": "x"}]}]}', "{"])
def test_json_of_another_layout_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / "a.json")) + ": no file of SQuAD.*jsonl"):
        kd.load_task(train=tmp_path / "a.json", **KIND)


@pytest.mark.parametrize(
    ("name", "repo"),
    [("squad", "rajpurkar/squad"), ("squad_v2", "rajpurkar/squad_v2"), ("rajpurkar/squad", "rajpurkar/squad")],
)
def test_squad_is_known_by_its_name(add, capsys, name, repo):  # noqa: F811
    answers = {"text": datasets.List(Value("string")), "answer_start": datasets.List(Value("int32"))}
    features = {"question": Value("string"), "context": Value("string"), "answers": answers}
    files = {}
    for split, count in (("train", 40), ("validation", 12)):
        records = squad(asked.rows(count))
        files[f"data/{split}-00000-of-00001.parquet"] = {key: [row[key] for row in records] for key in records[0]}
    splits = "\n".join(f"  - split: {split}\n    path: data/{split}-*" for split in ("train", "validation"))
    add(repo, files, f"configs:\n- config_name: default\n  data_files:\n{splits}\n", **features)
    task = kd.load_task(name)
    assert task.kind == QUESTION_ANSWERING and sizes(task) == {"train": 36, "dev": 4, "test": 12}
    assert "validation split is our test" in repr(task)

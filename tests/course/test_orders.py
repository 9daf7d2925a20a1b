"""Reviews on order: the task is the embedded one in other columns, and what is written is judged by its rules."""

from __future__ import annotations

import json

import pytest

import kdviz as kd
from data.make import reviewer
from kdviz.course import orders
from kdviz.course.reviews import judge, words
from kdviz.models.tokenizers import tokenizer_sha256
from kdviz.models.writing import write
from kdviz.paths import data_dir


def test_an_order_is_as_many_stars():
    assert [orders.wanted(orders.order(stars)) for stars in range(1, 6)] == [1, 2, 3, 4, 5]
    assert orders.orders(7) == ["★", "★★", "★★★", "★★★★", "★★★★★", "★", "★★"]
    with pytest.raises(ValueError, match="6 stars: a review has 1 to 5"):
        orders.order(6)
    with pytest.raises(ValueError, match="'★★★★★★' is no order: write it as in '★★★★'"):
        orders.wanted("★★★★★★")


def test_the_task_is_the_embedded_one():
    task, source = orders.task({"train": 50, "test": 20}), kd.load_task("reviews")
    assert {name: len(rows) for name, rows in task.splits.items()} == {"train": 50, "dev": 1000, "test": 20}
    for name in task.splits:
        rows = task[name][:]
        assert [len(prompt) - 1 for prompt in rows["text"]] == source[name]["label"][: len(rows["text"])]
        assert [words(text) for text in rows["label"]] == [
            words(text) for text in source[name]["text"][: len(rows["text"])]
        ]
        assert max(len(text.split()) for text in rows["label"]) < orders.MOST
    ids = [task.tokenizer(text)["input_ids"] for text in [*task["dev"]["text"][:], *task["dev"]["label"][:]]]
    assert not any(task.tokenizer.unk_token_id in row for row in ids)
    assert task.tokenizer.decode(ids[-1], skip_special_tokens=True) == task["dev"]["label"][-1]


def test_shares_of_valid_reviews_and_of_those_as_ordered():
    one, five = "i walked out after twenty minutes .", "the plot is very clever ."
    assert (judge(one).stars, judge(five).stars) == (1, 5)
    assert orders.shares(["★", "★★", "★★★★★", "★", "★"], [one, one, five, "the plot", one]) == {
        "valid": 0.8,
        "wanted": 0.6,
    }
    with pytest.raises(ValueError, match="no completions"):
        orders.shares([], [])


def test_the_texts_that_the_reviewer_reads_are_new_and_carry_their_stars():
    texts, labels = reviewer.texts(200)
    assert [judge(text).stars for text in texts] == [label + 1 for label in labels]
    assert [labels.count(label) for label in range(5)] == [40] * 5
    known = {orders.spelled(text) for split in ("dev", "test") for text in kd.load_task("reviews")[split]["text"][:]}
    assert not known & set(map(orders.spelled, texts))
    assert reviewer.texts(20)[0] == texts[:20]


def test_the_script_trains_and_tells(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reviewer, "WRITTEN", 5)
    short = [settings | {"epochs": 1, "steps_per_epoch": 2, "batch_size": 4} for settings in reviewer.ROUNDS]
    monkeypatch.setattr(reviewer, "ROUNDS", short)
    monkeypatch.setattr(reviewer, "TEXTS", 20)
    reviewer.main(["--out", str(tmp_path / "made")])
    log = json.loads((tmp_path / "made" / "log.json").read_text())
    assert log == json.loads(capsys.readouterr().out.splitlines()[-1]) and log["texts"] == 20
    assert len(log["dev"]) == 2 and set(log["written"]) >= {"valid", "wanted"}
    model = kd.load_teacher(tmp_path / "made")
    assert model.role == "teacher" and sum(map(len, write(model, orders.orders(2), 3))) > 0


def test_the_shipped_reviewer_writes_what_its_log_says():
    model, log = (
        kd.load_teacher("reviewer"),
        json.loads((data_dir() / "teachers" / "reviewer" / "log.json").read_text()),
    )
    assert (model.name, model.role) == ("reviewer", "teacher") and model.tokenizer_sha256 == tokenizer_sha256(
        orders.tokenizer()
    )
    assert sum(weights.numel() for weights in model.parameters()) == log["weights"]
    asked = orders.orders(100)
    found = orders.shares(asked, write(model, asked, orders.MOST, seed=5))
    assert (
        abs(found["valid"] - log["written"]["valid"]) < 0.15 and abs(found["wanted"] - log["written"]["wanted"]) < 0.15
    )


def test_a_missing_reviewer_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("KDVIZ_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"model\.json is missing; .*git checkout -- data/teachers/reviewer"):
        kd.load_teacher("reviewer")

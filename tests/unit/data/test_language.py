"""Language modelling: what is read from a table, what counts, and the one shift between a token and what comes next."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import kdviz as kd
from kdviz.data.batches import encode_split
from kdviz.data.kinds import LANGUAGE_MODELLING
from kdviz.data.symbols import symbol_tokenizer
from tests.unit.data import sums

TWO = pd.DataFrame({"prompt": ["3+4=", "8+8="], "completion": ["7", "16"]})


def load(train=TWO, **more):
    more = {"dev": TWO, "test": TWO, "tokenizer": "characters"} | more
    return kd.load_task(train=train, kind="language-modelling", **more)


def batch_of(task, split="train"):
    rows = encode_split(task[split], task.tokenizer, 128, task.kind)
    return rows, rows.batch(range(len(rows)))


def test_labels_are_the_next_tokens_of_the_completion_and_its_end():
    task = load()
    rows, batch = batch_of(task)
    read = [task.tokenizer.convert_ids_to_tokens(ids) for ids in batch.input_ids.tolist()]
    assert read[0] == [*"<s> 3 + 4 = 7 </s> <pad>".split()] and read[1][-3:] == ["1", "6", "</s>"]
    seven, end = task.tokenizer.convert_tokens_to_ids(["7", "</s>"])
    assert batch.labels[0].tolist() == [-100] * 4 + [seven, end, -100, -100]
    assert rows.kind.known(rows.labels).all() and rows.kind.known(batch.labels).all()


def test_of_a_text_alone_every_token_counts():
    task = load(
        pd.DataFrame({"text": ["ab", "ba"]}), dev=pd.DataFrame({"text": ["ab"]}), test=pd.DataFrame({"text": ["a"]})
    )
    _, batch = batch_of(task)
    assert task["train"][0] == {"text": "", "label": "ab"}
    assert (batch.labels[:, :-1] == batch.input_ids[:, 1:]).all() and (batch.labels[:, -1] == -100).all()


def test_a_prompt_that_nobody_completed_and_one_that_leaves_no_room_have_no_label():
    task = load(transfer=TWO[["prompt"]])
    rows, batch = batch_of(task, "transfer")
    assert not rows.kind.known(rows.labels).any() and (batch.labels == -100).all()
    assert rows.kind.hard(torch.zeros(2, batch.labels.shape[1], 9), batch.labels) == 0
    short = encode_split(task["train"], task.tokenizer, 5, task.kind)
    assert not short.kind.known(short.labels).any() and max(short.lengths) == 5
    assert task.with_labels(0.5)["transfer"]["label"][:] == [None] * 3


def test_losses_count_completions_only_and_lie_side_by_side_with_labels():
    torch.manual_seed(0)
    rows, batch = batch_of(load())
    student, teacher = torch.randn(2, 2, batch.labels.shape[1], 12)
    kind, (row, place) = rows.kind.of(batch), (batch.labels != -100).nonzero().T
    token = torch.stack([-F.log_softmax(student[r, p], -1)[batch.labels[r, p]] for r, p in zip(row, place)])
    assert_close(kind.hard(student, batch.labels), token.mean())
    each = torch.stack([token[row == number].mean() for number in range(2)])
    assert_close(kind.hard(student, batch.labels, reduction="none"), each)
    p, q = (F.softmax(x[row, place] / 2, -1) for x in (teacher, student))
    assert_close(kind.soft(student, teacher, 2.0), 4 * (p * (p / q).log()).sum(-1).mean())
    assert_close(kind.squared(student, teacher), (student - teacher)[row, place].square().mean())
    other = student.clone()
    other[batch.labels == -100] += torch.randn(12)
    for loss in (kind.soft, kind.squared):
        assert_close(loss(student, teacher), loss(other, teacher))
        assert loss(student, teacher, reduction="none").shape == (2,)
    assert kind.soft(student, student) == 0 and LANGUAGE_MODELLING.soft(student, teacher) != kind.soft(student, teacher)
    with pytest.raises(ValueError, match=r"logits of \(2, 5\) tokens, but those of a batch of \(2, 8\) count"):
        kind.soft(student[:, :5], teacher[:, :5])


def test_scores_of_a_source_whose_probabilities_are_known():
    rows, batch = batch_of(load())
    logits = torch.full((2, batch.labels.shape[1], 12), -1e9)
    logits[..., 0] = 0.0
    known = batch.labels != -100
    logits[known] = torch.where(F.one_hot(batch.labels[known], 12) > 0, math.log(0.75), math.log(0.25 / 11))
    logits[1, known[1].nonzero()[0]] = 0.0  # all 12 alike at one place
    found = rows.kind.scores(logits, batch.labels)
    mean = (4 * math.log(0.75) + math.log(1 / 12)) / 5
    assert found["log_likelihood"] == pytest.approx(mean) and found["loss"] == -found["log_likelihood"]
    assert found["perplexity"] == pytest.approx(math.exp(-mean))
    assert found["token_accuracy"] in (0.8, 1.0) and found["exact"] == {0.8: 0.5, 1.0: 1.0}[found["token_accuracy"]]
    kept = rows.kind.kept(logits, batch.labels)
    of_rows = rows.kind.given(kept, rows)
    assert_close(
        of_rows, torch.tensor([2 * math.log(0.75), 2 * math.log(0.75) + math.log(1 / 12)]).double(), rtol=1e-6, atol=0
    )


def test_exact_is_what_a_greedy_reader_of_the_prompt_writes():
    task = sums.task()
    run = kd.distill(
        kd.build_student(task, layers=1, hidden=32, heads=2),
        None,
        task,
        kd.LabelsOnly(),
        epochs=12,
        lr=1e-2,
        progress="off",
    )
    written = run.student.predict(task["train"]["text"][:])
    rows, _ = batch_of(task)
    exact = kd.training.metrics.evaluate(run.student, rows)[0]["exact"]
    assert exact == np.mean([one == right for one, right in zip(written.completion, task["train"]["label"][:])])
    assert 0 < exact < 1, "something is learnt, and not all, so that both could differ"
    assert run.predictions["test"].shape == (12,) and (run.predictions["test"] < 0).all()


@pytest.mark.parametrize(
    ("frame", "more", "message"),
    [
        (
            TWO.rename(columns={"prompt": "ask"}),
            {},
            r"column 'text': the column is missing; there are: ask, completion",
        ),
        (TWO[["prompt"]], {}, "column 'completion': the column is missing; .* transfer="),
        (TWO.assign(completion=["7", None]), {}, "row 2, column 'completion': None is not text"),
        (TWO, {"labels": ("a", "b")}, "the labels of language modelling are texts"),
        (TWO, {"columns": {"answer": "x"}}, "columns= has the key 'answer'"),
        (TWO, {"transfer": pd.DataFrame({"text": ["a"]})}, "column 'prompt': the column is missing"),
        (TWO, {"tokenizer": "letters"}, "tokenizer='letters': choose characters or words"),
    ],
)
def test_what_is_wrong_is_named(frame, more, message):
    with pytest.raises(ValueError, match=message):
        load(frame, **more)


def test_columns_by_other_names_and_files(tmp_path):
    TWO.rename(columns={"prompt": "ask", "completion": "say"}).to_csv(tmp_path / "a.csv", index=False)
    names = {"prompt": "ask", "completion": "say"}
    files = dict.fromkeys(("train", "dev", "test"), tmp_path / "a.csv")
    task = kd.load_task(**files, columns=names, kind="language-modelling")
    assert task["train"].to_dict() == {"text": ["3+4=", "8+8="], "label": ["7", "16"]} and task.tokenizer is None


def test_tokenizers_of_symbols():
    letters, words = symbol_tokenizer(["ab\n", "cé"]), symbol_tokenizer(["a cat", "a dog"], "words")
    assert letters.decode(letters("cab\n").input_ids, skip_special_tokens=True) == "cab\n"
    assert words.decode(words("a dog").input_ids, skip_special_tokens=True) == "a dog"
    typed = kd.states.text_to_ids(words, ["a <s> bird"])["input_ids"][0]
    assert words.convert_ids_to_tokens(typed) == ["<s>", "a", "<unk>", "<unk>"], "text is data"
    assert symbol_tokenizer(["cé", "ab\n"]).get_vocab() == letters.get_vocab()
    with pytest.raises(ValueError, match="no text to take symbols from"):
        symbol_tokenizer([])

"""The answers task: its files are what the grammar writes, its answers hold, words alone tell little."""

from __future__ import annotations

import json
import random

import numpy as np
import pyarrow.parquet as pq
import pytest

import kdviz as kd
from data.make import answers as workshop
from data.make.grammar import answers, common
from data.make.grammar.__main__ import main as write_task
from data.make.grammar.answers_rules import Scenes
from data.make.grammar.entail_lexicon import MAIN

NAMES = ("Ana", "Ben", "Carla")


@pytest.fixture(scope="module")
def task():
    return kd.load_task("answers")


def test_committed_files_are_what_the_generator_writes(tmp_path):
    write_task(["answers", "--out", str(tmp_path)])
    for split in answers.SIZES:
        made, kept = (
            pq.read_table(place / f"{split}.parquet") for place in (tmp_path, common.default_folder("answers"))
        )
        assert made.schema.equals(answers.SCHEMA) and made.equals(kept)


def test_sizes_shares_and_unique_texts(task):
    assert {name: len(split) for name, split in task.splits.items()} == answers.SIZES
    assert task.kind.name == "question-answering" and task.labels == ("start", "end")
    for name in ("train", "dev", "test", "ood_lexicon"):
        without = np.mean([not some for some in task[name]["answers"][:]])
        assert without == pytest.approx(1 / answers.WITHOUT, abs=1e-3)
        assert {*task[name]["phenomenon"][:]} == {*answers.PHENOMENA}
    assert {tuple(label) for label in task["transfer"]["label"][:]} == {(-100, -100)}
    rows = [common.normalise(f"{row['text']} | {row['text_b']}") for split in task.splits.values() for row in split]
    assert len(rows) == len(set(rows))


def test_an_answer_is_where_its_label_says_and_no_word_of_the_question(task):
    for name in ("dev", "test", "ood_lexicon"):
        for row in task[name]:
            start, end = row["label"]
            assert row["text_b"][start:end] == "".join(row["answers"]) and (end > 0) == bool(row["answers"])
            edges = row["text_b"][max(0, start - 1) : start] + row["text_b"][end : end + 1]
            assert not row["answers"] or not edges.strip(" .")
            assert not set(common.words("".join(row["answers"]))) - {"and"} & set(common.words(row["text"]))


@pytest.mark.parametrize("phenomenon", answers.PHENOMENA)
def test_every_form_of_question_comes_with_an_answer_and_without(phenomenon):
    """What a question looks like, and whom it names, does not tell whether it has an answer."""
    scenes, forms = Scenes(MAIN, random.Random(0)), {}
    for number in range(600):
        told, question, answer = getattr(scenes, phenomenon)(random.Random(number).sample(NAMES, 3), number % 2 == 0)
        assert (answer is not None) == (number % 2 == 0)
        assert answer is None or told[answer[0]].count(answer[1]) == 1
        form = question.split()[0] + " did" * (" did " in question)
        forms.setdefault(form, []).append(answer is not None)
    for form, found in forms.items():
        assert 0.2 < np.mean(found) < 0.8, form


def test_the_order_that_is_told_is_the_order_that_is_asked():
    """Read back, from either end: who stands above whom."""
    scenes, right = Scenes(MAIN | {"events": ["left"]}, random.Random(0)), 0
    more = {more: less for more, less, _ in MAIN["degrees"]}
    less = {low: high for high, low in more.items()}
    for number in range(200):
        told, question, answer = scenes.order(list(NAMES), number % 2 == 0)
        words = question.rstrip("?").split()
        relation, named = words[-2] if words[1] == "left" else words[2], words[-1]
        other = {"before": "after", "after": "before"} | more | less
        found = set()
        for line in told:
            first, *_, last = line.split()
            if relation in line.split():
                found |= {first} if last == named else set()
            elif other[relation] in line.split():
                found |= {last} if first == named else set()
        assert found == ({answer[1]} if answer else set()), (told, question)
        right += answer is not None
    assert right == 100


def test_a_paragraph_keeps_the_place_of_its_answer():
    told = ["ana saw ben", "ben saw carla", "the end"]
    text, (start, end) = answers.paragraph(told, (1, "ben"), [2, 0, 1])
    assert text == "The end. Ana saw ben. Ben saw carla." and (start, end) == (22, 25)
    assert answers.paragraph(told, None, [0, 1]) == ("Ana saw ben. Ben saw carla.", (0, 0))
    assert answers.content("Ana called the doctor, or calls Ben", ["Ana", "Ben"]) == {"call", "doct", "or"}


def test_the_datasheet_is_what_its_script_writes_and_words_tell_little(task):
    readme = (task.folder / "README.md").read_text(encoding="utf-8")
    found = workshop.baselines(task)
    assert workshop.table(task, found) in readme
    assert all(of["test"][0] < 0.55 for of in found.values())


def test_baselines_score_what_they_say():
    row = {"text": "Who saw Ben?", "text_b": "Ana saw Ben. Carla and David saw Omar.", "answers": ["Ana"]}
    spans = [span for span, _ in workshop.candidates(row["text_b"])]
    assert spans == ["Ana", "saw", "Ben", "Carla", "and", "David", "saw", "Omar", "Carla and David"]
    near, all_names = (workshop.likely(row, set(), nearest=nearest) for nearest in (True, False))
    assert near == [("Ana", 1.0)] and [span for span, _ in all_names][:4] == ["Ana", "Carla", "David", "Omar"]
    assert workshop.scores([row], [near]) == (1.0, 1.0) and workshop.scores([row], [[]]) == (0.0, 0.0)
    assert workshop.scores([row], [[("Ana", 1.0), ("Omar", 1.0)]]) == (0.5, 0.5)
    assert workshop.scores([row | {"answers": []}], [[("Ana", 0.3)]], least=0.5) == (1.0, 1.0)


def test_its_teacher_reads_more_than_words(task):
    teacher = kd.load_teacher("minilm", task)
    log = json.loads((task.folder.parent / "teachers/answers/log.json").read_text(encoding="utf-8"))
    some = task["test"].select(range(200))
    said = teacher.predict(list(zip(some["text"][:], some["text_b"][:])))["answer"]
    right = np.mean([answer == "".join(row["answers"]) for answer, row in zip(said, some)])
    assert right == pytest.approx(log["test"], abs=0.1) and log["test"] > 0.75

"""Students leave kdviz: transformers alone gives the same probabilities, whatever vocabulary the student had."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import kdviz as kd
from tests.unit.models.families import save_family

TEXTS = ["a good film", "zebra [MASK] the plot is thin, unbelievably so", "fun"]
KNOWN = ["a good film", "the plot is not thin", "fun"]


def library_probabilities(folder, texts):
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return model(**tokenizer(texts, return_tensors="pt", padding=True, truncation=True)).logits.softmax(-1)


@pytest.mark.parametrize("vocabulary", ["task", "full"])
def test_transformers_alone_gives_the_same_probabilities(tmp_path, task, vocabulary):
    student = kd.build_student(task, layers=2, hidden=32, heads=4, vocabulary=vocabulary)
    with torch.no_grad():
        student.network.encoder.classifier.weight.mul_(20)
    folder = student.save_pretrained(tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    expected = kd.encode(student, TEXTS).logits.softmax(-1)
    assert expected.std(0).max() > 0.01, "the texts matter"
    assert_close(library_probabilities(folder, TEXTS), expected, atol=1e-6, rtol=0)
    found = pipeline("text-classification", str(folder))(TEXTS, top_k=None)
    for scores, row in zip(found, expected):
        by_name = {score["label"]: score["score"] for score in scores}
        assert_close(torch.tensor([by_name[label] for label in student.labels]), row, atol=1e-6, rtol=0)
    again = kd.load_teacher(folder, task)
    assert again.labels == student.labels and again.vocabulary is None
    assert_close(kd.encode(again, TEXTS).logits, kd.encode(student, TEXTS).logits, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["roberta", "distilbert", "gpt2", "qwen2"])
def test_students_of_other_families_leave_too(tmp_path, task, kind):
    teacher = kd.load_teacher(save_family(tmp_path / "teacher", kind))
    student = kd.build_student(task, layers=2, hidden=16, heads=2, init_from=teacher)
    assert student.vocabulary is not None and student.network.encoder.config.model_type == kind
    folder = student.save_pretrained(tmp_path / "out")
    assert_close(library_probabilities(folder, TEXTS), kd.encode(student, TEXTS).logits.softmax(-1), atol=1e-6, rtol=0)


def test_what_transformers_has_no_class_for_is_refused(tmp_path, task):
    for model in (kd.build_student(task, architecture="bilstm"), kd.compress(kd.build_student(task, hidden=32), 8)):
        with pytest.raises(ValueError, match=r"transformers has no class for it\. Keep it with model\.save"):
            model.save_pretrained(tmp_path)


def test_predictions_are_a_table_of_names_and_probabilities(student, minilm):
    table = student.predict(KNOWN * 20)
    assert list(table.columns) == ["text", "label", "p(bad)", "p(good)"] and list(table.text) == KNOWN * 20
    expected = kd.encode(student, KNOWN).logits.softmax(-1)
    assert_close(torch.tensor(table[["p(bad)", "p(good)"]].to_numpy())[:3], expected)
    assert list(table.label[:3]) == [student.labels[i] for i in expected.argmax(-1)]
    assert len(student.predict("fun")) == 1 and student.predict(("a", "b")).text[0] == "a [SEP] b"
    with pytest.raises(ValueError, match="no text"):
        student.predict([])
    with pytest.raises(ValueError, match="no classifier, so no logits"):
        minilm.predict("fun")

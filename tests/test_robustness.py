"""The attack fools what can be fooled, keeps the label, and stops where it must; every model sits the same exam."""

from __future__ import annotations

import datasets
import pytest
import torch

import kdviz as kd
from kdviz import robustness
from kdviz.data import augment
from tests.training import tiny

SYNONYMS = {"great": ("fine", "warm"), "film": ("play",), "dull": ("cold", "bad")}


class Counter(torch.nn.Module):
    """A model one can see through: "good" wins by the weights of the words it reads."""

    labels, name = ("bad", "good"), "counter"
    device = torch.device("cpu")

    def __init__(self, weights, name="counter"):
        super().__init__()
        self.tokenizer, self.name = tiny.student().tokenizer, name
        self.weights = torch.zeros(len(self.tokenizer))
        for word, value in weights.items():
            self.weights[self.tokenizer.convert_tokens_to_ids(word)] = value

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        total = (self.weights[input_ids] * attention_mask).sum(1)
        return type("Out", (), {"logits": torch.stack([-total, total], 1)})


def split(pairs):
    return datasets.Dataset.from_dict({"text": [text for text, _ in pairs], "label": [label for _, label in pairs]})


def test_the_attack_finds_the_word_that_matters():
    model = Counter({"great": 1.0, "fine": 0.5, "warm": -2.0, "play": 0.1, "film": 0.2})
    data = split([("the film is great", 1), ("the song is great", 1), ("a dull day", 1), ("nothing here", 0)])
    found = robustness.attack(model, data, synonyms=SYNONYMS)
    assert found.attempted == 3, "the third text was wrong before"
    assert found.texts == ("the film is warm", "the song is warm") and found.labels == (1, 1)
    assert found.source == (0, 1) and found.changed == (1, 1), "the word with the largest effect comes first"
    assert found.before[0] == "the film is great"


def test_a_model_that_is_already_wrong_is_not_attacked_and_a_sure_one_is_not_fooled():
    sure = Counter({"great": 5.0, "fine": 5.0, "warm": 5.0})
    data = split([("the film is great", 1), ("the film is great", 0)])
    found = robustness.attack(sure, data, synonyms=SYNONYMS)
    assert (found.attempted, found.texts, found.success) == (1, (), 0.0)
    with pytest.raises(ValueError, match="no attack fooled its model"):
        robustness.pooled([found])


def test_no_more_words_are_changed_than_allowed():
    model = Counter({"great": 1.0, "fine": 0.6, "film": 1.0, "play": -0.1, "warm": 0.9})
    data = split([("great film great film day day day", 1)])
    assert robustness.attack(model, data, synonyms=SYNONYMS, share=0.15).success == 0
    model = Counter({"great": 0.3, "fine": -0.5, "film": 1.0, "play": -0.5, "warm": 0.3})
    found = robustness.attack(model, data, synonyms=SYNONYMS, share=1.0)
    assert found.success == 1 and 1 < found.changed[0] <= 4
    few = robustness.attack(model, data, synonyms=SYNONYMS, share=0.15)
    assert few.success == 0 and few.queries < found.queries


def test_the_pool_holds_each_text_once_and_ranks_otherwise_than_own_attacks():
    easy = Counter({"great": 1.0, "warm": -1.0, "fine": 1.0}, "easy")
    other = Counter({"great": 1.0, "warm": -1.0, "fine": -0.5}, "other")
    data = split([("the film is great", 1), ("the song is great", 1)])
    attacks = [robustness.attack(model, data, synonyms=SYNONYMS) for model in (easy, other)]
    pool = robustness.pooled(attacks)
    assert len(pool) == len(set(pool["text"][:])) and set(pool["label"][:]) == {1}
    assert "easy, other" in pool["against"][:]
    assert robustness.accuracy(easy, pool) == 0.0
    tough = Counter({"great": 1.0, "warm": 1.0, "fine": 1.0}, "tough")
    assert robustness.accuracy(tough, pool) == 1.0


def test_one_table_for_all_models():
    easy = Counter({"great": 1.0, "warm": -1.0}, "x")
    tough = Counter({"great": 1.0, "warm": 1.0, "fine": 1.0, "cold": -1.0, "dull": -1.0, "bad": -1.0}, "x")
    table = robustness.judge({"easy": easy, "tough": tough}, tiny.task(), synonyms=SYNONYMS)
    first, second = table
    assert (first["model"], second["model"]) == ("easy", "tough")
    assert first["own_attack"] > second["own_attack"] == 0.0
    assert first["pool"] < second["pool"] == 1.0 and first["pool_rows"] == second["pool_rows"] > 0
    assert 0 <= first["test"] <= 1 and "dev" not in first and "train" not in first


def test_the_rules_keep_the_label_of_every_attacked_review():
    """The stars of an attacked review follow from the same rules: opinion words changed only for ones of equal value."""
    task = kd.load_task("reviews")
    student = kd.build_student(task, layers=1, hidden=16, heads=2, seed=1)
    found = robustness.attack(student, task["test"], limit=60, share=0.5)
    known = augment.synonyms()
    for old, new in zip(found.before, found.texts):
        old_words, new_words = ([text[slice(*s)].lower() for s in augment.spans(text)] for text in (old, new))
        assert len(old_words) == len(new_words)
        for a, b in zip(old_words, new_words):
            assert a == b or b in known[a] or {a, b} == {"a", "an"}
    assert found.attempted > 0


def test_what_cannot_be_attacked_is_refused():
    model = Counter({"great": 1.0})
    pairs = datasets.Dataset.from_dict({"text": ["a"], "text_b": ["b"], "label": [0]})
    with pytest.raises(ValueError, match="pairs"):
        robustness.attack(model, pairs)
    with pytest.raises(ValueError, match="1 of 2 rows have no label"):
        robustness.attack(model, split([("a", 0), ("b", -100)]))
    with pytest.raises(ValueError, match="share=0"):
        robustness.attack(model, split([("a", 0)]), share=0)
    with pytest.raises(ValueError, match="none of these 1 rows"):
        robustness.accuracy(model, split([("a", -100)]))

"""The attack fools what can be fooled, keeps the label, and stops where it must; every model sits the same exam."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import datasets
import pytest
import torch

import kdviz as kd
from kdviz import robustness
from kdviz.data import swaps
from kdviz.robustness import Candidates
from tests.unit.training import tiny


def by_words(synonyms, **bound) -> Candidates:
    return Candidates({word: [{word: other} for other in others] for word, others in synonyms.items()}, **bound)


WORDS = by_words({"great": ("fine", "warm"), "film": ("play",), "dull": ("cold", "bad")})


class Counter(torch.nn.Module):
    """A model one can see through: "good" wins by the weights of the words it reads."""

    labels, name = ("bad", "good"), "counter"

    def __init__(self, weights, name="counter"):
        super().__init__()
        self.tokenizer, self.name = tiny.student().tokenizer, name
        self.weights = torch.nn.Parameter(torch.zeros(len(self.tokenizer)), requires_grad=False)
        for word, value in weights.items():
            self.weights[self.tokenizer.convert_tokens_to_ids(word)] = value

    def forward(self, input_ids, attention_mask, token_type_ids=None, *, want):
        total = (self.weights[input_ids] * attention_mask).sum(1)
        return type("Out", (), {"logits": torch.stack([-total, total], 1)})


def split(rows):
    columns = {"text": [row[0] for row in rows], "label": [row[-1] for row in rows]}
    if len(rows[0]) == 3:
        columns["text_b"] = [row[1] for row in rows]
    return datasets.Dataset.from_dict(columns)


def test_the_attack_finds_the_word_that_matters():
    model = Counter({"great": 1.0, "fine": 0.5, "warm": -2.0, "play": 0.1, "film": 0.2})
    data = split([("the film is great", 1), ("the song is great", 1), ("a dull day", 1), ("nothing here", 0)])
    attack = robustness.attack(model, data, WORDS)
    assert attack.attempted == 3, "the third text was wrong before"
    assert [one.after for one in attack.found] == [("the film is warm",), ("the song is warm",)]
    assert [(one.label, one.row, one.changed, one.kept) for one in attack.found] == [
        (1, 0, 1, "rule"),
        (1, 1, 1, "rule"),
    ]
    assert attack.found[0].before == ("the film is great",)
    assert "66.7% of 3 rows fooled it, 1.0 words" in str(attack) and "by the rules in 2, by similarity in 0" in str(
        attack
    )


def test_a_model_that_is_already_wrong_is_not_attacked_and_a_sure_one_is_not_fooled():
    sure = Counter({"great": 5.0, "fine": 5.0, "warm": 5.0})
    attack = robustness.attack(sure, split([("the film is great", 1), ("the film is great", 0)]), WORDS)
    assert (attack.attempted, attack.found, attack.success) == (1, (), 0.0)
    with pytest.raises(ValueError, match="no attack fooled its model"):
        robustness.pooled([attack])


def test_no_more_words_are_changed_than_allowed():
    """A word that stands twice is renamed twice, and costs two."""
    model = Counter({"great": 1.0, "fine": 0.6, "film": 1.0, "play": -0.9, "warm": 0.9})
    data = split([("great film great film day day day", 1)])
    assert robustness.attack(model, data, WORDS, share=0.2).success == 0
    assert robustness.attack(model, data, WORDS, share=0.3).success == 0, "two words become fine, which is not enough"
    model = Counter({"great": 0.7, "fine": 0.6, "film": 0.8, "play": -0.9, "warm": 0.6})
    (one,) = robustness.attack(model, data, WORDS, share=0.3).found
    assert one.after == ("great play great play day day day",) and one.changed == 2
    few = robustness.attack(model, data, WORDS, share=0.15)
    assert few.success == 0 and few.queries < robustness.attack(model, data, WORDS, share=1.0).queries


def test_a_renaming_brings_in_no_word_that_is_there_already():
    model = Counter({"great": 1.0, "warm": -2.0, "fine": 0.9})
    assert robustness.attack(model, split([("great and warm and great great", 1)]), WORDS).success == 0
    assert robustness.attack(model, split([("great and cold and great great", 1)]), WORDS, share=0.6).success == 1


def test_a_pair_is_renamed_on_both_sides():
    model = Counter({"great": 1.0, "warm": -2.0, "fine": 0.9})
    attack = robustness.attack(
        model, split([("the film is great", "a great song", 1), ("x", "the song is great", 1)]), WORDS
    )
    assert [one.after for one in attack.found] == [("the film is warm", "a warm song"), ("x", "the song is warm")]
    pool = robustness.pooled([attack])
    assert pool["text_b"][:] == ["a warm song", "the song is warm"] and robustness.accuracy(model, pool) == 0.0


def test_what_rests_on_a_similarity_says_so_and_keeps_to_its_bound():
    """A reader by whose vectors "cold" is far from everything else."""
    model = Counter({"great": 1.0, "warm": -1.0, "cold": -2.0})
    near = by_words({}, bound={"great": ({"great": "cold"}, {"great": "warm"})}, reader=SimpleNamespace())
    near._vector = lambda text: torch.tensor([0.0, 1.0] if "cold" in text else [1.0, 0.0])
    data = split([("the film is great", 1)])
    (one,) = robustness.attack(model, data, near).found
    assert one.after == ("the film is warm",) and one.kept == "bound", "cold lowers more, and is too far away"
    mixed = by_words({"film": ["book"]}, bound=near.bound, reader=near.reader)
    mixed._vector = near._vector
    model.weights += Counter({"book": -0.6, "film": 1.1, "great": 0.2}).weights  # so that great goes first
    (one,) = robustness.attack(model, data, mixed, share=0.5).found
    assert one.after == ("the book is warm",) and one.kept == "bound", "one word by similarity is enough to say so"
    with pytest.raises(ValueError, match="reader="):
        Candidates({}, {"great": ({"great": "cold"},)})


class Bag(Counter):
    """As many classes as a task has, and chance weights for every word: no sense, but opinions on all words."""

    def __init__(self, labels, seed=0):
        super().__init__({})
        self.labels = labels
        self.table = torch.randn(len(self.tokenizer), len(labels), generator=torch.Generator().manual_seed(seed))

    def forward(self, input_ids, attention_mask, token_type_ids=None, *, want):
        return type("Out", (), {"logits": (self.table[input_ids] * attention_mask[..., None]).sum(1)})


@cache
def judged():
    easy = Counter({"great": 1.0, "warm": -1.0, "fine": 1.0})
    other = Counter({"great": 1.0, "warm": -1.0, "fine": -0.5, "cold": -1.0, "dull": -1.0, "bad": -1.0})
    tough = Counter({"great": 1.0, "warm": 1.0, "fine": 1.0, "cold": -1.0, "dull": -1.0, "bad": -1.0})
    models = {"easy": easy, "other": other, "tough": tough}
    return robustness.judge(models, tiny.task(), WORDS)


def test_all_models_sit_the_same_exam():
    found = judged()
    easy, other, tough = found.table.to_dict("records")
    assert [row["model"] for row in (easy, other, tough)] == ["easy", "other", "tough"]
    assert easy["own_attack"] > 0 and other["own_attack"] > 0 and tough["own_attack"] == 0
    assert easy["pool"] < tough["pool"] == tough["pool_rule"] == tough["others"] == 1.0
    assert 0 <= easy["test"] <= 1 and "dev" not in easy and "train" not in easy
    texts = found.pool["text"][:]
    assert len(texts) == len(set(texts)) and set(found.pool["kept"][:]) == {"rule"}
    both = found.pool.filter(lambda row: row["against"] == "easy, other")
    assert (
        len(both)
        and robustness.accuracy(found.models["easy"], both) == robustness.accuracy(found.models["other"], both) == 0.0
    )


def test_only_the_splits_asked_for_are_scored():
    models = {"easy": judged().models["easy"]}
    table = robustness.judge(models, tiny.task(), WORDS, splits=("dev",)).table
    assert "test" not in table and table["dev"][0] == robustness.accuracy(models["easy"], tiny.task()["dev"])
    assert "dev" not in robustness.judge(models, tiny.task(), WORDS, splits=()).table


def test_the_foreign_part_of_the_pool_is_counted_by_hand():
    found = judged()
    for name, model in found.models.items():
        foreign = found.pool.filter(lambda row, name=name: set(row["against"].split(", ")) - {name})
        told = found.table.set_index("model").loc[name, "others"]
        assert told == pytest.approx(robustness.accuracy(model, foreign)) if len(foreign) else told != told


def test_attacks_are_deterministic_and_independent_of_the_other_rows():
    model = Counter({"great": 1.0, "fine": 0.6, "film": 1.0, "play": -0.9, "warm": -0.9, "dull": -1, "cold": 1})
    data = tiny.task()["test"]
    once, twice = (robustness.attack(model, data, WORDS) for _ in range(2))
    assert once == twice and once.found
    for one in once.found:
        (alone,) = robustness.attack(model, data.select([one.row]), WORDS).found
        assert alone.after == one.after


HOSTILE = (
    "great </script><img src=x onerror=alert(1)>",
    "<b>great</b>",
    "great \x00 \u202eevil",
    "great שלום 👩‍👩‍👧 [SEP] [MASK]",
    "great " * 300,
    "!!!",
    "great {film} %{z} $x$ &amp; great's",
)


def test_hostile_text_is_attacked_as_text():
    model = Counter({"great": 1.0, "warm": -1.0, "fine": 0.9, "!": 1.0})
    attack = robustness.attack(model, split([(text, 1) for text in HOSTILE]), WORDS, share=1.0)
    for one in attack.found:
        assert one.after[0].replace("warm", "great") == one.before[0], "nothing but the word has changed"
    assert {one.row for one in attack.found} >= {0, 1, 2, 3, 6} and 5 not in {one.row for one in attack.found}


# ---- the candidates of the real tasks ------------------------------------------------------------------------------


@cache
def real(name):
    return robustness.candidates(kd.load_task(name))


@pytest.mark.parametrize("name", ["reviews", "entail"])
def test_labels_of_real_rows_are_kept_by_rule_or_within_the_bound(name):
    task, found = kd.load_task(name), real(name)
    model = Bag(task.labels)
    attack = robustness.attack(model, task["test"], found, limit=90, share=0.5)
    assert attack.found and {one.kept for one in attack.found} <= {"rule", "bound"}
    for one in attack.found:
        if len(swaps.words(one.before)) != len(swaps.words(one.after)):
            continue  # "slightly" may become "a bit"
        old, new = swaps.words(one.before), swaps.words(one.after)
        renaming = {a: b for a, b in zip(old, new, strict=True) if a != b and {a, b} != {"a", "an"}}
        assert len(set(renaming.values())) == len(renaming), "different words stay different"
        steps = [r for word in renaming for r, _ in found.renamings(word)]
        assert all(any(r.get(a) == b for r in steps) for a, b in renaming.items())
        rule = all(any(r.get(a) == b for r in found.rule.get(a, ())) for a, b in renaming.items())
        assert rule == (one.kept == "rule")
        if one.kept == "bound":
            assert found.similarity(one.before, one.after) >= found.meaning
            assert not {
                b for a, b in renaming.items() if not any(r.get(a) == b for r in found.rule.get(a, ()))
            } & swaps.known(name)
    assert robustness.attack(model, task["test"], found, limit=90, share=0.5) == attack


def test_neighbours_are_near_in_the_word_table_and_never_read_by_a_rule():
    teacher, found = kd.load_teacher("minilm"), real("reviews")
    near = robustness.neighbours(teacher, ["movie", "soup", "mind-numbing"], most=3, like=0.4)
    table = torch.nn.functional.normalize(teacher.network.embedding.weight.detach(), dim=-1)
    index = teacher.tokenizer.convert_tokens_to_ids
    for word, others in near.items():
        cosines = [float(table[index(word)] @ table[index(other)]) for other, _ in others]
        assert cosines == pytest.approx([cosine for _, cosine in others]) and cosines == sorted(cosines, reverse=True)
        assert all(cosine >= 0.4 and other[:3] != word[:3] for (other, cosine) in others)
    assert [len(near[word]) for word in ("movie", "mind-numbing")] == [3, 0]
    written = {new for renamings in found.bound.values() for renaming in renamings for new in renaming.values()}
    assert written and not written & swaps.known("reviews") and set(found.bound) <= swaps.unread("reviews")


def test_a_task_of_ones_own_has_neighbours_only_and_keeps_its_function_words():
    found = robustness.candidates(tiny.task(), most=2, like=0.4)
    assert found.rule == {} and {"film", "song"} <= set(found.bound)
    assert not {"the", "not", "but", "and", "would", "twice"} & {w for w, r in found.bound.items()}


def test_what_cannot_be_attacked_is_refused():
    model = Counter({"great": 1.0})
    with pytest.raises(ValueError, match="1 of 2 rows have no label"):
        robustness.attack(model, split([("a", 0), ("b", -100)]), WORDS)
    with pytest.raises(ValueError, match="share=0"):
        robustness.attack(model, split([("a", 0)]), WORDS, share=0)
    with pytest.raises(ValueError, match="none of these 1 rows"):
        robustness.accuracy(model, split([("a", -100)]))
    with pytest.raises(ValueError, match="like=0"):
        robustness.neighbours(tiny.student(), ["film"], like=0)

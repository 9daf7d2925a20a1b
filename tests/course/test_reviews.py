"""Reviews are judged by the rules that wrote them: each embedded one has its own stars, and a word amiss is found."""

from __future__ import annotations

import random

import pytest

import kdviz as kd
from data.make import rules
from kdviz.course import reviews
from kdviz.course.reviews import Judged, following, judge, vocabulary, words
from kdviz.paths import data_dir


@pytest.fixture(scope="module")
def task():
    return kd.load_task("reviews")


def test_the_rules_are_what_the_grammar_says():
    assert (data_dir() / "reviews" / "rules.json").read_bytes() == rules.content()


def test_the_script_writes_the_rules(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KDVIZ_DATA", str(tmp_path))
    (tmp_path / "reviews").mkdir()
    rules.main([])
    assert (tmp_path / "reviews" / "rules.json").read_bytes() == rules.content()
    assert "reviews/rules.json" in capsys.readouterr().out


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_every_embedded_review_is_valid_and_has_its_own_stars(task, split):
    rows = task[split][:]
    assert [judge(text) for text in rows["text"]] == [Judged(label + 1, None, "") for label in rows["label"]]


def test_texts_of_other_words_are_no_reviews(task):
    assert all(judge(text).stars is None for text in task["ood_lexicon"]["text"][:100])
    assert all(judge(text).stars is None for text in task["ood_natural"]["text"][:100])


@pytest.mark.parametrize(
    ("text", "stars"),
    [
        ("The plot is dull, but the acting is anything but wooden.", 5),
        ("the plot is dull , but the acting is anything but wooden .", 5),
        ("The soup isn't superb, although we found a cockroach in the salad.", 3),
        ("The plot is nice and the jokes are thin in equal measure.", 3),
        ("It is a film about a nasty divorce, and the cast is charming.", 4),
        ("I walked out after twenty minutes.", 1),
        ("The plot is in another league from the trailer. The film is superb.", 5),
    ],
)
def test_stars_are_those_of_the_clause_that_counts(text, stars):
    assert judge(text) == Judged(stars, None, "")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("The plot is dull, but the soup is delicious.", "soup"),  # another domain
        ("The jokes is thin.", "is"),
        ("The acting is delicious.", "delicious"),  # does not suit what is judged
        ("The plot is dull, but the plot is clever.", "plot"),  # the same twice
        ("The plot is dull, but the acting is wooden.", "wooden"),  # both of one value
        ("The plot is nice and the acting is dreadful in equal measure.", "dreadful"),  # not equally strong
        ("The plot is not clever and the cast is lively.", "."),  # "in equal measure" would be right
        ("The plot is very superb.", "superb"),
        ("My aunt says that I find the plot dull.", "i"),  # a quoted clause does not mention its speaker
        ("It is an film about a brutal war, and the cast is charming.", "film"),
        ("Great!", "great"),
        ("★★★ I walked out after twenty minutes.", "★"),
    ],
)
def test_the_first_word_that_fits_no_review_is_found(text, word):
    judged = judge(text)
    assert judged.stars is None and words(text)[judged.wrong] == word and f"{word!r}" in judged.reason
    before = " ".join(words(text)[: judged.wrong])
    assert following(before) and word not in following(before)


def test_a_text_that_stops_too_early_or_goes_on_too_long_is_none():
    assert judge("") == Judged(None, 0, "stops after ''")
    assert judge("The plot is clever.") == Judged(None, 5, "stops after 'plot is clever .'")  # one plain clause
    assert judge("I walked out after twenty minutes") == Judged(None, 6, "stops after 'out after twenty minutes'")
    longer = judge("I walked out after twenty minutes. .")
    assert longer.wrong == 7 and longer.reason == "word 8, '.', does not fit after 'after twenty minutes .'"


def test_what_may_follow_always_leads_to_a_review():
    """Walks that take any word that fits end in valid reviews: no prefix is kept that leads nowhere."""
    draw, lengths, stars = random.Random(0), [], set()
    for _ in range(20):
        text = ""
        while choices := sorted(following(text)):
            text += f" {draw.choice(choices)}"
            if judge(text).stars is not None and draw.random() < 0.5:
                break
        stars.add(judge(text).stars)
        lengths.append(len(words(text)))
    assert None not in stars and len(stars) > 2 and max(lengths) < 50


def _without_a_word(read, draw):
    place = draw.randrange(len(read))
    return read[:place] + read[place + 1 :]


def _two_swapped(read, draw):
    place = draw.choice([place for place in range(len(read) - 1) if read[place] != read[place + 1]])
    return [*read[:place], read[place + 1], read[place], *read[place + 2 :]]


def _another_word(read, draw):
    place = draw.randrange(len(read))
    other = draw.choice([word for word in vocabulary() if word != read[place]])
    return [*read[:place], other, *read[place + 1 :]]


@pytest.mark.parametrize(("change", "least"), [(_without_a_word, 0.9), (_two_swapped, 0.97), (_another_word, 0.97)])
def test_changed_reviews_are_mostly_invalid(task, change, least):
    draw, texts = random.Random(1), task["dev"]["text"][:200]
    invalid = [judge(" ".join(change(words(text), draw))).stars is None for text in texts]
    assert sum(invalid) / len(texts) > least


def test_missing_and_damaged_rules_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("KDVIZ_DATA", str(tmp_path))
    (tmp_path / "reviews").mkdir()
    reviews._rules.cache_clear()
    with pytest.raises(
        FileNotFoundError, match=r"rules\.json is missing; restore it with: git checkout -- data/reviews"
    ):
        reviews._rules()
    (tmp_path / "reviews" / "rules.json").write_text("{")
    with pytest.raises(ValueError, match=r"rules\.json is damaged"):
        reviews._rules()
    monkeypatch.undo()
    reviews._rules.cache_clear()

from __future__ import annotations

import random
from collections import Counter

import datasets
import pytest

import kdviz as kd
from data.make.grammar import reviews_lexicon
from kdviz.data import augment

HOSTILE = "</script><img src=x> [MASK] [SEP] &amp; \u202eevil a\x00b <b>bold</b> שלום"
KNOWN = {"good": ("nice", "excellent"), "film": ("movie",)}


def test_synonyms_have_the_value_of_their_word_in_every_class():
    values = {}
    for kind in reviews_lexicon.MAIN["opinions"].values():
        for value, words in kind.items():
            for word in words.split():
                values.setdefault(word, set()).add(value)
    known = augment.synonyms()
    opinions = {word: others for word, others in known.items() if word in values}
    assert len(opinions) > 100
    for word, others in opinions.items():
        assert others and word not in others
        assert {value for other in others for value in values[other]} == values[word]
        assert len(values[word]) == 1
    assert "movie" in known["film"] and "extremely" in known["really"]


def test_words_held_out_for_ood_are_never_written():
    held = {
        word
        for kind in reviews_lexicon.HELD_OUT["opinions"].values()
        for words in kind.values()
        for word in words.split()
    }
    assert held and not held & ({*augment.synonyms()} | {w for others in augment.synonyms().values() for w in others})


def test_a_word_is_put_in_with_its_capital_and_its_article():
    text = "Good food, a good film."
    assert augment.put(text, (0, 4), "excellent") == "Excellent food, a good film."
    assert augment.put(text, (13, 17), "excellent") == "Good food, an excellent film."
    assert augment.put("An excellent film", (3, 12), "good") == "A good film"
    assert augment.put("banana good", (7, 11), "excellent") == "banana excellent", "an article is a word of its own"


def test_replacing_changes_only_words_that_have_synonyms():
    for seed in range(20):
        new = augment.replace_words("The good film was a good idea.", random.Random(seed), share=1.0, known=KNOWN)
        assert new in {
            f"The {a} movie was {b} idea." for a in ("nice", "excellent") for b in ("a nice", "an excellent")
        }
    one = augment.replace_words("The good film was a good idea.", random.Random(0), share=0.01, known=KNOWN)
    assert sum(a != b for a, b in zip(one.replace("an ", "a ").split(), "The good film was a good idea.".split())) == 1
    assert augment.replace_words("nothing here", random.Random(0), known=KNOWN) is None


def test_deleting_leaves_the_other_words_in_order():
    text = "The plot is thin, but the acting is not bad at all."
    for seed in range(20):
        new = augment.delete_words(text, random.Random(seed), share=0.3)
        left = [new[slice(*s)] for s in augment.spans(new)]
        whole = iter([text[slice(*s)] for s in augment.spans(text)])
        assert len(left) == 11 - 3 + 1 - 1 and all(word in whole for word in left)
        assert "  " not in new and " ," not in new and " ." not in new
    assert augment.delete_words("word", random.Random(0)) == "word"


def test_a_pool_is_ordered_by_source_and_decided_by_its_seed():
    rows = datasets.Dataset.from_dict(
        {"text": ["A good film.", "nothing to replace here", "A good film."], "label": [1, 0, 1]}
    )
    made = augment.pool(rows, 4, seed=1, known=KNOWN)
    assert made["source"][:] == [0] * 4 + [1] * 4 + [2] * 4 and made.column_names == ["text", "source", "operation"]
    assert Counter(made["operation"][:4]) == {"synonyms": 2, "deletion": 2}
    assert set(made["operation"][4:8]) == {"deletion"}
    assert made["text"][:4] == made["text"][8:], "equal texts, equal copies"
    assert made["text"][:] == augment.pool(rows, 4, seed=1, known=KNOWN)["text"][:]
    assert made["text"][:] != augment.pool(rows, 4, seed=2, known=KNOWN)["text"][:]
    assert not set(made["text"][:]) & set(rows["text"][:])


def test_pairs_and_the_embedded_reviews():
    pair = datasets.Dataset.from_dict({"text": ["a good film"], "text_b": ["it was here"], "label": [0]})
    made = augment.pool(pair, 2, known=KNOWN)
    assert (
        made["text_b"][0] == "it was here" and made["text_b"][1] != "it was here" and made["text"][0] != "a good film"
    )
    train = kd.load_task("reviews")["train"].select(range(200))
    made = augment.pool(train, 4)
    changed = sum(made["text"][i] != train["text"][i // 4] for i in range(800))
    assert changed > 780
    with pytest.raises(ValueError, match="size=0"):
        augment.pool(train, 0)


# mask-and-reconstruct ----------------------------------------------------------------------------------------------


def echo(texts, places, seeds):
    """A model that writes x, numbered by its place, and tells what it was asked."""
    return [[f"x{k}" for k in range(len(here))] for here in places]


def rngs(count, seed=0):
    return [random.Random(seed + k) for k in range(count)]


def test_reconstruction_writes_only_at_hidden_words():
    texts = ["The plot  is thin,\tbut the acting isn't bad at all!", HOSTILE, "One", "", "?!"]
    asked = {}

    def fill(texts, places, seeds):
        asked.update(texts=list(texts), places=places, seeds=seeds)
        return echo(texts, places, seeds)

    made = augment.reconstruct(texts, fill, rngs(5), share=0.3)
    assert len(set(asked["seeds"])) == 5, "every text draws by a seed of its own"
    assert asked["texts"] == texts and len(asked["places"][0]) == round(0.3 * 10) and len(asked["places"][2]) == 1
    for text, new, places in zip(texts, made, asked["places"]):
        assert set(places) <= set(augment.spans(text))
        expected, done = "", 0
        for k, (start, end) in enumerate(places):
            expected += text[done:start] + ("X" if text[start].isupper() else "x") + str(k)
            done = end
        assert new == expected + text[done:]
    assert made[3:] == ["", "?!"], "nothing to hide, nothing changed"
    assert (
        augment.reconstruct(texts, echo, rngs(5), share=0.3)
        == made
        != augment.reconstruct(texts, echo, rngs(5, 9), share=0.3)
    )


def test_a_pool_with_a_masked_word_model_has_three_kinds_of_copies():
    rows = datasets.Dataset.from_dict({"text": ["a good film that I liked", "it was here"], "label": [0, 1]})
    made = augment.pool(rows, 6, known=KNOWN, fill=echo)
    assert made["operation"][:6] == ["synonyms"] * 2 + ["deletion"] * 2 + ["reconstruction"] * 2
    plain = augment.pool(rows, 6, known=KNOWN)
    assert made["text"][:2] == plain["text"][:2], "the other kinds stay what they are"
    assert (
        all("x0" in text for text in (*made["text"][4:6], *made["text"][10:12]))
        and made["source"][:] == [0] * 6 + [1] * 6
    )
    pair = datasets.Dataset.from_dict({"text": ["a good film"], "text_b": ["it was here"]})
    both = augment.pool(pair, 3, known=KNOWN, fill=echo)
    assert "x0" in both["text"][2] and "x0" in both["text_b"][2]

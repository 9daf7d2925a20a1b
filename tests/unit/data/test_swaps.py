"""What the grammars vouch for: exchanged words are what the grammar itself would have written, under the same label."""

from __future__ import annotations

import random
import re

import pytest

import kdviz as kd
from data.make.grammar import entail, entail_lexicon, entail_rules
from kdviz.data import augment, swaps

RENAMINGS = sorted({tuple(sorted(r.items())) for found in swaps.by_rule("entail").values() for r in found})


def exchanged(node, renaming):
    """The lexicon with the words of a renaming and their new forms in each other's place."""
    if isinstance(node, str):
        both = dict(renaming) | {new: old for old, new in renaming.items()}
        swap = lambda m: (lambda new: new.capitalize() if m[0][0].isupper() else new)(
            both.get(m[0].lower(), m[0].lower())
        )  # noqa: E731
        return re.sub(augment.WORD, lambda m: swap(m) if m[0].lower() in both else m[0], node)
    if isinstance(node, dict):
        return {key: exchanged(value, renaming) for key, value in node.items()}
    return type(node)(exchanged(value, renaming) for value in node)


def test_a_renamed_pair_is_what_the_grammar_writes_with_the_other_word_under_the_same_label():
    """The same dice on a lexicon in which two words have changed places give the renamed pair, and the same label."""
    checked = 0
    for number, renaming in enumerate(RENAMINGS[::4]):
        renaming = dict(renaming)
        other = exchanged(entail_lexicon.MAIN, renaming)
        for phenomenon in entail.SHARES:
            for label in range(3):
                seed = f"{number} {phenomenon} {label}"
                old, new = (
                    entail_rules.Grammar(lexicon, random.Random(seed)).pair(phenomenon, label)
                    for lexicon in (entail_lexicon.MAIN, other)
                )
                here = set(swaps.words(old[:2]))
                if not here & set(renaming) or here & set(renaming.values()):
                    continue
                assert swaps.rename(old[:2], renaming) == new[:2], (renaming, old)
                assert swaps.rename(old[2:], renaming) == new[2:], "made by the same rules"
                checked += 1
    assert checked > 100


def test_renamings_never_mix_two_words():
    for word, renamings in swaps.by_rule("entail").items():
        for renaming in renamings:
            assert word in renaming and not set(renaming.values()) & set(renaming), renaming
            assert {"sang", "sung", "drew", "drawn"}.isdisjoint(renaming.values()), (
                "danced would have to become sang and sung"
            )
    assert "saw" not in swaps.by_rule("entail"), "two phenomena draw it"
    assert "old" not in swaps.by_rule("entail"), "it is also a degree"
    assert {"guests": "players", "guest": "player"} in swaps.by_rule("entail")["guest"]
    assert not any("dog" in renaming for renamings in swaps.by_rule("entail").values() for renaming in renamings)


def test_every_occurrence_in_both_texts_changes_at_once_and_articles_agree():
    row = ("Ana drew an owl; ana's OWL slept.", "An owl was drawn by Ana.")
    assert swaps.rename(row, {"owl": "sparrow"}) == (
        "Ana drew a sparrow; ana's Sparrow slept.",
        "A sparrow was drawn by Ana.",
    )
    assert swaps.rename(row, {"ana": "ben"})[1] == "An owl was drawn by Ben."
    assert swaps.rename(("a", "b"), {"a": "b", "b": "a"}) == ("b", "a")
    assert swaps.delete(("The film, the FILM is film-like.",), "film") == ("The , the is film-like.",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!!!",
        "<script>owl</script> &amp; owl",
        "owl\x00owl",
        "\u202eowl",
        "owl 👩‍👩‍👧 ΟWL owl",
        "$owl$ %{owl} owl's",
        "owl " * 500,
    ],
)
def test_hostile_text_keeps_all_but_the_word(text):
    (new,) = swaps.rename((text,), {"owl": "bee"})
    assert len(swaps.words((new,))) == len(swaps.words((text,)))
    assert re.sub("bee|owl", "#", new) == re.sub("bee|owl", "#", text)
    assert "owl" not in swaps.words((new,))
    assert "owl" not in swaps.words(swaps.delete((text,), "owl"))


def test_reviews_take_the_synonyms_and_tasks_of_ones_own_have_no_rule():
    rules = swaps.by_rule("reviews")
    assert {"clever": "witty"} not in rules["clever"] and {"clever": "engaging"} in rules["clever"]
    assert swaps.by_rule("mine") == {} and swaps.unread("mine") == frozenset() == swaps.known("mine")


@pytest.mark.parametrize("task", ["reviews", "entail"])
def test_no_rule_reads_an_open_word(task):
    open_, rows = swaps.unread(task), kd.load_task(task)["test"]
    assert open_ <= swaps.known(task)
    if task == "reviews":
        judged = {word for text in rows["polarity_words"][:] for word in text.split()}
        told = {
            w
            for text, rules in zip(rows["text"][:], rows["rules"][:])
            if rules == "implicit"
            for w in swaps.words((text,))
        }
        assert not open_ & judged and not open_ & told
        assert {"plot", "aunt", "soup"} <= open_ and not {"not", "but", "very", "book"} & open_
    else:
        assert {"ana", "nurse", "lamp"} & open_ and not {"spaniel", "dog", "visited", "most", "not"} & open_

"""The embedded tasks: the committed files are what the grammar writes, and their labels are what the sentences say."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

import pyarrow.parquet as pq
import pytest

from data.make.grammar import common, datasheet, entail, entail_rules, reviews
from data.make.grammar.__main__ import main as write_task
from data.make.grammar.entail_lexicon import HELD_OUT as ENTAIL_HELD_OUT, MAIN as ENTAIL_MAIN
from data.make.grammar.reviews_lexicon import HELD_OUT, MAIN

TASKS = {"reviews": reviews, "entail": entail}
LABELLED = [s for s in common.SPLITS if s != "transfer"]


def rows_of(task: str, split: str) -> list[dict]:
    return pq.read_table(common.default_folder(task) / f"{split}.parquet").to_pylist()


@pytest.fixture(scope="module")
def data() -> dict[str, dict[str, list[dict]]]:
    return {task: {split: rows_of(task, split) for split in common.SPLITS} for task in TASKS}


def readings(row: dict) -> tuple[str, ...]:
    return (row["text"], row["text_b"]) if "text_b" in row else (row["text"],)


# ---- files -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("task", TASKS)
def test_committed_files_are_what_the_generator_writes(task, data, tmp_path, capsys):
    write_task([task, "--out", str(tmp_path)])
    for split in common.SPLITS:
        assert pq.read_table(tmp_path / f"{split}.parquet").to_pylist() == data[task][split], split
    assert not list(tmp_path.glob("*.tmp")) and "transfer" in capsys.readouterr().out


@pytest.mark.parametrize("task", TASKS)
def test_schema_sizes_and_labels(task, data):
    folder, grammar = common.default_folder(task), TASKS[task]
    assert sum(p.stat().st_size for p in folder.glob("*.parquet")) < 1_000_000
    least = {
        "train": 1500,
        "transfer": 8000,
        "dev": 1000,
        "test": 2000,
        "ood_lexicon": 1000,
        "ood_natural": 300,
        "adversarial": 600,
    }
    for split, rows in data[task].items():
        assert pq.read_schema(folder / f"{split}.parquet").equals(grammar.SCHEMA), split
        assert len(rows) >= least[split]
        shares = Counter(row["label"] for row in rows)
        if split == "transfer":
            assert set(shares) == {-100}
            continue
        assert set(shares) == set(range(len(grammar.LABELS)))
        if split != "adversarial":
            assert all(abs(n / len(rows) - 1 / len(grammar.LABELS)) <= 0.05 for n in shares.values()), (split, shares)
    ids = [row["id"] for rows in data[task].values() for row in rows]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("task", TASKS)
def test_no_text_occurs_twice_within_or_across_splits(task, data):
    keys = [" | ".join(common.normalise(t) for t in readings(row)) for rows in data[task].values() for row in rows]
    assert [key for key, n in Counter(keys).items() if n > 1] == []


@pytest.mark.parametrize("task", TASKS)
def test_texts_are_clean_english_sentences(task, data):
    for split, rows in data[task].items():
        for text in (t for row in rows for t in readings(row)):
            assert text == text.strip() and "  " not in text and not re.search(r"[{}_\t\n]", text), text
            assert text[0].isupper() or text[0].isdigit(), text
            assert text[-1] in ".!?", text
            assert not re.search(r"\ba [aeiou]", text) or split == "ood_natural", text
            assert len(text.split()) <= 40, text


# ---- held-out words --------------------------------------------------------------------------------------------------
def lexicon_words(lexicon) -> set[str]:
    """All words of a (nested) lexicon."""
    if isinstance(lexicon, str):
        return set(common.words(lexicon))
    values = lexicon.values() if isinstance(lexicon, dict) else lexicon if isinstance(lexicon, (list, tuple)) else ()
    return set().union(*map(lexicon_words, values)) if values else set()


def text_words(rows) -> set[str]:
    return {w for row in rows for t in readings(row) for w in common.words(t)}


# Closed-class words that the lexicons need inside a phrase ("the left" and "close to" are relations, not content).
SMALL = set(
    "a an the my our of on in at to for with by that than it its one they their is was are any close left "
    "didn't".split()
)


@pytest.mark.parametrize(
    "task, held_out, main",
    [
        ("reviews", {k: HELD_OUT[k] for k in ("opinions", "domains", "people")}, {k: MAIN[k] for k in ("opinions",)}),
        ("entail", ENTAIL_HELD_OUT, ENTAIL_MAIN),
    ],
)
def test_ood_lexicon_shares_no_content_word_with_the_other_splits(task, held_out, main, data):
    seen = set().union(*(text_words(data[task][s]) for s in ("train", "transfer", "dev", "test", "adversarial")))
    fresh = text_words(data[task]["ood_lexicon"])
    assert lexicon_words(held_out) & seen <= SMALL
    assert lexicon_words(main) & fresh <= SMALL
    assert len(lexicon_words(held_out) & fresh) > 60  # the split does use the held-out words


def test_ood_lexicon_opinion_words_are_all_held_out(data):
    known = lexicon_words(HELD_OUT["opinions"])
    used = {w for row in data["reviews"]["ood_lexicon"] for w in row["polarity_words"].split()}
    assert used and used <= known


# ---- the labels of reviews, read by a second reader that knows only the README ---------------------------------------
VALUE = {
    word: value for by_value in MAIN["opinions"].values() for value, words in by_value.items() for word in words.split()
}


def clause_value(text: str) -> int:
    """The value of a clause with one opinion word, by pattern."""
    word = next(w for w in common.words(text) if w in VALUE)
    value, low = VALUE[word], text.lower()
    before = low.split(word)[0]
    if re.search(r"anything but|there is nothing|not remotely", before) or re.search(
        r"not \S+ (at all|in the least)", low
    ):
        return {1: -2, -1: 2, 2: -1, -2: 1}[value]
    if re.search(r"\bnot\b|n't\b|\bhardly\b", before):
        return {1: -1, -1: 1, 2: 0, -2: 0}[value]
    if re.search(
        r"\b(very|really|extremely|incredibly|remarkably|thoroughly|absolutely|utterly|simply|truly|completely) $",
        before,
    ):
        return max(-2, min(2, 2 * value))
    if re.search(r"\b(mildly|fairly|moderately|slightly|somewhat|a bit|a little|almost|nearly|borderline) $", before):
        return value - (value > 0) + (value < 0)
    return value


def counting_clause(text: str, phenomenon: str) -> str | None:
    """The clause that counts in a two-clause review; None where a pattern cannot tell."""
    low = text.rstrip(".")
    patterns = {
        "contrast": r"(?:.*)(?:(?<!anything) but |, yet |; however, |\. Still, |But in the end what matters is that )"
        r"(.*)",
        "concession": r"(?:Although|Even though|Despite the fact that) [^,]*, (.*)|"
        r"(.*), (?:although|even though|even if|despite the fact that) .*",
        "attribution": r"In my view, (.*), whatever .*|.*In my view, (.*)|.*I disagree: (.*)|(.*?)\. .* claims that .*",
        "time": r".*; today (.*)|Today (.*);.*|.*I take it back: (.*)|.*and then you see that (.*)",
        "expectation": r".*(?:In fact|In truth|Instead), (.*)|(.*?)\. (?:I had expected|Going by).*",
    }
    found = re.fullmatch(patterns[phenomenon], low)
    return next((g for g in found.groups() if g), None) if found else None


def test_one_clause_reviews_have_the_stars_that_their_rule_gives(data):
    read = 0
    for row in data["reviews"]["test"] + data["reviews"]["train"]:
        if row["phenomenon"] in ("negation", "intensity"):
            assert clause_value(row["text"]) + 2 == row["label"], row
            read += 1
    assert read > 500


def test_two_clause_reviews_have_the_stars_of_the_clause_that_counts(data):
    read = Counter()
    for row in data["reviews"]["test"]:
        if (
            row["phenomenon"] in ("contrast", "concession", "attribution", "time", "expectation")
            and "implicit" not in row["rules"]
        ):
            clause = counting_clause(row["text"], row["phenomenon"])
            assert clause is not None, row
            assert clause_value(clause) + 2 == row["label"], (row, clause)
            read[row["phenomenon"]] += 1
    assert len(read) == 5 and min(read.values()) >= 50, read


def test_mixed_reviews_have_three_stars_and_implicit_clauses_those_of_the_lexicon(data):
    rows = data["reviews"]["train"] + data["reviews"]["test"]
    assert {row["label"] for row in rows if row["phenomenon"] == "mixed"} == {2}
    value = {text: v for domain in MAIN["implicit"].values() for v, texts in domain.items() for text in texts}
    alone = [row for row in rows if row["rules"] == "implicit"]
    assert len(alone) > 50
    for row in alone:
        text = row["text"].rstrip(".")
        assert (value.get(text, value.get(text[0].lower() + text[1:]))) == row["label"] - 2, row


def test_adversarial_pairs_share_their_words_and_differ_in_stars(data):
    pairs: dict[str, list[dict]] = {}
    for row in data["reviews"]["adversarial"]:
        pairs.setdefault(row["pair"], []).append(row)
    sizes = Counter(len(rows) for rows in pairs.values())
    assert set(sizes) == {1, 2, 3} and sizes[2] >= 200
    for rows in pairs.values():
        assert len({row["label"] for row in rows}) == len(rows), rows
        assert len({frozenset(row["polarity_words"].split()) for row in rows}) == 1, rows


# ---- the labels of entail --------------------------------------------------------------------------------------------
def test_known_inferences_have_their_labels(data):
    expected = {
        "all>some": 0,
        "all>most": 0,
        "most>some": 0,
        "no>not all": 0,
        "some>all": 1,
        "most>all": 1,
        "not all>no": 1,
        "some>not all": 1,
        "all>no": 2,
        "no>some": 2,
        "not all>all": 2,
        "and>or": 0,
        "or>and": 1,
        "neither>or": 2,
        "managed>did": 0,
        "forgot>did": 2,
        "planned>did": 1,
        "knows>fact": 0,
        "wrongly thinks>fact": 2,
        "says>not fact": 1,
    }
    seen = Counter()
    for row in data["entail"]["train"] + data["entail"]["test"] + data["entail"]["dev"]:
        if row["rules"] in expected:
            assert row["label"] == expected[row["rules"]], row
            seen[row["rules"]] += 1
    assert set(seen) == set(expected)


def test_numbers_are_right_by_counting(data):
    number = {word: n for n, word in enumerate(entail_rules.NUMBERS)}
    compare = {
        "exactly": int.__eq__,
        "more than": int.__gt__,
        "fewer than": int.__lt__,
        "at least": int.__ge__,
        "at most": int.__le__,
    }

    def true_for(text):
        how, n = re.search(r"(exactly|more than|fewer than|at least|at most) (\w+)", text).groups()
        return {k for k in range(40) if compare[how](k, number[n])}

    rows = [row for row in data["entail"]["test"] if row["phenomenon"] == "number"]
    assert len(rows) > 40
    for row in rows:
        p, h = true_for(row["text"]), true_for(row["text_b"])
        assert row["label"] == (0 if p <= h else 1 if p & h else 2), row


def test_roles_are_right_by_parsing(data):
    """Who did it to whom, read from active and passive sentences (those without "not" and "each other")."""

    def who(text):
        passive = re.fullmatch(r"The (\S+) was \S+ by the (\S+)\.", text)
        active = re.fullmatch(r"The (\S+) \S+ the (\S+)\.", text)
        return (passive[2], passive[1]) if passive else (active[1], active[2]) if active else None

    read = 0
    for row in data["entail"]["test"] + data["entail"]["train"] + data["entail"]["dev"]:
        p, h = (who(row[c]) for c in ("text", "text_b")) if row["phenomenon"] == "roles" else (None, None)
        if p and h:
            assert row["label"] == (0 if p == h else 1), row
            read += 1
    assert read > 60


def test_relation_of_worlds():
    assert entail_rules.relation(frozenset({1}), frozenset({1, 2})) == 0
    assert entail_rules.relation(frozenset({1, 2}), frozenset({1})) == 1
    assert entail_rules.relation(frozenset({1}), frozenset({2})) == 2


def test_traps_repeat_every_word_of_the_hypothesis(data):
    for row in data["entail"]["adversarial"]:
        premise = set(common.words(row["text"].replace("seen", "saw")))
        assert set(common.words(row["text_b"])) <= premise, row


def test_hand_written_pairs_come_as_one_hypothesis_of_every_label(data):
    premises: dict[str, set] = {}
    for row in data["entail"]["ood_natural"]:
        premises.setdefault(row["text"], set()).add(row["label"])
    assert len(premises) >= 100 and all(labels == {0, 1, 2} for labels in premises.values())


# ---- difficulty, by the models that take no time ---------------------------------------------------------------------
def score(predicted, split) -> float:
    return sum(int(p == row["label"]) for p, row in zip(predicted, split)) / len(split)


def test_word_counts_do_not_solve_the_tasks(data):
    folders = {task: datasheet.read(common.default_folder(task)) for task in TASKS}
    counted = datasheet.bag_of_words(folders["reviews"], ("text",))
    assert 0.40 < score(counted["dev"], data["reviews"]["dev"]) < 0.65  # chance is 0.2: it does learn something
    alone = datasheet.bag_of_words(folders["entail"], ("text_b",))
    assert 0.25 < score(alone["dev"], data["entail"]["dev"]) < 0.42  # chance is 0.333, and no better
    both = datasheet.bag_of_words(folders["entail"], ("text", "text_b"))
    assert 0.45 < score(both["dev"], data["entail"]["dev"]) < 0.65


# ---- datasheets and errors -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("task", TASKS)
def test_datasheet_describes_the_files_that_are_here(task, data):
    text = (common.default_folder(task) / "README.md").read_text(encoding="utf-8")
    measured = text.split(datasheet.BEGIN)[1].split(datasheet.END)[0]
    for split, rows in data[task].items():
        assert f"| {split} | {len(rows):,} |" in measured, split
    assert "**0** (none)" in measured and "MiniLM fine-tuned" in measured


def test_overlaps_are_counted():
    splits = {
        "train": {"text": ["It is good.", "It is bad."]},
        "test": {"text": ["it is GOOD"]},
        "dev": {"text": ["no"]},
    }
    assert datasheet.overlaps(splits) == {pair: int(set(pair) == {"train", "test"}) for pair in combinations(splits, 2)}


def test_readme_is_updated_between_its_markers_only(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{datasheet.BEGIN}\nold\n{datasheet.END}\nafter\n")
    datasheet.update_readme(path, "new")
    assert path.read_text() == f"before\n{datasheet.BEGIN}\nnew\n{datasheet.END}\nafter\n"
    path.write_text("no markers")
    with pytest.raises(ValueError, match="expected the markers"):
        datasheet.update_readme(path, "new")


def test_hand_written_table_errors_name_the_line(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("# note\nstars\ttext\n5\tfine\n4 no tab\n")
    with pytest.raises(ValueError, match=r"t\.tsv line 4: 1 cells, expected 2"):
        common.read_tsv(path, ("stars", "text"))
    path.write_text("star\ttext\n")
    with pytest.raises(ValueError, match="line 1: header"):
        common.read_tsv(path, ("stars", "text"))


def test_an_exhausted_grammar_says_so():
    with pytest.raises(RuntimeError, match="row 1 of 2.*lexicon is too small"):
        common.fill(2, lambda i: {"text": "always the same"}, common.Unique())

"""The entail grammar: pairs of sentences whose label is computed from what the sentences mean.

Every phenomenon has a few *possible worlds* and a list of statements, each with the set of worlds in which it is true.
With P the worlds of the premise and H those of the hypothesis:
    entailment      P is a subset of H      (whenever the premise is true, the hypothesis is)
    contradiction   P and H are disjoint    (they are never true together)
    neutral         anything else
The hypothesis is drawn first, from those for which all three labels have a premise, and the premise for the wanted
label afterwards: so the hypothesis alone says nothing about the label.
"""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import pyarrow as pa

from . import common
from .common import article, sentence
from .entail_lexicon import HELD_OUT, MAIN

LABELS = ("entailment", "neutral", "contradiction")
SEED = 20211110
SIZES = {"train": 2000, "transfer": 8000, "dev": 1000, "test": 2000, "ood_lexicon": 1000, "adversarial": 720}
SCHEMA = pa.schema([
    ("id", pa.string()), ("text", pa.string()), ("text_b", pa.string()), ("label", pa.int64()),
    ("phenomenon", pa.string()), ("rules", pa.string()),  # premise statement > hypothesis statement: "all>some"
])
SHARES = {"hypernym": 14, "modifier": 8, "quantifier": 14, "number": 4, "roles": 12, "implicative": 13, "scale": 13,
          "temporal": 6, "comparison": 6, "spatial": 6, "coordination": 9, "belief": 5}
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()
BEFORE, SAME, AFTER = "<", "=", ">"

Statement = tuple[str, str, frozenset]   # what it says ("all"), its text, the worlds in which it is true


def relation(premise: frozenset, hypothesis: frozenset) -> int:
    """The label of a pair: 0 entailment, 1 neutral, 2 contradiction. Both sets must be non-empty."""
    if premise <= hypothesis:
        return 0
    return 1 if premise & hypothesis else 2


def choose_pair(statements: list[Statement], label: int, rng: random.Random) -> tuple[Statement, Statement]:
    """A premise and a hypothesis in that relation; the hypothesis is drawn without looking at the label."""
    for hypothesis in rng.sample(statements, len(statements)):
        premises = [[], [], []]
        for p in statements:
            if p[1] != hypothesis[1]:
                premises[relation(p[2], hypothesis[2])].append(p)
        if all(premises):
            return rng.choice(premises[label]), hypothesis
    raise ValueError(f"no hypothesis has premises of all three labels among {[s[1] for s in statements]}")


class Grammar:
    """One method a phenomenon: it draws words and returns the statements that can be made with them."""

    def __init__(self, lexicon: dict, rng: random.Random):
        self.lexicon, self.rng = lexicon, rng

    def some(self, key: str, count: int = 1):
        drawn = self.rng.sample(self.lexicon[key], count)
        return drawn if count > 1 else drawn[0]

    def _nested(self, subject, verb, levels: list[tuple[str, frozenset]]) -> list[Statement]:
        """"Ana drew a dog", "Ana did not draw any dog": worlds = which kinds she drew, narrow, sibling and other."""
        every = frozenset(product((0, 1), repeat=3))
        base, past, _ = verb
        statements = []
        for noun, kinds in levels:
            true = frozenset(w for w in every if any(w[k] for k in kinds))
            statements += [(noun, f"{subject} {past} {article(noun)}", true)]
            statements += [(f"no {noun}", text, every - true) for text in
                           (f"{subject} did not {base} any {noun}", f"{subject} never {past} {article(noun)}")]
        return statements

    def hypernym(self):
        narrow, sibling, wide, widest = self.some("chains")
        return self._nested(self.some("names"), self.some("chain_verbs"), [
            (narrow, {0}), (sibling, {1}), (wide, {0, 1}), (widest, {0, 1, 2})])

    def modifier(self):
        one, two = self.some("modifiers", 2)
        noun = self.some("people")
        return self._nested(self.some("names"), self.some("transitive"), [
            (f"{one} {noun}", {0}), (f"{two} {noun}", {1}), (noun, {0, 1}), ("person", {0, 1, 2})])

    def quantifier(self):
        (many, one), did = self.some("group"), self.some("group_did")
        worlds = {"all": {"all"}, "most": {"all", "most"}, "some": {"all", "most", "some"}, "no": {"no"},
                  "not all": {"most", "some", "no"}}
        forms = {"all": [f"all of the {many} {did}", f"every {one} {did}", f"each of the {many} {did}"],
                 "most": [f"most of the {many} {did}", f"the majority of the {many} {did}"],
                 "some": [f"some of the {many} {did}", f"at least one of the {many} {did}", f"a few of the {many} {did}"],
                 "no": [f"none of the {many} {did}", f"no {one} {did}", f"not a single {one} {did}"],
                 "not all": [f"not all of the {many} {did}", f"not every {one} {did}"]}
        return [(name, text, frozenset(worlds[name])) for name in forms for text in forms[name]]

    def number(self):
        who, did, what = self.some("names"), self.some("goods_verbs"), self.some("goods")
        start = self.rng.randint(2, 7)
        every = frozenset(range(0, 14))
        statements = []
        for n in range(start, start + 5):
            for name, worlds in (("exactly", {n}), ("more than", {w for w in every if w > n}), ("fewer than", {w for w in every if w < n}),
                                 ("at least", {w for w in every if w >= n}), ("at most", {w for w in every if w <= n})):
                statements.append((name, f"{who} {did} {name} {NUMBERS[n]} {what}", frozenset(worlds)))
        return statements

    def roles(self):
        a, b = self.some("people", 2)
        base, past, participle = self.some("transitive")
        every = frozenset(product((0, 1), repeat=2))     # did a do it to b? did b do it to a?
        statements = [("each other", f"the {a} and the {b} {past} each other", frozenset({(1, 1)}))]
        for x, y, k in ((a, b, 0), (b, a, 1)):
            did = frozenset(w for w in every if w[k])
            statements += [("active", f"the {x} {past} the {y}", did), ("passive", f"the {y} was {participle} by the {x}", did),
                           ("not active", f"the {x} did not {base} the {y}", every - did),
                           ("not passive", f"the {y} was not {participle} by the {x}", every - did)]
        return statements

    def implicative(self):
        who, (base, past, what) = self.some("names"), self.some("tasks")
        did, did_not = frozenset({1}), frozenset({0})
        statements = [("did", f"{who} {past} {what}", did), ("did not", f"{who} did not {base} {what}", did_not),
                      ("never did", f"{who} never {past} {what}", did_not)]
        for verbs, worlds, negated in (("managed/manage remembered/remember", did, did_not), ("failed/fail forgot/forget neglected/neglect", did_not, did),
                                       ("planned/plan wanted/want promised/promise hoped/hope", did | did_not, did | did_not)):
            for verb in verbs.split():
                past_form, base_form = verb.split("/")
                statements += [(past_form, f"{who} {past_form} to {base} {what}", worlds),
                               (f"not {base_form}", f"{who} did not {base_form} to {base} {what}", negated)]
        return statements

    def scale(self):
        strong, mild, other, other_strong, nouns = self.some("scales")
        noun, every = self.rng.choice(nouns.split()), frozenset(range(-2, 3))
        meaning = {strong: {2}, mild: {1, 2}, other: {-1, -2}, other_strong: {-2}}
        statements = []
        for word, worlds in meaning.items():
            statements += [(word, f"the {noun} is {word}", frozenset(worlds))]
            statements += [(f"not {word}", f"the {noun} is not {word}", every - worlds)] if word in (mild, other) else []
        return statements

    def _order(self, less, more, same, either) -> list[Statement]:
        """Statements about the order of two things; each argument lists texts, ``not`` forms come as pairs."""
        statements = []
        for name, texts, worlds in (("first", less, {BEFORE}), ("second", more, {AFTER}), ("same", same, {SAME}),
                                    ("either", either, {BEFORE, SAME, AFTER})):
            statements += [(name, text, frozenset(worlds)) for text in texts]
        return statements

    def temporal(self):
        a, b = self.some("names", 2)
        did = self.some("events")
        return self._order([f"{a} {did} before {b}", f"{b} {did} after {a}", f"{a} {did} earlier than {b}"],
                           [f"{b} {did} before {a}", f"{a} {did} after {b}", f"{a} {did} later than {b}"],
                           [f"{a} and {b} {did} at the same moment"], [f"{a} and {b} {did} on the same day", f"both {a} and {b} {did}"])

    def comparison(self):
        a, b = self.some("names", 2)
        more, less, plain = self.some("degrees")
        every = frozenset({BEFORE, SAME, AFTER})
        return self._order([f"{a} is {less} than {b}", f"{b} is {more} than {a}"], [f"{a} is {more} than {b}", f"{b} is {less} than {a}"],
                           [f"{a} and {b} are equally {plain}", f"{a} is exactly as {plain} as {b}"], []) + [
            ("not more", f"{a} is not {more} than {b}", every - {AFTER}), ("not more", f"{b} is not {more} than {a}", every - {BEFORE})]

    def spatial(self):
        a, b = self.some("things", 2)
        near, far, level = self.rng.choice([("to the left of", "to the right of", "straight above"), ("above", "below", "level with"),
                                            ("in front of", "behind", "level with")])
        return self._order([f"the {a} is {near} the {b}", f"the {b} is {far} the {a}"], [f"the {a} is {far} the {b}", f"the {b} is {near} the {a}"],
                           [f"the {a} is {level} the {b}"], [f"the {a} is close to the {b}", f"the {b} is not far from the {a}"])

    def coordination(self):
        a, b = self.some("names", 2)
        base, past, _ = self.some("intransitive")
        every = frozenset(product((0, 1), repeat=2))
        where = lambda test: frozenset(w for w in every if test(*w))   # noqa: E731
        return [("and", f"{a} and {b} {past}", where(lambda x, y: x and y)), ("both", f"both {a} and {b} {past}", where(lambda x, y: x and y)),
                ("or", f"{a} or {b} {past}", where(lambda x, y: x or y)), ("neither", f"neither {a} nor {b} {past}", where(lambda x, y: not x and not y)),
                ("but not", f"{a} {past} but {b} did not", where(lambda x, y: x and not y)), ("but not", f"{b} {past} but {a} did not", where(lambda x, y: y and not x)),
                ("one", f"{a} {past}", where(lambda x, y: x)), ("one", f"{b} {past}", where(lambda x, y: y)),
                ("not one", f"{a} did not {base}", where(lambda x, y: not x)), ("not one", f"{b} did not {base}", where(lambda x, y: not y))]

    def belief(self):
        who, other, fact = *self.some("names", 2), self.some("reports")
        true, false = frozenset({1}), frozenset({0})
        opposite = fact.replace(" is ", " is not ")
        statements = [("fact", fact, true), ("not fact", opposite, false)]
        for verb, worlds in (("knows", true), ("has noticed", true), ("wrongly thinks", false), ("pretends", false), ("says", true | false),
                             ("hopes", true | false)):
            statements.append((verb, f"{who} {verb} that {fact}", worlds))
            statements.append((f"{verb} not", f"{who} {verb} that {opposite}", frozenset(1 - w for w in worlds)))
        return statements

    def pair(self, phenomenon: str, label: int) -> tuple[str, str, str]:
        """(premise, hypothesis, rules) of one new pair."""
        premise, hypothesis = choose_pair(getattr(self, phenomenon)(), label, self.rng)
        return sentence(premise[1]), sentence(hypothesis[1]), f"{premise[0]}>{hypothesis[0]}"


def _row(split, i, premise, hypothesis, label, phenomenon, rules) -> dict:
    return {"id": f"entail-{split}-{i:05d}", "text": premise, "text_b": hypothesis,
            "label": common.UNLABELLED if split == "transfer" else label, "phenomenon": phenomenon, "rules": rules}


def _split(split: str, lexicon: dict, unique: common.Unique) -> list[dict]:
    """The rows of one generated split; labels take turns, so they are balanced to one row."""
    rng = random.Random(f"{SEED}-{split}")
    grammar = Grammar(lexicon, rng)

    def propose(i):
        phenomenon = rng.choices(list(SHARES), SHARES.values())[0]
        premise, hypothesis, rules = grammar.pair(phenomenon, i % 3)
        return _row(split, i, premise, hypothesis, i % 3, phenomenon, rules)

    rows = common.fill(SIZES[split], propose, unique, ("text", "text_b"))
    rng.shuffle(rows)
    return rows


# Every word of the hypothesis is in the premise; the label is not what the overlap suggests. (X, Y people; V, W verbs.)
TRAPS = {
    "swap": [("the X {t} the Y", "the Y {t} the X", 1), ("the X was {p} by the Y", "the X {t} the Y", 1),
             ("the X was {p} by the Y", "the Y {t} the X", 0), ("the X was never {p} by the Y", "the Y {t} the X", 2)],
    "subsequence": [("the X near the Y {v}", "the Y {v}", 1), ("the X who {t} the Y {v}", "the Y {v}", 1),
                    ("the boss of the X {v}", "the X {v}", 1), ("the X near the Y {v}", "the X {v}", 0),
                    ("the X who {t} the Y {v}", "the X {t} the Y", 0), ("the X {t} the Y who {v}", "the Y {v}", 0),
                    ("the X near the Y never {v}", "the X {v}", 2), ("the X whom the Y {t} never {v}", "the X {v}", 2)],
    "constituent": [("if the X {v}, the Y {w}", "the X {v}", 1), ("unless the X {v}, the Y {w}", "the Y {w}", 1),
                    ("the Y claims that the X {v}", "the X {v}", 1), ("perhaps the X {v}, but the Y {w}", "the X {v}", 1),
                    ("because the X {v}, the Y {w}", "the X {v}", 0), ("the Y knows that the X {v}", "the X {v}", 0),
                    ("it is not true that the X {v}", "the X {v}", 2), ("the Y wrongly thinks that the X {v}", "the X {v}", 2),
                    ("hardly anyone saw it, but the X {v}", "the X {v}", 0)],
    "conjunct": [("the X and the Y {v}", "the Y {v}", 0), ("the X or the Y {v}", "the Y {v}", 1), ("neither the X nor the Y {v}", "the Y {v}", 2),
                 ("the X, not the Y, {v}", "the Y {v}", 2), ("either the X or the Y {v}", "the X {v}", 1), ("not only the X but the Y {v}", "the X {v}", 0)],
}


def _adversarial(unique: common.Unique) -> list[dict]:
    """Lexical-overlap traps, in the spirit of HANS (McCoy et al., ACL 2019); the sentences are our own."""
    rng = random.Random(f"{SEED}-adversarial")
    grammar = Grammar(MAIN, rng)
    traps = [(kind, i) for kind, forms in TRAPS.items() for i in range(len(forms))]
    by_label = [[(k, i) for k, i in traps if TRAPS[k][i][2] == label] for label in range(3)]

    def propose(n):
        kind, i = rng.choice(by_label[n % 3])
        premise, hypothesis, label = TRAPS[kind][i]
        x, y = grammar.some("people", 2)
        (_, t, p), (v, w) = grammar.some("transitive"), [verb[1] for verb in grammar.some("intransitive", 2)]
        fill = lambda text: sentence(text.replace("X", x).replace("Y", y).format(t=t, p=p, v=v, w=w))  # noqa: E731
        return _row("adversarial", n, fill(premise), fill(hypothesis), label, kind, premise)

    return common.fill(SIZES["adversarial"], propose, unique, ("text", "text_b"))


def _natural(folder: Path, unique: common.Unique) -> list[dict]:
    """The hand-written pairs of ``ood_natural.tsv``."""
    rows = []
    for i, cells in enumerate(common.read_tsv(folder / "ood_natural.tsv", ("label", "phenomenon", "premise", "hypothesis"))):
        if not unique.take(cells["premise"], cells["hypothesis"]):
            raise ValueError(f"ood_natural.tsv: this pair occurs twice or in a generated split: {cells['premise']!r}")
        rows.append(_row("ood_natural", i, cells["premise"], cells["hypothesis"], LABELS.index(cells["label"]), cells["phenomenon"], ""))
    return rows


def build(folder: Path) -> dict[str, list[dict]]:
    """Every split's rows, in the order in which they claim their texts. ``folder`` holds ``ood_natural.tsv``."""
    unique = common.Unique()
    splits = {"ood_natural": _natural(folder, unique), "adversarial": _adversarial(unique)}
    for split in ("test", "dev", "train", "transfer"):
        splits[split] = _split(split, MAIN, unique)
    splits["ood_lexicon"] = _split("ood_lexicon", HELD_OUT, unique)
    return {split: splits[split] for split in common.SPLITS}

"""The rules of the entail task: pairs of sentences whose label is computed from what the sentences mean.

Every phenomenon has a few *possible worlds* and a list of statements, each with the set of worlds in which it is
true.
With P the worlds of the premise and H those of the hypothesis:
    entailment      P is a subset of H      (whenever the premise is true, the hypothesis is)
    contradiction   P and H are disjoint    (they are never true together)
    neutral         anything else
The hypothesis is drawn first, from those for which all three labels have a premise, and the premise for the
wanted label afterwards: so the hypothesis alone says nothing about the label.
"""

from __future__ import annotations

import random
from itertools import product

from .common import Words, article, sentence

NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()
BEFORE, SAME, AFTER = "<", "=", ">"

Statement = tuple[str, str, frozenset]  # what it says ("all"), its text, the worlds in which it is true


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


class Grammar(Words):
    """One method a phenomenon: it draws words and returns the statements that can be made with them."""

    def _nested(self, subject, verb, levels: list[tuple[str, frozenset]]) -> list[Statement]:
        """ "Ana drew a dog", "Ana did not draw any dog". Worlds: did she draw the narrow kind, a sibling, another?"""
        every = frozenset(product((0, 1), repeat=3))
        base, past, _ = verb
        statements = []
        for noun, kinds in levels:
            true = frozenset(w for w in every if any(w[k] for k in kinds))
            statements += [(noun, f"{subject} {past} {article(noun)}", true)]
            statements += [
                (f"no {noun}", text, every - true)
                for text in (f"{subject} did not {base} any {noun}", f"{subject} never {past} {article(noun)}")
            ]
        return statements

    def hypernym(self):
        narrow, sibling, wide, widest = self.some("chains")
        return self._nested(
            self.some("names"),
            self.some("chain_verbs"),
            [(narrow, {0}), (sibling, {1}), (wide, {0, 1}), (widest, {0, 1, 2})],
        )

    def modifier(self):
        one, two = self.some("modifiers", 2)
        noun = self.some("people")
        return self._nested(
            self.some("names"),
            self.some("transitive"),
            [(f"{one} {noun}", {0}), (f"{two} {noun}", {1}), (noun, {0, 1}), ("person", {0, 1, 2})],
        )

    def quantifier(self):
        (many, one), did = self.some("group"), self.some("group_did")
        worlds = {
            "all": {"all"},
            "most": {"all", "most"},
            "some": {"all", "most", "some"},
            "no": {"no"},
            "not all": {"most", "some", "no"},
        }
        forms = {
            "all": [f"all of the {many} {did}", f"every {one} {did}", f"each of the {many} {did}"],
            "most": [f"most of the {many} {did}", f"the majority of the {many} {did}"],
            "some": [f"some of the {many} {did}", f"at least one of the {many} {did}", f"a few of the {many} {did}"],
            "no": [f"none of the {many} {did}", f"no {one} {did}", f"not a single {one} {did}"],
            "not all": [f"not all of the {many} {did}", f"not every {one} {did}"],
        }
        return [(name, text, frozenset(worlds[name])) for name in forms for text in forms[name]]

    def number(self):
        who, did, what = self.some("names"), self.some("goods_verbs"), self.some("goods")
        start = self.rng.randint(2, 7)
        every = frozenset(range(14))
        statements = []
        for n in range(start, start + 5):
            for name, worlds in (
                ("exactly", {n}),
                ("more than", {w for w in every if w > n}),
                ("fewer than", {w for w in every if w < n}),
                ("at least", {w for w in every if w >= n}),
                ("at most", {w for w in every if w <= n}),
            ):
                statements.append((name, f"{who} {did} {name} {NUMBERS[n]} {what}", frozenset(worlds)))
        return statements

    def roles(self):
        a, b = self.some("people", 2)
        base, past, participle = self.some("transitive")
        every = frozenset(product((0, 1), repeat=2))  # did a do it to b? did b do it to a?
        statements = [("each other", f"the {a} and the {b} {past} each other", frozenset({(1, 1)}))]
        for x, y, k in ((a, b, 0), (b, a, 1)):
            did = frozenset(w for w in every if w[k])
            statements += [
                ("active", f"the {x} {past} the {y}", did),
                ("passive", f"the {y} was {participle} by the {x}", did),
                ("not active", f"the {x} did not {base} the {y}", every - did),
                ("not passive", f"the {y} was not {participle} by the {x}", every - did),
            ]
        return statements

    def implicative(self):
        who, (base, past, what) = self.some("names"), self.some("tasks")
        did, did_not = frozenset({1}), frozenset({0})
        statements = [
            ("did", f"{who} {past} {what}", did),
            ("did not", f"{who} did not {base} {what}", did_not),
            ("never did", f"{who} never {past} {what}", did_not),
        ]
        for verbs, worlds, negated in (
            ("managed/manage remembered/remember", did, did_not),
            ("failed/fail forgot/forget neglected/neglect", did_not, did),
            ("planned/plan wanted/want promised/promise hoped/hope", did | did_not, did | did_not),
        ):
            for verb in verbs.split():
                past_form, base_form = verb.split("/")
                statements += [
                    (past_form, f"{who} {past_form} to {base} {what}", worlds),
                    (f"not {base_form}", f"{who} did not {base_form} to {base} {what}", negated),
                ]
        return statements

    def scale(self):
        strong, mild, other, other_strong, nouns = self.some("scales")
        noun, every = self.rng.choice(nouns.split()), frozenset(range(-2, 3))
        meaning = {strong: {2}, mild: {1, 2}, other: {-1, -2}, other_strong: {-2}}
        statements = []
        for word, worlds in meaning.items():
            statements += [(word, f"the {noun} is {word}", frozenset(worlds))]
            if word in (mild, other):
                statements += [(f"not {word}", f"the {noun} is not {word}", every - worlds)]
        return statements

    def _order(self, less, more, same, either) -> list[Statement]:
        """Statements about the order of two things; each argument lists texts, ``not`` forms come as pairs."""
        statements = []
        for name, texts, worlds in (
            ("first", less, {BEFORE}),
            ("second", more, {AFTER}),
            ("same", same, {SAME}),
            ("either", either, {BEFORE, SAME, AFTER}),
        ):
            statements += [(name, text, frozenset(worlds)) for text in texts]
        return statements

    def temporal(self):
        a, b = self.some("names", 2)
        did = self.some("events")
        return self._order(
            [f"{a} {did} before {b}", f"{b} {did} after {a}", f"{a} {did} earlier than {b}"],
            [f"{b} {did} before {a}", f"{a} {did} after {b}", f"{a} {did} later than {b}"],
            [f"{a} and {b} {did} at the same moment"],
            [f"{a} and {b} {did} on the same day", f"both {a} and {b} {did}"],
        )

    def comparison(self):
        a, b = self.some("names", 2)
        more, less, plain = self.some("degrees")
        every = frozenset({BEFORE, SAME, AFTER})
        return self._order(
            [f"{a} is {less} than {b}", f"{b} is {more} than {a}"],
            [f"{a} is {more} than {b}", f"{b} is {less} than {a}"],
            [f"{a} and {b} are equally {plain}", f"{a} is exactly as {plain} as {b}"],
            [],
        ) + [
            ("not more", f"{a} is not {more} than {b}", every - {AFTER}),
            ("not more", f"{b} is not {more} than {a}", every - {BEFORE}),
        ]

    def spatial(self):
        a, b = self.some("things", 2)
        near, far, level = self.rng.choice(
            [
                ("to the left of", "to the right of", "straight above"),
                ("above", "below", "level with"),
                ("in front of", "behind", "level with"),
            ]
        )
        return self._order(
            [f"the {a} is {near} the {b}", f"the {b} is {far} the {a}"],
            [f"the {a} is {far} the {b}", f"the {b} is {near} the {a}"],
            [f"the {a} is {level} the {b}"],
            [f"the {a} is close to the {b}", f"the {b} is not far from the {a}"],
        )

    def coordination(self):
        a, b = self.some("names", 2)
        base, past, _ = self.some("intransitive")
        every = frozenset(product((0, 1), repeat=2))
        where = lambda test: frozenset(w for w in every if test(*w))  # noqa: E731
        return [
            ("and", f"{a} and {b} {past}", where(lambda x, y: x and y)),
            ("both", f"both {a} and {b} {past}", where(lambda x, y: x and y)),
            ("or", f"{a} or {b} {past}", where(lambda x, y: x or y)),
            ("neither", f"neither {a} nor {b} {past}", where(lambda x, y: not x and not y)),
            ("but not", f"{a} {past} but {b} did not", where(lambda x, y: x and not y)),
            ("but not", f"{b} {past} but {a} did not", where(lambda x, y: y and not x)),
            ("one", f"{a} {past}", where(lambda x, y: x)),
            ("one", f"{b} {past}", where(lambda x, y: y)),
            ("not one", f"{a} did not {base}", where(lambda x, y: not x)),
            ("not one", f"{b} did not {base}", where(lambda x, y: not y)),
        ]

    def belief(self):
        who, _, fact = *self.some("names", 2), self.some("reports")
        true, false = frozenset({1}), frozenset({0})
        opposite = fact.replace(" is ", " is not ")
        statements = [("fact", fact, true), ("not fact", opposite, false)]
        for verb, worlds in (
            ("knows", true),
            ("has noticed", true),
            ("wrongly thinks", false),
            ("pretends", false),
            ("says", true | false),
            ("hopes", true | false),
        ):
            statements.append((verb, f"{who} {verb} that {fact}", worlds))
            statements.append((f"{verb} not", f"{who} {verb} that {opposite}", frozenset(1 - w for w in worlds)))
        return statements

    def pair(self, phenomenon: str, label: int) -> tuple[str, str, str]:
        """(premise, hypothesis, rules) of one new pair."""
        premise, hypothesis = choose_pair(getattr(self, phenomenon)(), label, self.rng)
        return sentence(premise[1]), sentence(hypothesis[1]), f"{premise[0]}>{hypothesis[0]}"

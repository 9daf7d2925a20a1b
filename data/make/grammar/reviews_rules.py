"""The rules of the reviews task: short reviews whose stars follow from a few rules of composition.

A *clause* judges one aspect and has a value from -2 to +2; a *frame* joins clauses and says which of them counts;
stars = value + 3. The words of a review therefore do not add up to its stars: who counts them is misled.

Clause rules (``w`` is the value of the opinion word):
    plain        w                                       "the plot is clever"                 +1
    intensified  +1 -> +2, -1 -> -2                      "the plot is really clever"          +2
    diminished   one step towards 0                      "the plot is mildly clever"           0
    negated      +1 -> -1, -1 -> +1, +2 and -2 -> 0      "the plot isn't clever"              -1
    refuted      -w, one step further down or up:        "the plot is anything but clever"    -2
                 +1 -> -2, -1 -> +2, +2 -> -1, -2 -> +1
    comparison   better/worse and by how much            "the plot beats the trailer's by far" +2
    implicit     said without an opinion word            "I walked out after twenty minutes"  -2
Frame rules:
    contrast     "A but B"                    B counts
    concession   "although A, B" / "B, although A"       B counts, wherever it stands
    expectation  "I guessed that A. In truth, B"      B counts
    attribution  "my aunt says that A. In my view, B"  B counts
    time         "years ago A; today B"      B counts
    mixed        one clause good, one bad, side by side   0
    topic        "a clever film about a nasty divorce"   the judgement counts, not the subject
"""

from __future__ import annotations

import random
from typing import NamedTuple

from . import common
from .common import article

# What a clause rule makes of a word: wanted value -> word values that give it.
NEGATED = {-2: (), -1: (1,), 0: (2, -2), 1: (-1,), 2: ()}
REFUTED = {-2: (1,), -1: (2,), 0: (), 1: (-2,), 2: (-1,)}
INTENSIFIED = {-2: (-1, -2), 2: (1, 2)}
DIMINISHED = {-1: (-2,), 0: (1, -1), 1: (2,)}
BASES = {"intensified": INTENSIFIED, "diminished": DIMINISHED, "negated": NEGATED, "refuted": REFUTED}

STRONG = {
    1: "very really extremely incredibly remarkably thoroughly".split(),
    2: "absolutely utterly simply truly completely".split(),
}
WEAK = {
    1: "mildly fairly moderately".split(),
    -1: ["slightly", "somewhat", "a bit", "a little"],
    2: ["almost", "nearly"],
    -2: ["almost", "nearly", "borderline"],
}


class Clause(NamedTuple):
    """A piece of a review: its text (no capital, no full stop), value, rules, opinion words and what it judges."""

    text: str
    value: int
    rules: tuple[str, ...]
    words: tuple[str, ...]
    noun: str = ""


class Grammar:
    """Draws clauses and reviews from one lexicon with one random generator."""

    def __init__(self, lexicon: dict, rng: random.Random):
        self.lexicon, self.rng = lexicon, rng
        self.opinions = {
            kind: {v: w.split() for v, w in by_value.items()} for kind, by_value in lexicon["opinions"].items()
        }

    # ---- clauses -------------------------------------------------------------------------------------------
    def noun(self, domain: str) -> tuple[str, bool, str]:
        """(noun, plural, kind) of something that can be judged in this domain: an aspect, or the thing itself."""
        spec = self.lexicon["domains"][domain]
        if self.rng.random() < 0.2:
            return self.rng.choice(spec["items"].split()), False, "any"
        return self.rng.choice(spec["aspects"])

    def opinion(self, kind: str, value: int) -> str:
        """An opinion word of that value that suits the kind of noun."""
        special = self.opinions[kind][value]
        pool = special if kind != "any" and self.rng.random() < 0.6 else self.opinions["any"][value]
        return self.rng.choice(pool)

    def form(self, rule, plural: bool, **words) -> str:
        """One of the forms of a clause rule, its verbs in the number of what is judged."""
        verbs = {name: forms[plural] for name, forms in VERBS.items()}
        return self.rng.choice(FORMS[rule]).format(**verbs, **words)

    def plain(self, domain, value, noun=None, degree="") -> Clause:
        noun, plural, kind = noun or self.noun(domain)
        word = self.opinion(kind, value)
        phrase = f"{degree} {word}".strip()
        return Clause(self.form("plain", plural, noun=noun, word=phrase), value, ("plain",), (word,), noun)

    def intensified(self, domain, value) -> Clause:
        base = self.rng.choice(INTENSIFIED[value])
        clause = self.plain(domain, base, degree=self.rng.choice(STRONG[abs(base)]))
        return clause._replace(value=value, rules=("intensified",))

    def diminished(self, domain, value) -> Clause:
        base = self.rng.choice(DIMINISHED[value])
        clause = self.plain(domain, base, degree=self.rng.choice(WEAK[base]))
        return clause._replace(value=value, rules=("diminished",))

    def negated(self, domain, value) -> Clause:
        base = self.rng.choice(NEGATED[value])
        noun, plural, kind = self.noun(domain)
        word = self.opinion(kind, base)
        return Clause(self.form("negated", plural, noun=noun, word=word), value, ("negated",), (word,), noun)

    def refuted(self, domain, value) -> Clause:
        base = self.rng.choice(REFUTED[value])
        noun, plural, kind = self.noun(domain)
        word = self.opinion(kind, base)
        return Clause(self.form("refuted", plural, noun=noun, word=word), value, ("refuted",), (word,), noun)

    def comparison(self, domain, value) -> Clause:
        spec = self.lexicon["domains"][domain]
        noun, plural, _ = self.rng.choice(spec["aspects"])
        words = {"noun": noun, "rival": self.rng.choice(spec["rivals"]), "in": spec["in"]}
        return Clause(self.form(("comparison", value), plural, **words), value, ("comparison",), (), noun)

    def implicit(self, domain, value) -> Clause:
        text = self.rng.choice(self.lexicon["implicit"][domain][value])
        return Clause(text, value, ("implicit",), (), noun=text)

    def another(self, draw, domain: str, value: int, *others: Clause) -> Clause:
        """A clause from ``draw`` that judges something else than the other clauses do."""
        while True:
            clause = draw(domain, value)
            if clause.noun not in [other.noun for other in others]:
                return clause

    def possible(self, value: int, *rules: str) -> list:
        """The methods of those rules that can give the value."""
        return [getattr(self, rule) for rule in rules if BASES[rule].get(value)]

    def clause(self, domain: str, value: int) -> Clause:
        """Any clause of that value, for use inside a frame: half of them plain, the rest by some rule."""
        weights = {"negated": 2, "refuted": 1, "intensified": 1, "diminished": 1}
        ways = [self.plain] * 5 + [way for rule in weights for way in self.possible(value, rule) * weights[rule]]
        ways += [self.implicit] * 2 if self.lexicon["implicit"] else []
        return self.rng.choice(ways)(domain, value)

    def report(self, domain: str, value: int) -> Clause:
        """A clause that anybody could say: it does not mention its speaker, so it can be quoted."""
        while True:
            clause = self.clause(domain, value)
            if "implicit" not in clause.rules and not {"i", "me"} & set(common.words(clause.text)):
                return clause

    def distractor(self, value: int) -> int:
        """The value of the clause that does not count: mostly of the other sign, never the same."""
        others = [v for v in range(-2, 3) if v != value]
        opposed = [v for v in others if v * value < 0] or [v for v in others if v]
        return self.rng.choice(opposed if self.rng.random() < 0.85 else others)

    # ---- frames --------------------------------------------------------------------------------------------
    def two(self, name: str, frames: list[str], domain: str, value: int) -> Clause:
        """A frame with the clause B that counts and the clause A that does not; a frame is text with A, B, P in it."""
        draw = self.report if name in ("expectation", "attribution", "time") else self.clause
        b = draw(domain, value)
        a = self.another(draw, domain, self.distractor(value), b)
        return self.join(name, self.rng.choice(frames), a, b)

    def join(self, name: str, frame: str, a: Clause, b: Clause, value: int | None = None) -> Clause:
        text = frame.replace("{P}", self.rng.choice(self.lexicon["people"])).format(A=a.text, B=b.text)
        first, second = (a, b) if frame.index("{A}") < frame.index("{B}") else (b, a)
        return Clause(
            text, b.value if value is None else value, (name, *first.rules, *second.rules), first.words + second.words
        )

    def mixed(self, domain: str, value: int) -> Clause:
        """Two judgements of opposite sign and equal strength, side by side."""
        size, sign = self.rng.choice((1, 2)), self.rng.choice((1, -1))
        a = self.clause(domain, sign * size)
        b = self.another(self.clause, domain, -sign * size, a)
        return self.join("mixed", self.rng.choice(FRAMES["mixed"]), a, b, value=0)

    def topic(self, domain: str, value: int) -> Clause:
        """The subject (or the surroundings) has a feeling of its own, which does not count."""
        spec = self.lexicon["domains"][domain]
        item, topic = self.rng.choice(spec["items"].split()), self.rng.choice(spec["topics"])
        judge = self.rng.choice([self.plain, *self.possible(value, "intensified", "diminished", "negated")])
        judged = judge(domain, value)
        words = {"a_item": article(item), "item": item, "link": LINKS.get(domain, "near"), "topic": topic}
        text = self.form("topic", False, **words, judged=judged.text)
        return Clause(text, value, ("topic", *judged.rules), judged.words)

    def review(self, phenomenon: str, value: int, domain: str) -> Clause | None:
        """One review, or None when the phenomenon cannot have that value."""
        if phenomenon in ("plain", "implicit", "comparison"):
            clause = getattr(self, phenomenon)(domain, value)
            if phenomenon == "plain" or self.rng.random() < 0.5:  # a second clause that agrees makes it longer
                second = self.another(self.plain, domain, value, clause)
                text = clause.text + self.rng.choice([" and ", ", and ", ". "]) + second.text
                clause = Clause(text, value, clause.rules + second.rules, clause.words + second.words)
            return clause
        if phenomenon == "intensity":
            return self.rng.choice(self.possible(value, "intensified", "diminished"))(domain, value)
        if phenomenon == "negation":
            return self.rng.choice(self.possible(value, "negated", "refuted"))(domain, value)
        if phenomenon == "mixed":
            return self.mixed(domain, value) if value == 0 else None
        if phenomenon == "topic":
            return self.topic(domain, value) if self.lexicon["domains"][domain]["topics"] else None
        return self.two(phenomenon, FRAMES[phenomenon], domain, value)


FRAMES = {
    "contrast": [
        "{A} but {B}",
        "{A}, but {B}",
        "{A}, yet {B}",
        "{A}; however, {B}",
        "{A}. Still, {B}",
        "{A}. But in the end what matters is that {B}",
    ],
    "concession": [
        "although {A}, {B}",
        "{B}, although {A}",
        "even though {A}, {B}",
        "{B}, even though {A}",
        "{B}, even if {A}",
        "despite the fact that {A}, {B}",
        "{B}, despite the fact that {A}",
    ],
    "expectation": [
        "I had expected to write that {A}. In fact, {B}",
        "going by the pictures I guessed that {A}. In truth, {B}",
        "the rumour was that {A}. Instead, {B}",
        "{B}. I had expected to write that {A}",
        "{B}. Going by the pictures I guessed that {A}",
    ],
    "attribution": [
        "{P} says that {A}. In my view, {B}",
        "in my view, {B}, whatever {P} says about how {A}",
        "{P} insists that {A}. I disagree: {B}",
        "{B}. {P} claims that {A}, which is wrong",
    ],
    "time": [
        "at first it looks as if {A}, and then you see that {B}",
        "years ago people said that {A}; today {B}",
        "today {B}; years ago people said that {A}",
        "on day one I wrote that {A}. I take it back: {B}",
    ],
    "mixed": [
        "{A} and {B}, so they cancel out",
        "on the one hand {A}, on the other hand {B}",
        "{A} and {B} in equal measure",
    ],
}

# Of a verb, one and several.
VERBS = {"be": ("is", "are"), "seem": ("seems", "seem"), "strike": ("strikes", "strike"), "turn": ("turns", "turn")}
LINKS = {"films": "about", "books": "about", "gadgets": "made for"}  # an item and its topic; "near" elsewhere
# What a clause rule makes of what is judged and an opinion word, of a rival, or of a judgement with a topic.
FORMS = {
    "plain": [
        "the {noun} {be} {word}",
        "the {noun} {be} {word}",
        "I find the {noun} {word}",
        "the {noun} {seem} {word}",
        "the {noun} {strike} me as {word}",
        "the {noun} {turn} out to be {word}",
    ],
    "negated": [
        "the {noun} {be} not {word}",
        "the {noun} {be}n't {word}",
        "the {noun} {be} hardly {word}",
        "I would not call the {noun} {word}",
        "I don't find the {noun} {word}",
    ],
    "refuted": [
        "the {noun} {be} not {word} at all",
        "the {noun} {be} anything but {word}",
        "there is nothing {word} about the {noun}",
        "the {noun} {be} not remotely {word}",
        "the {noun} {be} not {word} in the least",
    ],
    ("comparison", 2): [
        "the {noun} {be} far better than {in} {rival}",
        "the {noun} {be} so much better than {in} {rival}",
        "the {noun} {be} miles ahead of {rival}",
        "the {noun} {be} in another league from {rival}",
    ],
    ("comparison", 1): [
        "the {noun} {be} a bit better than {in} {rival}",
        "the {noun} {be} slightly ahead of {rival}",
        "the {noun} {be} less of a let-down than {in} {rival}",
        "the {noun} {be} a step up from {rival}",
    ],
    ("comparison", 0): [
        "the {noun} {be} no better and no worse than {in} {rival}",
        "the {noun} {be} about the same as in {rival}",
        "the {noun} {be} on a par with {rival}",
        "the {noun} {be} neither ahead of {rival} nor behind it",
    ],
    ("comparison", -1): [
        "the {noun} {be} a bit worse than {in} {rival}",
        "the {noun} {be} slightly behind {rival}",
        "the {noun} {be} less of a success than {in} {rival}",
        "the {noun} {be} a step down from {rival}",
    ],
    ("comparison", -2): [
        "the {noun} {be} far worse than {in} {rival}",
        "the {noun} {be} so much worse than {in} {rival}",
        "the {noun} {be} miles behind {rival}",
        "the {noun} {be} nowhere close to {rival}",
    ],
    "topic": [
        "it is {a_item} {link} {topic}, and {judged}",
        "in this {item} {link} {topic}, {judged}",
        "{judged} in this {item} {link} {topic}",
    ],
}

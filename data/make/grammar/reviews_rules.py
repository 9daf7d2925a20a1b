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

    def plain(self, domain, value, noun=None, degree="") -> Clause:
        noun, plural, kind = noun or self.noun(domain)
        word = self.opinion(kind, value)
        phrase = f"{degree} {word}".strip()
        be, seem = ("are", "seem") if plural else ("is", "seems")
        strike, turn = ("strike", "turn") if plural else ("strikes", "turns")
        forms = [
            f"the {noun} {be} {phrase}",
            f"the {noun} {be} {phrase}",
            f"I find the {noun} {phrase}",
            f"the {noun} {seem} {phrase}",
            f"the {noun} {strike} me as {phrase}",
            f"the {noun} {turn} out to be {phrase}",
        ]
        return Clause(self.rng.choice(forms), value, ("plain",), (word,), noun)

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
        word, be = self.opinion(kind, base), "are" if plural else "is"
        forms = [
            f"the {noun} {be} not {word}",
            f"the {noun} {be}n't {word}",
            f"the {noun} {be} hardly {word}",
            f"I would not call the {noun} {word}",
            f"I don't find the {noun} {word}",
        ]
        return Clause(self.rng.choice(forms), value, ("negated",), (word,), noun)

    def refuted(self, domain, value) -> Clause:
        base = self.rng.choice(REFUTED[value])
        noun, plural, kind = self.noun(domain)
        word, be = self.opinion(kind, base), "are" if plural else "is"
        forms = [
            f"the {noun} {be} not {word} at all",
            f"the {noun} {be} anything but {word}",
            f"there is nothing {word} about the {noun}",
            f"the {noun} {be} not remotely {word}",
            f"the {noun} {be} not {word} in the least",
        ]
        return Clause(self.rng.choice(forms), value, ("refuted",), (word,), noun)

    def comparison(self, domain, value) -> Clause:
        spec = self.lexicon["domains"][domain]
        noun, plural, _ = self.rng.choice(spec["aspects"])
        rival, be = self.rng.choice(spec["rivals"]), "are" if plural else "is"
        forms = {
            2: [
                "{be} far better than in R",
                "{be} so much better than in R",
                "{be} miles ahead of R",
                "{be} in another league from R",
            ],
            1: [
                "{be} a bit better than in R",
                "{be} slightly ahead of R",
                "{be} less of a let-down than in R",
                "{be} a step up from R",
            ],
            0: [
                "{be} no better and no worse than in R",
                "{be} about the same as in R",
                "{be} on a par with R",
                "{be} neither ahead of R nor behind it",
            ],
            -1: [
                "{be} a bit worse than in R",
                "{be} slightly behind R",
                "{be} less of a success than in R",
                "{be} a step down from R",
            ],
            -2: [
                "{be} far worse than in R",
                "{be} so much worse than in R",
                "{be} miles behind R",
                "{be} nowhere close to R",
            ],
        }[value]
        form = self.rng.choice(forms).format(be=be).replace("than in R", f"than {spec['in']} R")
        return Clause(f"the {noun} {form.replace('R', rival)}", value, ("comparison",), (), noun)

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
        link = {"films": "about", "books": "about", "gadgets": "made for"}.get(domain, "near")
        judge = self.rng.choice([self.plain, *self.possible(value, "intensified", "diminished", "negated")])
        judged = judge(domain, value)
        forms = [
            f"it is {article(item)} {link} {topic}, and {judged.text}",
            f"in this {item} {link} {topic}, {judged.text}",
            f"{judged.text} in this {item} {link} {topic}",
        ]
        return Clause(self.rng.choice(forms), value, ("topic", *judged.rules), judged.words)

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

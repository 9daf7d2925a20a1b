"""Reviews, read by the rules that wrote them: is a text one, how many stars has it, which word is the first wrong one?

The grammar of the embedded task ``reviews`` writes a finite language. A text is *valid* when the grammar could have
written it: one domain, nouns with the opinion words that suit them, verbs that agree, two clauses that judge different
things, and values as the frame asks for. Its stars follow from the clause that counts. Capitals do not matter.

>>> judge("The plot is clever but the acting is anything but lively.")
Judged(stars=1, wrong=None, reason='')
>>> judge("The plot is clever but the acting is delicious.").reason
"word 9, 'delicious', does not fit after 'but the acting is'"

All that can be read so far is kept side by side, word by word, as in a machine with states: so the first word that is
found wrong is the first after which *no* review of the grammar goes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from kdviz.disk import read_json
from kdviz.paths import data_dir, restore

STARS = (1, 2, 3, 4, 5)
CLAUSE = frozenset({"plain", "intensified", "diminished", "negated", "refuted", "implicit"})
QUOTED = ("expectation", "attribution", "time")  # frames whose clauses anybody could say
WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*|[^\sa-z0-9]")  # a word, or a mark

Piece = frozenset  # of words, any of which may stand there


@dataclass(frozen=True)
class Judged:
    """What the rules say of a text.

    stars  : 1 to 5; None for a text that is no review
    wrong  : place of the first word or mark that fits no review, from 0; the number of words where the text stops too
        early; None for a review
    reason : the same in words, "" for a review
    """

    stars: int | None
    wrong: int | None
    reason: str


@dataclass(frozen=True, eq=False)  # each is made once, and found by what it is: that is faster than by what it holds
class Clause:
    """A clause of so many words, whose value (-2 to 2) and whose noun, what it judges, are known."""

    pieces: tuple[Piece, ...]
    value: int
    rule: str
    noun: str


class Slot(NamedTuple):
    """A place of a frame for a clause.

    rules    : of the clauses that may stand there      quoted : leaves out those that mention their speaker
    relation : of its value to that of the clause before, "other", "opposite" or "same"; "" in the first slot
    values   : that it may have
    counts   : whether the stars are this clause's
    """

    rules: frozenset[str]
    quoted: bool = False
    relation: str = ""
    values: tuple[int, ...] = (-2, -1, 0, 1, 2)
    counts: bool = True


@dataclass(frozen=True, eq=False)
class Frame:
    """A whole review but for its clauses."""

    domain: str
    pieces: tuple[Piece | Slot, ...]


class Inside:
    """The clauses that may be meant by the words so far, each with the place in it that comes next."""

    def __init__(self, clauses: frozenset[tuple[Clause, int]]):
        self.clauses, self._moves = clauses, {}

    def after(self, word: str) -> tuple[Inside, frozenset[tuple[int, str]]]:
        """What may be meant with a word more; value and noun of the clauses that are over."""
        if word not in self._moves:
            moved = [(clause, place + 1) for clause, place in self.clauses if word in clause.pieces[place]]
            ends = {(clause.value, clause.noun) for clause, place in moved if place == len(clause.pieces)}
            going = frozenset((clause, place) for clause, place in moved if place < len(clause.pieces))
            self._moves[word] = _inside(going), frozenset(ends)
        return self._moves[word]


class Reading(NamedTuple):
    """One way to read what stands so far.

    place : in the frame     before : value and noun of the clause before     value : of the review, as far as known
    inside : where the place is a slot, the clauses that may be meant
    """

    frame: Frame
    place: int
    before: tuple[int, str] | None
    value: int
    inside: Inside | None = None

    def entered(self) -> set[Reading]:
        """This reading at the beginning of its place; none where no clause can stand there."""
        if self.place == len(self.frame.pieces) or not isinstance(slot := self.frame.pieces[self.place], Slot):
            return {self}
        first = _openings(self.frame.domain, slot, self.before)
        return {self._replace(inside=first)} if first.clauses else set()

    def after(self, word: str) -> set[Reading]:
        """The readings that this one becomes with one word more."""
        if self.place == len(self.frame.pieces):
            return set()
        piece = self.frame.pieces[self.place]
        if not isinstance(piece, Slot):
            return self._replace(place=self.place + 1).entered() if word in piece else set()
        inside, ends = self.inside.after(word)
        found = {self._replace(inside=inside)} if inside.clauses else set()
        for value, noun in ends:
            known = value if piece.counts else self.value
            found |= Reading(self.frame, self.place + 1, (value, noun), known).entered()
        return found


def words(text: str) -> list[str]:
    """The words and marks of a text, in lower case."""
    return WORD.findall(text.lower())


def judge(text: str) -> Judged:
    """Whether the grammar could have written a text, and with how many stars; the module shows two."""
    read = words(text)
    readings = _start()
    for place, word in enumerate(read):
        following = _step(readings, word)
        if not following:
            before = " ".join(read[max(0, place - 4) : place])
            said = f"does not fit after {before!r}" if before else "begins no review"
            return Judged(None, place, f"word {place + 1}, {word!r}, {said}")
        readings = following
    values = {reading.value for reading in readings if reading.place == len(reading.frame.pieces)}
    if not values:
        return Judged(None, len(read), f"stops after {' '.join(read[-4:])!r}")
    if len(values) > 1:
        raise ValueError(
            f"{text!r} can be read with {sorted(value + 3 for value in values)} stars: the rules do not agree"
        )
    return Judged(values.pop() + 3, None, "")


def following(text: str) -> set[str]:
    """The words and marks that a review can go on with after a text; none where it is over or wrong."""
    readings = _start()
    for word in words(text):
        readings = _step(readings, word)
    ways = []
    for reading in readings:
        if reading.inside is not None:
            ways += [clause.pieces[place] for clause, place in reading.inside.clauses]
        else:
            ways += reading.frame.pieces[reading.place : reading.place + 1]
    return set().union(*ways)


@cache
def vocabulary() -> list[str]:
    """Every word and mark of the grammar, in alphabetical order."""
    pieces = [piece for frame in _frames() for piece in frame.pieces if not isinstance(piece, Slot)]
    pieces += [piece for domain in _rules()["domains"] for clause in _clauses(domain) for piece in clause.pieces]
    return sorted(set().union(*pieces))


# ---- the grammar as pieces -----------------------------------------------------------------------------------------


@cache
def _rules() -> dict:
    fix = f"restore it with: {restore('data/reviews', 'python -m data.make.rules')}"
    return read_json(data_dir() / "reviews" / "rules.json", fix)


def _pieces(text: str, **slots) -> tuple:
    """A text as pieces, what stands in braces replaced."""
    found = []
    for place, part in enumerate(re.split(r"\{(\w+)\}", text)):
        found += slots[part] if place % 2 else [Piece([word]) for word in words(part)]
    return tuple(found)


def _degrees(rule: str):
    """(value of the clause, value of its word, the degree's pieces) of a rule; degrees of one word together."""
    for value, bases in _rules()["bases"][rule].items():
        for base in bases:
            several = [words(degree) for degree in _rules()["degrees"][rule][str(base)]]
            yield int(value), base, [Piece(degree[0] for degree in several if len(degree) == 1)]
            yield from ((int(value), base, [Piece([w]) for w in degree]) for degree in several if len(degree) > 1)


@cache
def _clauses(domain: str) -> list[Clause]:
    """Every clause of a domain."""
    rules, made = _rules(), []
    spec = rules["domains"][domain]
    aspects = spec["aspects"]
    forms = {rule: list(dict.fromkeys(some)) for rule, some in rules["forms"].items() if rule != "comparison"}
    for noun, plural, kind in [*((item, False, "any") for item in spec["items"]), *aspects]:
        verbs = {name: _pieces(both[plural]) for name, both in rules["verbs"].items()}
        verbs["noun"] = _pieces(noun)

        def add(rule, forms, value, base, degree=(), noun=noun, kind=kind, plural=plural, verbs=verbs):
            word = [*degree, Piece(rules["opinions"][kind][str(base)] + rules["opinions"]["any"][str(base)])]
            for form in forms:
                form = form.replace("{be}n't", f"{rules['verbs']['be'][plural]}n't")
                made.append(Clause(_pieces(form, word=word, **verbs), value, rule, noun))

        for value in range(-2, 3):
            add("plain", forms["plain"], value, value)
            for rule in ("negated", "refuted"):
                for base in rules["bases"][rule][str(value)]:
                    add(rule, forms[rule], value, base)
        for rule in ("intensified", "diminished"):
            for value, base, degree in _degrees(rule):
                add(rule, forms["plain"], value, base, degree)
        for value, some in rules["forms"]["comparison"].items() if [noun, plural, kind] in aspects else ():
            for form in some:
                for rival in spec["rivals"]:
                    pieces = _pieces(form, rival=_pieces(rival), **verbs, **{"in": _pieces(spec["in"])})
                    made.append(Clause(pieces, int(value), "comparison", noun))
    for value, some in rules["implicit"][domain].items():
        made += [Clause(_pieces(text), int(value), "implicit", text) for text in some]
    return made


@cache
def _frames() -> list[Frame]:
    """Every frame in every domain, the full stop at the end included."""
    rules, made = _rules(), []
    alone = Slot((CLAUSE | {"comparison"}) - {"plain"})
    first, second = Slot(frozenset({"plain", "implicit", "comparison"})), Slot(frozenset({"plain"}), relation="same")
    topical = Slot(frozenset({"plain", "intensified", "diminished", "negated"}))
    for domain, spec in rules["domains"].items():
        some = [_pieces("{A}.", A=[alone])]
        some += [_pieces(f"{{A}}{join} {{B}}.", A=[first], B=[second]) for join in (" and", ", and", ".")]
        for name, frames in rules["frames"].items():
            relation = "opposite" if name == "mixed" else "other"
            for frame in frames:
                order = sorted("AB", key=lambda letter: frame.index(f"{{{letter}}}"))
                slots = {}
                for letter, its in zip(order, ("", relation)):
                    values = (-2, -1, 1, 2) if name == "mixed" else Slot(CLAUSE).values
                    counts = letter == "B" and name != "mixed"
                    slots[letter] = [Slot(CLAUSE, name in QUOTED, its, values, counts)]
                people = rules["people"] if "{P}" in frame else [""]
                some += [_pieces(frame + ".", **slots, P=_pieces(person)) for person in people]
        for topic in spec["topics"]:
            known = {"link": _pieces(spec["link"]), "topic": _pieces(topic), "judged": [topical]}
            for form in rules["forms"]["topic"]:
                for article, items in _by_article(spec["items"]).items():
                    item = [Piece(items)]
                    some.append(_pieces(form + ".", **known, item=item, a_item=[Piece([article]), *item]))
        made += [Frame(domain, pieces) for pieces in dict.fromkeys(some)]
    return made


def _by_article(items) -> dict[str, list[str]]:
    vowel = lambda item: item[0] in "aeiou"
    found = {"an": [item for item in items if vowel(item)], "a": [item for item in items if not vowel(item)]}
    return {article: some for article, some in found.items() if some}


# ---- the machine ---------------------------------------------------------------------------------------------------


@cache
def _openings(domain: str, slot: Slot, before: tuple[int, str] | None) -> Inside:
    """The clauses that may stand in a slot after a clause of that value and noun, each at its beginning."""
    value, noun = before or (None, None)
    fits = {"": lambda v: True, "other": lambda v: v != value, "opposite": lambda v: v == -value, "same": value.__eq__}
    return _inside(
        frozenset(
            (clause, 0)
            for clause in _clauses(domain)
            if clause.rule in slot.rules
            and clause.value in slot.values
            and clause.noun != noun
            and fits[slot.relation](clause.value)
            and not (slot.quoted and (clause.rule == "implicit" or {"i", "me"} & set().union(*clause.pieces)))
        )
    )


_inside = cache(Inside)  # one of each, so that what follows a word is found once


@cache
def _start() -> frozenset[Reading]:
    return frozenset().union(*(Reading(frame, 0, None, 0).entered() for frame in _frames()))


@lru_cache(5_000)  # most texts begin alike
def _step(readings: frozenset[Reading], word: str) -> frozenset[Reading]:
    return frozenset().union(*(reading.after(word) for reading in readings))

"""Minimal pairs of reviews: the same clauses, and one rule decides the stars.

Each trap is a function of a grammar and a domain; it returns the clauses of one pair (or triple, or single row).
"""

from __future__ import annotations

from .reviews_rules import FRAMES, STRONG, WEAK, Clause, Grammar

TAILS = ("", " if you ask me", " for the price", " in my opinion", " this time")


def _opposed(grammar: Grammar, domain: str) -> tuple[Clause, Clause]:
    """A clause that does not count and one that does, about different things."""
    value = grammar.rng.choice((-2, -1, 1, 2))
    b = grammar.clause(domain, value)
    return grammar.another(grammar.clause, domain, grammar.distractor(value), b), b


def swapped_clauses(grammar, domain) -> list[Clause]:
    """Which clause stands where: "A but B" and "B but A"."""
    a, b = _opposed(grammar, domain)
    frame = grammar.rng.choice(FRAMES["contrast"])
    return [grammar.join("contrast", frame, a, b), grammar.join("contrast", frame, b, a)]


def other_connective(grammar, domain) -> list[Clause]:
    """The same order of clauses under another connective: "A but B" and "A, although B"."""
    a, b = _opposed(grammar, domain)
    last = grammar.rng.choice(FRAMES["contrast"][:3])
    first = grammar.rng.choice(["{B}, although {A}", "{B}, even though {A}", "{B}, despite the fact that {A}"])
    return [grammar.join("contrast", last, a, b), grammar.join("concession", first, b, a)]


def _one_word(grammar, domain):
    """A mild opinion about something, in parts: its value, "the plot is", "clever", a harmless tail."""
    value = grammar.rng.choice((-1, 1))
    noun, plural, kind = grammar.noun(domain)
    word = grammar.opinion(kind, value)
    return value, f"the {noun} {'are' if plural else 'is'}", word, grammar.rng.choice(TAILS)


def one_negation(grammar, domain) -> list[Clause]:
    """ "is clever", "is not clever", "is anything but clever"."""
    value, start, word, tail = _one_word(grammar, domain)
    return [
        Clause(f"{start}{middle} {word}{tail}", v, (rule,), (word,))
        for middle, v, rule in (
            ("", value, "plain"),
            (" not", -value, "negated"),
            (" anything but", -2 * value, "refuted"),
        )
    ]


def one_degree_word(grammar, domain) -> list[Clause]:
    """ "somewhat dull" and "extremely dull"."""
    value, start, word, tail = _one_word(grammar, domain)
    return [
        Clause(f"{start} {degree} {word}{tail}", v, (rule,), (word,))
        for degree, v, rule in (
            (grammar.rng.choice(WEAK[value]), 0, "diminished"),
            (grammar.rng.choice(STRONG[1]), 2 * value, "intensified"),
        )
    ]


def louder_crowd(grammar, domain) -> list[Clause]:
    """Somebody else's two opinions against the one that counts."""
    value = grammar.rng.choice((-2, -1, 1, 2))
    b = grammar.report(domain, value)
    a1 = grammar.another(grammar.report, domain, grammar.distractor(value), b)
    a2 = grammar.another(grammar.report, domain, grammar.distractor(value), b, a1)
    crowd = Clause(f"{a1.text} and {a2.text}", a1.value, a1.rules + a2.rules, a1.words + a2.words)
    return [grammar.join("attribution", grammar.rng.choice(FRAMES["attribution"]), crowd, b)]


TRAPS = {
    "swapped clauses": swapped_clauses,
    "other connective": other_connective,
    "one negation": one_negation,
    "one degree word": one_degree_word,
    "louder crowd": louder_crowd,
}

"""The rules of the answers task: statements, and a question that a part of one of them answers, or nothing does.

One method a phenomenon. Each takes names and whether there shall be an answer, and makes both of the same forms: what
a question looks like does not tell whether it has an answer. More than one statement shares the question's words, and
where nothing answers, something nearly does: the right person with another verb, the right verb with another person.
"""

from __future__ import annotations

from .common import Words, article
from .entail_rules import NUMBERS

Answer = tuple[int, str]  # the number of a statement, and a part of it that occurs there once
Scene = tuple[list[str], str, Answer | None]  # statements, a question, its answer

BASES = dict(
    pair.split("/")
    for pair in (
        "bought/buy sold/sell found/find counted/count packed/pack received/receive "
        "collected/collect ordered/order stole/steal delivered/deliver"
    ).split()
)
SIDES = [("to the left of", "to the right of"), ("above", "below"), ("in front of", "behind")]
DID = ("managed to", "remembered to", "did not forget to", "did not fail to")
DID_NOT = ("failed to", "forgot to", "neglected to", "did not manage to")
PERHAPS = ("planned to", "wanted to", "hoped to", "promised to")  # and nobody says whether it was done


class Scenes(Words):
    """Draws words and returns scenes; `names` are three people, who may occur in other scenes of the paragraph."""

    def one(self, *options):
        return self.rng.choice(options)

    def roles(self, names, answered) -> Scene:
        """Ana thanked Ben, Carla was thanked by Ben, and someone else did something else."""
        a, b, c = names
        told = []
        (base, past, participle), other = self.some("transitive", 2)
        for x, y, (_, did, done) in ((a, b, (base, past, participle)), (b, c, (base, past, participle)), (c, a, other)):
            told.append(self.one(f"{x} {did} {y}", f"{y} was {done} by {x}"))
        asked = {"who": f"Who {past} {{}}?", "whom": f"Whom did {{}} {base}?", "by": f"Who was {participle} by {{}}?"}
        form = self.one(*asked)
        if not answered:
            return told, asked[form].format(a if form == "who" else c), None
        place = self.one(0, 1)
        doer, other = ((a, b), (b, c))[place]
        named, right = (other, doer) if form == "who" else (doer, other)
        return told, asked[form].format(named), (place, right)

    def actions(self, names, answered) -> Scene:
        """Who managed to do it, who failed to, who only wanted to."""
        a, b, c = names
        (base, past, what), (other, _, thing) = self.some("tasks", 2)
        said = lambda who, forms: f"{who} {self.one(*forms)} {base} {what}"  # noqa: E731
        elsewhere = lambda forms: f"{c} {self.one(*forms)} {other} {thing}"  # noqa: E731
        if self.one(True, False):
            question, first, second = f"Who {past} {what}?", DID if answered else DID_NOT, PERHAPS
            third = self.one(said(c, DID_NOT), said(c, PERHAPS), elsewhere(DID))
        else:
            question, first, second = f"Who did not {base} {what}?", DID_NOT if answered else DID, DID
            third = self.one(said(c, DID), elsewhere(DID_NOT))
        return [said(a, first), said(b, second), third], question, (0, a) if answered else None

    def kinds(self, names, answered) -> Scene:
        """Ana drew a poodle, Ben never drew a dog, Carla drew something else: who drew a dog?"""
        a, b, c = names
        (narrow, _, wide, widest), (unlike, *_) = self.some("chains", 2)
        base, past, _ = self.some("chain_verbs")
        never = self.one(f"{b} never {past} {article(wide)}", f"{b} did not {base} any {wide}")
        told = [f"{a} {past} {article(narrow)}", never, f"{c} {past} {article(unlike)}"]
        if self.one(True, False):
            if not answered:
                told[0] = f"{a} {past} {article(widest)}"
            return told, f"Who {past} {article(wide)}?", (0, a) if answered else None
        return (
            told,
            f"What kind of {wide} did {a if answered else self.one(b, c)} {base}?",
            ((0, narrow) if answered else None),
        )

    def counts(self, names, answered) -> Scene:
        """Three people, three numbers; one of them is of other goods, or has another verb."""
        a, b, c = names
        (past, also), (goods, unlike) = self.some("goods_verbs", 2), self.some("goods", 2)
        few, many, any_number = self.rng.sample(NUMBERS[2:], 3)
        told = [f"{a} {past} {few} {goods}", f"{b} {past} {many} {goods}"]
        told.append(f"{c} " + self.one(f"{also} {any_number} {goods}", f"{past} {any_number} {unlike}"))
        if self.one(True, False):
            who = self.one(a, b) if answered else c
            question, right = f"How many {goods} did {who} {BASES[past]}?", few if who == a else many
            return told, question, (told.index(f"{who} {past} {right} {goods}"), right) if answered else None
        more = NUMBERS.index(few) < NUMBERS.index(many)  # whether b has more than a
        compared = "more" if more == answered else "fewer"
        return told, f"Who {past} {compared} {goods} than {a}?", (1, b) if answered else None

    def order(self, names, answered) -> Scene:
        """Who arrived before Ben, who is taller than Ben: two statements about three people, told from either end."""
        a, b, c = names
        event, (more, less, _) = self.some("events"), self.some("degrees")
        tell = {
            "event": lambda x, y: self.one(f"{x} {event} before {y}", f"{y} {event} after {x}"),
            "degree": lambda x, y: self.one(f"{x} is {more} than {y}", f"{y} is {less} than {x}"),
        }
        theme, unlike = self.rng.sample(["event", "degree"], 2)
        above, below = (
            (f"Who {event} before", f"Who {event} after")
            if theme == "event"
            else (f"Who is {x} than" for x in (more, less))
        )
        pairs, asked, lacking = self.one(  # who is above whom; question: the person it names, statement, answer
            ([(a, b), (b, c)], [(above, b, 0, a), (below, b, 1, c)], [(above, a), (below, c)]),
            ([(a, b), (a, c)], [(above, b, 0, a), (above, c, 1, a)], [(above, a), (below, b), (below, c)]),
            ([(a, c), (b, c)], [(below, a, 0, c), (below, b, 1, c)], [(below, c), (above, a), (above, b)]),
        )
        told = [tell[theme](*pair) for pair in pairs] + [tell[unlike](*self.rng.sample(names, 2))]
        if not answered:
            form, who = self.one(*lacking)
            return told, f"{form} {who}?", None
        form, who, place, right = self.one(*asked)
        return told, f"{form} {who}?", (place, right)

    def places(self, names, answered) -> Scene:
        """Four things; what is below the lamp when the lamp is above the vase?"""
        one, two, three, four = self.some("things", 4)
        (near, far), (front, back) = (self.rng.sample(sides, 2) for sides in self.rng.sample(SIDES, 2))
        told = [
            f"the {one} is {near} the {two}",
            f"the {three} is {front} the {one}",
            f"the {four} is {near} the {three}",
        ]
        asked = [(far, one, 0, two), (near, two, 0, one), (back, three, 1, one), (front, one, 1, three)]
        asked += [(far, four, 2, three), (near, three, 2, four)]
        lacking = [(near, one), (far, two), (front, three), (back, one), (far, three), (near, four), (front, two)]
        if not answered:
            side, thing = self.one(*lacking)
            return told, f"What is {side} the {thing}?", None
        side, thing, place, right = self.one(*asked)
        return told, f"What is {side} the {thing}?", (place, right)

    def jobs(self, names, answered) -> Scene:
        """Ana is a nurse, and Ana drew a bee: what did the nurse draw?"""
        a, b, _ = names
        jobs, (one, two) = self.some("people", 2), self.some("chains", 2)
        did, also = self.some("chain_verbs", 2)
        told = [f"{a} is {article(jobs[0])}", f"{b} is {article(jobs[1])}"]
        told += [f"{a} {did[1]} {article(one[0])}", f"{b} {also[1]} {article(two[0])}"]
        who = self.one(0, 1)
        base = (did, also)[who if answered else 1 - who][0]
        return told, f"What did the {jobs[who]} {base}?", (2 + who, (one, two)[who][0]) if answered else None

    def both(self, names, answered) -> Scene:
        """And, but, neither: the answer may be two people."""
        a, b, c = names
        (base, past, _), (_, also, _) = self.some("intransitive", 2)
        pair = f"{a} and {b}"
        told = {"and": f"{pair} {past}", "but": f"{a} {past} but {b} did not", "neither": f"neither {a} nor {b} {past}"}
        if self.one(True, False):
            form = self.one("and", "but") if answered else "neither"
            question, right = f"Who {past}?", pair if form == "and" else a
        else:
            form, question, right = "but" if answered else "and", f"Who did not {base}?", b
        others = self.rng.sample([b, c], 2)
        unlike = self.one(f"{' and '.join(others)} {also}", f"{others[0]} {also} but {others[1]} did not")
        return [told[form], unlike], question, (0, right) if answered else None

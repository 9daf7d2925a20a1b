"""Words that may be exchanged without changing a label: what the grammars of the embedded tasks can tell.

A *renaming* maps word forms to other forms, such as ``{"guests": "players", "guest": "player"}``. It is carried out
everywhere in a row at once, in both texts of a pair, so that what was the same word before is the same word after.
Every renaming given here keeps the label by the rules that made the row: the grammar could have drawn the new word in
the old one's place, and would have given the new row the same label.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from data.make.grammar import common, entail_lexicon, reviews_lexicon, reviews_rules
from kdviz.data import augment

Renaming = Mapping[str, str]
Row = tuple[str, ...]  # (text,) or (text, text_b)
NOUNS = ("names", "people", "things", "goods")  # classes of the entail lexicon of which nothing but identity matters


def rename(row: Row, renaming: Renaming) -> Row:
    """The row with every occurrence of the renamed words replaced; capitals stay, a and an agree."""
    return tuple(_rename(text, renaming) for text in row)


def _rename(text: str, renaming: Renaming) -> str:
    for start, end in reversed(augment.spans(text)):  # from the end, so that earlier places stay where they are
        new = renaming.get(text[start:end].lower())
        if new is not None:
            text = augment.put(text, (start, end), new)
    return text


def delete(row: Row, word: str) -> Row:
    """The row without the word, wherever it stood."""
    for_all = []
    for text in row:
        for start, end in reversed(augment.spans(text)):
            if text[start:end].lower() == word:
                text = text[:start] + text[end:]
        for_all.append(re.sub(r"\s+", " ", text).strip())
    return tuple(for_all)


def words(row: Row) -> list[str]:
    """The words of a row in lower case, in order, repetitions included."""
    return [text[slice(*span)].lower() for text in row for span in augment.spans(text)]


def by_rule(task: str) -> dict[str, tuple[Renaming, ...]]:
    """word -> renamings of it that keep the label of every row of an embedded task; {} for any other task."""
    if task == "reviews":
        return {word: tuple({word: other} for other in others) for word, others in augment.synonyms().items()}
    return _entail() if task == "entail" else {}


@cache
def _entail() -> dict[str, tuple[Renaming, ...]]:
    found: dict[str, list[Renaming]] = {}
    for members in _classes():
        for old in members:
            for new in members:
                renaming = dict(zip(old, new))
                # two forms that look alike and become two that do not (visited -> saw, seen) cannot be renamed blindly
                if old != new and all(renaming[a] == b for a, b in zip(old, new)):
                    for form in dict.fromkeys(old):
                        found.setdefault(form, []).append(renaming)
    return {word: tuple(renamings) for word, renamings in sorted(found.items())}


def _classes() -> Iterable[list[tuple[str, ...]]]:
    """Words (with their forms) of the entail lexicon that no rule reads: only whether two of them are the same counts.

    A form that the lexicon holds twice is left out ("saw" is drawn by two phenomena, "old" is also a degree).
    """
    lexicon = entail_lexicon.MAIN
    single = [[(word.lower(),) for word in lexicon[key]] for key in NOUNS]
    single.append([(word,) for word in lexicon["modifiers"] if word.islower()])
    siblings = [[(narrow,), (sibling,)] for narrow, sibling, _, _ in lexicon["chains"]]
    forms = [lexicon[key] for key in ("transitive", "intransitive", "chain_verbs", "group")]
    often = Counter(word for forms in _lexemes(lexicon) for word in set(forms))
    for members in (*single, *siblings, *forms):
        yield [forms for forms in members if all(often[form] == 1 for form in forms)]


def _lexemes(lexicon) -> Iterable[list[str]]:
    """The words of every entry of a lexicon; the forms of one verb or noun count as one entry."""
    for key, value in lexicon.items():
        for entry in value:
            if key in ("chains", "scales", "degrees"):  # several entries in one tuple
                yield from (common.words(part) for part in entry)
            else:
                yield common.words(entry if isinstance(entry, str) else " ".join(entry))


@cache
def unread(task: str) -> frozenset[str]:
    """Words of an embedded task that stand where no rule looks, so that *any* noun or name might stand there."""
    if task == "entail":  # words of one form: a verb would have to change in all of its forms
        lexicon = entail_lexicon.MAIN
        return frozenset(word.lower() for key in NOUNS for word in lexicon[key]) & frozenset(_entail())
    if task != "reviews":
        return frozenset()
    domains = reviews_lexicon.MAIN["domains"].values()
    names = [noun for domain in domains for noun, *_ in domain["aspects"]]
    names += [domain["items"] for domain in domains] + [who for who in reviews_lexicon.MAIN["people"]]
    told = common.words(" ".join(_strings(reviews_lexicon.MAIN["implicit"])))  # whole clauses that judge
    told += common.words(" ".join(_strings([domain["rivals"] + domain["topics"] for domain in domains])))
    told += common.words("the a an my our beside " + " ".join(_strings(reviews_rules.FRAMES)))
    return frozenset(common.words(" ".join(names))) - set(told) - _read("reviews")


@cache
def known(task: str) -> frozenset[str]:
    """Every word of an embedded task's lexicons: a similarity has no say over them, the rules have."""
    lexicons = {"reviews": reviews_lexicon, "entail": entail_lexicon}
    if task not in lexicons:
        return frozenset()
    held = [lexicons[task].MAIN, lexicons[task].HELD_OUT]
    return frozenset(common.words(" ".join(_strings(held)))) | _read(task)


def _read(task: str) -> set[str]:
    """Words that carry a value of their own in the reviews rules."""
    if task != "reviews":
        return set()
    degrees = [list(reviews_rules.STRONG.values()), list(reviews_rules.WEAK.values())]
    return set(common.words(" ".join(_strings([reviews_lexicon.MAIN["opinions"], degrees]))))


def _strings(node) -> Iterable[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _strings(value)
    elif isinstance(node, Sequence):
        for value in node:
            yield from _strings(value)

"""``python -m data.make.words``: write ``words.json`` of both embedded tasks, what their grammars say of their words.

kdviz reads these files (`kdviz.data.words`), so that nothing but the tests needs the grammars themselves.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from data.make.grammar import common, entail_lexicon, reviews_lexicon, reviews_rules
from kdviz.disk import write_whole
from kdviz.paths import data_dir

NOUNS = ("names", "people", "things", "goods")  # classes of the entail lexicon of which nothing but identity matters


def reviews() -> dict:
    """The words of the reviews grammar, see `kdviz.data.words.lexicon`."""
    lexicon, degrees = reviews_lexicon.MAIN, (*reviews_rules.STRONG.values(), *reviews_rules.WEAK.values())
    opinions = {
        word: value for kind in lexicon["opinions"].values() for value, some in kind.items() for word in some.split()
    }
    read = set(common.words(" ".join(strings([lexicon["opinions"], degrees]))))
    return {
        "synonyms": synonyms(),
        "classes": [],
        "open": sorted(_open_in_reviews() - read),
        "known": sorted(_every_word(reviews_lexicon) | read),
        "opinions": opinions,
    }


def synonyms() -> dict[str, list[str]]:
    """Opinion words of one value that suit the same nouns, degree words of one strength, things of one domain.

    Words held out for ``ood_lexicon`` are not among them, and neither is a word of two classes (another value beside
    another noun), for which no synonym is safe everywhere.
    """
    known: dict[str, set[str]] = {}
    values: dict[str, set[int]] = {}
    kinds = reviews_lexicon.MAIN["opinions"]
    for kind in kinds.values():
        for value, some in kind.items():
            for word in some.split():
                known.setdefault(word, set()).update(some.split(), kinds["any"].get(value, "").split())
                values.setdefault(word, set()).add(value)
    groups = [*reviews_rules.STRONG.values(), *reviews_rules.WEAK.values()]
    groups += [domain["items"].split() for domain in reviews_lexicon.MAIN["domains"].values()]
    for group in groups:
        for word in group:
            known.setdefault(word, set()).update(group)
    twice = {word for word, found in values.items() if len(found) > 1}
    return {
        word: sorted(others - twice - {word})
        for word, others in sorted(known.items())
        if word not in twice and " " not in word
    }


def _open_in_reviews() -> set[str]:
    """The names of things and people, but for those that stand in a clause that judges, or in a frame."""
    lexicon = reviews_lexicon.MAIN
    domains = lexicon["domains"].values()
    names = [noun for domain in domains for noun, *_ in domain["aspects"]]
    names += [domain["items"] for domain in domains] + list(lexicon["people"])
    judging = [lexicon["implicit"], [domain["rivals"] + domain["topics"] for domain in domains], reviews_rules.FRAMES]
    closed = common.words(" ".join(["the a an my our beside", *strings(judging)]))
    return set(common.words(" ".join(names))) - set(closed)


def entail() -> dict:
    """The words of the entail grammar, see `kdviz.data.words.lexicon`."""
    classes = list(_classes())
    renamed = {form for members in classes if len(members) > 1 for forms in members for form in forms}
    nouns = {word.lower() for key in NOUNS for word in entail_lexicon.MAIN[key]}
    return {
        "synonyms": {},
        "classes": classes,
        "open": sorted(nouns & renamed),  # words of one form: a verb would have to change in all of its forms
        "known": sorted(_every_word(entail_lexicon)),
        "opinions": {},
    }


def _classes() -> Iterator[list[list[str]]]:
    """Words (with their forms) of the entail lexicon that no rule reads: only whether two of them are the same counts.

    A form that the lexicon holds twice is left out ("saw" is drawn by two phenomena, "old" is also a degree).
    """
    lexicon = entail_lexicon.MAIN
    single = [[(word.lower(),) for word in lexicon[key]] for key in NOUNS]
    single.append([(word,) for word in lexicon["modifiers"] if word.islower()])
    siblings = [[(narrow,), (sibling,)] for narrow, sibling, _, _ in lexicon["chains"]]
    forms = [lexicon[key] for key in ("transitive", "intransitive", "chain_verbs", "group")]
    often = Counter(word for entry in _lexemes(lexicon) for word in set(entry))
    for members in (*single, *siblings, *forms):
        yield [list(forms) for forms in members if all(often[form] == 1 for form in forms)]


def _lexemes(lexicon) -> Iterator[list[str]]:
    """The words of every entry of a lexicon; the forms of one verb or noun count as one entry."""
    for key, value in lexicon.items():
        for entry in value:
            if key in ("chains", "scales", "degrees"):  # several entries in one tuple
                yield from (common.words(part) for part in entry)
            else:
                yield common.words(entry if isinstance(entry, str) else " ".join(entry))


def _every_word(lexicon) -> set[str]:
    return set(common.words(" ".join(strings([lexicon.MAIN, lexicon.HELD_OUT]))))


def strings(node) -> Iterable[str]:
    """Every string in nested lists and dicts; the keys of a dict are none."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, (Mapping, Sequence)):
        for value in node.values() if isinstance(node, Mapping) else node:
            yield from strings(value)


def content(task: str) -> bytes:
    """The file of an embedded task, the same bytes every time; one line for each of its entries."""
    words = {"reviews": reviews, "entail": entail}[task]()
    return (
        "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in words.items()) + "\n}\n"
    ).encode()


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(prog="python -m data.make.words", description=__doc__).parse_args(argv)
    for task in ("reviews", "entail"):
        path: Path = data_dir() / task / "words.json"
        write_whole(path, content(task))
        print(f"{path}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()

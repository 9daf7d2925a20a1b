"""``python -m data.make.rules``: write ``rules.json`` of the reviews task, all that its grammar may write.

`kdviz.course.reviews` judges texts by it, so that nothing but the tests needs the grammar itself.
"""

from __future__ import annotations

import argparse
import json

from data.make.grammar import reviews_rules as rules
from data.make.grammar.reviews_lexicon import MAIN
from kdviz.disk import write_whole
from kdviz.paths import data_dir


def reviews() -> dict:
    """The words and the rules of the reviews grammar, see `kdviz.course.reviews`."""
    domains = {
        name: spec | {"items": spec["items"].split(), "link": rules.LINKS.get(name, "near")}
        for name, spec in MAIN["domains"].items()
    }
    comparison = {value: rules.FORMS["comparison", value] for value in range(-2, 3)}
    return {
        "opinions": {
            kind: {value: words.split() for value, words in by_value.items()}
            for kind, by_value in MAIN["opinions"].items()
        },
        "domains": domains,
        "implicit": MAIN["implicit"],
        "people": MAIN["people"],
        "verbs": rules.VERBS,
        "forms": {rule: rules.FORMS[rule] for rule in ("plain", "negated", "refuted", "topic")}
        | {"comparison": comparison},
        "bases": rules.BASES,
        "degrees": {
            "intensified": {base: rules.STRONG[abs(base)] for base in (-2, -1, 1, 2)},
            "diminished": rules.WEAK,
        },
        "frames": rules.FRAMES,
    }


def content() -> bytes:
    """The file, the same bytes every time; one line for each of its entries."""
    return (
        "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in reviews().items()) + "\n}\n"
    ).encode()


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(prog="python -m data.make.rules", description=__doc__).parse_args(argv)
    path = data_dir() / "reviews" / "rules.json"
    write_whole(path, content())
    print(f"{path}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()

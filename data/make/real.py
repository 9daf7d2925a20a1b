"""``python -m data.make.real tweets|news``: fix the splits of real text and measure them.

Writes ``data/<task>/splits.json`` (the fingerprint of all splits, by which a user's package is checked) and the table
of ``data/<task>/README.md`` between its two markers. The baseline is trained on train and nothing is chosen on test.
"""

from __future__ import annotations

import argparse
import importlib.metadata
from itertools import combinations

import numpy as np

from data.make.grammar.datasheet import BEGIN, END, bag_of_words
from kdviz.data import real
from kdviz.disk import write_json, write_whole
from kdviz.models.tokenizers import load_tokenizer


def table(task) -> str:
    """Sizes, shares of the classes, tokens, and the bag of words' accuracy."""
    from sklearn.metrics import accuracy_score

    data = {name: split.to_dict() for name, split in task.splits.items()}
    labelled = {name: split for name, split in data.items() if name != "transfer"}
    tokenizer = load_tokenizer()
    lines = [
        "| split | rows | " + " | ".join(task.labels) + " | tokens (median, 95 %, most) |",
        "|---|---:|" + "---:|" * len(task.labels) + "---|",
    ]
    for name, split in data.items():
        lengths = [len(ids) for ids in tokenizer(split["text"])["input_ids"]]
        labels = np.array(split["label"])
        shares = ["–" if name == "transfer" else f"{np.mean(labels == c):.1%}" for c in range(len(task.labels))]
        middle = f"{np.median(lengths):.0f}, {np.percentile(lengths, 95):.0f}, {max(lengths)}"
        lines.append(f"| {name} | {len(labels):,} | " + " | ".join(shares) + f" | {middle} |")
    keys = {name: set(map(real._letters, split["text"])) for name, split in data.items()}
    shared = sum(len(keys[a] & keys[b]) for a, b in combinations(keys, 2))
    found = bag_of_words(labelled, ("text",), tuple(labelled))
    common = np.bincount(data["train"]["label"]).argmax()
    lines += ["", f"Texts shared by two splits (case, marks and punctuation ignored): **{shared}**.", ""]
    lines += ["| accuracy, % | " + " | ".join(labelled) + " |", "|---|" + "---:|" * len(labelled)]
    for name, guess in (
        ("commonest class of train", None),
        ("bag of words and word pairs, logistic regression", found),
    ):
        scores = [
            accuracy_score(split["label"], np.full(len(split["label"]), common) if guess is None else guess[part])
            for part, split in labelled.items()
        ]
        lines.append(f"| {name} | " + " | ".join(f"{100 * score:.1f}" for score in scores) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.make.real", description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=list(real.PACKAGES), metavar="task")
    task = real.build(name := parser.parse_args(argv).name)
    package = real.PACKAGES[name]
    made = {"package": package, "version": importlib.metadata.version(package), "fingerprint": task.fingerprint}
    write_json(task.folder / "splits.json", made | {"rows": {name: len(split) for name, split in task.splits.items()}})
    readme = task.folder / "README.md"
    before, after = readme.read_text(encoding="utf-8").split(BEGIN)[0], readme.read_text(encoding="utf-8").split(END)[1]
    write_whole(readme, f"{before}{BEGIN}\n{table(task)}\n{END}{after}".encode())
    print(f"{readme}: {task!r}")


if __name__ == "__main__":
    main()

"""``python -m data.make.endings``: measure the endings task and write its README's table between the two markers."""

from __future__ import annotations

import numpy as np

import kdviz as kd
from data.make.grammar.datasheet import update_readme
from data.make.grammar.endings import CHOICES


def overlap(text: str, ending: str) -> float:
    """Words in common, of all words of a beginning and an ending."""
    one, other = set(text.lower().replace(",", "").split()), set(ending.lower().rstrip(".").split())
    return len(one & other) / len(one | other)


def shared(split) -> np.ndarray:
    """(N, K) words that a beginning shares with each of its endings."""
    return np.array([[overlap(row["text"], ending) for ending in row["endings"]] for row in split])


def guesses(task, splits) -> dict[str, dict[str, np.ndarray]]:
    """Name -> split -> (N, K), highest for the ending that is guessed, of what needs no reading.

    Most and fewest words in common; logistic regression, "fits" or "does not", on the words of an ending, those of both
    texts, and the share in common.
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    def flat(split):
        endings = [ending for row in task[split] for ending in row["endings"]]
        return endings, [f"{row['text']} {ending}" for row in task[split] for ending in row["endings"]]

    found = [TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(texts) for texts in flat("train")]
    features = {
        split: hstack(
            [one.transform(texts) for one, texts in zip(found, flat(split))] + [shared(task[split]).reshape(-1, 1)]
        )
        for split in (*splits, "train")
    }
    right = (np.array(task["train"]["label"][:])[:, None] == np.arange(CHOICES)).ravel()
    model = LogisticRegression(max_iter=2000).fit(features["train"].tocsr(), right)
    return {
        "most words in common": {split: shared(task[split]) for split in splits},
        "fewest words in common": {split: -shared(task[split]) for split in splits},
        "bag of words (1–2-grams) of each pair, logistic regression": {
            split: model.decision_function(features[split].tocsr()).reshape(-1, CHOICES) for split in splits
        },
    }


def share_right(task, split: str, values: np.ndarray) -> float:
    """Share of the rows in which the highest value stands at the right ending."""
    return float(np.mean(values.argmax(1) == np.array(task[split]["label"][:])))


def table(task) -> str:
    """Sizes, then the share of rows that every guess has right."""
    lines = ["| split | rows | right ending at 0, 1, 2, 3 |", "|---|---:|---|"]
    for name, split in task.splits.items():
        counts = np.bincount(np.maximum(split["label"][:], 0), minlength=CHOICES)
        lines.append(f"| {name} | {len(split):,} | {'–' if name == 'transfer' else ', '.join(map(str, counts))} |")
    splits = [name for name in task.splits if name not in ("train", "transfer")]
    lines += ["", "| accuracy | " + " | ".join(splits) + " |", "|---|" + "---:|" * len(splits)]
    lines.append("| chance | " + " | ".join([f"{1 / CHOICES:.3f}"] * len(splits)) + " |")
    for name, found in guesses(task, splits).items():
        lines.append(f"| {name} | " + " | ".join(f"{share_right(task, *pair):.3f}" for pair in found.items()) + " |")
    return "\n".join(lines) + "\n\nThe teacher's own stand in `data/teachers/endings/log.json`."


def main() -> None:
    task = kd.load_task("endings")
    update_readme(task.folder / "README.md", table(task))


if __name__ == "__main__":
    main()

"""``python -m data.make.scores``: measure the scores task and write the table of its README between the two markers."""

from __future__ import annotations

import numpy as np

import kdviz as kd
from data.make.grammar.datasheet import update_readme


def overlap(row: dict) -> float:
    """Words in common, of all words of the two sentences."""
    one, other = (set(row[column].lower().rstrip(".").split()) for column in ("text", "text_b"))
    return len(one & other) / len(one | other)


def guesses(task, splits) -> dict[str, dict[str, np.ndarray]]:
    """Name -> split -> (N,) numbers, of what needs no reading: words in common, and ridge regression on words."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    columns, train = ("text", "text_b"), task["train"]
    found = [TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(train[column][:]) for column in columns]
    features = {
        split: hstack([one.transform(task[split][column][:]) for one, column in zip(found, columns)])
        for split in (*splits, "train")
    }
    ridge = Ridge(1.0).fit(features["train"], train["label"][:])
    return {
        "words in common": {split: np.array([overlap(row) for row in task[split]]) for split in splits},
        "bag of words (1–2-grams), ridge": {split: ridge.predict(features[split]) for split in splits},
    }


def table(task) -> str:
    """Sizes, then Pearson's correlation of every guess."""
    lines = ["| split | rows | mean score | at 0 | at 5 |", "|---|---:|---:|---:|---:|"]
    for name, split in task.splits.items():
        values = np.array(split["label"][:], float)
        shown = (
            "– | – | –"
            if name == "transfer"
            else (f"{values.mean():.2f} | {np.mean(values == 0):.1%} | {np.mean(values == 5):.1%}")
        )
        lines.append(f"| {name} | {len(values):,} | {shown} |")
    splits = [name for name in task.splits if name not in ("train", "transfer")]
    lines += ["", "| Pearson's correlation | " + " | ".join(splits) + " |", "|---|" + "---:|" * len(splits)]
    for name, found in guesses(task, splits).items():
        cells = [f"{np.corrcoef(found[split], task[split]['label'][:])[0, 1]:.3f}" for split in splits]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\nThe teacher's own stand in `data/teachers/scores/log.json`."


def main() -> None:
    task = kd.load_task("scores")
    update_readme(task.folder / "README.md", table(task))


if __name__ == "__main__":
    main()

"""``python -m data.make.answers``: measure the answers task and write its README's table between the two markers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import kdviz as kd
from data.make.grammar import common
from data.make.grammar.answers import content
from data.make.grammar.datasheet import update_readme
from kdviz.data.questions import Question, measured

Guesses = list[tuple[str, float]]  # what may be the answer, and how likely it is taken to be


def candidates(context: str) -> Iterator[tuple[str, str]]:
    """(span, its sentence): each word, and each "Ana and Ben"."""
    for sentence in context.rstrip(".").split(". "):
        words = sentence.split()
        yield from ((word, sentence) for word in words)
        pairs = zip(words, words[1:], words[2:])
        yield from ((f"{one} and {other}", sentence) for one, joined, other in pairs if joined == "and")


def overlap(question: str, sentence: str) -> float:
    """Words in common, of all words of both but the smallest; forms of one word are one."""
    one, other = content(question, []), content(sentence, [])
    return len(one & other) / len(one | other)


def likely(row: dict, seen: set[str], nearest: bool) -> Guesses:
    """Names, and spans that are `seen` as answers, but for words of the question; all of them equally likely.

    nearest : only those of the sentences that have most words in common with the question
    """
    asked = common.words(row["text"])
    found = [
        (span, overlap(row["text"], sentence))
        for span, sentence in candidates(row["text_b"])
        if span.lower() not in asked and (span in seen or (span[0].isupper() and content(span, [])))
    ]
    most = max((share for _, share in found), default=0.0)
    return [(span, 1.0) for span, share in found if share == most or not nearest]


def features(row: dict) -> Iterator[dict[str, float]]:
    """Of each candidate: words of question and sentence, the span, its neighbours, how it goes with the question."""
    asked = common.words(row["text"])
    for span, sentence in candidates(row["text_b"]):
        before, after = (f" {sentence} ".split(f" {span} ", 1) + [""])[:2]
        goes = (span, span[0].isupper(), span.lower() in asked)
        found = {f"question {word}": 1.0 for word in asked} | {f"beside {w}": 1.0 for w in common.words(sentence)}
        found |= {f"{' '.join(asked[:2])} > {one}": 1.0 for one in goes} | {f"span {one}": 1.0 for one in goes}
        found |= {f"before {' '.join(before.split()[-1:])}": 1.0, f"after {' '.join(after.split()[:1])}": 1.0}
        yield found | {"overlap": 4 * overlap(row["text"], sentence)}


def bags(task, splits) -> dict[str, list[Guesses]]:
    """Split -> row -> candidates, by logistic regression on their `features`: the answer, or not."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer, train = DictVectorizer(), list(task["train"])
    inputs = vectorizer.fit_transform(one for row in train for one in features(row))
    right = [span in row["answers"] for row in train for span, _ in candidates(row["text_b"])]
    model, made = LogisticRegression(max_iter=1000).fit(inputs, right), {}
    for split in splits:
        rows = list(task[split])
        shares = iter(model.predict_proba(vectorizer.transform(one for row in rows for one in features(row)))[:, 1])
        made[split] = [[(span, next(shares)) for span, _ in candidates(row["text_b"])] for row in rows]
    return made


def scores(rows, guesses: list[Guesses], least: float = -np.inf) -> tuple[float, float]:
    """Mean F1 and exact match of the likeliest spans, or of no answer where these are less likely than `least`.

    Of spans that are equally likely one would be drawn: the mean over them counts.
    """
    found = []
    for row, some in zip(rows, guesses):
        best = max((share for _, share in some), default=-np.inf)
        said = [span for span, share in some if share == best] if some and best >= least else [""]
        asked = [Question(row["text"], row["text_b"], tuple(row["answers"]))] * len(said)
        found.append([each.mean() for each in measured(said, asked)])
    f1, exact = np.mean(found, axis=0)
    return f1, exact


def baselines(task) -> dict[str, dict[str, tuple[float, float]]]:
    """Name -> split -> (F1, exact) of what needs no reading. How likely a span must be to be said is chosen on dev."""
    rows = {split: list(rows) for split, rows in task.splits.items() if split not in ("train", "transfer")}
    seen = {span for some in task["train"]["answers"][:] for span in some}
    found = bags(task, rows)
    least = max(np.linspace(0.02, 0.98, 49), key=lambda least: scores(rows["dev"], found["dev"], least)[0])
    made = {
        "never an answer": lambda split: scores(rows[split], [[]] * len(rows[split])),
        "a likely span at random": lambda split: scores(
            rows[split], [likely(row, seen, nearest=False) for row in rows[split]]
        ),
        "a likely span of the sentence with most words in common": lambda split: scores(
            rows[split], [likely(row, seen, nearest=True) for row in rows[split]]
        ),
        "bags of words, logistic regression": lambda split: scores(rows[split], found[split], least),
    }
    return {name: {split: of(split) for split in rows} for name, of in made.items()}


def table(task, found) -> str:
    """Sizes, then F1 and exact match of every baseline. found : what `baselines` gives"""
    lines = ["| split | rows | without an answer |", "|---|---:|---:|"]
    for name, split in task.splits.items():
        bare = "–" if name == "transfer" else f"{np.mean([not some for some in split['answers'][:]]):.1%}"
        lines.append(f"| {name} | {len(split):,} | {bare} |")
    splits = next(iter(found.values()))
    lines += ["", "| F1, exact match | " + " | ".join(splits) + " |", "|---|" + "---:|" * len(splits)]
    for name, of in found.items():
        cells = (f"{f1:.3f}, {exact:.3f}" for f1, exact in of.values())
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\nThe teacher's own stand in `data/teachers/answers/log.json`."


def main() -> None:
    task = kd.load_task("answers")
    update_readme(task.folder / "README.md", table(task, baselines(task)))


if __name__ == "__main__":
    main()

"""How models hold up: a word-substitution attack, and one pool of adversarial texts on which all models are judged.

A model that is attacked with texts made against itself looks as weak as the attack is strong; models compared on their
own texts are compared on different exams. So the successful texts of all models are pooled, and every model sits the
same exam. The two rankings can differ: show both.

The attack is after TextFooler (Jin et al. 2020), with one difference that matters [ours]: who vouches for the label.
In the embedded tasks the grammar can tell for many words which others keep the label ("rule"). Elsewhere the new word
is a neighbour in the packaged model's word table, and a similarity bound is all there is ("bound"). Every adversarial
text says which of the two it rests on.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import datasets
import numpy as np
import pandas as pd
import torch

from kdviz.data import swaps
from kdviz.data.batches import encode_split
from kdviz.data.files import TEXTS
from kdviz.data.task import Task
from kdviz.losses.logits import UNLABELLED
from kdviz.models.model import Model
from kdviz.models.predict import accuracy, predict
from kdviz.robustness.words import BOUND, RULE, Candidates, candidates as candidates, neighbours as neighbours

SPLITS_OF_TRAINING = ("train", "transfer", "dev")


@dataclass(frozen=True)
class AdversarialExample:
    """An adversarial text.

    before, after : one text, or two of a pair      label : the true class      row : in the attacked split
    changed : how many words      kept : whether the grammar's "rule" or a similarity "bound" vouches for the class
    """

    before: swaps.Row
    after: swaps.Row
    label: int
    row: int
    changed: int
    kept: str


@dataclass(frozen=True)
class Attack:
    """What an attack on one model found.

    model : its name      attempted : rows that the model had right and that were attacked
    found : the texts that fooled it      queries : rows the model was asked about
    """

    model: str
    attempted: int
    found: tuple[AdversarialExample, ...] = ()
    queries: int = 0

    @property
    def success(self) -> float:
        """Share of the attacked rows that fooled the model; lower is more robust."""
        return len(self.found) / max(1, self.attempted)

    def __str__(self) -> str:
        changed = sum(one.changed for one in self.found) / max(1, len(self.found))
        rule = sum(one.kept == RULE for one in self.found)
        return (
            f"{self.model}: {self.success:.1%} of {self.attempted} rows fooled it, {changed:.1f} words changed on "
            f"average; the label is kept by the rules in {rule}, by similarity in {len(self.found) - rule}"
        )


def probabilities(model: Model, rows: Sequence[swaps.Row]) -> torch.Tensor:
    """Class probabilities (N, C) of rows of texts, in order."""
    return predict(model, encode_split(rows, model.tokenizer)).softmax(-1)


def attack(model: Model, dataset, candidates: Candidates, *, share: float = 0.4, limit: int | None = None) -> Attack:
    """Rename words until the model changes its mind.

    Rows that the model has right are attacked. The words of a row are ordered by how much leaving each out lowers the
    probability of the true class; then, word by word, the renaming that lowers it most is kept, until another class
    wins or `share` of the words are changed. A renaming never brings in a word that the row has already.

    dataset    : columns text[, text_b], label, such as task["test"]
    candidates : what may be written, see `candidates`
    limit      : attack the first so many rows only
    Deterministic. Raises ValueError for rows without a label, and a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share={share}: the share of words that may be changed, above 0 and up to 1")
    dataset = dataset if limit is None else dataset.select(range(min(limit, len(dataset))))
    rows, labels = swaps.texts(dataset), dataset["label"][:]
    if "endings" in dataset.column_names or any(isinstance(label, (float, list)) for label in labels):
        raise ValueError(
            "these labels are numbers, as of regression, several, or endings: an attack changes the class of a text"
        )
    if UNLABELLED in labels:
        raise ValueError(f"{labels.count(UNLABELLED)} of {len(labels)} rows have no label: attack a labelled split")
    before = probabilities(model, rows)
    right = (before.argmax(-1) == torch.tensor(labels)).nonzero().flatten().tolist()
    searches = {
        row: _search(rows[row], labels[row], float(before[row, labels[row]]), candidates, share) for row in right
    }
    asked, found, queries = {row: next(search, None) for row, search in searches.items()}, {}, len(rows)
    while asked := {row: texts for row, texts in asked.items() if texts is not None}:
        answers = probabilities(model, [text for texts in asked.values() for text in texts])
        queries += len(answers)
        for row, own in zip(list(asked), answers.split([len(texts) for texts in asked.values()])):
            try:
                asked[row] = searches[row].send(own)
            except StopIteration as end:
                asked[row] = None
                if end.value is not None:
                    after, changed, kept = end.value
                    found[row] = AdversarialExample(rows[row], after, labels[row], row, changed, kept)
    return Attack(model.name, len(right), tuple(found[row] for row in sorted(found)), queries)


def _search(
    row: swaps.Row, label: int, sure: float, candidates: Candidates, share: float
) -> Generator[list[swaps.Row], torch.Tensor, tuple[swaps.Row, int, str] | None]:
    """The attack on one row, as a conversation, so that the model reads the rows of all searches together.

    It yields rows and is sent their class probabilities. Returns the row that fools the model, how many words changed
    and what vouches for its label; or None.
    """
    present = swaps.words(row)
    open_ = [word for word in dict.fromkeys(present) if candidates.renamings(word)]
    if not open_:
        return None
    left = (yield [swaps.delete(row, word) for word in open_])[:, label]
    most = budget = max(1, int(share * len(present)))
    now, kept = row, RULE
    for word in (open_[place] for place in left.argsort(stable=True).tolist()):
        there = swaps.words(now)
        tries = []
        for renaming, vouched in candidates.renamings(word):
            changes = sum(form in renaming for form in there)
            if word in there and changes <= budget and not set(renaming.values()) & set(there):
                tries.append((swaps.rename(now, renaming), vouched, changes))
        if not tries:
            continue
        answers = yield [new for new, *_ in tries]
        for best in answers[:, label].argsort(stable=True).tolist():
            new, vouched, changes = tries[best]
            if answers[best, label] >= sure:
                break  # no renaming of this word helps
            vouched = BOUND if BOUND in (kept, vouched) else RULE
            if vouched == BOUND and candidates.similarity(row, new) < candidates.meaning:
                continue
            now, sure, kept, budget = new, float(answers[best, label]), vouched, budget - changes
            if int(answers[best].argmax()) != label:
                return now, most - budget, kept
            break
    return None


def pooled(attacks: Sequence[Attack]) -> datasets.Dataset:
    """Every row that fooled a model, once: columns text[, text_b], label, kept ("rule" or "bound"), against (the models
    that it was made against, separated by commas).

    Raises ValueError when no attack succeeded.
    """
    found: dict[swaps.Row, tuple[AdversarialExample, set[str]]] = {}
    for one in attacks:
        for text in one.found:
            found.setdefault(text.after, (text, set()))[1].add(one.model)
    if not found:
        raise ValueError("no attack fooled its model: there is nothing to pool; attack more texts or change more words")
    rows = [
        dict(zip(TEXTS, text.after), label=text.label, kept=text.kept, against=", ".join(sorted(names)))
        for text, names in found.values()
    ]
    return datasets.Dataset.from_list(rows)


@dataclass(frozen=True)
class Judgement:
    """Attacks on several models, and the pool of what they found.

    table : one row a model: accuracy on every labelled split that is not trained on; own_attack, the share of its own
            attacks that succeeded; pool, accuracy on the pool; pool_rule, on its rows whose label the grammar keeps;
            others, on its rows that were made against other models (NaN where there are no such rows)
    """

    models: Mapping[str, Model]
    attacks: tuple[Attack, ...]
    pool: datasets.Dataset
    scores: Mapping[str, Mapping[str, float]] = field(repr=False)

    @cached_property
    def table(self) -> pd.DataFrame:
        labels, rule = np.array(self.pool["label"][:]), np.array(self.pool["kept"][:]) == RULE
        against, rows = [set(names.split(", ")) for names in self.pool["against"][:]], []
        for one, (name, model) in zip(self.attacks, self.models.items(), strict=True):
            right = pd.Series(predict(model, encode_split(self.pool, model.tokenizer)).argmax(-1).numpy() == labels)
            foreign = np.array([bool(names - {name}) for names in against])
            pool = {"pool": right.mean(), "pool_rule": right[rule].mean(), "others": right[foreign].mean()}
            rows.append({"model": name, **self.scores[name], "own_attack": one.success, **pool})
        return pd.DataFrame(rows)


def judge(
    models: Mapping[str, Model],
    task: Task,
    candidates: Candidates,
    *,
    limit: int | None = 200,
    share: float = 0.4,
    splits: Sequence[str] | None = None,
) -> Judgement:
    """Attack every model, pool what fooled any of them, and score all models on the same pool.

    limit : rows of test that are attacked, None for all      share : see `attack`
    splits : splits to score as well, None for all that are not trained on
    """
    attacks = tuple(
        replace(attack(model, task["test"], candidates, limit=limit, share=share), model=name)
        for name, model in models.items()
    )
    splits = [name for name in task.splits if name not in SPLITS_OF_TRAINING] if splits is None else splits
    scores = {name: {split: accuracy(model, task[split]) for split in splits} for name, model in models.items()}
    return Judgement(models, attacks, pooled(attacks), scores)

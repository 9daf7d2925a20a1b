"""How models hold up: a word-substitution attack, and one pool of adversarial texts on which all models are judged.

A model that is attacked with texts made against itself looks as weak as the attack is strong; models compared on their
own texts are compared on different exams. So the successful texts of all models are pooled, and every model sits the
same exam. The two rankings can differ: show both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import datasets
import torch

from kdviz.data import augment
from kdviz.data.batching import batches, encode_split
from kdviz.data.task import Task
from kdviz.models.model import Model

BATCH = 64
UNLABELLED = -100


@dataclass(frozen=True)
class Attack:
    """What an attack on one model found.

    model     : its name
    attempted : texts that the model had right and that were attacked
    texts     : the texts that fooled it; labels : their true classes; source : row of the attacked split
    changed   : words changed in each; queries : texts the model was asked about
    """

    model: str
    attempted: int
    texts: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()
    source: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()
    queries: int = 0
    before: tuple[str, ...] = field(default=(), repr=False)

    @property
    def success(self) -> float:
        """Share of the attacked texts that fooled the model; lower is more robust."""
        return len(self.texts) / max(1, self.attempted)

    def __str__(self) -> str:
        words = sum(self.changed) / max(1, len(self.changed))
        return f"{self.model}: {self.success:.1%} of {self.attempted} texts fooled it, {words:.1f} words changed on average"


def predict(model: Model, texts: Sequence[str]) -> torch.Tensor:
    """Class probabilities (N, C) of texts, in order."""
    encoded = encode_split(datasets.Dataset.from_dict({"text": list(texts), "label": [UNLABELLED] * len(texts)}), model.tokenizer)
    found = torch.empty(len(texts), len(model.labels))
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for batch in batches(encoded, BATCH, seed=None):
            batch = batch.to(model.device)
            out = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
            found[batch.index.cpu()] = out.logits.float().softmax(-1).cpu()
    model.train(was_training)
    return found


def attack(
    model: Model, dataset, *, synonyms: Mapping[str, Sequence[str]] | None = None, share: float = 0.4,
    limit: int | None = None,
) -> Attack:
    """Replace words by synonyms until the model changes its mind (after TextFooler, Jin et al. 2020).

    Texts that the model has right are attacked, one at a time: its words are ordered by how much deleting each lowers
    the probability of the true class; then, word by word, the synonym that lowers it most is kept, until another
    class wins or `share` of the words are changed. The label is kept because the synonyms keep it: by default they
    are those of the reviews grammar, whose rules give the same stars to both texts.

    dataset  : columns text, label, such as task["test"]; one text a row
    synonyms : word -> words that may take its place, None for `kdviz.data.augment.synonyms()`
    limit    : attack the first so many rows only
    Deterministic. Raises ValueError for pairs of texts, rows without a label, and a share outside (0, 1].
    """
    if "text_b" in dataset.column_names:
        raise ValueError("the attack rewrites single texts; this split has pairs (text, text_b)")
    if not 0 < share <= 1:
        raise ValueError(f"share={share}: the share of words that may be changed, above 0 and up to 1")
    known = augment.synonyms() if synonyms is None else synonyms
    rows = dataset if limit is None else dataset.select(range(min(limit, len(dataset))))
    texts, labels = rows["text"][:], rows["label"][:]
    if UNLABELLED in labels:
        raise ValueError(f"{labels.count(UNLABELLED)} of {len(labels)} rows have no label: attack a labelled split")
    right = predict(model, texts).argmax(-1) == torch.tensor(labels)
    found: dict[str, list] = {"texts": [], "labels": [], "source": [], "changed": [], "before": []}
    queries = len(texts)
    for row in right.nonzero().flatten().tolist():
        new, changed, asked = _fool(model, texts[row], labels[row], known, share)
        queries += asked
        if new is not None:
            values = (new, labels[row], row, changed, texts[row])
            for name, value in zip(found, values, strict=True):
                found[name].append(value)
    return Attack(model.name, int(right.sum()), queries=queries, **{name: tuple(values) for name, values in found.items()})


def _fool(model, text, label, known, share) -> tuple[str | None, int, int]:
    """(the text that fools the model or None, words changed, texts asked about)."""
    places = augment.spans(text)
    open_ = [number for number, span in enumerate(places) if known.get(text[slice(*span)].lower())]
    if not open_:
        return None, 0, 0
    without = [(text[: places[number][0]] + text[places[number][1] :]).strip() for number in open_]
    left = predict(model, without)[:, label]
    asked, changed, most = len(without), 0, max(1, int(share * len(places)))
    for number in (open_[place] for place in left.argsort(stable=True).tolist()):
        if changed == most:
            break
        span = augment.spans(text)[number]
        tries = [augment.put(text, span, other) for other in known[text[slice(*span)].lower()]]
        answers = predict(model, [text, *tries])
        asked += len(tries) + 1
        best = int(answers[1:, label].argmin())
        if answers[1 + best, label] >= answers[0, label]:
            continue  # no synonym of this word helps
        text, changed = tries[best], changed + 1
        if int(answers[1 + best].argmax()) != label:
            return text, changed, asked
    return None, changed, asked


def pooled(attacks: Sequence[Attack]) -> datasets.Dataset:
    """Every text that fooled a model, once: columns text, label, against (the models it was made against).

    Raises ValueError when no attack succeeded.
    """
    found: dict[str, tuple[int, list[str]]] = {}
    for one in attacks:
        for text, label in zip(one.texts, one.labels, strict=True):
            found.setdefault(text, (label, []))[1].append(one.model)
    if not found:
        raise ValueError("no attack fooled its model: there is nothing to pool; attack more texts or change more words")
    return datasets.Dataset.from_dict({
        "text": list(found), "label": [label for label, _ in found.values()],
        "against": [", ".join(sorted(set(names))) for _, names in found.values()],
    })  # fmt: skip


def accuracy(model: Model, dataset) -> float:
    """Share of the labelled texts of a split that the model has right."""
    labels = torch.tensor(dataset["label"][:])
    known = labels != UNLABELLED
    if not known.any():
        raise ValueError(f"none of these {len(labels)} rows has a label")
    return (predict(model, dataset["text"][:]).argmax(-1) == labels)[known].double().mean().item()


def judge(models: Mapping[str, Model], task: Task, *, limit: int | None = 200, synonyms=None) -> list[dict]:
    """One row a model: accuracy on every labelled split that is not trained on, success of the attack on it, and
    accuracy on the pool of all attacks.

    limit : rows of test that are attacked; None for all   synonyms : as for `attack`
    """
    attacks = {}
    for name, model in models.items():
        found = attack(model, task["test"], synonyms=synonyms, limit=limit)
        attacks[name] = Attack(**(vars(found) | {"model": name}))
    pool = pooled(list(attacks.values()))
    splits = [name for name in task.splits if name not in ("train", "transfer", "dev")]
    return [
        {"model": name, **{split: accuracy(model, task[split]) for split in splits},
         "own_attack": attacks[name].success, "pool": accuracy(model, pool), "pool_rows": len(pool)}
        for name, model in models.items()
    ]  # fmt: skip

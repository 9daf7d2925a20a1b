"""Distillation when labels are wrong: two standard remedies, after Bhardwaj et al. (W-NUT 2021).

How that paper mitigates noise could not be read; both objectives are [ours], in its spirit.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch

from kdviz.losses import logits
from kdviz.methods.base import Method, Phase
from kdviz.methods.kd import LabelsOnly, check_mixing

PREDICT = 128  # rows at a time


@dataclass
class Remedy(Method):
    """What both remedies share: (1-α) of the labels, α of the teacher at temperature τ.

    α = 0 needs no teacher; the rows without a label are then left out.
    """

    alpha: float = 0.5
    temperature: float = 4.0

    def __post_init__(self):
        check_mixing(self.alpha, self.temperature)

    @property
    def needs(self):
        return frozenset({"logits"}) if self.alpha else frozenset()

    def phases(self, epochs):
        return [Phase("distil", epochs, rows="all" if self.alpha else "labelled")]


@dataclass
class CoDistillation(Remedy):
    """Two students who check each other: labels that one finds implausible, the other does not learn.

    Each of them: (1-α)·CE over the rows whose CE is among the smallest for the *other* one, + α·L_soft to the teacher,
    + γ·τ²·KL to the other (no gradient). The share of rows kept falls from 1 to 1 - `drop` over the first half of the
    run: networks learn what is common before they memorise what is odd (Han et al. 2018, co-teaching). The other has
    the student's shape and other initial weights; the result is the first one.

    alpha, temperature : as in `KD`; alpha=0 needs no teacher
    peer        : γ
    drop        : share of the labelled rows of a batch that is left out at the end: the noise that one expects
    """

    peer: float = 1.0
    drop: float = 0.2

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.drop < 1:
            raise ValueError(f"drop={self.drop}: the share left out lies between 0 and below 1")
        if self.peer < 0:
            raise ValueError(f"peer={self.peer}: must be 0 or more")

    def setup(self, ctx):
        self._other = ctx.add_module("other", newborn(ctx.student, ctx.seed + 1))

    def loss(self, student, teacher, batch, ctx):
        answers = student["logits"], self._other(batch.input_ids, batch.attention_mask, batch.token_type_ids).logits
        rows = [logits.cross_entropy(answer, batch.labels, reduction="none") for answer in answers]
        terms = {"labels": 0.0, "logits": 0.0, "peer": 0.0}
        for me, other in ((0, 1), (1, 0)):
            kept = plausible(rows[other].detach(), batch.labels, self.kept_share(ctx.at))
            terms["labels"] += (1 - self.alpha) * (rows[me] * kept).sum() / kept.sum().clamp(min=1)
            terms["peer"] += self.peer * logits.soft_kl(answers[me], answers[other], self.temperature)
            if self.alpha:
                terms["logits"] += self.alpha * logits.soft_kl(answers[me], teacher["logits"], self.temperature)
        return {name: term for name, term in terms.items() if torch.is_tensor(term)}

    def kept_share(self, at) -> float:
        """Share of a batch's labelled rows that are learned at this step."""
        return 1 - self.drop * min(1.0, 2 * at.fraction)


def plausible(losses, labels, share: float):
    """1 for the `share` of the labelled rows with the smallest loss, at least one; else 0. (B,), (B,) -> (B,)."""
    labelled = labels != logits.UNLABELLED
    count = int(labelled.sum())
    order = losses.masked_fill(~labelled, torch.inf).argsort(stable=True)
    kept = torch.zeros_like(losses)
    kept[order[: min(count, max(1, round(share * count)))]] = 1
    return kept


@dataclass
class LabelRefinement(Remedy):
    """Ask students who never saw a row's label what they think, and meet them halfway.

    The labelled rows are cut into folds; for each, a fresh student learns the labels of the other folds and predicts
    p̂ for this one. The refined target is β·onehot + (1-β)·p̂, and the student learns (1-α)·CE to it + α·L_soft.
    After a run `targets` (rows of train, C) holds them.

    alpha, temperature : as in `KD`; alpha=0 needs no teacher
    beta               : trust in the given label; 1 is KD
    folds              : 2 or more
    """

    beta: float = 0.5
    folds: int = 2

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.beta <= 1:
            raise ValueError(f"beta={self.beta}: trust in the given label lies between 0 and 1")
        if self.folds < 2:
            raise ValueError(f"folds={self.folds}: a row needs a student who did not see it, so 2 or more")

    def setup(self, ctx):
        train = ctx.task["train"]
        labels = torch.as_tensor(train["label"][:])
        given = labels != logits.UNLABELLED
        self.targets = torch.nn.functional.one_hot(labels.clamp(min=0), len(ctx.task.labels)).float()
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(ctx.seed))
        for fold in range(self.folds):
            held = order[fold :: self.folds].sort().values
            others = torch.ones(len(labels), dtype=torch.bool).index_fill(0, held, False)
            splits = {"train": train.select((others & given).nonzero().flatten().tolist()), "dev": ctx.task["dev"]}
            judge = newborn(ctx.student, ctx.seed + 1 + fold)
            judge = ctx.distill(f"fold {fold + 1}", judge, LabelsOnly(), task=replace(ctx.task, splits=splits))
            self.targets[held] *= self.beta
            self.targets[held] += (1 - self.beta) * probabilities(judge, held, ctx).cpu()

    def loss(self, student, teacher, batch, ctx):
        given = batch.labels != logits.UNLABELLED
        terms = {}
        if self.alpha < 1:
            # train comes first in the table, so that a labelled row's number is its place in the targets
            target = self.targets.to(batch.labels.device)[batch.index[given]]
            rows = -(target * student["logits"][given].log_softmax(-1)).sum(-1)
            terms["labels"] = (1 - self.alpha) * rows.sum() / given.sum().clamp(min=1)
        if self.alpha:
            terms["logits"] = self.alpha * logits.soft_kl(student["logits"], teacher["logits"], self.temperature)
        return terms


def newborn(student, seed: int):
    """A student of the same shape that has learned nothing, its weights from `seed`."""
    tokenizer = getattr(student, "tokenizer", None)
    other = copy.deepcopy(student, {id(tokenizer): tokenizer})
    network = other.network
    fresh = type(network).from_settings(network.settings(), seed=seed)
    network.load_state_dict(fresh.state_dict())
    return other


@torch.no_grad()
def probabilities(model, index, ctx):
    """Class probabilities (len(index), C) of these rows of the table."""
    model.to(ctx.student.device).eval()
    batches = [ctx.rows(part) for part in index.split(PREDICT)]
    answers = [model(b.input_ids, b.attention_mask, b.token_type_ids).logits.softmax(-1) for b in batches]
    return torch.cat(answers)

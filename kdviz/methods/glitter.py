"""Glitter (Kamalloo, Rezagholizadeh, Ghodsi, Findings of ACL 2022): train on the augmentations that are hardest now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import datasets
import torch

from kdviz.data import augment
from kdviz.data.files import TEXTS
from kdviz.methods.base import Method
from kdviz.methods.kd import check_mixing

SETUPS = ("kd", "consistency")
PICKS = ("worst", "random", "all")
FRAMES = 40  # counts of picks that are kept of a run


@dataclass
class Glitter(Method):
    """Of a pool of K altered copies of each text, the student trains on the k on which it is worst at that moment.

    variant "kd": α_ce·τ²KL(x) + α_true·CE(x) + α_aug·τ²·mean KL(x'), a copy's badness is τ²KL(teacher ‖ student).
    With a teacher of the student's own size this is the paper's self-distillation.
    variant "consistency": no teacher; CE(x) + λ·mean KL(sg p_S(x) ‖ p_S(x')), and that KL is the badness.
    Copies have no hard label; of multiple choice the text is altered and its endings stay [ours]. They are scored with
    dropout on, as in the release, which trains on that very pass; here the picked ones are read once more, with other
    units dropped [ours].

    pick : "worst" (the paper), or its controls: "random" k, and "all" K
    pool, k : K and k          lam : λ
    by_rank : False: a visit takes all k copies at once [ours]. True, nearly the release: a visit takes one of them, its
           rank drawn by chance. There every (text, rank) is an entry of its own, and an epoch visits a text k times
    copy_temperature : of p_S(x') in consistency training, where the text itself is not softened (uda_softmax_temp)
    rows : texts that are trained on and get a pool; "labelled" [ours: a pool of all unlabelled text is K times that]
    copies : a pool made before by `augment.pool` from those texts, with another augmenter for instance; None makes one
    """

    variant: str = "kd"
    pick: str = "worst"
    pool: int = 8
    k: int = 2
    alpha_ce: float = 0.5
    alpha_true: float = 0.5
    alpha_aug: float = 1.0
    lam: float = 1.0
    temperature: float = 4.0
    by_rank: bool = False
    copy_temperature: float = 1.0
    rows: str = "labelled"
    copies: datasets.Dataset | None = None
    any_kind = True

    def __post_init__(self):
        check_mixing(0, self.temperature)
        if not self.copy_temperature > 0:
            raise ValueError(f"copy_temperature={self.copy_temperature}: must be positive; 1 softens nothing")
        for name, value, offered in (("variant", self.variant, SETUPS), ("pick", self.pick, PICKS)):
            if value not in offered:
                raise ValueError(f"{name}={value!r}: choose among {', '.join(offered)}")
        if not 1 <= self.k <= self.pool:
            raise ValueError(f"k={self.k} of a pool of {self.pool}: pick between 1 and all of them")

    def describe(self):
        """Settings; a pool made before by its texts, so that a resumed run is the same run."""
        names = [] if self.copies is None else [name for name in TEXTS if name in self.copies.column_names]
        made = [self.copies[name][:] for name in names]
        return super().describe() | {"copies": made and hashlib.sha256(repr(made).encode()).hexdigest()[:12]}

    def serves(self, kind):
        return super().serves(kind) and not kind.writes  # a copy of a prompt would ask for another completion

    @property
    def needs(self):
        return frozenset({"logits"}) if self.variant == "kd" else frozenset()

    def setup(self, ctx):
        """Make the pool. It depends on the texts and the seed alone, so the teacher's answers to it are cached."""
        splits = [ctx.task[name] for name in ("train", "transfer") if name in ctx.task.splits]
        columns = [name for name in (*TEXTS, "endings") if name in splits[0].column_names]
        texts = datasets.Dataset.from_dict({name: [t for split in splits for t in split[name]] for name in columns})
        labels = ctx.rows(torch.arange(len(texts))).labels.cpu()
        known = ctx.kind.known(labels)
        chosen = {"all": torch.ones_like(known), "labelled": known, "unlabelled": ~known}[self.rows]
        made = self.copies
        if made is None:
            made = augment.pool(texts.select(chosen.nonzero().flatten().tolist()), self.pool, seed=ctx.seed)
        wanted = [number for number in range(int(chosen.sum())) for _ in range(self.pool)]
        if made["source"][:] != wanted:
            raise ValueError(
                f"copies holds {len(made)} rows, wanted are {self.pool} for each of the {int(chosen.sum())} "
                f"{self.rows} texts, in their order: make it with augment.pool(texts, {self.pool}) "
                f'from the rows "{self.rows}" of train and transfer'
            )
        self.first = ctx.add_rows(made.select_columns(columns)).start
        self.place = chosen.cumsum(0) - 1  # row of the task -> its pool

    def select(self, batch, ctx):
        count = self.pool if self.pick == "all" else self.k
        begin = self.first + self.pool * self.place.to(batch.index.device)[batch.index]
        candidates = begin[:, None] + torch.arange(self.pool, device=begin.device)
        if self.pick == "all":
            picked = torch.arange(self.pool, device=begin.device).expand_as(candidates)
        elif self.pick == "random":
            picked = torch.rand(candidates.shape, device=begin.device).topk(count).indices
        else:
            picked = self.badness(batch, ctx.rows(candidates.flatten()), ctx).view_as(candidates).topk(count).indices
        if self.by_rank:
            picked = picked.gather(1, torch.randint(count, (len(picked), 1), device=picked.device))
        if ctx.at.phase_step % max(1, ctx.at.phase_steps // FRAMES) == 0:
            ctx.record("picked", picked.flatten().bincount(minlength=self.pool))
        return ctx.rows(torch.cat([batch.index, candidates.gather(1, picked).flatten()]))

    @torch.no_grad()
    def badness(self, batch, candidates, ctx):
        """(B·K,) how far the student is from where it should be on each copy, in the pool's order."""
        answers = ctx.student_fields(candidates, frozenset({"logits"}))["logits"]
        if self.variant == "kd":
            target = ctx.teacher_fields(candidates, self.needs)["logits"]
        else:
            target = ctx.student_fields(batch, frozenset({"logits"}))["logits"]
        return self.gap(answers, target, ctx, reduction="none")

    def gap(self, new, target, ctx, reduction="mean"):
        """How far the answers to copies are from the teacher's, or from those to the texts that they are copies of."""
        if self.variant == "kd":
            return ctx.kind.soft(new, target, self.temperature, reduction=reduction)
        target = target.repeat_interleave(len(new) // len(target), 0)
        return ctx.kind.soft(new / self.copy_temperature, target, reduction=reduction)

    def loss(self, student, teacher, batch, ctx):
        copies = batch.index >= self.first
        own, new = student["logits"][~copies], student["logits"][copies]
        labels = ctx.kind.hard(own, batch.labels[~copies])
        if self.variant == "consistency":
            return {"labels": labels, "augmented": self.lam * self.gap(new, own, ctx)}
        target = teacher["logits"]
        return {
            "logits": self.alpha_ce * ctx.kind.soft(own, target[~copies], self.temperature),
            "labels": self.alpha_true * labels,
            "augmented": self.alpha_aug * self.gap(new, target[copies], ctx),
        }

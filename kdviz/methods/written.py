"""Distilling language models on texts that one of them writes: sequence-level KD, and generalised KD (GKD)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from kdviz.data.batches import Batch, Rows
from kdviz.disk import read_sealed, write_sealed
from kdviz.losses import language
from kdviz.losses._checks import one_of
from kdviz.losses.logits import UNLABELLED
from kdviz.methods.base import Method
from kdviz.models.writing import beams_of, write_ids

AT_ONCE = 256  # completions between two looks at the disk
POLICY = 1  # keeps the draw of GKD's policy apart from those of the texts


class _Writes(Method):
    """A method for language modelling alone. The rows it makes stand in no table: their index is -1."""

    rows, needs_live_teacher = "prompts", True

    def serves(self, kind):
        return kind.writes

    @staticmethod
    def made(rows: Rows, index, device) -> Batch:
        batch = rows.batch(index, device)
        return replace(batch, index=torch.full_like(batch.index, -1))


def table_of(prompts: list, completions: list, ctx) -> Rows:
    """Rows of these ids, the completions labelled; cut, as all texts of the run, to its max_length."""
    rows, longest = Rows(ctx.student.tokenizer, ctx.settings.max_length, ctx.task.kind), ctx.settings.max_length
    ids = [np.array([*prompt, *written], np.int64)[:longest] for prompt, written in zip(prompts, completions)]
    first = [len(prompt) if len(prompt) < len(row) else UNLABELLED for prompt, row in zip(prompts, ids)]
    rows.append(ids, [np.zeros_like(row) for row in ids], np.array(first, np.int64))
    return rows


@dataclass
class SeqKD(_Writes):
    """Cross-entropy on what the teacher writes after each prompt of train and transfer. Kim and Rush, EMNLP 2016.

    The teacher writes once, before the first step; what it wrote is kept in the run's folder, and a run that was killed
    goes on with it. The paper takes the best of a beam search, which stands for the mode of the teacher; samples stand
    for the teacher itself, and a text without a prompt needs them.

    tokens      : most of a completion
    temperature : of the samples; 0 takes the likeliest token after the likeliest token
    beams       : more than 1 searches with so many instead, and looks at no temperature
    """

    tokens: int = 64
    temperature: float = 1.0
    beams: int = 1

    def __post_init__(self):
        if self.tokens < 1 or self.beams < 1 or self.temperature < 0:
            found = f"tokens={self.tokens}, beams={self.beams}, temperature={self.temperature}"
            raise ValueError(f"{found}: pass 1 or more, 1 or more, 0 or more")

    def setup(self, ctx):
        prompts = [
            ids if first == UNLABELLED else ids[:first] for ids, first in zip(ctx.table.input_ids, ctx.table.labels)
        ]
        with ctx.accelerator.main_process_first():
            self._table = table_of(prompts, self._written(list(map(np.ndarray.tolist, prompts)), ctx), ctx)

    def _written(self, prompts: list[list[int]], ctx) -> list[list[int]]:
        about = f"{self.describe()} {ctx.seed} {ctx.run_teacher.fingerprint()} {prompts}"
        key = hashlib.sha256(about.encode()).hexdigest()
        path, made = None if ctx.folder is None else ctx.folder / "written.json", []
        if path is not None and path.is_file():
            kept = read_sealed(path, "remove it, and the teacher writes again")
            made = kept["completions"] if kept["key"] == key else []
        teacher = ctx.run_teacher.to(ctx.device)
        for start in range(len(made), len(prompts), AT_ONCE):
            part = prompts[start : start + AT_ONCE]
            if self.beams > 1:
                made += beams_of(teacher, part, self.tokens, self.beams)
            else:
                seeds = [(ctx.seed, row) for row in range(start, start + len(part))]
                made += write_ids(teacher, part, self.tokens, temperature=self.temperature, seeds=seeds)
            if path is not None:
                write_sealed(path, {"key": key, "completions": made})
        return made

    def select(self, batch, ctx):
        return self.made(self._table, batch.index.cpu().numpy(), ctx.device)

    def loss(self, student, teacher, batch, ctx):
        return {"written": ctx.kind.hard(student["logits"], batch.labels)}


@dataclass
class GKD(_Writes):
    """A divergence from the teacher on completions, a share of which the student itself has just written.

    Agarwal et al., ICLR 2024, Algorithm 1: with probability λ a batch keeps its prompts alone, the student completes
    them, and the teacher reads the result; there is no gradient through the writing. What is drawn follows from the
    seed, the step and the row, so that a run that was killed repeats nothing. A prompt that nobody has completed is
    always the student's to complete [ours].

    divergence  : "forward_kl", "reverse_kl", "generalized_jsd", "skew_kl", "skew_reverse_kl" or "total_variation", of
                  `kdviz.losses.language`
    beta        : of "generalized_jsd"; towards 0 forward KL, towards 1 reverse KL
    alpha       : of the two skew divergences
    on_policy   : λ, the share of the batches that the student writes. 0 never looks at the student's own texts
    temperature : of both in the divergence      writing_temperature : of the student while it writes
    tokens      : most of a completion that the student writes
    """

    divergence: str = "generalized_jsd"
    beta: float = 0.5
    alpha: float = 0.1
    on_policy: float = 0.5
    temperature: float = 1.0
    writing_temperature: float = 1.0
    tokens: int = 64

    def __post_init__(self):
        one_of("divergence", self.divergence, sorted(self._divergences))
        for name in ("beta", "alpha", "on_policy"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: a share, from 0 to 1")
        if not self.temperature > 0 or self.writing_temperature < 0 or self.tokens < 1:
            found = f"temperature={self.temperature}, writing_temperature={self.writing_temperature}"
            raise ValueError(f"{found}, tokens={self.tokens}: pass more than 0, 0 or more, 1 or more")

    @property
    def _divergences(self) -> dict[str, Any]:
        skewed = {name: partial(getattr(language, name), alpha=self.alpha) for name in ("skew_kl", "skew_reverse_kl")}
        plain = {name: getattr(language, name) for name in ("forward_kl", "reverse_kl", "total_variation")}
        return plain | skewed | {"generalized_jsd": partial(language.generalized_jsd, beta=self.beta)}

    @property
    def needs(self):
        return frozenset({"logits"}) if self.on_policy < 1 else frozenset()  # of texts that the cache can hold

    def select(self, batch, ctx):
        drawn = np.random.default_rng([ctx.seed, ctx.at.step, POLICY]).random() < self.on_policy
        lengths, counted = batch.attention_mask.sum(1).tolist(), batch.labels != UNLABELLED
        mine = [drawn or not known for known in counted.any(1).tolist()]
        if not any(mine):
            return batch
        texts = [ids[:length] for ids, length in zip(batch.input_ids.tolist(), lengths)]
        first = (counted.int().argmax(1) + 1).tolist()
        prompts = [ids[:place] if known else ids for ids, place, known in zip(texts, first, counted.any(1).tolist())]
        completions = [ids[len(prompt) :] for ids, prompt in zip(texts, prompts)]
        rows = [row for row, writes in enumerate(mine) if writes]
        seeds = [(ctx.seed, ctx.at.step, int(batch.index[row])) for row in rows]
        how = {"temperature": self.writing_temperature, "seeds": seeds}
        for row, written in zip(rows, write_ids(ctx.student, [prompts[row] for row in rows], self.tokens, **how)):
            completions[row] = written
        return self.made(table_of(prompts, completions, ctx), range(len(prompts)), ctx.device)

    def loss(self, student, teacher, batch, ctx):
        ctx.log(on_policy=float(batch.index[0] < 0))
        guide = (teacher or ctx.teacher_fields(batch, frozenset({"logits"})))["logits"]
        if self.divergence == "forward_kl":
            return {self.divergence: ctx.kind.soft(student["logits"], guide, self.temperature)}
        if not isinstance(guide, torch.Tensor):
            raise ValueError(
                f"{self.divergence} needs all of the teacher's logits: leave cache_top out, or use forward_kl"
            )
        counted = batch.labels != UNLABELLED
        return {
            self.divergence: self._divergences[self.divergence](
                student["logits"], guide, counted, temperature=self.temperature
            )
        }

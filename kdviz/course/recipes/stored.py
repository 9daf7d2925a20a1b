"""Lesson 19: what a student lacks of a teacher of which a part was stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from kdviz.course.recipes.training import descend
from kdviz.course.sources import Source, order_two
from kdviz.losses import language
from kdviz.losses._checks import one_of


@dataclass
class Stored:
    """A source in which each symbol depends on two before it, drawn by the seed, and a student that could equal it.

    The student has a row of logits for every pair. Scores, exact, nats a symbol: "gap", KL(teacher ‖ student); dev is
    minus that. "bias", the same of a student that has read unlimited text: every pair, with what is stored of it, all
    draws together.

    tail : of `kdviz.losses.language.sparse_kl`; or "all", everything stored, "uld", "text", cross-entropy without a
           teacher, "text and uld"
    keep : words stored of each position
    """

    tail: str
    keep: int = 4

    def __post_init__(self):
        one_of("tail", self.tail, ("renormalise", "bucket", "sampled", "all", "text", "uld", "text and uld"))

    def run(self, seed, *, final=True, lr, steps, strings, symbols=16, length=20):
        source, draw = order_two(symbols, concentration=0.5, seed=seed), torch.Generator().manual_seed(seed)
        x = source.sample(strings, length, draw)
        pairs, log_p = source.states(x)[:, :-1], source.log_probs(x)[:, :-1].float()

        def gap(table):
            machine = Source(source.symbols, table.double().softmax(-1), source.step, source.allowed)
            return source.kl(machine, length)[0] / length

        def fit(rows, loss):
            table = torch.zeros(source.probs.shape, requires_grad=True)
            descend(lambda: loss(table[rows]), steps, torch.optim.Adam([table], lr=lr))
            return gap(table.detach())

        found = fit(pairs, self._loss(log_p, x[:, 1:], draw))
        scores = {"dev": -found}
        if final:
            every = torch.arange(len(source.probs))[None]
            scores |= {"gap": found, "bias": fit(every, self._unlimited(source.probs.log().float()[None]))}
        return {"scores": scores, "weights": source.probs.numel(), "steps": steps}

    def _loss(self, log_p, text, draw) -> Callable:
        """Of logits (B, n, V), with what is stored once of log_p (B, n, V) and of the text (B, n)."""
        if self.tail == "sampled":
            ids = torch.multinomial(log_p.exp().flatten(0, 1), self.keep, True, generator=draw)
            ids = ids.view(*log_p.shape[:2], self.keep)
            return lambda logits: language.sparse_kl(logits, ids, log_p.gather(-1, ids), tail="sampled")
        if self.tail.startswith("text"):
            return self._beside(lambda logits: F.cross_entropy(logits.transpose(1, 2), text), log_p)
        return self._unlimited(log_p)

    def _unlimited(self, log_p) -> Callable:
        """The mean of the loss over all texts and all draws, up to a constant."""
        if self.tail in ("renormalise", "bucket"):
            stored, ids = log_p.topk(self.keep)
            return lambda logits: language.sparse_kl(logits, ids, stored, tail=self.tail)
        if self.tail == "uld":
            return lambda logits: language.uld(logits, log_p)
        return self._beside(lambda logits: language.forward_kl(logits, log_p), log_p)

    def _beside(self, loss, log_p) -> Callable:
        return (lambda logits: loss(logits) + language.uld(logits, log_p)) if self.tail == "text and uld" else loss

"""Lesson 20: how often the words of a draft are accepted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from kdviz.course.recipes.training import descend
from kdviz.course.sources import Source, order_two
from kdviz.losses import language
from kdviz.losses._checks import one_of

EQUAL_RATE = 0.05  # of the draft whose perplexity another is to reach


@dataclass
class Draft:
    """A source of the kind of `Stored`, drawn by the seed, and a draft that remembers one symbol of two.

    Scores, exact, on the source's own text: "accepted", the mean of Σ min(p, q) over the places; dev is the same.
    "perplexity", e to the power of the cross-entropy a symbol, which cannot be below that of the source, "least".

    divergence : of `kdviz.losses.language`; None for cross-entropy on the text alone
    until      : a divergence. The draft then stops as soon as its perplexity is as low as that of a draft trained with
                 this one for all steps at the rate `EQUAL_RATE`, or after all steps
    """

    divergence: str | None = "forward_kl"
    until: str | None = None

    def __post_init__(self):
        for name in ("divergence", "until"):
            one_of(name, getattr(self, name), (None, *language.__all__))

    def run(self, seed, *, final=True, lr, steps, strings, symbols=12, length=20, batch=32):
        source = order_two(symbols, concentration=0.2, seed=seed)

        def fit(divergence, lr, enough=0.0):
            draw = torch.Generator().manual_seed(seed)
            x = source.sample(strings, length, draw)
            before, after, log_p = x[:, :-1], x[:, 1:], source.log_probs(x)[:, :-1].float()
            table = (0.1 * torch.randn(symbols, symbols, generator=draw)).requires_grad_()
            optimizer = torch.optim.Adam([table], lr=lr)

            def loss():
                rows = torch.randint(strings, (batch,), generator=draw)
                logits = table[before[rows]]
                if divergence is None:
                    return F.cross_entropy(logits.transpose(1, 2), after[rows])
                return getattr(language, divergence)(logits, log_p[rows])

            taken, every = 0, 1 if enough else steps
            while taken < steps and not (taken and gap(self._as_source(table, source)) <= enough):
                descend(loss, every, optimizer)
                taken += every
            return self._as_source(table, source), taken

        def gap(draft):
            return source.kl(draft, length)[0] / length

        enough = gap(fit(self.until, EQUAL_RATE)[0]) if self.until else 0.0
        draft, taken = fit(self.divergence, lr, enough)
        scores = {"dev": source.accepted(draft, length)}
        if final:
            entropy = source.entropy(length) / length
            scores |= {"accepted": scores["dev"], "perplexity": float(np.exp(entropy + gap(draft)))}
            scores["least"] = float(np.exp(entropy))
        return {"scores": scores, "weights": symbols**2, "steps": taken}

    @staticmethod
    def _as_source(table, source) -> Source:
        """A table of logits (V, V) as a source whose state is the last symbol."""
        size = len(table)
        step = torch.arange(size).repeat(size, 1)
        probs = table.detach().double().softmax(-1)
        return Source(source.symbols, probs, step, torch.ones(size, size, dtype=torch.bool))

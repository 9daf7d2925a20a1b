"""Lesson 20: whether steps help that are written before the answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from kdviz.course.addition import FORMS, SYMBOLS, check, sums
from kdviz.course.recipes.training import ON_DEV, ON_TEST, descend
from kdviz.losses._checks import one_of
from kdviz.models.network import seeded

ASKED = 8  # symbols of a prompt, "457+086="


class WindowWriter(nn.Module):
    """The last 30 symbols and the prompt, side by side, and one hidden layer (Bengio et al. 2003)."""

    def __init__(self, width: int, seed: int):
        super().__init__()
        with seeded(seed):
            self.word, self.place = nn.Embedding(len(SYMBOLS), 8), nn.Embedding(48, width)
            self.mix, self.head = nn.Linear((30 + ASKED) * 8, width), nn.Linear(width, len(SYMBOLS))

    def forward(self, ids, first=ASKED - 1):
        """(B, n) -> (B, n - first, V): what follows the place `first`, and each one after it."""
        past = F.pad(ids, (29, 0), value=SYMBOLS.index(" ")).unfold(1, 30, 1)[:, first:]
        asked = ids[:, None, :ASKED].expand(-1, past.shape[1], -1)
        hidden = self.mix(self.word(torch.cat([past, asked], -1)).flatten(2))
        return self.head((hidden + self.place.weight[first : ids.shape[1]]).relu())

    @torch.no_grad()
    def write(self, ids, length: int):
        """Prompts (B, 8) -> texts (B, length), the likeliest symbol after the likeliest."""
        while ids.shape[1] < length:
            ids = torch.cat([ids, self(ids, ids.shape[1] - 1).argmax(-1)], 1)
        return ids


@dataclass
class Sums:
    """2,000 sums of two numbers with up to three digits (`kdviz.course.addition`), and a `WindowWriter` that adds.

    Every step reads `symbols` symbols, so an answer is read more often than a trace. Scores, of 400 sums that were not
    read, each number of carries alike: "test", the share of right answers; "chained", of sums in which a carry is
    handed on through two places or more; "single", through one; "plain", without a carry. Dev is "chained" of 400
    others.

    form : "answer", the answer alone; "trace", every step before it
    """

    form: str = "answer"

    def __post_init__(self):
        one_of("form", self.form, FORMS)

    def run(self, seed, *, final=True, lr, steps, width=128, symbols=560):
        draw, known, student = torch.Generator().manual_seed(seed), sums(2000, seed), WindowWriter(width, seed)
        texts = [self._asked(one) + one.written(self.form) for one in known]
        length = max(map(len, texts)) + 1  # a space ends a text
        x = self._ids(texts, length)
        optimizer = torch.optim.Adam(student.parameters(), lr=lr)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)

        def loss():
            some = x[torch.randint(len(x), (symbols // (length - ASKED),), generator=draw)]
            return F.cross_entropy(student(some[:, :-1]).transpose(1, 2), some[:, ASKED:])

        descend(loss, steps, optimizer, schedule)

        def right(asked):
            written = student.write(self._ids(map(self._asked, asked), ASKED), length).tolist()
            texts = ["".join(SYMBOLS[symbol] for symbol in row) for row in written]
            answers = np.array([check(text[:ASKED], text[ASKED:]).answer for text in texts])
            chain = np.array([one.chain for one in asked])
            groups = {"test": chain >= 0, "chained": chain > 1, "single": chain == 1, "plain": chain == 0}
            return {name: float(answers[group].mean()) for name, group in groups.items()}

        dev = sums(400, seed + ON_DEV, known)
        scores = {"dev": right(dev)["chained"]}
        if final:
            scores |= right(sums(400, seed + ON_TEST, known + dev))
        return {"scores": scores, "weights": sum(w.numel() for w in student.parameters()), "steps": steps}

    @staticmethod
    def _asked(one) -> str:
        return f"{one.a:03}+{one.b:03}="

    @staticmethod
    def _ids(texts, length: int):
        return torch.tensor([[SYMBOLS.index(symbol) for symbol in text.ljust(length)] for text in texts])

"""Lesson 18: how long a student's strings stay valid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from kdviz.course.recipes.training import ON_DEV, ON_TEST, descend
from kdviz.course.sources import Source, brackets, sample
from kdviz.losses import language
from kdviz.losses._checks import one_of
from kdviz.models.network import seeded

MEASURED = 2000  # strings that a student writes, and fresh ones of the teacher, when it is measured


class SmallWriter(nn.Module):
    """A transformer of one layer over a source's symbols, (B, n) -> (B, n, V); no position sees a later one."""

    def __init__(self, symbols: int, length: int, width: int, seed: int):
        super().__init__()
        with seeded(seed):
            self.word, self.place = nn.Embedding(symbols, width), nn.Embedding(length + 1, width)
            self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0, batch_first=True, norm_first=True)
            self.head = nn.Linear(width, symbols)

    def forward(self, ids):
        n = ids.shape[1]
        future = torch.ones(n, n, dtype=torch.bool).triu(1)
        return self.head(self.layer(self.word(ids) + self.place.weight[:n], src_mask=future))


@dataclass
class Brackets:
    """Strings of brackets, few of which the teacher wrote, and a transformer of one layer.

    Scores: "valid", the share of 2,000 strings of the student that keep the rules to their end; dev is the same of
    2,000 others. "lost", which share of the valid ones breaks with each symbol of the second half, and "lost_early" of
    the first; "copied", the share that are strings it read; "forward", KL of the teacher's next symbol on 2,000 fresh
    strings, nats.

    divergence : of `kdviz.losses.language`; None for cross-entropy on the strings alone
    text       : "few", the strings that the teacher wrote; "own", half of each batch the student's; "unlimited"
    """

    divergence: str | None = "forward_kl"
    text: str = "few"

    def __post_init__(self):
        one_of("divergence", self.divergence, (None, *language.__all__))
        one_of("text", self.text, ("few", "own", "unlimited"))

    def run(self, seed, *, final=True, lr, steps, strings, width, length=16, batch=32, every=8):
        source, draw = brackets(kinds=2, depth=3), torch.Generator().manual_seed(seed)
        student, few = SmallWriter(len(source.symbols), length, width, seed), source.sample(strings, length, draw)
        divergence, own = self.divergence and getattr(language, self.divergence), []

        def loss():
            x = few[torch.randint(strings, (batch,), generator=draw)]
            if self.text == "own":
                if not own:  # the student writes for eight steps at once
                    own.extend(sample(student, every * batch // 2, length, draw).split(batch // 2))
                x[: batch // 2] = own.pop()
            elif self.text == "unlimited":
                x = source.sample(batch, length, draw)
            logits = student(x)[:, :-1]
            if divergence is None:
                return F.cross_entropy(logits.transpose(1, 2), x[:, 1:])
            return divergence(logits, source.log_probs(x)[:, :-1])

        optimizer = torch.optim.AdamW(student.parameters(), lr=lr)
        descend(loss, steps, optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps))
        _, valid = _valid(student, source, length, seed + ON_DEV)
        scores = {"dev": valid[-1].item()}
        if final:
            written, valid = _valid(student, source, length, seed + ON_TEST)
            read = {tuple(row) for row in few.tolist()}
            half, last = valid[length // 2 - 1].item(), valid[-1].item()
            scores |= {"valid": last, "lost": _lost(half, last, length / 2), "lost_early": _lost(1, half, length / 2)}
            scores["copied"] = sum(tuple(row) in read for row in written.tolist()) / len(written)
            fresh = source.sample(MEASURED, length, torch.Generator().manual_seed(seed + ON_TEST))
            with torch.no_grad():
                scores["forward"] = language.forward_kl(student(fresh)[:, :-1], source.log_probs(fresh)[:, :-1]).item()
        return {"scores": scores, "weights": sum(w.numel() for w in student.parameters()), "steps": steps}


def _valid(student, source: Source, length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Strings that a student writes, and the share without an error up to each symbol, (length,)."""
    written = sample(student, MEASURED, length, torch.Generator().manual_seed(seed))
    return written, source.right(written).double().cumprod(1).mean(0)


def _lost(before: float, after: float, symbols: float) -> float:
    """The share lost with each of so many symbols; all of it where there was nothing before."""
    return 1 - (after / before) ** (1 / symbols) if before else 1.0

"""Trainings of lessons 18, 19 and 20 as recorded trials run them: a teacher that is a source, known exactly.

A recipe stands where other trials have a method, and does all by itself: ``run(seed, final=True, **settings)`` makes
the source and the student of the seed, trains, measures, and returns scores by name, weights and steps. Of the scores
"dev" is what a search maximises; the others are looked at when `final`. Another experiment is another class here.

>>> Stored("bucket").run(seed=0, lr=0.1, steps=150, strings=160)["scores"]          # what a row holds
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from kdviz.course.addition import FORMS, SYMBOLS, check, sums
from kdviz.course.sources import Source, agreement, brackets, order_two, sample, string_log_prob
from kdviz.losses import language
from kdviz.losses._checks import one_of
from kdviz.models.network import seeded

TEXTS = ("all", "teacher", "own")
ASKED = 8  # symbols of a prompt, "457+086="
MEASURED = 2000  # strings that a student writes, and fresh ones of the teacher, when it is measured
EQUAL_RATE = 0.05  # lesson 20's, for the draft whose perplexity another is to reach
ON_DEV, ON_TEST = 10_000, 20_000  # added to the seed of what is drawn to measure


def descend(loss: Callable, steps: int, optimizer, schedule=None) -> None:
    """So many steps of an optimizer on loss(); a schedule of its rate moves with it."""
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()


# ---- lesson 18: which modes a student that is too small keeps ------------------------------------------------------


@dataclass
class Modes:
    """Strings of three words from three modes, and a student that remembers one word: a table of next-word logits.

    The shares of the modes and the start of the table follow from the seed. Scores are exact sums over all 729 strings:
    "modes", e to the power of the entropy of the modes' masses, 1 when one is left; "invalid", the mass of strings that
    break the rules; "forward" and "reverse", the divergences of whole strings, nats. Dev is minus the one of `beta`.

    beta : 0 for forward KL, 1 for reverse KL
    text : "all", the divergence between whole strings; else word by word, on text that the "teacher" wrote, or the
           student ("own"), with no gradient through the writing
    """

    beta: float
    text: str = "all"

    def __post_init__(self):
        one_of("text", self.text, TEXTS)

    def run(self, seed, *, final=True, lr, steps, strings=64):
        source = agreement(tuple(np.random.default_rng(seed).dirichlet((5, 3, 2))))
        ids, draw = source.strings(3), torch.Generator().manual_seed(seed)
        log_p, size = source.log_prob(ids), len(source.symbols)
        table = (0.1 * torch.randn(size, size, generator=draw)).requires_grad_()

        def loss():
            if self.text == "all":  # one position, whose vocabulary is the list of all strings
                pair = string_log_prob(table[ids], ids)[None, None], log_p.float()[None, None]
            else:
                own = self.text == "own"
                x = sample(lambda x: table[x], strings, 3, draw) if own else source.sample(strings, 3, draw)
                pair = table[x][:, :-1], source.log_probs(x)[:, :-1]
            return language.generalized_jsd(*pair, beta=self.beta)

        descend(loss, steps, torch.optim.Adam([table], lr=lr))
        table = table.detach()
        forward, reverse = source.kl(lambda x: table[x], 3)
        scores = {"dev": -(reverse if self.beta else forward)}
        if final:
            mass = source.mass(string_log_prob(table[ids], ids).double(), ids)
            invalid, kept = mass.pop("none"), torch.tensor(list(mass.values()))
            modes = torch.distributions.Categorical(kept).entropy().exp().item()
            scores |= {"modes": modes, "invalid": invalid, "forward": forward, "reverse": reverse}
        return {"scores": scores, "weights": table.numel(), "steps": steps}


# ---- lesson 18: how long a student's strings stay valid ------------------------------------------------------------


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


# ---- lesson 19: what a student lacks of a teacher of which a part was stored ---------------------------------------


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


# ---- lesson 20: how often the words of a draft are accepted --------------------------------------------------------


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


# ---- lesson 20: whether steps help that are written before the answer ----------------------------------------------


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

"""Lesson 18: which modes a student that is too small keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from kdviz.course.recipes.training import descend
from kdviz.course.sources import agreement, sample, string_log_prob
from kdviz.losses import language
from kdviz.losses._checks import one_of

TEXTS = ("all", "teacher", "own")


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

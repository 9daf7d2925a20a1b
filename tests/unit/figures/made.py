"""Made-up States: figures must not need a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from kdviz.states import States

HOSTILE = (
    "[CLS]",
    "</script><img src=x onerror=alert(1)>",
    "<b>bold</b>",
    '<a href="javascript:alert(1)">x</a>',
    "&amp;",
    "שלום",
    "مرحبا",
    "👩‍👩‍👧",
    "a\x00b",
    "\u202eevil",
    "$x^2$",
    "%{z}",
    "not",
    "not",
    "",
    " ",
    "[SEP]",
)


def make_states(role="teacher", tokens=12, layers=6, width=16, seed=0, heads=None, notes=(), name=None) -> States:
    """States with hidden values from a seed; `tokens` is a number or the tokens themselves."""
    if isinstance(tokens, int):
        tokens = ["[CLS]", *(f"word{place}" for place in range(tokens - 2)), "[SEP]"][:tokens]
    random, n = torch.Generator().manual_seed(seed), len(tokens)
    hidden = torch.randn(1, layers + 1, n, width, generator=random).cumsum(1) + 0.5
    attentions = heads and torch.randn(1, layers, heads, n, n, generator=random).mul(2).softmax(-1)
    return States(
        name=name or ("minilm" if role == "teacher" else role),
        role=role,
        texts=(" ".join(tokens),),
        tokens=(tuple(tokens),),
        mask=torch.ones(1, n, dtype=torch.bool),
        hidden=hidden,
        attentions=attentions,
        notes=notes,
    )


def writing_states(role="teacher", words=30, seed=0, **how) -> States:
    """States of a language model of so many words."""
    states = make_states(role, seed=seed, **how)
    random = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(1, states.hidden.shape[2], words, generator=random)
    return replace(states, logits=logits, labels=("token",))


def asked_states(tokens, role="teacher", *, first=1, logits=None, **how) -> States:
    """States of a model of question answering; the context begins at token `first`, its words a space apart."""
    states, places, begin = make_states(role, tokens, **how), [], 0
    for place, token in enumerate(states.tokens[0]):
        joined, bare = token.startswith("##"), token.removeprefix("##")
        outside = place < first or token == "[SEP]"
        begin -= joined and not outside
        places.append(None if outside else (begin, begin + len(bare)))
        begin += 0 if outside else len(bare) + 1
    if logits is None:
        logits = np.random.default_rng(0).normal(size=(len(states.tokens[0]), 2))
    return replace(states, logits=torch.tensor(logits)[None].float(), places=(tuple(places),))


def numbers(trace_or_frame_data) -> np.ndarray:
    return np.asarray(trace_or_frame_data.z, dtype=np.float64)


def drawn(figure, step: int | None = None) -> list[np.ndarray]:
    """The numbers of every heatmap after the slider was moved to `step` (None: before it is touched)."""
    shown = [numbers(trace) for trace in figure.data]
    if step is not None:
        frame = figure.frames[step]
        for place, data in zip(frame.traces, frame.data, strict=True):
            shown[place] = numbers(data)
    return shown


def visible(figure) -> list[int]:
    return [place for place, trace in enumerate(figure.data) if trace.visible in (None, True)]

"""What language models say comes after each word of a text: bars of the next word, and the text in colours."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import torch

from kdviz.figures import inputs, parts, theme
from kdviz.states import States

PER_LINE, LINES = 10, 12
MOST_WORDS = 20  # on the axis of `next_words`
LONGEST = 16  # characters of a prefix on the slider
REST = "all others"
FIRST, ENTROPY, ACCEPTED = "KL(teacher ‖ student)", "entropy", "accepted, Σ min(p, q)"
TITLES = {FIRST: "Where the student says another next word", ACCEPTED: "How often a word of the student is accepted"}


def coloured_text(states, *, sentence: int = 0) -> go.Figure:
    """A text whose words are coloured by the distribution of the word that comes next, as language models see it.

    Of one model the colour is the entropy, nats: how open it is what follows. Of two, teacher first, a menu offers the
    divergence KL(p ‖ q) of the teacher's distribution p and the student's q, nats; Σ min(p, q), how often the teacher
    accepts a word that the student drafts (Leviathan et al. 2023, theorem 3.5); and both entropies, on one scale.

    states   : States of one or two language models, from ``kd.encode(models, text)``
    sentence : which of the texts
    Raises ValueError for States without logits of a next word, and for two of different vocabularies.
    """
    models = inputs.one_sentence(states, sentence)
    logs = next_log_probs(models)
    unlike = len({model.name for model in models}) == len(models)
    names = [model.name if unlike else model.role for model in models]
    views = {f"{ENTROPY}, {name}": -(log.exp() * log).sum(-1).numpy() for name, log in zip(names, logs)}
    if len(models) == 2:
        divergence = (logs[0].exp() * (logs[0] - logs[1])).sum(-1).numpy()
        accepted = torch.minimum(*(log.exp() for log in logs)).sum(-1).numpy()
        views = {FIRST: divergence, ACCEPTED: accepted} | views
    if bad := [name for name, values in views.items() if not np.isfinite(values).all()]:
        raise ValueError(f"{bad[0]} is not finite at some word: a model excludes a word, or its logits are NaN")
    tokens, notes = inputs.words(models, PER_LINE * LINES)
    views = {name: values[: len(tokens)] for name, values in views.items()}
    lines = -(-len(tokens) // PER_LINE)
    blank = [""] * (lines * PER_LINE - len(tokens))
    cells = np.array([*map(theme.token_text, tokens), *blank], object).reshape(lines, PER_LINE).tolist()
    figure, titles = go.Figure(), [TITLES.get(name, "How open the next word is") for name in views]
    tops = {FIRST: [FIRST], ACCEPTED: []}  # of which views a scale reaches the largest value; one of shares goes to 1
    for number, (name, values) in enumerate(views.items()):
        alike = tops.get(name, [view for view in views if view.startswith(ENTROPY)])
        top = max([views[view].max() for view in alike], default=1.0)
        look = {"zmin": 0, "zmax": max(float(top), 1e-3), "colorscale": theme.SEQUENTIAL, "xgap": 2, "ygap": 6}
        hover = f"%{{text}}: {theme.text(name)} %{{z:.3f}}<extra></extra>"
        shown = {"text": cells, "texttemplate": "%{text}", "hovertemplate": hover, "visible": number == 0}
        filled = np.append(values, [np.nan] * len(blank)).reshape(lines, PER_LINE)
        bar = parts.colour_bar("probability" if name == ACCEPTED else "nats")
        figure.add_heatmap(z=theme.compact(filled), **shown, **look, colorbar=bar)
    if len(views) > 1:
        figure.update_layout(updatemenus=[parts.menu([*map(theme.text, views)], titles, 1)])
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False}
    figure.update_xaxes(**bare, title="words, line by line; the colour tells of the word after each")
    figure.update_yaxes(**bare, autorange="reversed", title="line")
    name, first = next(iter(views.items()))
    alt = f"{inputs.spoken(tokens)}, coloured by the next word's {name}, highest after "
    alt += f"“{theme.visible(tokens[first.argmax()])}”, {first.max():.2f} nats; its mean is {first.mean():.2f}"
    alt += f"; of the student's next words {views[ACCEPTED].mean():.2f} are accepted." if ACCEPTED in views else "."
    return theme.finish(figure, titles[0], alt, notes, plot=max(180, 44 * lines))


def next_log_probs(models: list[States]) -> list[torch.Tensor]:
    """For each model the log-probabilities (n, V) of the word after each of n words; errors of `coloured_text`."""
    for model in models:
        if model.logits is None or model.labels != ("token",):
            raise ValueError(f"{model.name!r} does not say the next word: pass States of language models")
    sizes = [model.logits.shape[-1] for model in models]
    if len({*sizes}) > 1:
        raise ValueError(f"vocabularies of {sizes[0]:,} and {sizes[1]:,} tokens cannot be compared token by token")
    return [model.logits[0].double().log_softmax(-1) for model in models]


def next_words(prefix, probs, words, *, names=("teacher", "student")) -> go.Figure:
    """The next word's distribution after every prefix of a text, of one model or several, with a slider over prefixes.

    prefix : the n words of the text   words : names of the V words of the vocabulary
    probs  : (n, V) probabilities of the word after each of them, or (K, n, V), one block a model
    names  : of the K models; "teacher" and "student" keep their colours
    Of a large vocabulary the 20 words that matter most anywhere in the text are shown, and the rest as one bar. Raises
    ValueError when sizes disagree or a row does not sum to 1.
    """
    rows = np.asarray(probs, float)
    rows = (rows[None] if rows.ndim == 2 else rows).swapaxes(0, 1)  # (n, K, V)
    names = list(names)[: rows.shape[1]]
    if rows.shape != (len(prefix), len(names), len(words)):
        fit = f"{len(prefix)} words read, {len(words)} known and {len(names)} names"
        raise ValueError(f"{fit} do not fit probabilities {np.shape(probs)}")
    if np.abs(rows.sum(-1) - 1).max() > 1e-3:
        raise ValueError(
            f"a row sums to {rows.sum(-1).flat[np.abs(rows.sum(-1) - 1).argmax()]:.3f}: pass probabilities"
        )
    words = list(words)
    if len(words) > MOST_WORDS:
        kept = np.sort(np.argsort(rows.max((0, 1)))[-MOST_WORDS:])
        rest = 1 - rows[..., kept].sum(-1, keepdims=True)
        rows, words = np.concatenate([rows[..., kept], rest], -1), [*(words[place] for place in kept), REST]
    before = [" ".join(map(theme.visible, prefix[max(0, end - 3) : end])) for end in range(1, len(prefix) + 1)]
    ends = [text if len(text) <= LONGEST else "…" + text[1 - LONGEST :] for text in before]  # last words matter
    steps = list(map(theme.text, ends)), "after ", len(ends) - 1
    shades = [theme.shade(name, number) for number, name in enumerate(names)]
    figure, below = parts.bars(rows.round(4), names, shades, words, steps, "next word")
    figure.update_yaxes(range=[0, 1.08], title="probability")
    figure.update_layout(margin_r=64)  # half of the last prefix stands beyond the end of the slider
    top = [f"{words[best]} after {text!r}" for best, text in zip(rows[:, 0].argmax(-1), before)]
    alt = f"Bars of the next word's probability for {' and '.join(names)} after each of {len(prefix)} prefixes; the"
    alt += f" likeliest of {names[0]}: {', '.join(top[-6:])}."
    if len(names) == 2:
        apart = np.abs(rows[:, 0] - rows[:, 1]).sum(-1) / 2
        alt += (
            f" The two are furthest apart after {before[apart.argmax()]!r}, by a total variation of {apart.max():.2f}."
        )
    return theme.finish(figure, "What comes next, prefix by prefix", theme.visible(alt), below=below)

"""What language models say comes after each word of a text: bars of the next word, and the text in colours."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import inputs, parts, theme

PER_LINE, LINES = 10, 12
MOST_WORDS = 20  # on the axis of `next_words`
LONGEST = 16  # characters of a prefix on the slider
REST = "all others"
FIRST, ENTROPY = "KL(teacher ‖ student)", "entropy"


def coloured_text(states, *, sentence: int = 0) -> go.Figure:
    """A text whose words are coloured by the distribution of the word that comes next, as language models see it.

    Of one model the colour is the entropy: how open it is what follows. Of two, teacher first, a menu offers the
    divergence KL(p ‖ q) of the teacher's distribution p and the student's q, and the entropy of each, on one scale.
    All in nats.

    states   : States of one or two language models, from ``kd.encode(models, text)``
    sentence : which of the texts
    Raises ValueError for States without logits of a next word, and for two of different vocabularies.
    """
    models = inputs.one_sentence(states, sentence)
    for model in models:
        if model.logits is None or model.labels != ("token",):
            raise ValueError(f"{model.name!r} does not say the next word: pass States of language models")
    sizes = [model.logits.shape[-1] for model in models]
    if len({*sizes}) > 1:
        raise ValueError(f"vocabularies of {sizes[0]:,} and {sizes[1]:,} tokens cannot be compared token by token")
    logs = [model.logits[0].double().log_softmax(-1) for model in models]
    views = [(f"{ENTROPY}, {model.name}", -(log.exp() * log).sum(-1).numpy()) for model, log in zip(models, logs)]
    if len(models) == 2:
        views.insert(0, (FIRST, (logs[0].exp() * (logs[0] - logs[1])).sum(-1).numpy()))
    if bad := [name for name, values in views if not np.isfinite(values).all()]:
        raise ValueError(f"{bad[0]} is not finite at some word: a model excludes a word, or its logits are NaN")
    tokens, notes = inputs.words(models, PER_LINE * LINES)
    lines = -(-len(tokens) // PER_LINE)
    blank = [""] * (lines * PER_LINE - len(tokens))
    cells = np.array([*map(theme.token_text, tokens), *blank], object).reshape(lines, PER_LINE).tolist()
    figure, titles = go.Figure(), []
    open_to = max(values[: len(tokens)].max() for name, values in views if name != FIRST)
    for number, (name, values) in enumerate(views):
        filled = np.append(values[: len(tokens)], [np.nan] * len(blank)).reshape(lines, PER_LINE)
        top = values[: len(tokens)].max() if name == FIRST else open_to
        look = {"zmin": 0, "zmax": max(float(top), 1e-3), "colorscale": theme.SEQUENTIAL, "xgap": 2, "ygap": 6}
        hover = f"%{{text}}: {theme.text(name)} %{{z:.3f}}<extra></extra>"
        shown = {"text": cells, "texttemplate": "%{text}", "hovertemplate": hover, "visible": number == 0}
        figure.add_heatmap(z=theme.compact(filled), **shown, **look, colorbar=parts.colour_bar("nats"))
        titles.append("Where the student says another next word" if name == FIRST else "How open the next word is")
    if len(views) > 1:
        figure.update_layout(updatemenus=[parts.menu([theme.text(name) for name, _ in views], titles, 1)])
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False}
    figure.update_xaxes(**bare, title="words, line by line; the colour tells of the word after each")
    figure.update_yaxes(**bare, autorange="reversed", title="line")
    most = int(views[0][1][: len(tokens)].argmax())
    alt = f"{inputs.spoken(tokens)}, coloured by the next word's {views[0][0]}, highest after "
    alt += f"“{theme.visible(tokens[most])}”, {views[0][1][most]:.2f} nats; its mean is {views[0][1].mean():.2f}."
    return theme.finish(figure, titles[0], alt, notes, plot=max(180, 44 * lines))


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
    steps = list(map(theme.text, ends)), "after ", 0
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

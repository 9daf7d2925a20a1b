"""Where every attention head looks: one small heatmap a head, a slider over the layers, teacher above student."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import heatmaps, parts, theme
from kdviz.figures.inputs import layer_steps, matched_layers, named, one_sentence, panels_of, spoken, words

_PER_ROW = 4  # heads side by side
_SMALLEST = 150  # pixels of a head's side
_BESIDE, _BELOW = 14, 26  # pixels between heads; below there is a head's name
_NAME = 24  # pixels of a model's name


def attention(states, *, sentence: int = 0) -> go.Figure:
    """Attention probabilities of all heads of a layer: row i says how word i spreads its attention over the words j.

    Two models are compared at the layers that the student's training matched; their numbers of heads are free.

    states : States of one model, or of two, teacher first, encoded with ``attentions=True``
    Raises ValueError when a model has no attentions, and as `word_relation` does.
    """
    models = one_sentence(states, sentence, attentions=True)
    layers = [pair for pair in matched_layers(models) if min(pair) > 0]  # layer 0, the embedding, attends to nothing
    places = [(m, head) for m, model in enumerate(models) for head in range(model.attentions.shape[2])]
    tokens, notes = words(models, heatmaps.most_tokens(len(places) * (len(layers) + 1)))
    n = len(tokens)
    # (layers, heads of all models, n, n)
    shares = [[models[m].attentions[0, pair[m] - 1, head, :n, :n].numpy() for m, head in places] for pair in layers]
    shares = theme.compact(shares)
    steps = layer_steps(layers)
    layout, plot = _layout(panels_of(models), places, tokens)
    bar = parts.colour_bar("attention")
    highest = heatmaps.bounds_of(shares, 0.0)[1]
    layout["coloraxis"] = {"cmin": 0, "cmax": highest, "colorscale": theme.SEQUENTIAL, "colorbar": bar}
    layout["sliders"] = [parts.slider(*steps.values())]
    frames = parts.frames([[{"type": "heatmap", "z": z} for z in step] for step in shares], range(len(places)))
    figure = go.Figure(frames=frames, layout=layout)
    for k, (m, head) in enumerate(places):
        hover = f"{theme.text(models[m].name)}, head {head + 1}<extra></extra>"
        hover = f"\u2068%{{y}}\u2069 → \u2068%{{x}}\u2069<br>attention %{{z:.3f}}<br>{hover}"
        figure.add_heatmap(z=shares[-1][k], coloraxis="coloraxis", hovertemplate=hover)
        figure.data[-1].update(xaxis=parts.numbered("x", k), yaxis=parts.numbered("y", k))
    heads, themselves = [], []
    for m, model in enumerate(models):
        own = [z.diagonal().mean() for z, (other, _) in zip(shares[-1], places) if other == m]
        heads.append(f"{len(own)} of {named([model])}")
        themselves.append(f"{np.mean(own):.0%} ({model.name})")
    alt = f"Small heatmaps, one for each attention head ({' and '.join(heads)}), of how {spoken(tokens)} attend to each"
    alt += f" other at {len(layers)} layers; at the last layer a token gives itself {' and '.join(themselves)}."
    return theme.finish(figure, "Attention of every head: which word looks at which?", alt, notes, **plot)


def _layout(panels, places, tokens: list[str]) -> tuple[dict, dict]:
    """A grid of heads, _PER_ROW a row; words are written left of and under a model's block, hovers know them all."""
    count = np.bincount([m for m, _ in places])  # heads of each model
    rows = -(-count // _PER_ROW)
    label_space = 7 * min(max(len(theme.visible(token)) for token in tokens), theme.LONGEST_TOKEN) + 12
    side = max(_SMALLEST, theme.LABEL_STEP * len(tokens))
    columns, block_gap = min(_PER_ROW, int(count.max())), label_space + 60
    high = int(rows.sum()) * (side + _BELOW) + (len(count) - 1) * block_gap + len(count) * _NAME
    wide = columns * side + (columns - 1) * _BESIDE
    margin = {"l": label_space + 30, "r": 84}
    layout = {"margin": margin, "plot_bgcolor": theme.colour("blank"), "annotations": []}
    layout["width"] = margin["l"] + wide + margin["r"]
    ticks = parts.word_axis(tokens) | {"range": [-0.5, len(tokens) - 0.5]}
    for k, (m, head) in enumerate(places):
        row, column = divmod(head, _PER_ROW)
        row += int(rows[:m].sum())
        top = 1 - (row * (side + _BELOW) + m * block_gap + (m + 1) * _NAME + _BELOW) / high
        left, lowest = column * (side + _BESIDE) / wide, head + _PER_ROW >= count[m]
        x = {"domain": [left, left + side / wide], "tickangle": -90, "showticklabels": bool(lowest)}
        y = {"domain": [max(0.0, top - side / high), top], "autorange": "reversed", "showticklabels": column == 0}
        x |= {"anchor": parts.numbered("y", k), "title": {"text": "attended word j" if lowest else ""}}
        y |= {"anchor": parts.numbered("x", k), "title": {"text": "word i" if column == 0 else ""}}
        layout[parts.numbered("xaxis", k)], layout[parts.numbered("yaxis", k)] = ticks | x, ticks | y
        name = parts.heading(f"head {head + 1}", panels[m].role, (left, left), "left", top)
        layout["annotations"].append(name | {"font": {"size": theme.FONT_SIZE}})
        if head == 0:
            above = top + _BELOW / high
            layout["annotations"].append(parts.heading(panels[m].name, panels[m].role, (0, 0), "left", above))
    return layout, {"plot": high, "below": label_space + 40}

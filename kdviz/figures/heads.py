"""Where every attention head looks: one small heatmap a head, a slider over the layers, teacher above student."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import heatmaps, theme
from kdviz.figures.inputs import layer_label, layer_prefix, matched_layers, one_sentence, panels_of, words

_PER_ROW = 4            # heads side by side
_SMALLEST = 150         # pixels of a head's side


def attention(states, *, sentence: int = 0) -> go.Figure:
    """Attention probabilities of all heads of a layer: row i says how word i spreads its attention over the words j.

    Two models are compared at the layers that distillation matches; their numbers of heads are free.

    states : States of one model, or of two, teacher first, encoded with ``attentions=True``
    Raises ValueError when a model has no attentions, and as `word_relation` does.
    """
    models = one_sentence(states, sentence)
    for model in models:
        if model.attentions is None:
            raise ValueError(f"{model.name!r} came without attentions: pass attentions=True to kd.encode")
    layers = [pair for pair in matched_layers(models) if pair[0] > 0]       # layer 0, the embedding, attends to nothing
    heads = [model.attentions.shape[2] for model in models]
    tokens, notes = words(models, heatmaps.most_tokens(sum(heads) * (len(layers) + 1)))
    n = len(tokens)
    per_step = [
        [
            theme.compact(model.attentions[0, pair[m] - 1, head, :n, :n].numpy())
            for m, model in enumerate(models) for head in range(heads[m])
        ]
        for pair in layers
    ]
    start = len(layers) - 1
    places = [(m, head) for m in range(len(models)) for head in range(heads[m])]
    data = [
        {
            "type": "heatmap", "z": z, "coloraxis": "coloraxis", "xaxis": _axis("x", k), "yaxis": _axis("y", k),
            "hovertemplate": "\u2068%{y}\u2069 → \u2068%{x}\u2069<br>attention %{z:.3f}<br>"
            f"{theme.text(models[m].name)}, head {head + 1}<extra></extra>",
        }
        for k, (z, (m, head)) in enumerate(zip(per_step[start], places, strict=True))
    ]
    frames = [
        {"name": f"step {s}", "traces": list(range(len(places))), "data": [{"type": "heatmap", "z": z} for z in step]}
        for s, step in enumerate(per_step)
    ]
    highest = heatmaps.bounds_of([z for step in per_step for z in step], 0.0)[1]
    layout = _layout(panels_of(models), places, heads, tokens, notes) | {
        "coloraxis": {
            "cmin": 0, "cmax": highest, "colorscale": theme.sequential(),
            "colorbar": {"title": {"text": "attention", "side": "right"}, "thickness": 14, "x": 1.01, "outlinewidth": 0,
                         "tickfont": {"size": theme.TICK_SIZE}},
        },
    }
    layout["sliders"] = [heatmaps.slider(
        [layer_label(pair) for pair in layers], layer_prefix(layers), start, layout["margin"]["b"] - 66
    )]
    self_share = [float(np.mean([z.diagonal().mean() for z, (m, _) in zip(per_step[start], places, strict=True) if m == k]))
                  for k in range(len(models))]
    alt = (
        f"Small heatmaps, one for each attention head ({' and '.join(f'{h} of {m.role} {m.name}' for h, m in zip(heads, models, strict=True))}), "
        f"of how {n} tokens ({' '.join(map(theme.visible, tokens))}) attend to each other at {len(layers)} layers; at the "
        f"last layer a token gives itself {' and '.join(f'{share:.0%} ({m.name})' for share, m in zip(self_share, models, strict=True))}."
    )
    figure = go.Figure(data=data, frames=frames, layout=layout)
    return theme.finish(figure, "Attention of every head: which word looks at which?", alt, notes)


def _axis(letter: str, place: int) -> str:
    return f"{letter}{place + 1 if place else ''}"


def _layout(panels, places, heads, tokens, notes) -> dict:
    """A grid of heads, _PER_ROW a row; words are written left of and under a model's block, hovers know them all."""
    rows_of = [-(-count // _PER_ROW) for count in heads]
    label_space = 7 * min(max(len(theme.visible(token)) for token in tokens), theme.LONGEST_TOKEN) + 12
    side = max(_SMALLEST, theme.LABEL_STEP * len(tokens))
    head_gap, block_gap = 26, label_space + 60
    columns = min(_PER_ROW, max(heads))
    inner_height = sum(rows_of) * (side + head_gap) + (len(heads) - 1) * block_gap
    inner_width = columns * side + (columns - 1) * 14
    layout = {
        "margin": {"t": 70 + 18 * bool(notes), "b": label_space + 100, "l": label_space + 30, "r": 84},
        "plot_bgcolor": theme.colour("blank"), "annotations": [],
    }
    layout["height"] = layout["margin"]["t"] + inner_height + layout["margin"]["b"]
    layout["width"] = layout["margin"]["l"] + inner_width + layout["margin"]["r"]
    ticks = {
        "tickmode": "array", "tickvals": list(range(len(tokens))), "ticktext": [theme.token_text(t) for t in tokens],
        "showgrid": False, "zeroline": False, "range": [-0.5, len(tokens) - 0.5],
    }
    for k, (m, head) in enumerate(places):
        row, column = divmod(head, _PER_ROW)
        above = sum(rows_of[:m]) * (side + head_gap) + m * block_gap + row * (side + head_gap) + head_gap
        top, left = 1 - above / inner_height, column * (side + 14) / inner_width
        bottom_of_column = head + _PER_ROW >= heads[m]
        layout[_axis("xaxis", k)] = ticks | {
            "anchor": _axis("y", k), "domain": [left, left + side / inner_width], "tickangle": -90,
            "showticklabels": bottom_of_column,
            "title": {"text": "attended word j" if bottom_of_column else ""},
        }
        layout[_axis("yaxis", k)] = ticks | {
            "anchor": _axis("x", k), "domain": [max(0.0, top - side / inner_height), top], "autorange": "reversed",
            "showticklabels": column == 0, "title": {"text": "word i" if column == 0 else ""},
        }
        name = f"<b>{theme.text(panels[m].name)}</b> · " if head == 0 else ""
        layout["annotations"].append({
            "text": f"{name}head {head + 1}", "showarrow": False, "font": {"size": theme.FONT_SIZE, "color": theme.colour(panels[m].role)},
            "x": left, "xref": "paper", "xanchor": "left", "y": top, "yref": "paper", "yanchor": "bottom",
        })
    return layout

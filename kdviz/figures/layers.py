"""How a word's vectors at different layers stand to each other, and the path they take (layer relation)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz import relations
from kdviz.figures import heatmaps, parts, theme
from kdviz.figures.heatmaps import View
from kdviz.figures.inputs import (
    beside,
    layer_label,
    matched_layers,
    named,
    one_sentence,
    panels_of,
    spoken,
    token_index,
    words,
)

_QUANTITIES = {"cosine": relations.cosine, "distance": relations.distance}


def quantity(relation: str):
    """The function of Gram matrices that is called so, or a ValueError that names those there are."""
    if relation not in _QUANTITIES:
        raise ValueError(f"relation {relation!r} is not one of {', '.join(map(repr, _QUANTITIES))}")
    return _QUANTITIES[relation]


def layer_relation(states, token: int | str = 0, *, sentence: int = 0, relation: str = "cosine") -> go.Figure:
    """Relation between the layers of one word: teacher, student and their difference, with a menu of the words.

    The embedding is layer 0. Two models are compared at the layers that the student's training matched.

    token    : the word on screen at first, its place or its text (first occurrence)
    relation : ``"cosine"`` or ``"distance"`` (Euclidean)
    Raises ValueError for a token or a relation that does not exist, and as `word_relation` does.
    """
    measure, models = quantity(relation), one_sentence(states, sentence)
    chosen = token_index(models, token)
    tokens, notes = words(models)
    if chosen >= len(tokens):
        raise ValueError(f"token {chosen} is not among the first {len(tokens)} tokens that a figure shows")
    layers, arrays = matched_layers(models), []
    for m, model in enumerate(models):
        gram = relations.layer_gram(model.hidden[0, [pair[m] for pair in layers]])
        arrays.append(measure(gram).numpy()[: len(tokens)])  # (n, layers, layers)
    bounds = heatmaps.bounds_of(arrays, 0.0, 1.0 if relation == "cosine" else None)
    views = []
    for place, word in enumerate(map(theme.token_text, tokens)):
        shown = beside([array[place : place + 1] for array in arrays])
        title = f"“{word}” from layer to layer: where does it change?"
        views.append(View(f"{place}: {word}", title, shown, relation, bounds))
    labels = [[str(pair[m]) for pair in layers] for m in range(len(models))]
    if len(models) == 2:
        labels.append([layer_label(pair) for pair in layers])
    ends = ", ".join(f"{array[chosen, 0, -1]:.2f} ({model.name})" for array, model in zip(arrays, models))
    alt = (
        f"Heatmaps of the {relation} between the vectors of one word at every two of {len(layers)} layers, for "
        f"{named(models)}; shown first: “{theme.visible(tokens[chosen])}”, first to last layer {ends}."
    )
    look = {"axis_names": ("layer", "layer"), "joint": "and", "item": "layer ", "menu_name": "word"}
    return heatmaps.figure(views, panels_of(models), labels, alt=alt, notes=notes, chosen=chosen, **look)


def layer_path(states, *, sentence: int = 0) -> go.Figure:
    """The path of every word through the layers, in the plane in which the paths of a model spread most.

    One principal component analysis per model over all its words and matched layers; the shares of the variance are
    in the axis names. An axis has no natural sign: the student's axes are turned so that they agree with the
    teacher's as far as a sign can [ours]. Click a word in the legend to hide it, twice to see it alone.
    """
    models = one_sentence(states, sentence)
    tokens, notes = words(models)
    layers = matched_layers(models)
    figure, first, shares = go.Figure(), None, []
    width, gap = (1.0, 0.0) if len(models) == 1 else (0.46, 0.08)
    for m, (model, panel) in enumerate(zip(models, panels_of(models), strict=False)):
        hidden = model.hidden[0, [pair[m] for pair in layers], : len(tokens)].numpy()  # (layers, n, d)
        path, share = principal_plane(hidden)
        first = path if first is None else first
        path *= np.where((path * first).sum((0, 1)) < 0, -1, 1)
        axes = {"xaxis": parts.numbered("x", m), "yaxis": parts.numbered("y", m), "showlegend": m == 0}
        for place, word in enumerate(map(theme.token_text, tokens)):
            figure.add_scatter(**_path(path[:, place], place, word, [str(pair[m]) for pair in layers]), **axes)
        domain = [m * (width + gap), m * (width + gap) + width]
        names = f"1st component, {share[0]:.0%} of the variance", f"2nd component, {share[1]:.0%}"
        figure.layout[parts.numbered("xaxis", m)] = {
            "domain": domain,
            "anchor": axes["yaxis"],
            "title": {"text": names[0]},
        }
        figure.layout[parts.numbered("yaxis", m)] = {"anchor": axes["xaxis"], "title": {"text": names[1]}}
        figure.add_annotation(parts.heading(panel.name, panel.role, domain))
        shares.append(f"{sum(share):.0%}")
    if len(tokens) > 16:
        figure.update_traces(opacity=0.7)
    figure.update_layout(height=560, margin={"t": 96 + 18 * bool(notes), "b": 60, "l": 70, "r": 20})
    figure.update_layout(legend={"title": {"text": "word (click to hide)"}, "itemsizing": "constant"})
    figure.update_layout(legend_font_size=theme.TICK_SIZE)
    alt = (
        f"Lines that follow each of {spoken(tokens)} from the embedding to the last layer in two dimensions, for "
        f"{named(models)}; the plane holds {' and '.join(shares)} of the variance."
    )
    return theme.finish(figure, "Paths of the words through the layers: small marks are early layers", alt, notes)


def _path(points: np.ndarray, place: int, word: str, layers: list[str]) -> dict:
    """The trace of one word. points : (layers, 2)"""
    shade, shape = theme.WORD_COLOURS[place % 8], theme.WORD_SHAPES[place // 8 % 8]
    sizes = [4 + 6 * step / len(layers) for step in range(len(layers))]
    hover = f"\u2068{word}\u2069 after layer %{{customdata}}<br>(%{{x:.2f}}, %{{y:.2f}})<extra></extra>"
    trace = {"x": theme.compact(points[:, 0]), "y": theme.compact(points[:, 1]), "mode": "lines+markers+text"}
    trace |= {"name": f"{place}: {word}", "legendgroup": str(place), "customdata": layers, "hovertemplate": hover}
    trace |= {"line": {"color": shade, "width": 1.5}, "marker": {"symbol": shape, "size": sizes, "color": shade}}
    trace |= {"text": [""] * (len(layers) - 1) + [word], "textposition": "top center"}
    return trace | {"textfont": {"size": theme.TICK_SIZE, "color": theme.colour("ink")}}


def principal_plane(points: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Coordinates (..., 2) of points (..., d) in the plane of most variance, and the two shares of the variance.

    Points that are all equal lie at the origin and have shares 0.
    """
    flat = points.reshape(-1, points.shape[-1]).astype(np.float64)
    flat = flat - flat.mean(0)
    left, sizes, _ = np.linalg.svd(flat, full_matrices=False)
    total = float((sizes**2).sum())
    plane = np.zeros((len(flat), 2))
    plane[:, : len(sizes[:2])] = left[:, :2] * sizes[:2]
    shares = [*(sizes[:2] ** 2 / total if total > 0 else np.zeros(2)), 0.0]
    return plane.reshape(*points.shape[:-1], 2), (float(shares[0]), float(shares[1]))

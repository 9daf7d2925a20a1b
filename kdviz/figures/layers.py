"""How one word's vectors at different layers stand to each other, and the path they take (layer transforming relation)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz import relations
from kdviz.figures import heatmaps, theme
from kdviz.figures.heatmaps import View
from kdviz.figures.inputs import beside, layer_label, matched_layers, one_sentence, panels_of, token_index, words

_QUANTITIES = {"cosine": relations.cosine, "distance": relations.distance}


def layer_relation(states, token: int | str = 0, *, sentence: int = 0, relation: str = "cosine") -> go.Figure:
    """Relation between the layers of one word: teacher, student and their difference, with a menu of the words.

    The embedding is layer 0. Two models are compared at the layers that distillation matches (Park et al. 2021).

    token    : the word on screen at first, its place or its text (first occurrence)
    relation : ``"cosine"`` or ``"distance"`` (Euclidean)
    Raises ValueError for a token or a relation that does not exist, and as `word_relation` does.
    """
    if relation not in _QUANTITIES:
        raise ValueError(f"relation {relation!r} is not one of {', '.join(map(repr, _QUANTITIES))}")
    models = one_sentence(states, sentence)
    chosen = token_index(models, token)
    tokens, notes = words(models)
    if chosen >= len(tokens):
        raise ValueError(f"token {chosen} is not among the first {len(tokens)} tokens that a figure shows")
    layers, panels = matched_layers(models), panels_of(models)
    per_model = [
        _QUANTITIES[relation](relations.layer_gram(model.hidden[0, [pair[m] for pair in layers]])).numpy()
        for m, model in enumerate(models)
    ]                                                                           # each (n, layers, layers)
    bounds = heatmaps.bounds_of([array[: len(tokens)] for array in per_model], 0.0, 1.0 if relation == "cosine" else None)
    views = [
        View(
            label=f"{place}: {theme.token_text(word)}", value=relation, bounds=bounds,
            title=f"“{theme.token_text(word)}” from layer to layer: where does it change?",
            arrays=beside([array[place : place + 1] for array in per_model]),
        )
        for place, word in enumerate(tokens)
    ]
    labels = [[str(pair[m]) for pair in layers] for m in range(len(models))]
    if len(models) == 2:
        labels.append([layer_label(pair) for pair in layers])
    alt = (
        f"Heatmaps of the {relation} between the vectors of one word at every two of {len(layers)} layers, for "
        f"{' and '.join(f'{model.role} {model.name}' for model in models)}; shown first: “{theme.visible(tokens[chosen])}”, "
        f"first to last layer {', '.join(f'{array[chosen, 0, -1]:.2f} ({model.name})' for array, model in zip(per_model, models, strict=True))}."
    )
    return heatmaps.figure(
        views, panels, labels, labels, alt=alt, axis_names=("layer", "layer"), joint="and", notes=notes, chosen=chosen,
        item="layer ", menu_name="word",
    )


def layer_path(states, *, sentence: int = 0) -> go.Figure:
    """The path of every word through the layers, in the plane in which the paths of a model spread most.

    One principal component analysis per model over all its words and matched layers; the shares of the variance are
    in the axis names. An axis has no natural sign: the student's axes are turned so that they agree with the
    teacher's as far as a sign can [ours]. Click a word in the legend to hide it, twice to see it alone.
    """
    models = one_sentence(states, sentence)
    tokens, notes = words(models)
    layers, panels = matched_layers(models), panels_of(models)[: len(models)]
    paths, shares = [], []
    for m, model in enumerate(models):
        hidden = model.hidden[0, [pair[m] for pair in layers], : len(tokens)].numpy()       # (layers, n, d)
        path, share = principal_plane(hidden)
        if paths:
            path *= np.where((path * paths[0]).sum((0, 1)) < 0, -1, 1)
        paths.append(path)
        shares.append(share)
    traces = []
    for m, path in enumerate(paths):
        for place, word in enumerate(tokens):
            shown = theme.token_text(word)
            traces.append({
                "type": "scatter", "mode": "lines+markers+text", "name": f"{place}: {shown}",
                "x": theme.compact(path[:, place, 0]), "y": theme.compact(path[:, place, 1]),
                "legendgroup": str(place), "showlegend": m == 0, "xaxis": f"x{m + 1 if m else ''}",
                "yaxis": f"y{m + 1 if m else ''}",
                "text": [""] * (len(layers) - 1) + [shown], "textposition": "top center",
                "textfont": {"size": theme.TICK_SIZE, "color": theme.colour("ink")},
                "line": {"color": theme.WORD_COLOURS[place % 8], "width": 1.5}, "opacity": 1 if len(tokens) <= 16 else 0.7,
                "marker": {
                    "symbol": theme.WORD_SHAPES[place // 8 % 8], "size": [4 + 6 * s / len(layers) for s in range(len(layers))],
                    "color": theme.WORD_COLOURS[place % 8],
                },
                "customdata": [layer_label((pair[m],)) for pair in layers],
                "hovertemplate": f"\u2068{shown}\u2069 after layer %{{customdata}}<br>(%{{x:.2f}}, %{{y:.2f}})<extra></extra>",
            })
    layout = {"height": 560, "margin": {"t": 96 + 18 * bool(notes), "b": 60, "l": 70, "r": 20}, "annotations": [],
              "legend": {"title": {"text": "word (click to hide)"}, "font": {"size": theme.TICK_SIZE}, "itemsizing": "constant"}}
    width, gap = (1.0, 0.0) if len(models) == 1 else (0.46, 0.08)
    for m, (panel, share) in enumerate(zip(panels, shares, strict=True)):
        place = str(m + 1) if m else ""
        domain = [m * (width + gap), m * (width + gap) + width]
        layout[f"xaxis{place}"] = {"domain": domain, "anchor": f"y{place}", "title": {"text": f"1st component, {share[0]:.0%} of the variance"}}
        layout[f"yaxis{place}"] = {"anchor": f"x{place}", "title": {"text": f"2nd component, {share[1]:.0%}"}}
        layout["annotations"].append({
            "text": f"<b>{theme.text(panel.name)}</b>", "font": {"size": 14, "color": theme.colour(panel.role)},
            "showarrow": False, "x": sum(domain) / 2, "xref": "paper", "xanchor": "center", "y": 1, "yref": "paper",
            "yanchor": "bottom",
        })
    alt = (
        f"Lines that follow each of {len(tokens)} tokens ({' '.join(map(theme.visible, tokens))}) from the embedding "
        f"to the last layer in two dimensions, for {' and '.join(f'{model.role} {model.name}' for model in models)}; "
        f"the plane holds {' and '.join(f'{sum(share):.0%}' for share in shares)} of the variance."
    )
    return theme.finish(
        go.Figure(data=traces, layout=layout), "Paths of the words through the layers: small marks are early layers", alt, notes,
    )


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

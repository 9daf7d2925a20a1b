"""How a word's vectors at different layers stand to each other, and the path they take (layer relation)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from kdviz import relations
from kdviz.figures import heatmaps, inputs, parts, theme
from kdviz.figures.heatmaps import View

GIANT = 10  # times the usual length of a word's longest vector: one such word would be all that a plane shows


def layer_relation(states, token: int | str = 0, *, sentence: int = 0, scale: float | None = None) -> go.Figure:
    """Cosines between the layers of one word: teacher, student and their difference, with a menu of the words.

    The embedding is layer 0. Two models are compared at the layers that the student's training matched.

    token : the word on screen at first, its place or its text (first occurrence)   scale : as in `word_relation`
    Raises ValueError for a token that does not exist, and as `word_relation` does.
    """
    models = inputs.one_sentence(states, sentence)
    chosen = inputs.token_index(models, token)
    tokens, notes = inputs.words(models)
    if chosen >= len(tokens):
        raise ValueError(f"token {chosen} is not among the first {len(tokens)} tokens that a figure shows")
    layers, arrays = inputs.matched_layers(models), []
    for m, model in enumerate(models):
        gram = relations.layer_gram(model.hidden[0, [pair[m] for pair in layers]])
        arrays.append(relations.cosine(gram).numpy()[: len(tokens)])  # (n, layers, layers)
    bounds = heatmaps.cosine_bounds(arrays)
    views = []
    for place, word in enumerate(map(theme.token_text, tokens)):
        shown = inputs.beside([array[place : place + 1] for array in arrays])
        title = f"“{word}” from layer to layer: where does it change?"
        views.append(View(f"{place}: {word}", title, shown, "cosine", bounds, scale))
    labels = [[str(pair[m]) for pair in layers] for m in range(len(models))]
    if len(models) == 2:
        labels.append([inputs.layer_label(pair) for pair in layers])
    ends = ", ".join(f"{array[chosen, 0, -1]:.2f} ({model.name})" for array, model in zip(arrays, models))
    alt = f"Heatmaps of the cosine between the vectors of one word at every two of {len(layers)} layers, for"
    alt += f" {inputs.named(models)}; shown first: “{theme.visible(tokens[chosen])}”, first to last layer {ends}."
    look = {"axis_names": ("layer", "layer"), "joint": "and", "item": "layer ", "menu_name": "word"}
    return heatmaps.figure(views, inputs.panels_of(models), labels, alt=alt, notes=notes, chosen=chosen, **look)


def layer_path(states, *, sentence: int = 0) -> go.Figure:
    """The path of every word through the layers, in the plane in which the paths of a model spread most.

    One principal component analysis per model over all its words and matched layers; the shares of the variance are
    in the axis names. An axis has no natural sign: the student's axes are turned so that they agree with the
    teacher's as far as a sign can [ours]. Words without room for their name have it in the legend and on hover; click
    one in the legend to hide it, twice to see it alone. Two models that cut the sentence differently have no words in
    common: nothing is turned, and there is no legend. A word of giant vectors, as the first one has in large decoders
    (Sun et al. 2024, "massive activations"), is left out, and a note says so.
    """
    models = inputs.one_sentence(states, sentence, other_tokens=True)
    alike, layers = len({model.tokens for model in models}) == 1, inputs.matched_layers(models)
    hidden = [model.hidden[0, [pair[m] for pair in layers]].numpy() for m, model in enumerate(models)]  # (layers, n, d)
    kept = [_of_usual_length(vectors) for vectors in hidden]
    kept = [np.logical_and.reduce(kept)] * len(kept) if alike else kept
    figure, first, shares, followed, notes = go.Figure(), None, [], [], ()
    width, gap = (1.0, 0.0) if len(models) == 1 else (0.43, 0.14)
    for m, (model, panel) in enumerate(zip(models, inputs.panels_of(models), strict=False)):
        tokens, more = inputs.words([model])
        words = {place: theme.token_text(token) for place, token in enumerate(tokens) if kept[m][place]}
        giants = ", ".join(f"“{theme.visible(token)}”" for place, token in enumerate(tokens) if place not in words)
        notes += more + (
            (f"left out, with vectors {GIANT} times as long as those of others: {giants}",) if giants else ()
        )
        followed.append(inputs.spoken([tokens[place] for place in words]))
        path, share = principal_plane(hidden[m][:, list(words)])
        first = path if first is None else first
        if alike:
            path *= np.where((path * first).sum((0, 1)) < 0, -1, 1)
        axes = {"xaxis": parts.numbered("x", m), "yaxis": parts.numbered("y", m), "showlegend": alike and m == 0}
        for trace in _paths(path, words, [str(pair[m]) for pair in layers], 360 * width):
            figure.add_scatter(**trace, **axes)
        domain = [m * (width + gap), m * (width + gap) + width]
        x, y = f"1st component, {share[0]:.0%} of variance", f"2nd component, {share[1]:.0%}"
        figure.layout[parts.numbered("xaxis", m)] = {"domain": domain, "anchor": axes["yaxis"], "title": {"text": x}}
        figure.layout[parts.numbered("yaxis", m)] = {"anchor": axes["xaxis"], "title": {"text": y}}
        figure.add_annotation(parts.heading(panel.name, panel.role, domain))
        shares.append(f"{sum(share):.0%}")
    figure.update_layout(legend={"title": {"text": "word (click to hide)"}, "tracegroupgap": 0})
    alt = f"Lines that follow each of {' and '.join(dict.fromkeys(followed))} from the embedding to the last layer"
    alt += f" in two dimensions, for {inputs.named(models)}; the plane holds {' and '.join(shares)} of the variance."
    title = "Paths of the words through the layers: from the open circle, the embedding, to the name"
    return theme.finish(figure, title, alt, tuple(dict.fromkeys(notes)), plot=380)


def _paths(points: np.ndarray, words: dict[int, str], layers: list[str], wide: float) -> list[dict]:
    """A trace a word, coloured by its place in the sentence. points : (layers, n, 2)   wide : pixels of the plot"""
    ranges = [(axis.min(), axis.max()) for axis in (points[..., 0], points[..., 1])]
    sides = parts.free_sides(*points[-1].T, [len(word) for word in words.values()], (wide, 330), ranges=ranges)
    shades = sample_colorscale(list(theme.SEQUENTIAL), np.linspace(0, 0.85, len(words)))
    inner = max(0, len(layers) - 2)
    marks = {"symbol": ["circle-open", *["circle"] * (inner + 1)], "size": [9, *[4] * inner, 8][-len(layers) :]}
    traces = []
    for column, ((place, word), side, shade) in enumerate(zip(words.items(), sides, shades)):
        hover = f"\u2068{word}\u2069 after layer %{{customdata}}<br>(%{{x:.2f}}, %{{y:.2f}})<extra></extra>"
        x, y = theme.compact(points[:, column, 0]), theme.compact(points[:, column, 1])
        trace = {"x": x, "y": y, "mode": "lines+markers+text", "customdata": layers, "hovertemplate": hover}
        trace |= {"name": f"{place}: {word}", "legendgroup": str(place), "line": {"color": shade, "width": 1.5}}
        trace |= {"text": [""] * (len(layers) - 1) + [word if side else ""], "textposition": side or "top center"}
        traces.append(trace | {"marker": marks | {"color": shade}, "textfont": {"size": theme.TICK_SIZE}})
    return traces


def _of_usual_length(vectors: np.ndarray) -> np.ndarray:
    """Which words have no vector `GIANT` times as long as the longest of the usual word. (layers, n, d) -> (n,) bool"""
    longest = np.linalg.norm(vectors, axis=-1).max(0)
    return longest < GIANT * np.median(longest) if longest.any() else np.ones(len(longest), bool)


def principal_plane(points: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Coordinates (..., 2) of points (..., d) in the plane of most variance, and the two shares of the variance.

    Points that are all equal lie at the origin and have shares 0.
    """
    flat = points.reshape(-1, points.shape[-1]).astype(np.float64)
    left, sizes, _ = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    plane = np.pad(left * sizes, ((0, 0), (0, 1)))[:, :2]  # of vectors with one number, the second axis is 0
    shares = np.pad(sizes**2, (0, 1))[:2] / (sizes @ sizes or 1)
    return plane.reshape(*points.shape[:-1], 2), tuple(shares)

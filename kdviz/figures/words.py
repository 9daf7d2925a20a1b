"""How the words of a sentence stand to each other inside each layer: in pairs, and in triples at a vertex word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go

from kdviz import relations
from kdviz.figures import heatmaps, inputs, theme
from kdviz.figures.heatmaps import View
from kdviz.figures.inputs import Panel

_FEWEST_TOKENS = 24  # rather every second layer than fewer words than this
ANGLES = "angles at the word"
QUANTITIES = ("cosine", "distance", "row distribution", ANGLES)  # of `chosen_word`


def word_relation(states, *, sentence: int = 0, window: int | None = None, scale: float | None = None) -> go.Figure:
    """Word relation inside each layer: teacher, student and their difference, with a layer slider.

    The menu offers cosine, Euclidean distance and row distribution (softmax of a word's cosines to the other words,
    the quantity that contextual distillation matches; Park et al. 2021). Models of different depth are compared at
    the layers that the student's training matched, such as 6↔2.

    states   : States of one model, or of two, teacher first
    sentence : which of the texts
    window   : odd width 2δ+1; pairs farther apart than δ are left blank (their values stay those of the sentence)
    scale    : difference of cosines at the ends of the colours, None for the largest of this figure. Give figures that
               are compared, such as before and after training, the same
    Raises ValueError when the two models cut the text differently, when values are not finite, when the window is
    not odd.
    """
    models = inputs.one_sentence(states, sentence)
    layers, tokens, notes = _what_fits(models, views=3, window=window)
    inside, grams = _inside(len(tokens), window), _grams(models, layers)
    cosines = [relations.cosine(gram) for gram in grams]
    views = [_pairs(label, grams, inside, scale if label == "cosine" else None) for label in QUANTITIES[:3]]
    alt = (
        f"Heatmaps of the relation between every two of {inputs.spoken(tokens)} for {inputs.named(models)}"
        f"{', and student minus teacher' if len(models) == 2 else ''}, at {len(layers)} layers; "
        f"{_loudest(models, cosines, tokens, inside)}"
    )
    return _draw(models, layers, tokens, views, alt=alt, notes=notes)


def word_angles(states, vertex: int | str, *, sentence: int = 0, window: int | None = None) -> go.Figure:
    """Cosine of the angle that words i and k make at a vertex word j, with a layer slider (Park et al. 2021).

    A menu moves the vertex when the angles at all words fit into one figure; otherwise only ``vertex`` is shown.
    Angles that do not exist (i = j, j = k, i = k, equal vectors, outside the window) are blank.

    vertex : place of the vertex word, or its text (first occurrence)   window : odd width 2δ+1 around the vertex
    Errors as in `word_relation`; ValueError for a vertex that is not in the sentence or not among the tokens shown.
    """
    models = inputs.one_sentence(states, sentence)
    vertex = inputs.token_index(models, vertex)
    layers, tokens, notes = _what_fits(models, views=1, window=window)
    n = len(tokens)
    if vertex >= n:
        raise ValueError(f"vertex {vertex} is not among the first {n} tokens that fit into the figure")
    all_fit = n <= heatmaps.most_tokens((len(layers) + 1) * len(inputs.panels_of(models)) * n)
    grams = _grams(models, layers)
    views = [_angles(grams, tokens, j, window) for j in (range(n) if all_fit else [vertex])]
    alt = (
        f"Heatmaps of the cosine of the angle that every two of {n} tokens make at the vertex word "
        f"“{theme.visible(tokens[vertex])}”, for {inputs.named(models)}, at {len(layers)} layers; cells without an "
        "angle are blank."
    )
    look = {"axis_names": ("word k", "word i"), "joint": "∠", "menu_name": "vertex"}
    return _draw(models, layers, tokens, views, alt=alt, notes=notes, chosen=vertex if all_fit else 0, **look)


def chosen_word(groups, step: int, quantity: str, places: list[int], window: int | None = None) -> go.Figure:
    """Relations of the words at one layer; above each map the row of a chosen word, as bars over its sentence.

    groups : one or two, each the States of one model, or of two that share tokens, teacher first: two sentences, or two
             models that cut a sentence differently. Only one group leaves room for the difference of its models
    step   : place among the matched layers; colours mean the same at each   quantity : one of `QUANTITIES`
    places : for each group the place of its word; of angles it is the vertex
    """
    groups = [inputs.one_sentence(states) for states in groups]
    models = {(model.role, model.name): model for states in groups for model in states}
    sentences = len(groups) == 2 and (len(models) == 1 or len(groups[0]) == 2)
    panels, labels, shown, rows, notes, angles = [], [], [], [], (), quantity == ANGLES
    for number, (states, layers, place) in enumerate(zip(groups, inputs.facing_layers(groups), places, strict=True), 1):
        tokens, more = inputs.words(states)
        if place >= len(tokens):
            raise ValueError(f"word {place} is not among the first {len(tokens)} tokens, which the figure shows")
        grams, inside = _grams(states, layers), _inside(len(tokens), window)
        view = _angles(grams, tokens, place, window) if angles else _pairs(quantity, grams, inside)
        beside = inputs.panels_of(states)[: None if len(groups) == 1 else len(states)]
        if sentences:
            beside = [Panel(f"{number}: {panel.name.partition(' · ')[0]}", panel.role) for panel in beside]
        panels, notes = panels + beside, notes + more
        labels, rows = labels + [tokens] * len(beside), rows + [place] * len(beside)
        shown.append(replace(view, arrays=view.arrays[: len(beside)]))
    arrays = [array for view in shown for array in view.arrays]
    reach = None if len(arrays) != 3 else heatmaps.bounds_of([np.abs(arrays[2])], 0.0)[1]
    bounds = [view.bounds for view in shown]
    bounds = min(low for low, _ in bounds), max(high for _, high in bounds)
    named = " and ".join(dict.fromkeys(f"“{theme.visible(tokens[place])}”" for tokens, place in zip(labels, rows)))
    title = f"Angles at {named}" if angles else f"{quantity.capitalize()}; as bars: {named}"
    title = theme.text(f"{title} (click a word)")
    view = View(quantity, title, [array[[step]] for array in arrays], shown[0].value, bounds, reach)
    look = {"axis_names": ("word k", "word i"), "joint": "∠"} if angles else {"bars": tuple(rows)}
    spoken = " and of ".join(inputs.spoken(tokens) for tokens in labels[:: len(labels) // len(shown)])
    alt = f"Heatmaps of the {view.value} of {spoken} at one layer, for {inputs.named(list(models.values()))}; "
    alt += f"chosen: {named}."
    figure = heatmaps.figure([view], panels, labels, alt=alt, notes=tuple(dict.fromkeys(notes)), **look)
    return figure.update_layout(dragmode=False).update_xaxes(fixedrange=True).update_yaxes(fixedrange=True)


def _draw(models, layers, tokens, views: list[View], **look) -> go.Figure:
    """The views of one sentence, with a slider over the layers."""
    panels = inputs.panels_of(models)
    return heatmaps.figure(views, panels, [tokens] * len(panels), **inputs.layer_steps(layers), **look)


def _what_fits(models, views: int, window: int | None) -> tuple[list[tuple[int, ...]], list[str], tuple[str, ...]]:
    """Layers and tokens that fit into one figure, every second layer when a deep model needs it; notes of the rest."""
    layers, wanted = inputs.matched_layers(models), min(len(models[0].tokens[0]), _FEWEST_TOKENS)
    fit = lambda layers: heatmaps.most_tokens((len(layers) + 1) * len(inputs.panels_of(models)) * views)
    every = len(layers)
    while fit(layers) < wanted and len(layers) > 3:
        layers = layers[::2] if len(layers) % 2 else [*layers[:-1:2], layers[-1]]
    tokens, notes = inputs.words(models, fit(layers))
    if len(layers) < every:
        notes += (f"{len(layers)} of {every} layers",)
    if window is not None:
        notes += (f"window {window}: pairs up to {window // 2} words apart",)
    return layers, tokens, notes


def _grams(models, layers) -> list[np.ndarray]:
    """Per model the word Grams at the chosen layers, (layers, n, n)."""
    states = (model.hidden[0, [pair[m] for pair in layers]] for m, model in enumerate(models))
    return [relations.word_gram(hidden).numpy() for hidden in states]


def _inside(n: int, window: int | None) -> np.ndarray:
    """The pairs of words that are not blank: (n, n) bool."""
    return np.ones((n, n), bool) if window is None else relations.window_mask(n, window).numpy() | np.eye(n, dtype=bool)


def _angles(grams, tokens, vertex: int, window: int | None) -> View:
    """A view of the angles at a word."""
    grams, word = [gram[:, : len(tokens), : len(tokens)] for gram in grams], theme.token_text(tokens[vertex])
    arrays = [relations.angle(gram, vertex, window) for gram in grams]
    arrays = [np.where(relations.angle_mask(g, vertex, window), array, np.nan) for g, array in zip(grams, arrays)]
    title, label = f"Angles at “{word}”: two words seen from a third", f"vertex {vertex}: {word}"
    return View(label, title, inputs.beside(arrays), value="cosine of the angle", bounds=(-1.0, 1.0))


def _pairs(label: str, grams, shown, reach: float | None = None) -> View:
    """A view of relations between pairs of words. shown : (n, n) bool, the pairs that are not blank"""
    n, value = len(shown), label
    if label == "row distribution":
        value, shown = "probability", shown & ~np.eye(n, dtype=bool)
        arrays = [relations.row_distribution(relations.cosine(gram)) for gram in grams]
    else:
        arrays = [getattr(relations, label)(gram) for gram in grams]
    arrays = [np.where(shown, array[:, :n, :n], np.nan) for array in arrays]
    question = "which words stand close?" if len(arrays) == 1 else "does the student see the same neighbours?"
    bounds = heatmaps.cosine_bounds(arrays) if label == "cosine" else heatmaps.bounds_of(arrays, 0.0)
    return View(label, f"Word relation, {label}: {question}", inputs.beside(arrays), value, bounds, reach)


def _loudest(models, cosines, tokens, inside) -> str:
    """What a look at the last layer would tell first: the closest pair, or the pair that differs most."""
    n = len(tokens)
    pairs = inside & np.triu(np.ones((n, n), bool), 1)
    if not pairs.any():
        return "there is no pair of words to compare."
    last = [cosine[-1, :n, :n] for cosine in cosines]
    score = np.where(pairs, np.abs(last[1] - last[0]) if len(models) == 2 else last[0], -np.inf)
    i, j = np.unravel_index(int(score.argmax()), score.shape)
    pair = f"“{theme.visible(tokens[i])}” and “{theme.visible(tokens[j])}”"
    if len(models) == 1:
        return f"closest at the last layer: {pair}, cosine {last[0][i, j]:.2f}."
    return f"most different at the last layer: {pair}, cosine {last[0][i, j]:.2f} against {last[1][i, j]:.2f}."

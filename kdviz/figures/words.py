"""How the words of a sentence stand to each other inside each layer: in pairs, and in triples at a vertex word."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz import relations
from kdviz.figures import heatmaps, theme
from kdviz.figures.heatmaps import View
from kdviz.figures.inputs import (
    beside, layer_label, layer_prefix, matched_layers, one_sentence, panels_of, token_index, tokens_of, words,
)

_FEWEST_TOKENS = 24     # rather every second layer than fewer words than this


def _layers_and_tokens(models, views: int) -> tuple[list[tuple[int, ...]], int]:
    """The layers and the number of tokens that fit into one figure; every second layer when a deep model needs it."""
    layers, panels = matched_layers(models), len(panels_of(models))
    wanted = min(len(tokens_of(models)), _FEWEST_TOKENS)
    while heatmaps.most_tokens((len(layers) + 1) * panels * views) < wanted and len(layers) > 3:
        layers = layers[::2] if len(layers) % 2 else [*layers[:-1:2], layers[-1]]
    return layers, heatmaps.most_tokens((len(layers) + 1) * panels * views)


def _grams(models, layers) -> list[np.ndarray]:
    """Per model the word Grams at the chosen layers, (layers, n, n)."""
    return [
        relations.word_gram(model.hidden[0, [pair[m] for pair in layers]]).numpy() for m, model in enumerate(models)
    ]


def _layer_note(models, layers) -> tuple[str, ...]:
    every = matched_layers(models)
    return () if len(layers) == len(every) else (f"{len(layers)} of {len(every)} layers",)


def word_relation(states, *, sentence: int = 0, window: int | None = None) -> go.Figure:
    """Word relation inside each layer: teacher, student and their difference, with a layer slider.

    The menu offers cosine, Euclidean distance and row distribution (softmax of a word's cosines to the other words,
    the quantity that contextual distillation matches; Park et al. 2021). Models of different depth are compared at
    the layers that distillation matches, such as 6↔2.

    states   : States of one model, or of two, teacher first
    sentence : which of the texts
    window   : odd width 2δ+1; pairs farther apart than δ are left blank (their values stay those of the sentence)
    Raises ValueError when the two models cut the text differently, when values are not finite, when the window is
    not odd.
    """
    models = one_sentence(states, sentence)
    layers, most = _layers_and_tokens(models, views=3)
    tokens, notes = words(models, most)
    n = len(tokens)
    inside = np.ones((n, n), bool)
    if window is not None:
        inside = relations.window_mask(n, window).numpy() | np.eye(n, dtype=bool)
    grams = _grams(models, layers)
    measured = {
        "cosine": [relations.cosine(gram) for gram in grams],
        "distance": [relations.distance(gram) for gram in grams],
        "row distribution": [relations.row_distribution(relations.cosine(gram)) for gram in grams],
    }
    views = []
    for label, arrays in measured.items():
        shown = inside & ~np.eye(n, dtype=bool) if label == "row distribution" else inside
        arrays = [np.where(shown, array[:, :n, :n], np.nan) for array in arrays]
        views.append(View(
            label=label, value="probability" if label == "row distribution" else label,
            title=f"Word relation, {label}: which words stand close?" if len(models) == 1
            else f"Word relation, {label}: does the student see the same neighbours?",
            arrays=beside(arrays),
            bounds=heatmaps.bounds_of(arrays, *{"cosine": (0, 1), "distance": (0, None)}.get(label, (0, None))),
        ))
    panels = panels_of(models)
    names = " and ".join(f"{model.role} {model.name}" for model in models)
    alt = (
        f"Heatmaps of the relation between every two of {n} tokens ({' '.join(map(theme.visible, tokens))}) for "
        f"{names}{', and student minus teacher' if len(models) == 2 else ''}, at {len(layers)} layers; "
        f"{_loudest(models, measured['cosine'], tokens, inside)}"
    )
    return heatmaps.figure(
        views, panels, [tokens] * len(panels), [tokens] * len(panels), alt=alt,
        steps=[layer_label(pair) for pair in layers], step_prefix=layer_prefix(layers), start=len(layers) - 1,
        notes=(*notes, *_layer_note(models, layers), *_window_note(window)),
    )


def _window_note(window: int | None) -> tuple[str, ...]:
    return () if window is None else (f"window {window}: pairs up to {window // 2} words apart",)


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


def word_angles(states, vertex: int | str, *, sentence: int = 0, window: int | None = None) -> go.Figure:
    """Cosine of the angle that words i and k make at a vertex word j, with a layer slider (Park et al. 2021).

    A menu moves the vertex when the angles at all words fit into one figure; otherwise only ``vertex`` is shown.
    Angles that do not exist (i = j, j = k, i = k, equal vectors, outside the window) are blank.

    vertex : place of the vertex word, or its text (first occurrence)   window : odd width 2δ+1 around the vertex
    Errors as in `word_relation`; ValueError for a vertex that is not in the sentence or not among the tokens shown.
    """
    models = one_sentence(states, sentence)
    vertex = token_index(models, vertex)
    layers, most = _layers_and_tokens(models, views=1)
    tokens, notes = words(models, most)
    n, panels = len(tokens), panels_of(models)
    if vertex >= n:
        raise ValueError(f"vertex {vertex} is not among the first {n} tokens that fit into the figure")
    all_fit = n <= heatmaps.most_tokens((len(layers) + 1) * len(panels) * n)
    vertices = range(n) if all_fit else [vertex]
    grams = [gram[:, :n, :n] for gram in _grams(models, layers)]
    views = []
    for j in vertices:
        arrays = [
            np.where(relations.angle_mask(gram, j, window), relations.angle(gram, j, window), np.nan) for gram in grams
        ]
        views.append(View(
            label=f"vertex {j}: {theme.token_text(tokens[j])}", value="cosine of the angle",
            title=f"Angles at “{theme.token_text(tokens[j])}”: two words seen from a third",
            arrays=beside(arrays), bounds=(-1.0, 1.0),
        ))
    alt = (
        f"Heatmaps of the cosine of the angle that every two of {n} tokens make at the vertex word "
        f"“{theme.visible(tokens[vertex])}”, for {' and '.join(f'{m.role} {m.name}' for m in models)}, "
        f"at {len(layers)} layers; cells without an angle are blank."
    )
    return heatmaps.figure(
        views, panels, [tokens] * len(panels), [tokens] * len(panels), alt=alt,
        steps=[layer_label(pair) for pair in layers], step_prefix=layer_prefix(layers), start=len(layers) - 1,
        axis_names=("word k", "word i"), joint="∠", chosen=vertex if all_fit else 0, menu_name="vertex",
        notes=(*notes, *_layer_note(models, layers), *_window_note(window)),
    )

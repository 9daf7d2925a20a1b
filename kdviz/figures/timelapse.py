"""The time-lapse of a student's word relations becoming the teacher's while it trains."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz import relations
from kdviz.figures import heatmaps, parts
from kdviz.figures.heatmaps import View
from kdviz.figures.inputs import Panel, layer_label, matched_layers, one_sentence, panels_of, spoken, words

_MOST_STEPS = 25
_FEWEST_TOKENS = 24  # rather fewer layers than fewer words than this


def replay(steps, students, teacher=None, *, sentence: int = 0, scale: float | None = None) -> go.Figure:
    """Cosines between words over training steps: teacher (still), student (moving) and their difference.

    A slider and a play button go through the steps, a menu through the matched layers; deepest layer first on screen.

    steps    : training step of each States in `students`, rising
    students : States of one student on the same texts at those steps, such as ``run.snapshots.states``
    teacher  : the teacher's States on these texts, None to watch the student alone
    scale    : as in `word_relation`
    Of more than 25 steps an even choice is shown, first and last included, and the figure says so.
    Raises ValueError when numbers of steps and of States differ, and as `word_relation` does.
    """
    steps, students = list(steps), list(students)
    if not steps or len(steps) != len(students):
        raise ValueError(f"{len(steps)} steps but {len(students)} States of the student: one for each, at least one")
    chosen = parts.evenly(len(steps), _MOST_STEPS)
    sets = [one_sentence([students[c]] if teacher is None else [teacher, students[c]], sentence) for c in chosen]
    models, moving = sets[-1], 1 if teacher is None else 2  # the student and the difference
    layers = matched_layers(models)
    fit = lambda layers: heatmaps.most_tokens(len(layers) * (3 + moving * len(chosen)))
    while len(layers) > 1 and fit(layers) < min(_FEWEST_TOKENS, len(models[0].tokens[0])):
        layers = layers[-(len(layers) // 2) :]  # the deepest ones matter most
    tokens, notes = words(models, fit(layers))
    n = len(tokens)
    if len(chosen) < len(steps):
        notes = (*notes, f"{len(chosen)} of {len(steps)} steps")

    def measured(model, layer):
        return relations.cosine(relations.word_gram(model.hidden[0, layer])).numpy()[:n, :n]

    views = []
    for pair in layers:
        arrays = [np.stack([measured(one[-1], pair[-1]) for one in sets])]
        if teacher is not None:
            arrays.insert(0, measured(models[0], pair[0])[None])
            arrays.append(arrays[1] - arrays[0])
        label = f"layer {layer_label(pair)}"
        title, bounds = f"Word relation while the student trains, {label}", heatmaps.cosine_bounds(arrays[:2])
        views.append(View(label, title, arrays, "cosine", bounds, scale))
    panels, gap, beside = panels_of(models), "", ""
    if teacher is None:
        panels = [Panel(models[0].name, models[0].role)]
    else:
        gaps = np.abs(views[-1].arrays[2]).mean((1, 2))
        gap, beside = f" Their mean difference goes from {gaps[0]:.2f} to {gaps[-1]:.2f}.", ", beside the teacher"
    alt = f"Heatmaps of the cosine between every two of {spoken(tokens)} at"
    alt += f" {len(chosen)} training steps of the student, from {steps[0]} to {steps[-1]}{beside}.{gap}"
    look = {"step_prefix": "training step ", "chosen": len(layers) - 1, "play": True, "menu_name": "layer"}
    labels = [f"{steps[c]:,}" for c in chosen]
    return heatmaps.figure(views, panels, [tokens] * len(panels), alt=alt, steps=labels, notes=notes, **look)

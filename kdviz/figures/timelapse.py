"""The time-lapse of a student's word relations becoming the teacher's while it trains."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz import relations
from kdviz.figures import heatmaps, theme
from kdviz.figures.heatmaps import View
from kdviz.figures.inputs import Panel, layer_label, matched_layers, one_sentence, panels_of, words

_QUANTITIES = {"cosine": relations.cosine, "distance": relations.distance}
_MOST_STEPS = 25


def replay(steps, students, teacher=None, *, sentence: int = 0, relation: str = "cosine") -> go.Figure:
    """Word relation over training steps: teacher (still), student (moving) and their difference.

    A slider and a play button go through the steps, a menu through the matched layers; deepest layer first on screen.

    steps    : training step of each States in `students`, rising
    students : States of one student on the same texts at those steps, such as ``run.snapshots.states``
    teacher  : the teacher's States on these texts, None to watch the student alone
    relation : ``"cosine"`` or ``"distance"`` (Euclidean)
    Of more than 25 steps an even choice is shown, first and last included, and the figure says so.
    Raises ValueError when numbers of steps and of States differ, and as `word_relation` does.
    """
    steps, students = list(steps), list(students)
    if not steps or len(steps) != len(students):
        raise ValueError(f"{len(steps)} steps but {len(students)} States of the student: one for each, at least one")
    if relation not in _QUANTITIES:
        raise ValueError(f"relation {relation!r} is not one of {', '.join(map(repr, _QUANTITIES))}")
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), _MOST_STEPS)).round().astype(int))
    sets = [one_sentence([one] if teacher is None else [teacher, one], sentence) for one in (students[c] for c in chosen)]
    models = sets[-1]
    layers = matched_layers(models)
    matrices = len(layers) * (3 + (1 if teacher is None else 2) * len(chosen))
    while len(layers) > 1 and heatmaps.most_tokens(matrices) < min(24, len(models[0].tokens[0])):
        layers = layers[-(len(layers) // 2):]           # the deepest ones matter most
        matrices = len(layers) * (3 + (1 if teacher is None else 2) * len(chosen))
    tokens, notes = words(models, heatmaps.most_tokens(matrices))
    n = len(tokens)
    if len(chosen) < len(steps):
        notes = (*notes, f"{len(chosen)} of {len(steps)} steps")

    def measured(model, layer):
        return _QUANTITIES[relation](relations.word_gram(model.hidden[0, layer])).numpy()[:n, :n]

    views, last = [], len(layers) - 1
    for pair in layers:
        student = np.stack([measured(one[-1], pair[-1]) for one in sets])
        arrays = [student]
        if teacher is not None:
            still = measured(models[0], pair[0])[None]
            arrays = [still, student, student - still]
        views.append(View(
            label=f"layer {layer_label(pair)}", value=relation, arrays=arrays,
            title=f"Word relation while the student trains, layer {layer_label(pair)}",
            bounds=heatmaps.bounds_of(arrays[:2], 0.0, 1.0 if relation == "cosine" else None),
        ))
    panels = panels_of(models) if teacher is not None else [Panel(models[0].name, models[0].role)]
    told = ""
    if teacher is not None:
        gap = np.abs(views[last].arrays[2]).mean((1, 2))
        told = f" Their mean difference goes from {gap[0]:.2f} to {gap[-1]:.2f}."
    alt = (
        f"Heatmaps of the {relation} between every two of {n} tokens ({' '.join(map(theme.visible, tokens))}) at "
        f"{len(chosen)} training steps of the student, from {steps[0]} to {steps[-1]}"
        f"{'' if teacher is None else ', beside the teacher'}.{told}"
    )
    return heatmaps.figure(
        views, panels, [tokens] * len(panels), [tokens] * len(panels), alt=alt, steps=[f"{steps[c]:,}" for c in chosen],
        step_prefix="training step ", start=0, notes=notes, chosen=last, play=True, menu_name="layer",
    )

"""Which of the teacher's layers a student attends to (Universal-KD, ALP-KD), and what each layer knows: lesson 13."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import parts, theme

MOST_FRAMES = 40


def layer_attention(frames: list) -> go.Figure:
    """Attention of student layers (rows) over teacher layers (columns), with a slider over training.

    frames : [(step, (J, K) tensor or array), …], as run.records["attention"]; each row of a map sums to 1. At most
             40 are shown, spread evenly
    Raises ValueError when there is none, shapes differ, or a row does not sum to 1.
    """
    if not frames:
        raise ValueError('no maps: pass run.records["attention"] of a run of UniversalKD or ALPKD')
    frames = [frames[place] for place in parts.evenly(len(frames), MOST_FRAMES)]
    maps = [np.asarray(weights, dtype=float) for _, weights in frames]
    if len({one.shape for one in maps}) > 1 or maps[0].ndim != 2:
        raise ValueError(f"maps have shapes {sorted({one.shape for one in maps})}: all must be one (J, K)")
    if not np.allclose(np.stack(maps).sum(-1), 1, atol=1e-3):
        raise ValueError("rows must sum to 1: these are not attention weights")
    rows, columns = maps[0].shape
    played = [[{"type": "heatmap", "z": theme.compact(one)}] for one in maps]
    figure = go.Figure(data=played[-1], frames=parts.frames(played))
    hover = "student's layer %{y}, teacher's layer %{x}: %{z:.3f}<br>attention<extra></extra>"
    figure.update_traces(zmin=0, zmax=max(1 / columns, float(np.max(maps))), colorscale=theme.SEQUENTIAL)
    figure.update_traces(colorbar=parts.colour_bar("weight"), xgap=2, ygap=2, hovertemplate=hover)
    figure.update_xaxes(parts.word_axis(range(1, columns + 1)), title="teacher's layer")
    figure.update_yaxes(parts.word_axis(range(1, rows + 1)), title="student's layer", autorange="reversed")
    steps = [f"{int(step)}" for step, _ in frames]
    figure.update_layout(sliders=[parts.slider(steps, "training step ", len(steps) - 1)])
    strongest = [(int(row.argmax()) + 1, row.max()) for row in maps[-1]]
    said = [f"student layer {j + 1} mostly to teacher layer {k} ({most:.2f})" for j, (k, most) in enumerate(strongest)]
    alt = f"Attention of {rows} student layers over {columns} teacher layers; at step {steps[-1]}: {'; '.join(said)}."
    alt += f" Even would be {1 / columns:.2f}."
    return theme.finish(figure, "Which layers of the teacher does each student layer use?", alt, plot=30 + 46 * rows)


def probe_accuracy(curves: dict, *, chance: float | None = None) -> go.Figure:
    """Accuracy of a linear probe on every layer, one line a model.

    curves : name -> (K,) accuracies of layers 1 … K; "teacher" and "student" keep their colours
    chance : accuracy without reading, drawn as a dotted line
    """
    if not curves:
        raise ValueError("no curves: pass {name: accuracies}")
    figure, said = go.Figure(), []
    for number, (name, values) in enumerate(curves.items()):
        values, depth = np.asarray(values, dtype=float), len(values)
        look = {"number": number, "shade": theme.shade(name, number), "marks": 8}
        parts.add_line(figure, list(range(1, depth + 1)), values, name, "layer %{x}: %{y:.3f}", **look)
        said.append(f"{name} from {values[0]:.2f} at layer 1 to {values[-1]:.2f} at layer {depth}")
    if chance is not None:
        figure.add_hline(y=chance, line={"dash": "dot", "color": theme.colour("quiet")})
    parts.axes(figure, "layer", "probe accuracy")
    figure.update_xaxes(dtick=1)
    figure.update_layout(showlegend=True)
    alt = f"Accuracy of linear probes by depth: {'; '.join(said)}."
    return theme.finish(figure, "What each layer knows of the task", alt)

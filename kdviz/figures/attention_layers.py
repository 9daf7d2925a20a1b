"""Which of the teacher's layers a student listens to (Universal-KD, ALP-KD), and what each layer knows."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import heatmaps, theme

MOST_FRAMES = 40


def layer_attention(frames: list) -> go.Figure:
    """Attention of student layers (rows) over teacher layers (columns), with a slider over training.

    frames : [(step, (J, K) tensor or array), …], as run.records["attention"]; each row of a map sums to 1. At most
             40 are shown, spread evenly
    Raises ValueError when there is none, shapes differ, or a row does not sum to 1.
    """
    if not frames:
        raise ValueError('no maps: pass run.records["attention"] of a run of UniversalKD or ALPKD')
    keep = np.unique(np.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).round().astype(int))
    steps = [int(frames[place][0]) for place in keep]
    maps = [np.asarray(frames[place][1], dtype=float) for place in keep]
    if len({one.shape for one in maps}) > 1 or maps[0].ndim != 2:
        raise ValueError(f"maps have shapes {sorted({one.shape for one in maps})}: all must be one (J, K)")
    if not all(np.allclose(one.sum(1), 1, atol=1e-3) for one in maps):
        raise ValueError("rows must sum to 1: these are not attention weights")
    rows, columns = maps[0].shape
    names = [f"layer {k + 1}" for k in range(columns)]

    def shown(one) -> dict:
        return {"type": "heatmap", "z": theme.compact(one)}

    data = shown(maps[-1]) | {
        "zmin": 0, "zmax": max(1 / columns, max(float(one.max()) for one in maps)), "colorscale": theme.sequential(),
        "colorbar": {"title": {"text": "weight"}}, "xgap": 2, "ygap": 2,
        "hovertemplate": "student layer %{y}, teacher %{x}: %{z:.3f}<br>attention<extra></extra>",
    }  # fmt: skip
    axis = {"showgrid": False, "zeroline": False}
    layout = {
        "height": 240 + 46 * rows, "margin": {"t": 70, "b": 140, "l": 90, "r": 20},
        "xaxis": axis | {"tickvals": list(range(columns)), "ticktext": names, "title": {"text": "teacher"}},
        "yaxis": axis | {"tickvals": list(range(rows)), "ticktext": [f"layer {j + 1}" for j in range(rows)],
                         "title": {"text": "student"}, "autorange": "reversed"},
        "sliders": [heatmaps.slider([f"{step}" for step in steps], "training step ", len(steps) - 1, 60)],
    }  # fmt: skip
    played = [{"name": f"step {s}", "data": [shown(one)]} for s, one in enumerate(maps)]
    told = "; ".join(f"student layer {j + 1} mostly to teacher layer {int(row.argmax()) + 1} ({row.max():.2f})"
                     for j, row in enumerate(maps[-1]))
    alt = f"Attention of {rows} student layers over {columns} teacher layers; at step {steps[-1]}: {told}. Even would be {1 / columns:.2f}."
    return theme.finish(go.Figure(data=[data], frames=played, layout=layout), "Which layers of the teacher are listened to", alt)


def probe_accuracy(curves: dict, *, chance: float | None = None) -> go.Figure:
    """Accuracy of a linear probe on every layer, one line a model.

    curves : name -> (K,) accuracies of layers 1 … K; "teacher" and "student" keep their colours
    chance : accuracy without reading, drawn as a dotted line
    """
    if not curves:
        raise ValueError("no curves: pass {name: accuracies}")
    figure, told = go.Figure(), []
    for place, (name, values) in enumerate(curves.items()):
        values = np.asarray(values, dtype=float)
        shade = theme.colour(name) if name in ("teacher", "student") else theme.WORD_COLOURS[place % len(theme.WORD_COLOURS)]
        figure.add_scatter(
            x=list(range(1, len(values) + 1)), y=theme.compact(values), mode="lines+markers", name=theme.text(name),
            line={"color": shade, "width": 2}, marker={"size": 8, "symbol": theme.WORD_SHAPES[place % 8]},
            hovertemplate=f"{theme.text(name)}, layer %{{x}}: %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
        told.append(f"{name} from {values[0]:.2f} at layer 1 to {values[-1]:.2f} at layer {len(values)}")
    if chance is not None:
        figure.add_hline(y=chance, line={"dash": "dot", "color": theme.colour("quiet")})
    figure.update_xaxes(title="layer", dtick=1)
    figure.update_yaxes(title="probe accuracy")
    figure.update_layout(height=360, margin={"t": 60, "l": 64, "r": 16, "b": 48}, showlegend=True)
    return theme.finish(figure, "What each layer knows of the task", f"Accuracy of linear probes by depth: {'; '.join(told)}.")

"""Soft targets: what a temperature does to a model's answer."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import heatmaps, theme

TEMPERATURES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0)


def soft_targets(logits, labels, temperatures=TEMPERATURES, *, names=("teacher", "student")) -> go.Figure:
    """Bars of softmax(logits / τ) for each class, with a slider over τ (Hinton et al. 2015); τ = 1 first when offered.

    logits : (C,) of one model, or (K, C), one row a model; tensors or arrays
    labels : names of the C classes   names : names of the K models, "teacher" and "student" keep their colours
    Raises ValueError when sizes disagree, a value is not finite, or a temperature is not positive.
    """
    rows = np.atleast_2d(np.asarray(logits, dtype=np.float64))
    names, temperatures = list(names)[: len(rows)], [float(t) for t in temperatures]
    if rows.ndim != 2 or rows.shape[1] != len(labels) or len(names) != len(rows):
        raise ValueError(f"logits {rows.shape} do not fit {len(labels)} labels and {len(names)} names")
    if not np.isfinite(rows).all():
        raise ValueError(f"{(~np.isfinite(rows)).sum()} of {rows.size} logits are NaN or infinite")
    if not temperatures or min(temperatures) <= 0:
        raise ValueError(f"temperatures must be positive, got {temperatures}")
    per_step = []
    for temperature in temperatures:
        grown = np.exp((rows - rows.max(1, keepdims=True)) / temperature)
        per_step.append((grown / grown.sum(1, keepdims=True)).round(4))
    start = temperatures.index(1.0) if 1.0 in temperatures else 0
    shades = [theme.colour(name) if name in ("teacher", "student", "model") else theme.WORD_COLOURS[k % 8]
              for k, name in enumerate(names)]

    def bar(k: int, values) -> dict:
        return {"type": "bar", "y": values[k].tolist(), "text": [f"{value:.3f}" for value in values[k]]}

    data = [
        bar(k, per_step[start]) | {
            "x": list(range(len(labels))), "name": theme.text(name), "marker": {"color": shades[k]},
            "textposition": "outside", "textfont": {"size": theme.TICK_SIZE}, "cliponaxis": False,
            "hovertemplate": f"{theme.text(name)}<br>%{{x}}: %{{y:.4f}}<extra></extra>",
        }
        for k, name in enumerate(names)
    ]
    frames = [
        {"name": f"step {s}", "traces": list(range(len(names))), "data": [bar(k, values) for k in range(len(names))]}
        for s, values in enumerate(per_step)
    ]
    layout = {
        "height": 460, "margin": {"t": 80, "b": 150, "l": 64, "r": 20}, "showlegend": len(names) > 1,
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        "xaxis": {
            "tickmode": "array", "tickvals": list(range(len(labels))),
            "ticktext": [theme.token_text(label, 24) for label in labels], "title": {"text": "class"}, "showgrid": False,
        },
        "yaxis": {"range": [0, 1.08], "title": {"text": "probability"}},
        "sliders": [heatmaps.slider([f"{t:g}" for t in temperatures], "temperature τ = ", start, 56)],
    }
    top = int(rows[0].argmax())
    low, high = (per_step[k][0, top] for k in (int(np.argmin(temperatures)), int(np.argmax(temperatures))))
    alt = (
        f"Bars of the probabilities of {len(labels)} classes ({', '.join(map(theme.visible, labels))}) for "
        f"{' and '.join(names)} at temperatures {min(temperatures):g} to {max(temperatures):g}; the {names[0]}'s first "
        f"choice, {theme.visible(labels[top])}, goes from {low:.2f} to {high:.2f}."
    )
    return theme.finish(go.Figure(data=data, frames=frames, layout=layout), "Soft targets: what a temperature reveals", alt)

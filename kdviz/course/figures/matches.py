"""What each method brings nearer to the teacher, by several measures at once (05)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import parts, theme

HALVINGS = 2  # at which the colours end


def brought_nearer(gaps) -> go.Figure:
    """Each method's gap to the teacher by each measure, as a share of the gap before training; 1: as far as before.

    gaps : method -> measure -> ratios of one or more seeds, all above 0; shown is their geometric mean
    Raises ValueError when methods have other measures than each other, or a ratio is not above 0.
    """
    methods, measures = list(gaps), list(next(iter(gaps.values())))
    for method, own in gaps.items():
        if list(own) != measures:
            raise ValueError(f"{method!r} is measured by {', '.join(own)}; {methods[0]!r} by {', '.join(measures)}")
    logs = np.empty((len(methods), len(measures)))
    for place in np.ndindex(logs.shape):
        ratios = np.atleast_1d(np.asarray(gaps[methods[place[0]]][measures[place[1]]], float))
        if not (ratios > 0).all():
            raise ValueError(f"{methods[place[0]]!r} has ratios {ratios.tolist()}: they must be above 0")
        logs[place] = np.log2(ratios).mean()
    figure, ratios = go.Figure(), 2**logs
    look = {
        "zmin": -HALVINGS,
        "zmax": HALVINGS,
        "colorscale": [theme.colour(part) for part in ("low", "middle", "high")],
        "xgap": 2,
        "ygap": 2,
    }
    powers = list(range(-HALVINGS, HALVINGS + 1))
    bar = parts.colour_bar("of the gap before", tickvals=powers, ticktext=[f"{2.0**power:g}" for power in powers])
    figure.add_heatmap(z=theme.compact(logs), text=[[f"{x:.2f}" for x in row] for row in ratios], **look, colorbar=bar)
    figure.update_traces(texttemplate="%{text}", hovertemplate="%{y}, %{x}: %{text}<extra></extra>")
    figure.update_xaxes(parts.word_axis(measures, 24), title="measured by")
    figure.update_yaxes(parts.word_axis(methods, 24), title="trained by", autorange="reversed", automargin=True)
    first = logs.argmin(0)
    nearest = [f"{name}: {methods[row]} ({ratios[row, k]:.2f})" for k, (name, row) in enumerate(zip(measures, first))]
    alt = f"Gap to the teacher after training as a share of the gap before. Nearest by {'; '.join(nearest)}."
    return theme.finish(figure, "What does each method bring nearer?", alt, plot=60 * len(methods))

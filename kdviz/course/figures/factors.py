"""Kronecker factor shapes: what each shape of A and B costs and loses, and the singular spectrum behind it (12)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdviz.figures import parts, theme

MOST_SHAPES = 40
MOST_VALUES = 60  # singular values drawn for one shape


def factor_shapes(rows: list[dict], *, of: str = "W", rank: int = 1) -> go.Figure:
    """Error against size for every shape, coloured by time (or FLOPs); the slider picks one and shows its spectrum.

    rows : dicts with a (m1, n1), b (m2, n2), parameters, flops (one vector), error (relative, Frobenius), sigma
           (singular values of the rearranged matrix), and milliseconds when it was measured for all of them;
           `kdviz.models.kronecker.shapes` makes them
    of   : name of the matrix   rank : products summed; so many singular values are kept
    Raises ValueError when there is no row, more than 40, or milliseconds are given for only some.
    """
    if not 1 <= len(rows) <= MOST_SHAPES:
        raise ValueError(f"{len(rows)} shapes: give between 1 and {MOST_SHAPES}, or the picture cannot be read")
    if (timed := sum("milliseconds" in row for row in rows)) not in (0, len(rows)):
        raise ValueError(f"{timed} of {len(rows)} shapes have milliseconds: measure all of them or none")
    rows = sorted(rows, key=lambda row: row["parameters"])
    names = [f"A {row['a'][0]}×{row['a'][1]} ⊗ B {row['b'][0]}×{row['b'][1]}" for row in rows]
    sizes, errors = (np.array([float(row[key]) for row in rows]) for key in ("parameters", "error"))
    cost, unit = ("milliseconds", "ms") if timed else ("flops", "FLOP")
    facts = [f"{n}<br>{r['parameters']:,} weights, {r['flops']:,} FLOP a vector" for n, r in zip(names, rows)]
    facts = [f"{fact}<br>error {row['error']:.3f}" for fact, row in zip(facts, rows)]
    if timed:
        facts = [f"{fact}<br>{row['milliseconds']:.2f} ms" for fact, row in zip(facts, rows)]

    titles = "every dot is a shape of A", "its singular values, σₖ / σ₁"
    figure = make_subplots(cols=2, column_widths=[0.58, 0.42], horizontal_spacing=0.14, subplot_titles=titles)
    marker = {"size": 11, "colorscale": theme.SEQUENTIAL, "line": {"width": 1, "color": theme.colour("ink")}}
    marker |= {"color": theme.compact([row[cost] for row in rows]), "colorbar": parts.colour_bar(unit)}
    figure.add_scatter(x=sizes, y=theme.compact(errors), mode="markers", name="shapes", marker=marker, row=1, col=1)
    figure.data[0].update(text=facts, hovertemplate="%{text}<extra></extra>")
    start = int(np.abs(np.log(sizes) - np.log(sizes).mean()).argmin())
    played = []
    for row, size, error in zip(rows, sizes, errors):
        sigma = np.asarray(row["sigma"], dtype=float)
        sigma = (sigma / sigma[0])[:MOST_VALUES]
        dot = {"type": "scatter", "x": [float(size)], "y": [round(float(error), 4)]}
        played.append([dot, {"type": "bar", "x": list(range(1, len(sigma) + 1)), "y": theme.compact(sigma)}])
    ring = {"size": 22, "symbol": "circle-open", "line": {"width": 3, "color": theme.colour("student")}}
    chosen = {"mode": "markers", "marker": ring, "hoverinfo": "skip", "name": "chosen"}
    figure.add_trace(played[start][0] | chosen, row=1, col=1)
    colours = [theme.colour("student" if k < rank else "quiet") for k in range(MOST_VALUES)]
    spectrum = {"marker": {"color": colours}, "name": "σₖ / σ₁", "hovertemplate": "k = %{x}: %{y:.3f}<extra></extra>"}
    figure.add_trace(played[start][1] | spectrum, row=1, col=2)
    figure.frames = parts.frames(played, (1, 2))
    longest = max(len(bars["y"]) for _, bars in played)
    figure.update_xaxes(type="log", dtick=1, title="weights of A and B", row=1, col=1)
    figure.update_yaxes(title="‖W − A⊗B‖ / ‖W‖", rangemode="tozero", row=1, col=1)
    figure.update_xaxes(title="k", dtick=max(1, longest // 6), row=1, col=2)
    figure.update_yaxes(range=[0, 1.05], row=1, col=2)
    slider = parts.slider([f"{row['a'][0]}×{row['a'][1]}" for row in rows], "shape of A: ", start)
    figure.update_layout(showlegend=False, sliders=[slider], margin_r=84)
    best, least = int(errors.argmin()), int(sizes.argmin())
    alt = (
        f"Relative error against number of weights for {len(rows)} shapes of Kronecker factors of {of}, coloured by "
        f"{unit}. Smallest error {errors[best]:.3f}: {names[best]} with {int(sizes[best]):,} weights; fewest weights "
        f"{int(sizes[least]):,}: {names[least]}, error {errors[least]:.3f}. Beside it the singular values of one shape."
    )
    title = f"Factor shapes of {theme.text(of)}: size, error and time do not go together"
    return theme.finish(figure, title, alt)

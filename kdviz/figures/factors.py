"""Kronecker factor shapes: what each shape of A and B costs and loses, and the singular spectrum behind it."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdviz.figures import heatmaps, theme

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
    timed = ["milliseconds" in row for row in rows]
    if any(timed) and not all(timed):
        raise ValueError(f"{sum(timed)} of {len(rows)} shapes have milliseconds: measure all of them or none")
    rows = sorted(rows, key=lambda row: row["parameters"])
    names = [f"A {row['a'][0]}×{row['a'][1]} ⊗ B {row['b'][0]}×{row['b'][1]}" for row in rows]
    sizes, errors = (np.array([float(row[key]) for row in rows]) for key in ("parameters", "error"))
    shade = np.array([row["milliseconds"] if all(timed) else row["flops"] for row in rows], dtype=float)
    unit = "ms" if all(timed) else "FLOP"
    spectra = [_spectrum(row["sigma"]) for row in rows]
    start = int(np.abs(np.log(sizes) - np.log(sizes).mean()).argmin())

    figure = make_subplots(
        cols=2, column_widths=[0.58, 0.42], horizontal_spacing=0.14,
        subplot_titles=("every dot is a shape of A", "its singular values, σₖ / σ₁"),
    )  # fmt: skip
    facts = [
        f"{name}<br>{row['parameters']:,} weights, {row['flops']:,} FLOP a vector<br>error {row['error']:.3f}"
        + (f"<br>{row['milliseconds']:.2f} ms" if all(timed) else "")
        for name, row in zip(names, rows)
    ]
    figure.add_scatter(
        x=sizes, y=theme.compact(errors), mode="markers", text=facts, hovertemplate="%{text}<extra></extra>", name="shapes",
        marker={
            "size": 11, "color": theme.compact(shade), "colorscale": theme.sequential(),
            "line": {"width": 1, "color": theme.colour("ink")},
            "colorbar": {"title": {"text": unit}, "len": 0.8, "x": 0.52, "thickness": 12},
        },
        row=1, col=1,
    )  # fmt: skip
    ring = {"size": 22, "symbol": "circle-open", "line": {"width": 3, "color": theme.colour("student")}}
    figure.add_scatter(mode="markers", marker=ring, hoverinfo="skip", name="chosen", row=1, col=1, **_dot(sizes, errors, start))
    colours = [theme.colour("student") if k < rank else theme.colour("quiet") for k in range(MOST_VALUES)]
    figure.add_bar(
        marker={"color": colours}, name="σₖ / σ₁", hovertemplate="k = %{x}: %{y:.3f}<extra></extra>", row=1, col=2,
        **_bars(spectra[start]),
    )  # fmt: skip
    figure.frames = [
        {"name": f"step {s}", "traces": [1, 2],
         "data": [{"type": "scatter"} | _dot(sizes, errors, s), {"type": "bar"} | _bars(spectra[s])]}
        for s in range(len(rows))
    ]  # fmt: skip
    figure.update_xaxes(type="log", title="weights of A and B", row=1, col=1)
    figure.update_yaxes(title="‖W − A⊗B‖ / ‖W‖", rangemode="tozero", row=1, col=1)
    figure.update_xaxes(title="k", dtick=_dtick(spectra), row=1, col=2)
    figure.update_yaxes(range=[0, 1.05], row=1, col=2)
    figure.update_layout(
        height=480, margin={"t": 96, "b": 130, "l": 64, "r": 20}, showlegend=False,
        sliders=[heatmaps.slider(names, "shape: ", start, 60) | {"ticklen": 3}],
    )  # fmt: skip
    for step in figure.layout.sliders[0].steps:
        step.label = step.label.replace(" ⊗ ", "⊗")
    best, least = int(errors.argmin()), int(sizes.argmin())
    alt = (
        f"Relative error against number of weights for {len(rows)} shapes of Kronecker factors of {of}, coloured by {unit}. "
        f"Smallest error {errors[best]:.3f}: {names[best]} with {int(sizes[best]):,} weights; fewest weights "
        f"{int(sizes[least]):,}: {names[least]}, error {errors[least]:.3f}. Beside it the singular values of the chosen shape."
    )
    return theme.finish(figure, f"Factor shapes of {theme.text(of)}: size, error and time do not go together", alt)


def _spectrum(sigma) -> np.ndarray:
    values = np.asarray(sigma, dtype=float)
    return (values / values[0])[:MOST_VALUES]


def _dot(sizes, errors, place) -> dict:
    return {"x": [float(sizes[place])], "y": [round(float(errors[place]), 4)]}


def _bars(spectrum) -> dict:
    return {"x": list(range(1, len(spectrum) + 1)), "y": theme.compact(spectrum)}


def _dtick(spectra) -> int:
    return max(1, max(map(len, spectra)) // 6)

"""Slices through the loss landscape around a model (Li et al. 2018), for lessons 07 and 11."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdviz.figures import parts, theme


def landscape(radii, losses, *, title: str = "The loss around each model", path=None) -> go.Figure:
    """The loss along one direction (lines), or across two (contours), 0 being the model itself.

    radii  : (r,) distances, in the lengths of the directions
    losses : name -> (r,) for lines or (k, r) for k directions (their mean, and each thinly); name -> (r, r) and
             `radii` the same on both axes for contours, when every array is square of side r
    path   : name -> (k, 2) places that a training passed through, drawn over the contours of that name
    Raises ValueError when sizes disagree.
    """
    if unknown := set(path or {}) - set(losses):
        raise ValueError(f"a path of {', '.join(sorted(unknown))}, losses of {', '.join(losses)}: pass losses of all")
    radii = np.asarray(radii, float)
    arrays = {name: np.asarray(values, float) for name, values in losses.items()}
    for name, values in arrays.items():
        if values.ndim not in (1, 2) or values.shape[-1] != len(radii):
            raise ValueError(f"losses of {name!r} have shape {values.shape}; {len(radii)} radii want (…, {len(radii)})")
    if all(values.shape == (len(radii), len(radii)) for values in arrays.values()):
        return _contours(radii, arrays, title, path or {})
    if path:
        raise ValueError(f"a path is drawn over contours: pass losses ({len(radii)}, {len(radii)})")
    figure, middle, said = go.Figure(), int(np.abs(radii).argmin()), []
    for number, (name, values) in enumerate(arrays.items()):
        lines = np.atleast_2d(values)
        if len(lines) > 1:
            parts.add_thin_lines(figure, radii, lines, number)
        mean, look = lines.mean(0), {"number": number, "width": 3, "dash": parts.DASHES[number % 4]}
        parts.add_line(figure, radii, mean, name, "loss %{y:.3f} at %{x:.2f}", legendgroup=str(number), **look)
        said.append(f"{name} {mean[middle]:.3f} in the middle, {mean[[0, -1]].mean():.3f} at the ends")
    parts.axes(figure, "distance from the model (× norm of each filter)", "loss")
    return theme.finish(figure, theme.text(title), f"Loss along random directions: {'; '.join(said)}.")


def _contours(radii, arrays, title, path) -> go.Figure:
    values = np.stack(list(arrays.values()))
    names = [theme.text(theme.shortened(name, 60 // len(arrays))) for name in arrays]
    low, high = float(values.min()), float(np.quantile(values, 0.95))
    figure = make_subplots(1, len(arrays), subplot_titles=names, shared_yaxes=True)
    levels = {"start": low, "end": high, "size": (high - low) / 12}
    for place, grid in enumerate(values, 1):
        surface = go.Contour(x=radii, y=radii, z=theme.compact(grid), coloraxis="coloraxis", contours=levels)
        figure.add_trace(surface, 1, place)
    figure.update_traces(hovertemplate="loss %{z:.3f}<extra></extra>")
    for place, name in enumerate(arrays, 1):
        if name in path:
            _draw_path(figure, np.asarray(path[name], float), place)
    figure.update_xaxes(title="direction 1")
    figure.update_yaxes(title="direction 2", col=1)
    figure.update_layout(coloraxis={"colorscale": theme.SEQUENTIAL, "cmin": low, "cmax": high})
    figure.update_layout(coloraxis_colorbar=parts.colour_bar("loss"), margin_r=84)
    said = "; ".join(f"{name} from {grid.min():.3f} to {grid.max():.3f}" for name, grid in arrays.items())
    return theme.finish(figure, theme.text(title), f"Contours of the loss across two directions: {said}.")


def _draw_path(figure: go.Figure, places: np.ndarray, column: int) -> None:
    """White, so that it stands out from every shade; a star where the directions begin."""
    white = {"color": "white", "size": 5}
    look = {"mode": "lines+markers", "marker": white, "line": {"color": "white", "width": 1}, "showlegend": False}
    hover = [f"student {number} of {len(places)}" for number in range(1, len(places) + 1)]
    x, y = theme.compact(places.T)
    figure.add_scatter(x=x, y=y, text=hover, hovertemplate="%{text}<extra></extra>", row=1, col=column, **look)
    star = {"symbol": "star", "size": 16, "color": "white", "line": {"color": "black", "width": 1}}
    hover = "the mean<extra></extra>"
    figure.add_scatter(x=[0], y=[0], marker=star, showlegend=False, hovertemplate=hover, row=1, col=column)

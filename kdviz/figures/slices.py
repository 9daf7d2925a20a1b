"""Slices through the loss landscape around a model (Li et al. 2018)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdviz.figures import theme
from kdviz.figures.schedules import axes


def landscape(radii, losses, *, title: str = "The loss around each model") -> go.Figure:
    """The loss along one random direction (lines), or across two (contours), 0 being the model itself.

    radii  : (r,) distances, in the norms of the model's own filters
    losses : name -> (r,) for lines or (k, r) for k directions (their mean, and each thinly); name -> (r, r) and
             `radii` the same on both axes for contours, when every array is square of side r
    Raises ValueError when sizes disagree.
    """
    radii = np.asarray(radii, float)
    arrays = {name: np.asarray(values, float) for name, values in losses.items()}
    for name, values in arrays.items():
        if values.ndim not in (1, 2) or values.shape[-1] != len(radii):
            raise ValueError(f"losses of {name!r} have shape {values.shape}; {len(radii)} radii want (…, {len(radii)})")
    if all(values.shape == (len(radii), len(radii)) for values in arrays.values()):
        return _contours(radii, arrays, title)
    figure = go.Figure()
    for number, (name, values) in enumerate(arrays.items()):
        shade, lines = theme.WORD_COLOURS[number % 8], np.atleast_2d(values)
        for line in lines if len(lines) > 1 else ():
            figure.add_scatter(x=radii, y=theme.compact(line), mode="lines", opacity=0.3, showlegend=False,
                               line={"color": shade, "width": 1}, hoverinfo="skip", legendgroup=str(number))
        figure.add_scatter(
            x=radii, y=theme.compact(lines.mean(0)), mode="lines", name=theme.text(name), legendgroup=str(number),
            line={"color": shade, "width": 3, "dash": ("solid", "dash", "dot", "dashdot")[number % 4]},
            hovertemplate=f"{theme.text(name)}<br>loss %{{y:.3f}} at %{{x:.2f}}<extra></extra>",
        )  # fmt: skip
    axes(figure, "distance from the model (× norm of each filter)", "loss")
    middle = int(np.abs(radii).argmin())
    told = "; ".join(f"{name} {np.atleast_2d(v).mean(0)[middle]:.3f} in the middle, "
                     f"{np.atleast_2d(v).mean(0)[[0, -1]].mean():.3f} at the ends" for name, v in arrays.items())
    return theme.finish(figure, theme.text(title), f"Loss along random directions: {told}.")


def _contours(radii, arrays, title):
    low = min(values.min() for values in arrays.values())
    high = float(np.quantile(np.concatenate([values.ravel() for values in arrays.values()]), 0.95))
    figure = make_subplots(1, len(arrays), subplot_titles=[theme.text(name) for name in arrays], shared_yaxes=True)
    for place, values in enumerate(arrays.values(), 1):
        figure.add_trace(go.Contour(
            x=radii, y=radii, z=theme.compact(values), coloraxis="coloraxis", contours={"start": low, "end": high, "size": (high - low) / 12},
            hovertemplate="loss %{z:.3f}<extra></extra>",
        ), 1, place)  # fmt: skip
    figure.update_xaxes(title="direction 1")
    figure.update_yaxes(title="direction 2", col=1)
    figure.update_layout(
        height=400, margin={"t": 90, "l": 64, "r": 80, "b": 56},
        coloraxis={"colorscale": theme.sequential(), "cmin": low, "cmax": high, "colorbar": {"title": {"text": "loss"}}},
    )  # fmt: skip
    told = "; ".join(f"{name} from {values.min():.3f} to {values.max():.3f}" for name, values in arrays.items())
    return theme.finish(figure, theme.text(title), f"Contours of the loss across two random directions: {told}.")

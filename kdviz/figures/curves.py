"""Named lines over a setting or over training: scores with their intervals, and schedules."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.analysis import best_of, half_width
from kdviz.figures import parts, theme


def curves(x, scores, *, title: str, x_title: str, y_title: str = "accuracy") -> go.Figure:
    """Mean over seeds with its 95 % interval (Student's t) against a setting: noise, checkpoint, start.

    x : (X,) values of the setting   scores : name -> (seeds, X) numbers, one row a seed; one row has no interval
    Raises ValueError when sizes disagree.
    """
    figure, said = go.Figure(), []
    for number, (name, values) in enumerate(scores.items()):
        values = np.atleast_2d(np.asarray(values, float))
        if values.shape[1] != len(x):
            raise ValueError(f"scores of {name!r} have shape {values.shape}; wanted are (seeds, {len(x)})")
        mean = values.mean(0)
        look = {"number": number, "shade": theme.shade(name, number), "marks": 9}
        if len(values) > 1:
            half = [half_width(column) for column in values.T]
            look["error_y"] = {"type": "data", "array": theme.compact(half), "thickness": 1.2}
        parts.add_line(figure, list(x), mean, name, "%{x}: %{y:.3f}", **look)
        said.append(f"{name} is highest, {mean.max():.3f}, at {x[int(mean.argmax())]}")
    repeated = any(trace.error_y.array is not None for trace in figure.data)
    parts.axes(figure, x_title, f"{y_title} (mean over seeds, 95 % interval)" if repeated else y_title)
    return theme.finish(figure, theme.text(title), f"{y_title} against {x_title}: {'; '.join(said)}.")


def schedule(x, lines, *, title: str, x_title: str = "training step", y_title: str = "value") -> go.Figure:
    """Named curves over the steps of a run, such as ψ, Φ and m·Φ. lines: name -> as many numbers as `x`.

    Raises ValueError when lengths differ.
    """
    x, figure = np.asarray(x, float), go.Figure()
    keep, hover = parts.evenly(len(x), parts.MOST_POINTS), f"{theme.text(x_title)} %{{x}}: %{{y:.3f}}"
    for number, (name, values) in enumerate(lines.items()):
        values, dash = np.asarray(values, float), parts.DASHES[number % 3]
        if values.shape != x.shape:
            raise ValueError(f"line {name!r} has {values.shape} numbers for {x.shape} steps")
        kept = theme.compact(x[keep]), values[keep]
        parts.add_line(figure, *kept, name, hover, number=number, width=2.5, dash=dash)
    parts.axes(figure, x_title, y_title)
    ends = "; ".join(f"{name} goes from {values[0]:.3g} to {values[-1]:.3g}" for name, values in lines.items())
    return theme.finish(figure, theme.text(title), f"Curves over {len(x)} points of {x_title}: {ends}.")


def best_of_draws(searches) -> go.Figure:
    """How far a method depends on its search: the best dev accuracy to expect of 1, 2, … draws. Dodge et al. 2019.

    searches : name -> what `kdviz.tune` returned, or the mean dev accuracy of each draw
    Raises ValueError when there is none.
    """
    scores = {name: best_of(getattr(found, "scores", found)) for name, found in searches.items()}
    if not scores:
        raise ValueError("no search to show: pass a dict, name -> what kd.tune returned")
    figure = go.Figure()
    for number, (name, best) in enumerate(scores.items()):
        draws = list(range(1, len(best) + 1))
        look = {"number": number, "shade": theme.shade(name, number), "marks": 7}
        parts.add_line(figure, draws, np.array(best), name, "best of %{x}: %{y:.3f}", **look)
    parts.axes(figure, "draws of settings", "dev accuracy of the best, expected")
    figure.update_xaxes(dtick=1)
    said = "; ".join(f"{name} from {best[0]:.3f} with one to {best[-1]:.3f}" for name, best in scores.items())
    alt = f"Dev accuracy of the best of 1 to {max(map(len, scores.values()))} draws of settings: {said}."
    return theme.finish(figure, "What the search for settings is worth", alt)

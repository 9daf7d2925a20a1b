"""What a method's score costs: every method a dot, and the line of those that nothing cheaper beats."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import theme
from kdviz.figures.schedules import axes


def tradeoff(cost, scores, *, x_title: str, y_title: str = "accuracy on test") -> go.Figure:
    """Score against cost; a line joins the Pareto front, the methods that no cheaper one equals.

    cost : name -> number above 0 (seconds, weights)   scores : name -> (mean, low, high)
    Raises ValueError when the names differ, or a cost is not above 0.
    """
    if set(cost) != set(scores):
        raise ValueError(f"cost is of {', '.join(sorted(cost))}, scores of {', '.join(sorted(scores))}: name the same methods")
    if wrong := {name: value for name, value in cost.items() if not value > 0}:
        raise ValueError(f"costs must be above 0, got {wrong}")
    names = sorted(cost, key=lambda name: (cost[name], -scores[name][0]))
    x = np.array([cost[name] for name in names], float)
    mean, low, high = (np.array([scores[name][place] for name in names], float) for place in range(3))
    front = [place for place in range(len(names)) if mean[place] > mean[:place].max(initial=-np.inf)]
    figure = go.Figure()
    figure.add_scatter(
        x=x[front], y=theme.compact(mean[front]), mode="lines", name="nothing cheaper is better", hoverinfo="skip",
        line={"color": theme.colour("student"), "width": 2, "dash": "dot", "shape": "hv"},
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=theme.compact(mean), mode="markers+text", text=[theme.text(name) for name in names], textposition="top center",
        name="method, 95 % interval", marker={
            "size": 10, "color": [theme.colour("student" if place in front else "quiet") for place in range(len(names))],
        },
        error_y={
            "type": "data", "symmetric": False, "thickness": 1.2, "color": theme.colour("quiet"),
            "array": theme.compact(high - mean), "arrayminus": theme.compact(mean - low),
        },
        hovertemplate="%{text}<br>%{y:.3f}<br>%{x:,.4g}<extra></extra>",
    )  # fmt: skip
    axes(figure, x_title, y_title, height=520)
    figure.update_xaxes(type="log")
    best = names[front[-1]]
    alt = (
        f"{y_title} against {x_title} for {len(names)} methods. Nothing cheaper is better than "
        f"{', '.join(names[place] for place in front)}; the highest is {best} with {scores[best][0]:.3f}."
    )
    return theme.finish(figure, "What a score costs", alt)

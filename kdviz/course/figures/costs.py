"""What a method's score costs: every method a dot, and the line of those that nothing cheaper beats (16)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import parts, theme


def tradeoff(cost, scores, *, x_title: str, y_title: str = "accuracy on test") -> go.Figure:
    """Score against cost; a line joins the Pareto front, the methods that no cheaper one equals.

    A name for which there is no room is said on hover.

    cost : name -> number above 0 (seconds, weights)   scores : name -> (mean, low, high)
    Raises ValueError when the names differ, or a cost is not above 0.
    """
    if set(cost) != set(scores):
        both = f"cost is of {', '.join(sorted(cost))}, scores of {', '.join(sorted(scores))}"
        raise ValueError(f"{both}: name the same methods")
    if wrong := {name: value for name, value in cost.items() if not value > 0}:
        raise ValueError(f"costs must be above 0, got {wrong}")
    names = sorted(cost, key=lambda name: (cost[name], -scores[name][0]))
    x, shown = np.array([cost[name] for name in names], float), [theme.text(name) for name in names]
    mean, low, high = np.array([scores[name] for name in names], float).T
    front = [place for place in range(len(names)) if mean[place] > mean[:place].max(initial=-np.inf)]
    sides = parts.free_sides(np.log(x), mean, [len(name) for name in shown], (700, 360), front)
    figure, quiet = go.Figure(), theme.colour("quiet")
    line = {"color": theme.colour("student"), "width": 2, "dash": "dot", "shape": "hv"}
    figure.add_scatter(x=x[front], y=theme.compact(mean[front]), mode="lines", line=line, hoverinfo="skip")
    colours = [theme.colour("student" if place in front else "quiet") for place in range(len(names))]
    bars = {"array": theme.compact(high - mean), "arrayminus": theme.compact(mean - low), "color": quiet}
    bars |= {"type": "data", "symmetric": False, "thickness": 1.2}
    figure.add_scatter(x=x, y=theme.compact(mean), error_y=bars, marker={"size": 10, "color": colours}, hovertext=shown)
    figure.data[0].name, figure.data[1].name = "nothing cheaper is better", "method, 95 % interval"
    written = [name if side else "" for name, side in zip(shown, sides)]
    figure.data[1].update(mode="markers+text", text=written, textposition=[side or "top center" for side in sides])
    figure.data[1].hovertemplate = "%{hovertext}<br>%{y:.3f}<br>%{x:,.4g}<extra></extra>"
    parts.axes(figure, x_title, y_title)
    parts.log_ticks(figure, x)
    best = names[front[-1]]
    alt = f"{y_title} against {x_title} for {len(names)} methods. Nothing cheaper is better than"
    alt += f" {', '.join(names[place] for place in front)}; the highest is {best} with {scores[best][0]:.3f}."
    return theme.finish(figure, "What a score costs", alt, plot=380)

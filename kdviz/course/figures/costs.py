"""What a method's score costs: every method a dot, and the line of those that nothing cheaper beats (16)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import parts, theme

# where a name may stand beside its dot: its middle in widths and heights of the name, and in pixels
SIDES = {
    "top center": (0, -1, 0),
    "bottom center": (0, 1, 0),
    "middle right": (0.5, 0, 9),
    "middle left": (-0.5, 0, -9),
}
PIXELS = 700, 360  # of the plot in a window of usual width
LETTER, LINE = 6.6, 16  # pixels of a name's letters and height


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
    sides = beside(x, mean, [len(name) for name in shown], front)
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
    parts.axes(figure, x_title, y_title, height=520)
    # plotly's own ticks between 10 and 100 read 2, 5
    ticks = [digit * 10.0**power for power in range(-9, 16) for digit in (1, 2, 5)]
    ticks = [value for value in ticks if x.min() / 2 <= value <= 2 * x.max()]
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{value:,.10g}" for value in ticks])
    best = names[front[-1]]
    alt = (
        f"{y_title} against {x_title} for {len(names)} methods. Nothing cheaper is better than "
        f"{', '.join(names[place] for place in front)}; the highest is {best} with {scores[best][0]:.3f}."
    )
    return theme.finish(figure, "What a score costs", alt)


def beside(x, y, letters, first) -> list[str | None]:
    """A side of its dot for each name, so that names cover neither each other nor a dot; None where no side is free.

    x, y : of the dots, x on a logarithmic axis      letters : of the names      first : those that are placed first
    """

    def pixels(values, length):
        span = np.ptp(values)
        return (values - values.min()) / (span if span else 1) * length

    across, down = pixels(np.log(x), PIXELS[0]), PIXELS[1] - pixels(np.asarray(y, float), PIXELS[1])
    taken = [(left - 6, top - 6, left + 6, top + 6) for left, top in zip(across, down)]  # the dots
    chosen: list[str | None] = [None] * len(letters)
    for place in [*first, *(place for place in range(len(letters)) if place not in first)]:
        wide = LETTER * letters[place]
        for side, (widths, heights, aside) in SIDES.items():
            middle, height = across[place] + widths * wide + aside, down[place] + heights * LINE
            box = middle - wide / 2, height - LINE / 2, middle + wide / 2, height + LINE / 2
            # at the edges there is a little room beyond the outermost dots
            inside = box[0] > -60 and box[2] < PIXELS[0] + 60
            if inside and not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
                chosen[place] = side
                taken.append(box)
                break
    return chosen

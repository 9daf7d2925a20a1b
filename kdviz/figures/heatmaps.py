"""One figure with a row of heatmaps, a slider that steps through states and a menu that switches between views.

Plotly's menus and sliders know nothing of each other. So the slider plays *frames*, each of which carries the
numbers of every view at one step, and the menu only decides which view's heatmaps are visible: in whatever order
they are used, what is on screen is the chosen view at the chosen step. No kernel takes part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import parts, theme
from kdviz.figures.inputs import Panel

_BYTES_PER_NUMBER = 6  # float32 in base64 is 5.33; the slashes in it are escaped in JSON
_BYTES_PER_MATRIX = 140  # what surrounds the numbers in a frame
_BYTES_OF_REST = 12_000  # template, axes, controls
_MOST_WRITTEN = 36  # cells of a heatmap in which the number stands
_WIDE = 830  # pixels that a lab of 1,280, with its list of files, leaves a figure
_BARS, _UNDER_BARS = 72, 8  # pixels of the bars above a map, and between the two


@dataclass(frozen=True)
class View:
    """What the menu offers: its label, the figure's title under it, and the numbers.

    arrays : one a panel, (steps, rows, columns), NaN where there is nothing; (1, rows, columns) when no step
             changes them
    value  : the quantity's name, on the colour bar and in the hover
    bounds : lowest and highest value of the magnitudes; the difference is always centred on 0
    reach  : the difference at the ends of the colours, None for the largest in the figure
    """

    label: str
    title: str
    arrays: list[np.ndarray]
    value: str
    bounds: tuple[float, float]
    reach: float | None = None


def most_tokens(matrices: int, most: int = theme.MOST_TOKENS) -> int:
    """How many tokens fit when so many token × token matrices are stored and a figure stays under its size."""
    bytes_each = (theme.MOST_BYTES - _BYTES_OF_REST) / matrices - _BYTES_PER_MATRIX
    return max(2, min(most, math.isqrt(max(0, int(bytes_each / _BYTES_PER_NUMBER)))))


def bounds_of(arrays, low: float | None = None, high: float | None = None) -> tuple[float, float]:
    """The range of several arrays, so that a colour means the same at every step; NaN is left out."""
    flat = np.concatenate([np.ravel(array) for array in arrays])
    flat = flat[np.isfinite(flat)]
    low = min(low if low is not None else np.inf, flat.min(initial=np.inf))
    high = max(high if high is not None else -np.inf, flat.max(initial=-np.inf))
    if not low < high:  # nothing to show, or one single value
        low, high = (0.0, 1.0) if not np.isfinite(low) else (low, low + 1.0)
    return float(low), float(high)


def cosine_bounds(arrays) -> tuple[float, float]:
    """From 0, or -0.5 or -1 where that is needed, to 1: so that figures that are compared share their colours."""
    return math.floor(2 * bounds_of(arrays, 0.0, 1.0)[0] + 0.01) / 2, 1.0


def figure(
    views: list[View],
    panels: list[Panel],
    labels: list[list[str]],
    *,
    alt: str,
    axis_names: tuple[str, str] = ("word j", "word i"),
    joint: str = "–",
    item: str = "",
    steps: list[str] = (),
    step_prefix: str = "",
    start: int = 0,
    chosen: int = 0,
    menu_name: str = "view",
    play: bool = False,
    bars: tuple[int, ...] = (),
    notes: tuple[str, ...] = (),
) -> go.Figure:
    """Draw the views.

    labels     : per panel the labels of its rows, and of its columns; plain text (they are escaped here)
    axis_names : names of the columns' and of the rows' axis
    joint      : stands between two words in the hover   item : stands before each
    steps      : the slider's labels, none for no slider   start : the step on screen at first
    chosen     : the view on screen at first   menu_name : what the menu chooses, for a screen reader
    play       : a button that runs through the steps
    bars       : per panel the row that is framed, and stands above its map as bars, each over its column
    """
    traces, moving, moved, axes = [], [], [[] for _ in steps], {}
    for v, view in enumerate(views):
        for p, (panel, array) in enumerate(zip(panels, view.arrays, strict=True)):
            array = theme.compact(array)
            if len(array) > 1:
                moving.append(len(traces))
                for data, z in zip(moved, array, strict=True):
                    data.append({"type": "heatmap", "z": z})
            written = 0 if bars else _MOST_WRITTEN
            trace = _trace(view, panel, array[start if len(array) > 1 else 0], joint, item, written)
            trace |= {"xaxis": parts.numbered("x", p), "yaxis": parts.numbered("y", p), "visible": v == chosen}
            traces.append(trace | {"coloraxis": _colour_axis(axes, views, view, p, panel.role == "difference")})
    layout, plot = _layout(panels, labels, axis_names)
    if bars:
        traces += _bars(layout, plot, views[chosen], panels, bars)
    layout |= {parts.numbered("coloraxis", place): axis for place, axis in enumerate(axes.values())}
    if len(views) > 1:
        names, titles = [view.label for view in views], [view.title for view in views]
        layout["updatemenus"] = [parts.menu(names, titles, len(panels), chosen, menu_name)]
    if play:
        layout["updatemenus"] = [*layout.get("updatemenus", []), parts.play_button()]
    if steps:
        layout["sliders"] = [parts.slider(steps, step_prefix, start)]
    drawn = go.Figure(data=traces, frames=parts.frames(moved, moving), layout=layout)
    return theme.finish(drawn, views[chosen].title, alt, notes, **plot)


def _colour_axis(axes: dict, views: list[View], view: View, place: int, signed: bool) -> str:
    """The name of the colour axis of a trace. Views of the same quantity and range share one: it is 1 KB each."""
    key, both = (view.value, view.bounds, signed), len(view.arrays) > 2
    if key not in axes:
        low, high = view.bounds
        if signed:
            alike = [np.abs(v.arrays[place]) for v in views if (v.value, v.bounds) == key[:2]]
            high = view.reach or bounds_of(alike, low=0.0)[1]
            low = -high
        bar = parts.colour_bar("difference" if signed else view.value, nticks=5 if both else 6)
        # one above the other: side by side they would take the width of half a panel
        bar |= {"y": 0.5 if not both else 0.23 if signed else 0.77, "len": 0.5 if both else 1.0}
        # of a difference, blue where the teacher has more, vermilion where the student has
        scale = [theme.colour(part) for part in ("low", "middle", "high")] if signed else theme.SEQUENTIAL
        axes[key] = {"cmin": low, "cmax": high, "colorscale": scale, "colorbar": bar}
    return parts.numbered("coloraxis", list(axes).index(key))


def _trace(view: View, panel: Panel, z: np.ndarray, joint: str, item: str, most_written: int) -> dict:
    sign = "+" if panel.role == "difference" else ""
    # isolates around the words: a right-to-left word keeps its place in the line
    names = f"{item}\u2068%{{y}}\u2069 {joint} {item}\u2068%{{x}}\u2069"
    hover = f"{names}<br>{view.value} %{{z:{sign}.3f}}<br>{theme.text(panel.name)}<extra></extra>"
    trace = {"type": "heatmap", "z": z, "hoverongaps": False, "hovertemplate": hover}
    if z.size <= most_written:
        trace |= {"texttemplate": f"%{{z:{sign}.2f}}", "textfont": {"size": theme.TICK_SIZE}}
    return trace


def _bars(layout: dict, plot: dict, view: View, panels: list[Panel], rows: tuple[int, ...]) -> list[dict]:
    """The bars above the maps: their traces; the layout makes room for them, with frames around the rows."""
    side, traces, layout["shapes"] = plot["plot"], [], []
    plot["plot"] += _BARS + _UNDER_BARS
    for p, (panel, array, row) in enumerate(zip(panels, view.arrays, rows, strict=True)):
        x, y, signed = parts.numbered("x", p), parts.numbered("y", len(panels) + p), panel.role == "difference"
        layout[parts.numbered("yaxis", p)]["domain"] = [0, side / plot["plot"]]
        axis = {"domain": [1 - _BARS / plot["plot"], 1], "anchor": x, "nticks": 3, "zeroline": True}
        axis["range"] = [-(view.reach or 1), view.reach or 1] if signed else view.bounds
        layout[parts.numbered("yaxis", len(panels) + p)] = axis | {"showticklabels": p == 0 and not signed}
        values = np.where(np.arange(len(array[0])) == row, np.nan, array[0][row])  # with itself: nothing to learn
        shade = theme.colour("quiet" if signed else panel.role)
        hover = f"\u2068%{{x}}\u2069<br>%{{y:{'+' if signed else ''}.3f}}<extra></extra>"
        trace = {"type": "bar", "y": theme.compact(values), "marker": {"color": shade}, "hovertemplate": hover}
        traces.append(trace | {"xaxis": x, "yaxis": y, "showlegend": False})
        frame = {"type": "rect", "xref": f"{x} domain", "x0": 0, "x1": 1, "yref": parts.numbered("y", p)}
        ground = {"layer": "below", "line": {"width": 0}, "fillcolor": theme.colour("ground"), "y0": 0, "y1": 1}
        layout["shapes"].append(frame | ground | {"yref": f"{y} domain"})
        layout["shapes"].append(frame | {"y0": row - 0.5, "y1": row + 0.5, "line": {"color": shade, "width": 2}})
    return traces


def _layout(panels: list[Panel], labels: list[list[str]], axis_names) -> tuple[dict, dict]:
    """Panels side by side, as large as their labels need, and the heights that `theme.finish` asks for."""
    count, most = len(panels), max(map(len, labels))
    sizes = [len(words) if count > 3 else most for words in labels]  # many panels have no width to waste
    own_rows = [p == 0 or words != labels[p - 1] for p, words in enumerate(labels)]
    longest = max(len(theme.visible(word)) for words in labels for word in words)
    label_space = 7 * min(longest, theme.LONGEST_TOKEN) + 6
    margin = {"l": label_space + 40, "r": 84}
    apart = [label_space + 16 if own else 14 for own in own_rows[1:]]
    needed = margin["l"] + margin["r"] + theme.LABEL_STEP * sum(sizes) + sum(apart)
    # what fits into a narrow window shares the width that there is; else the labels stay readable, and one scrolls
    layout = {"width": max(_WIDE, needed) if needed > 676 else None, "margin": margin, "annotations": []}
    layout["plot_bgcolor"] = theme.colour("blank")
    side = max(250 if count > 1 else 360, theme.LABEL_STEP * most)
    gaps = [0, *(pixels / ((layout["width"] or 640) - margin["l"] - margin["r"]) for pixels in apart)]
    shares = [(1 - sum(gaps)) * size / sum(sizes) for size in sizes]
    for p, (panel, words) in enumerate(zip(panels, labels, strict=True)):
        ticks = parts.word_axis(words) | {"range": [-0.5, len(words) - 0.5]}
        left = sum(shares[:p]) + sum(gaps[: p + 1])
        x = {
            "domain": [left, left + shares[p]],
            "tickangle": -90 if longest > 3 else 0,
            "title": {"text": axis_names[0]},
        }
        y = {"autorange": "reversed", "showticklabels": own_rows[p]}
        y["title"] = {"text": axis_names[1] if p == 0 else ""}
        layout[parts.numbered("xaxis", p)] = ticks | x | {"anchor": parts.numbered("y", p)}
        layout[parts.numbered("yaxis", p)] = ticks | y | {"anchor": parts.numbered("x", p)}
        role = "ink" if panel.role == "difference" else panel.role
        layout["annotations"].append(parts.heading(panel.name, role, x["domain"]))
    return layout, {"plot": side, "below": label_space + 36}

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

from kdviz.figures import theme
from kdviz.figures.inputs import Panel

_BYTES_PER_NUMBER = 6       # float32 in base64 is 5.33; the slashes in it are escaped in JSON
_BYTES_PER_MATRIX = 140     # what surrounds the numbers in a frame
_BYTES_OF_REST = 12_000     # template, axes, controls


@dataclass(frozen=True)
class View:
    """What the menu offers: its label, the figure's title under it, and the numbers.

    arrays : one a panel, (steps, rows, columns), NaN where there is nothing; (1, rows, columns) when no step
             changes them
    value  : the quantity's name, on the colour bar and in the hover
    bounds : lowest and highest value of the magnitudes; the difference is always centred on 0
    """

    label: str
    title: str
    arrays: list[np.ndarray]
    value: str
    bounds: tuple[float, float]


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
    if not low < high:                                  # nothing to show, or one single value
        low, high = (0.0, 1.0) if not np.isfinite(low) else (low, low + 1.0)
    return float(low), float(high)


def figure(
    views: list[View],
    panels: list[Panel],
    rows: list[list[str]],
    columns: list[list[str]],
    *,
    alt: str,
    steps: list[str] = (),
    step_prefix: str = "",
    start: int = 0,
    axis_names: tuple[str, str] = ("word j", "word i"),
    joint: str = "–",
    notes: tuple[str, ...] = (),
    chosen: int = 0,
    item: str = "",
    play: bool = False,
    menu_name: str = "view",
) -> go.Figure:
    """Draw the views.

    rows, columns : per panel the labels of its rows and columns, plain text (they are escaped here)
    steps         : the slider's labels, none for no slider   start : the step on screen at first
    axis_names    : names of the columns' and of the rows' axis   joint : stands between two words in the hover
    chosen        : the view on screen at first   item : stands before a row's or column's name in the hover
    play          : a button that runs through the steps   menu_name : what the menu chooses, for a screen reader
    """
    traces, per_step, heat, axes = [], [[] for _ in steps], len(panels), {}
    for v, view in enumerate(views):
        for p, (panel, array) in enumerate(zip(panels, view.arrays, strict=True)):
            array = theme.compact(array)
            moving = len(array) > 1
            for s, frame in enumerate(per_step):
                if moving:
                    frame.append((v * heat + p, array[s]))
            axis = _colour_axis(axes, views, view, p, panel.role == "difference")
            traces.append(_trace(view, panel, p, array[start if moving else 0], v == chosen, joint, axis, item))
    frames = [
        {
            "name": f"step {s}",
            "traces": [place for place, _ in frame],
            "data": [{"type": "heatmap", "z": z} for _, z in frame],
        }
        for s, frame in enumerate(per_step)
    ]
    layout = _layout(views, panels, rows, columns, steps, step_prefix, start, axis_names, notes, chosen)
    layout |= {f"coloraxis{place + 1 if place else ''}": axis for place, axis in enumerate(axes.values())}
    if len(views) > 1:
        layout["updatemenus"][0]["name"] = menu_name
    if play:
        layout.setdefault("updatemenus", []).append(_play_button())
        layout["margin"]["t"] += 46 * (len(views) == 1)
        layout["height"] += 46 * (len(views) == 1)
    return theme.finish(go.Figure(data=traces, frames=frames, layout=layout), views[chosen].title, alt, notes)


def _colour_axis(axes: dict, views: list[View], view: View, place: int, signed: bool) -> str:
    """The name of the colour axis of a trace. Views of the same quantity and range share one: it is 1 KB each."""
    key, both = (view.value, view.bounds, signed), len(view.arrays) > 2
    if key not in axes:
        low, high = view.bounds
        if signed:
            alike = [np.abs(v.arrays[place]) for v in views if (v.value, v.bounds) == key[:2]]
            high = bounds_of(alike, low=0.0)[1]
            low = -high
        axes[key] = {
            "cmin": low, "cmax": high,
            "colorscale": theme.diverging() if signed else theme.sequential(),
            "colorbar": {
                # one above the other: side by side they would take the width of half a panel
                "x": 1.01, "y": 0.5 if not both else 0.23 if signed else 0.77, "len": 0.5 if both else 1.0, "thickness": 14,
                "nticks": 5 if both else 6, "outlinewidth": 0,
                "tickfont": {"size": theme.TICK_SIZE},
                "title": {"text": "difference" if signed else view.value, "side": "right"},
            },
        }
    place = list(axes).index(key)
    return f"coloraxis{place + 1 if place else ''}"


def _trace(view: View, panel: Panel, place: int, z: np.ndarray, visible: bool, joint: str, axis: str, item: str) -> dict:
    sign = "+" if panel.role == "difference" else ""
    # isolates around the words: a right-to-left word keeps its place in the line
    written = {"texttemplate": f"%{{z:{sign}.2f}}", "textfont": {"size": theme.TICK_SIZE}} if z.size <= 36 else {}
    names = f"{item}\u2068%{{y}}\u2069 {joint} {item}\u2068%{{x}}\u2069"
    return {
        "type": "heatmap", "z": z, "visible": visible, "hoverongaps": False, "coloraxis": axis,
        "xaxis": f"x{place + 1 if place else ''}", "yaxis": f"y{place + 1 if place else ''}",
        "hovertemplate": f"{names}<br>{view.value} %{{z:{sign}.3f}}<br>{theme.text(panel.name)}<extra></extra>",
    } | written


def _layout(views, panels, rows, columns, steps, step_prefix, start, axis_names, notes, chosen) -> dict:
    count = len(panels)
    own_rows = any(labels != rows[0] for labels in rows)
    gap = 0.05 if own_rows else 0.025
    longest = max(len(theme.visible(label)) for labels in [*columns, *rows] for label in labels)
    label_space = 7 * min(longest, theme.LONGEST_TOKEN) + 6
    side = max(250 if count > 1 else 400, theme.LABEL_STEP * max(len(labels) for labels in [*columns, *rows]))
    top = 48 + 18 * bool(notes) + 46 * (len(views) > 1) + 28
    bottom = label_space + 36 + 94 * bool(steps)
    left, right = label_space + 40, 84
    needed = left + right + count * theme.LABEL_STEP * max(map(len, columns)) + (count - 1) * 24
    layout = {
        "height": top + side + bottom,
        "margin": {"t": top, "b": bottom, "l": left, "r": right},
        # three pictures of a short sentence share the width that there is; else cells stay square, labels readable
        "width": left + side + right if count == 1 else needed if needed > 860 else None,
        "plot_bgcolor": theme.colour("blank"),
        "annotations": [],
    }
    width = (1 - gap * (count - 1)) / count
    for p, panel in enumerate(panels):
        place = "" if p == 0 else str(p + 1)
        domain = [p * (width + gap), p * (width + gap) + width]
        layout[f"xaxis{place}"] = _axis(columns[p]) | {
            "domain": domain, "anchor": f"y{place}", "tickangle": -90 if longest > 3 else 0, "title": {"text": axis_names[0]},
        }
        layout[f"yaxis{place}"] = _axis(rows[p]) | {
            "anchor": f"x{place}", "autorange": "reversed", "showticklabels": p == 0 or own_rows,
            "title": {"text": axis_names[1] if p == 0 else ""},
        }
        shade = theme.colour("ink" if panel.role == "difference" else panel.role)
        layout["annotations"].append({
            "text": f"<b>{theme.text(panel.name)}</b>", "font": {"size": 14, "color": shade}, "showarrow": False,
            "x": sum(domain) / 2, "xref": "paper", "xanchor": "center", "y": 1, "yref": "paper", "yanchor": "bottom",
        })
    if len(views) > 1:
        layout["updatemenus"] = [menu([view.label for view in views], [view.title for view in views], count, chosen)]
    if steps:
        layout["sliders"] = [slider(steps, step_prefix, start, label_space + 30)]
    return layout


def _axis(labels: list[str]) -> dict:
    """Whole numbers as places, tokens as their labels: as categories, plotly would merge two equal tokens."""
    return {
        "tickmode": "array", "tickvals": list(range(len(labels))),
        "ticktext": [theme.token_text(label) for label in labels],
        "showgrid": False, "zeroline": False, "ticklabelstandoff": 4, "range": [-0.5, len(labels) - 0.5],
    }


def menu(labels: list[str], titles: list[str], panels: int, chosen: int) -> dict:
    """A menu of views, each with so many panels: shows the traces of one, and its title; plotly text."""
    return {
        "type": "dropdown", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "pad": {"b": 30}, "active": chosen,
        "bgcolor": theme.colour("control"), "font": {"size": theme.FONT_SIZE, "color": theme.colour("ink")},
        "buttons": [
            {
                "label": label, "method": "update",
                "args": [{"visible": [place // panels == v for place in range(panels * len(labels))]}, {"title.text": title}],
            }
            for v, (label, title) in enumerate(zip(labels, titles, strict=True))
        ],
    }  # fmt: skip


def _play_button() -> dict:
    """Play and pause, at the right above the panels."""
    run = {"mode": "immediate", "fromcurrent": True, "frame": {"duration": 400, "redraw": True}, "transition": {"duration": 0}}
    stop = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
    return {
        "type": "buttons", "direction": "left", "showactive": False, "x": 1, "xanchor": "right", "y": 1,
        "yanchor": "bottom", "pad": {"b": 30}, "bgcolor": theme.colour("control"),
        "font": {"size": theme.FONT_SIZE, "color": theme.colour("ink")},
        "buttons": [
            {"label": "▶ play", "method": "animate", "args": [None, run]},
            {"label": "❚❚ pause", "method": "animate", "args": [[None], stop]},
        ],
    }


def slider(steps: list[str], prefix: str, start: int, below: int) -> dict:
    """A slider that plays the frames ``step 0`` … at once, without a transition; ``below``: pixels under the axis."""
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    return {
        "active": start, "len": 1.0, "pad": {"t": below, "b": 0}, "ticklen": 6,
        "currentvalue": {"prefix": prefix, "font": {"size": 14}}, "font": {"size": theme.TICK_SIZE},
        "bgcolor": theme.colour("control"), "activebgcolor": theme.colour("teacher"),
        "steps": [
            {"label": label, "method": "animate", "args": [[f"step {s}"], at_once]} for s, label in enumerate(steps)
        ],
    }

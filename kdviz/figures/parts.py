"""What figures are made of: axes, lines, an even choice of points, and controls that work with no kernel."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import theme

DASHES = ("solid", "dash", "dot", "dashdot")
_AT_ONCE = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}


def evenly(count: int, most: int) -> np.ndarray:
    """Places of at most `most` of `count` things, spread evenly, first and last included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def numbered(name: str, place: int) -> str:
    """How plotly calls the axis of a panel: "x", "x2", "x3", …"""
    return f"{name}{place + 1 if place else ''}"


# ---- axes and lines ------------------------------------------------------------------------------------------------


def axes(figure: go.Figure, x_title: str, y_title: str, height: int = 420) -> None:
    """Name the axes (plain text) and make room above the picture for a legend in a line."""
    figure.update_xaxes(title=theme.text(x_title))
    figure.update_yaxes(title=theme.text(y_title))
    figure.update_layout(height=height, margin={"t": 84, "l": 64, "r": 16, "b": 56})
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom"})


def word_axis(labels, longest: int = theme.LONGEST_TOKEN) -> dict:
    """Whole numbers as places, words as their labels: as categories, plotly would merge two equal words."""
    words = [theme.token_text(str(label), longest) for label in labels]
    ticks = {"tickmode": "array", "tickvals": list(range(len(words))), "ticktext": words}
    return ticks | {"showgrid": False, "zeroline": False}


def add_line(
    figure: go.Figure, x, y, name: str, hover: str, *, number=0, shade=None, width=2, dash=None, marks=0, **more
) -> None:
    """A line of a family, told from the others by its colour and by the shape of its marks.

    name   : plain text   hover : plotly text under the name, such as "step %{x}: %{y:.3f}"
    number : place among the lines   marks : size of the marks, 0 for none   more : of the trace
    """
    name, shade = theme.text(name), shade or theme.WORD_COLOURS[number % 8]
    look = {"mode": "lines", "line": {"color": shade, "width": width, "dash": dash}}
    if marks:
        look |= {"mode": "lines+markers", "marker": {"symbol": theme.WORD_SHAPES[number % 8], "size": marks}}
    hover = f"{name}<br>{hover}<extra></extra>"
    figure.add_scatter(x=x, y=theme.compact(y), name=name, hovertemplate=hover, **look, **more)


def add_thin_lines(figure: go.Figure, x, rows: np.ndarray, number: int, most: int = 25) -> None:
    """The single lines behind a mean, of many an even choice: one trace with gaps between them. rows : (K, X)"""
    few = rows[evenly(len(rows), most)]
    broken = np.concatenate([few, np.full((len(few), 1), np.nan)], 1).ravel()
    thin = {"mode": "lines", "opacity": 0.25, "line": {"color": theme.WORD_COLOURS[number % 8], "width": 1}}
    figure.add_scatter(x=[*x, None] * len(few), y=theme.compact(broken), hoverinfo="skip", showlegend=False, **thin)
    figure.data[-1].legendgroup = str(number)


def heading(name: str, role: str, domain) -> dict:
    """The name of a panel above it, in the colour of its role."""
    look = {"text": f"<b>{theme.text(name)}</b>", "font": {"size": 14, "color": theme.colour(role)}, "showarrow": False}
    place = {"x": sum(domain) / 2, "xref": "paper", "xanchor": "center", "y": 1, "yref": "paper", "yanchor": "bottom"}
    return look | place


def colour_bar(title: str, **more) -> dict:
    """A slim colour bar."""
    look = {"thickness": 14, "outlinewidth": 0, "tickfont": {"size": theme.TICK_SIZE}}
    return look | {"x": 1.01, "title": {"text": title, "side": "right"}} | more


# ---- controls ------------------------------------------------------------------------------------------------------


def frames(steps, traces=(0,)) -> list[dict]:
    """Frames ``step 0``, ``step 1``, … for a slider. steps : for each step the new data of these traces."""
    return [{"name": f"step {s}", "traces": list(traces), "data": data} for s, data in enumerate(steps)]


def slider(steps: list[str], prefix: str, start: int, below: int) -> dict:
    """A slider that plays the frames ``step 0`` … at once, without a transition; ``below``: pixels under the axis."""
    look = {"active": start, "len": 1.0, "pad": {"t": below, "b": 0}, "ticklen": 6, "font": {"size": theme.TICK_SIZE}}
    look |= {"bgcolor": theme.colour("control"), "activebgcolor": theme.colour("teacher")}
    plays = [{"label": label, "method": "animate", "args": [[f"step {s}"], _AT_ONCE]} for s, label in enumerate(steps)]
    return look | {"currentvalue": {"prefix": prefix, "font": {"size": 14}}, "steps": plays}


def menu(labels: list[str], titles: list[str], panels: int, chosen: int = 0, name: str = "view") -> dict:
    """A menu of views, each with so many panels: shows the traces of one, and its title; plotly text."""
    buttons = []
    for view, (label, title) in enumerate(zip(labels, titles, strict=True)):
        visible = [place // panels == view for place in range(panels * len(labels))]
        buttons.append({"label": label, "method": "update", "args": [{"visible": visible}, {"title.text": title}]})
    return _button_row("left") | {"type": "dropdown", "name": name, "active": chosen, "buttons": buttons}


def play_button() -> dict:
    """Play and pause, at the right above the panels."""
    run = _AT_ONCE | {"fromcurrent": True, "frame": {"duration": 400, "redraw": True}}
    stop = _AT_ONCE | {"frame": {"duration": 0, "redraw": False}}
    words = {"▶ play": [None, run], "❚❚ pause": [[None], stop]}
    buttons = [{"label": label, "method": "animate", "args": args} for label, args in words.items()]
    return _button_row("right") | {"type": "buttons", "direction": "left", "showactive": False, "buttons": buttons}


def _button_row(side: str) -> dict:
    look = {"bgcolor": theme.colour("control"), "font": {"size": theme.FONT_SIZE, "color": theme.colour("ink")}}
    return look | {"x": float(side == "right"), "xanchor": side, "y": 1, "yanchor": "bottom", "pad": {"b": 30}}

"""What figures are made of: axes, lines, an even choice of points, and controls that work with no kernel."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import theme

MOST_POINTS = 400  # of one curve
LONGEST_LABEL = 24  # characters of a name under a bar
MOST_WRITTEN = 15  # bars with their number on top
DASHES = ("solid", "dash", "dot", "dashdot")
# where a name may stand beside its dot: its middle in widths and heights of the name, and in pixels
_SIDES = {
    "top center": (0, -1, 0),
    "bottom center": (0, 1, 0),
    "middle right": (0.5, 0, 9),
    "middle left": (-0.5, 0, -9),
}
_LETTER, _LINE, _EDGE = 7.0, 16, 20  # pixels of a name's letters and height, and beyond the outermost dots
_AT_ONCE = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}


def evenly(count: int, most: int) -> np.ndarray:
    """Places of at most `most` of `count` things, spread evenly, first and last included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def numbered(name: str, place: int) -> str:
    """How plotly calls the axis of a panel: "x", "x2", "x3", …"""
    return f"{name}{place + 1 if place else ''}"


# ---- axes and lines ------------------------------------------------------------------------------------------------


def axes(figure: go.Figure, x_title: str, y_title: str) -> None:
    """Name the axes; plain text."""
    figure.update_xaxes(title=theme.text(x_title))
    figure.update_yaxes(title=theme.text(y_title))


def log_ticks(figure: go.Figure, x) -> None:
    """A logarithmic x axis with whole numbers: plotly's own ticks between 10 and 100 read 2, 5. x : all above 0."""
    low, high = np.min(x) / 2, 2 * np.max(x)
    ticks = [digit * 10.0**power for power in range(-9, 16) for digit in (1, 2, 5)]
    ticks = [value for value in ticks if low <= value <= high]
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{value:,.10g}" for value in ticks])


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


def free_sides(x, y, letters, size: tuple[float, float], first=(), ranges=None) -> list[str | None]:
    """A side of its dot for each name, so that names cover neither each other nor a dot; None where no side is free.

    x, y   : of the dots   letters : of the names   size : pixels of the plot   first : places of names that come first
    ranges : (lowest, highest) of x and of y in the plot, those of the dots when None
    """
    (left, right), (low, high) = ranges or ((np.min(x), np.max(x)), (np.min(y), np.max(y)))
    across, up = (np.array(x) - left) / ((right - left) or 1), (np.array(y) - low) / ((high - low) or 1)
    dots = np.stack([across, 1 - up], 1) * size
    taken = [(*(dot - 6), *(dot + 6)) for dot in dots]
    chosen: list[str | None] = [None] * len(dots)
    for k in dict.fromkeys([*first, *range(len(dots))]):
        for side, (widths, heights, aside) in _SIDES.items():
            half = np.array([_LETTER * letters[k], _LINE]) / 2
            middle = dots[k] + 2 * half * (widths, heights) + (aside, 0)
            box = (*(middle - half), *(middle + half))
            # at the edges there is a little room beyond the outermost dots
            inside = box[0] > -_EDGE and box[2] < size[0] + _EDGE
            if inside and not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
                chosen[k] = side
                taken.append(box)
                break
    return chosen


def heading(name: str, role: str, domain, side: str = "center", top: float = 1) -> dict:
    """The name of a panel above it, in the colour of its role. Long ones are shortened: the hover knows them whole."""
    name, shade = theme.text(theme.shortened(name, 20)), theme.colour(role)
    look = {"text": f"<b>{name}</b>", "font": {"size": 14, "color": shade}, "showarrow": False, "yanchor": "bottom"}
    return look | {"x": sum(domain) / 2, "xref": "paper", "xanchor": side, "y": top, "yref": "paper"}


def colour_bar(title: str, **more) -> dict:
    """A slim colour bar."""
    look = {"thickness": 14, "outlinewidth": 0, "tickfont": {"size": theme.TICK_SIZE}}
    return look | {"x": 1.01, "title": {"text": title, "side": "right"}} | more


# ---- controls ------------------------------------------------------------------------------------------------------


def frames(steps, traces=(0,)) -> list[dict]:
    """Frames ``step 0``, ``step 1``, … for a slider. steps : for each step the new data of these traces."""
    return [{"name": f"step {s}", "traces": list(traces), "data": data} for s, data in enumerate(steps)]


def slider(steps: list[str], prefix: str, start: int) -> dict:
    """A slider that plays the frames ``step 0`` … at once, without a transition."""
    look = {"active": start, "len": 1.0, "ticklen": 6, "font": {"size": theme.TICK_SIZE}}
    look |= {"bgcolor": theme.colour("control"), "activebgcolor": theme.colour("teacher")}
    plays = [{"label": label, "method": "animate", "args": [[f"step {s}"], _AT_ONCE]} for s, label in enumerate(steps)]
    return look | {"currentvalue": {"prefix": prefix, "font": {"size": 14}}, "steps": plays}


def menu(labels: list[str], titles: list[str], panels: int, chosen: int = 0, name: str = "view") -> dict:
    """A menu of views, each with so many panels: shows the traces of one, and its title; plotly text."""
    buttons = []
    for view, (label, title) in enumerate(zip(labels, map(theme.wrapped, titles), strict=True)):
        visible = [place // panels == view for place in range(panels * len(labels))]
        buttons.append({"label": label, "method": "update", "args": [{"visible": visible}, {"title.text": title}]})
    return _button_row("left") | {"type": "dropdown", "name": name, "active": chosen, "buttons": buttons}


def play_button() -> dict:
    """Play and pause, at the right."""
    run = _AT_ONCE | {"fromcurrent": True, "frame": {"duration": 400, "redraw": True}}
    stop = _AT_ONCE | {"frame": {"duration": 0, "redraw": False}}
    words = {"▶ play": [None, run], "❚❚ pause": [[None], stop]}
    buttons = [{"label": label, "method": "animate", "args": args} for label, args in words.items()]
    return _button_row("right") | {"type": "buttons", "direction": "left", "showactive": False, "buttons": buttons}


def _button_row(side: str) -> dict:
    look = {"bgcolor": theme.colour("control"), "font": {"size": theme.FONT_SIZE, "color": theme.colour("ink")}}
    return look | {"x": float(side == "right"), "xanchor": side}


# ---- a picture that several figures are ----------------------------------------------------------------------------


def bars(values: np.ndarray, names, shades, labels, steps, of: str = "class") -> tuple[go.Figure, int]:
    """Bars of C classes (or what the axis is called) for K models at S steps, and the pixels that their names need.

    values : (S, K, C)   steps : words, prefix and start of the slider, which one step does without
    """

    def bar(row) -> dict:
        written = {"text": [f"{value:.3f}" for value in row]} if values[0].size <= MOST_WRITTEN else {}
        return {"type": "bar", "y": row.tolist()} | written

    figure = go.Figure()
    if len(values) > 1:
        figure.frames = frames([[bar(row) for row in step] for step in values], range(len(names)))
        figure.update_layout(sliders=[slider(*steps)])
    for name, shade, row in zip(map(theme.text, names), shades, values[steps[2]]):
        hover = f"{name}<br>%{{x}}: %{{y:.4f}}<extra></extra>"
        look = {"x": list(range(len(labels))), "name": name, "marker": {"color": shade}, "hovertemplate": hover}
        figure.add_trace(bar(row) | look)
    figure.update_traces(textposition="outside", textfont_size=theme.TICK_SIZE, cliponaxis=False)
    longest = min(LONGEST_LABEL, max(map(len, labels)))
    lie = 7 * longest * len(labels) < 480  # pixels of a narrow window
    figure.update_xaxes(word_axis(labels, LONGEST_LABEL), title=of, tickangle=0 if lie else -90)
    return figure.update_layout(showlegend=len(names) > 1), 56 if lie else 40 + 8 * longest

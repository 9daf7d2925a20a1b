"""A figure as still pictures and its words, for pages that cannot draw plotly's type: nbconvert's, a code host's.

Each pair of axes becomes a small SVG of what is first on screen: colours, lines, dots and bars with the names of their
ticks, or the ends of an axis without names: milliseconds and a few KB, where a browser's picture costs seconds.
"""

from __future__ import annotations

import base64
import html
import io

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from PIL import Image, ImageColor
from plotly.io.base_renderers import MimetypeRenderer

from kdviz.figures import theme

SIDE, LETTER = 200, 7  # pixels: of a panel, at least; of a letter
CELLS = ("heatmap", "contour")
VIEWERS = ("plotly_mimetype", "jupyterlab", "nteract", "vscode")  # plotly's renderers that leave the drawing to a page


class Still(MimetypeRenderer):
    """Gives notebooks a still of each figure beside plotly's type; figures that are not of kdviz are left alone."""

    def to_mimebundle(self, fig_dict):
        alt = (fig_dict["layout"].get("meta") or {}).get("alt")
        if alt is None:
            return {}
        try:
            page = still(fig_dict)
        except Exception:  # what a reader added to a figure may be beyond a still; plotly's own drawing must not fail
            page = f"<p>{html.escape(alt)}</p>"
        return {"text/html": page, "text/plain": alt}


def decoded(value):
    """Plotly's base64 arrays as nested lists, everywhere inside a figure."""
    if isinstance(value, dict):
        if "bdata" in value:
            array = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
            shape = [int(side) for side in str(value.get("shape", array.size)).split(",")]
            return array.reshape(shape).astype(float).tolist()
        return {key: decoded(inner) for key, inner in value.items()}
    return [decoded(inner) for inner in value] if isinstance(value, list | tuple) else value


def still(figure: dict) -> str:
    """HTML of a figure, given as ``figure.to_dict()``: its title, its panels, its alt text."""
    whole = go.Figure({key: decoded(figure[key]) for key in ("data", "layout")}, skip_invalid=True)
    panels: dict[tuple, list] = {}
    for trace in whole.data:
        if trace.visible in (None, True):
            panels.setdefault((trace.xaxis or "x", trace.yaxis or "y"), []).append(trace)
    drawn = "".join(_panel(whole.layout, *axes, traces) for axes, traces in panels.items())
    alt = html.escape(whole.layout.meta["alt"])
    look = f"margin:0;background:{theme.colour('ground')};color:{theme.colour('ink')}"
    page = f'<b>{whole.layout.title.text}</b><div role="img" aria-label="{alt}">{drawn}</div>'
    return f'<figure style="{look}">{page}<figcaption>{alt}</figcaption></figure>'


def _panel(layout, x_name: str, y_name: str, traces) -> str:
    """One SVG of the traces on a pair of plotly's axes; their names and the axes' below."""
    across, down = layout["xaxis" + x_name[1:]], layout["yaxis" + y_name[1:]]
    cells = any(trace.type in CELLS for trace in traces)
    wide = max(SIDE, 13 * len(across.tickvals or ())) * (1 if cells else 2)
    high = max(SIDE, 13 * len(down.tickvals or ()))
    (x, x_ticks), (y, y_ticks) = _scale(across, traces, "x", wide), _scale(down, traces, "y", high)
    room = lambda ticks: 24 + LETTER * max((len(html.unescape(word)) for _, word in ticks), default=0)
    left, below = room(y_ticks), room(x_ticks)
    parts, names = [f'<rect width="{wide}" height="{high}" fill="none" stroke="{theme.colour("grid")}"/>'], []
    for number, trace in enumerate(traces):
        if trace.type in CELLS:
            parts.append(_image(layout, trace, wide, high, y(1.0) < y(0.0)))
            names.append(trace.hovertemplate.removesuffix("<extra></extra>").rsplit("<br>", 1)[-1])
            continue
        inks = [trace.marker.color, None if trace.type == "bar" else trace.line.color, theme.WORD_COLOURS[number % 8]]
        ink = next(ink for ink in inks if isinstance(ink, str))
        parts += _bars(trace, x, y, ink, number, len(traces)) if trace.type == "bar" else _points(trace, x, y, ink)
        if trace.name and trace.showlegend is not False:
            names.append(f'<span style="color:{ink}">■</span> {trace.name}')
    parts += [f'<text x="-6" y="{at + 4:.0f}" text-anchor="end">{word}</text>' for at, word in y_ticks]
    for at, word in x_ticks:
        on_end = f'transform="translate({at + 4:.0f} {high + 8})rotate(-90)"'
        parts.append(f'<text text-anchor="end" {on_end}>{word}</text>')
    axes = " against ".join(axis.title.text for axis in (down, across) if axis.title.text)
    size = f'viewBox="{-left} -8 {left + wide + 16} {high + below + 8}" width="{left + wide + 16}"'
    return (
        f'<span style="display:inline-block;vertical-align:top"><svg xmlns="http://www.w3.org/2000/svg" {size} '
        f'style="max-width:100%" font-size="12" fill="currentColor">{"".join(parts)}</svg><br>'
        f"{' '.join(names)}<br>{axes}</span>"
    )


def _scale(axis, traces, kind: str, length: int):
    """(numbers of an axis -> pixels, [(pixel, words) of its ticks])."""
    scaled = np.log10 if axis.type == "log" else np.asarray
    numbers = scaled(np.concatenate([_extent(trace, kind) for trace in traces]))
    low, high = axis.range or (np.nanmin(numbers), np.nanmax(numbers))
    falls = (kind == "y") != (axis.autorange == "reversed")  # an SVG counts from the top

    def pixels(values):
        share = (scaled(np.asarray(values, float)) - low) / (high - low or 1)
        return length * (1 - share if falls else share)

    ends = [10.0**end if axis.type == "log" else end for end in (low, high)]
    ticks = list(zip(axis.tickvals, axis.ticktext)) if axis.ticktext else [(end, f"{end:.3g}") for end in ends]
    shown = [] if axis.showticklabels is False else [tick for tick in ticks if ends[0] <= tick[0] <= ends[1]]
    return pixels, [(float(pixels(value)), word) for value, word in shown]


def _extent(trace, kind: str) -> np.ndarray:
    """Numbers that an axis holds for a trace: of a bar its sides and its foot, of a cell its edges."""
    if trace[kind] is None:
        return np.array([-0.5, np.shape(trace.z)[kind == "x"] - 0.5])
    values = np.asarray(trace[kind], float)
    if trace.type != "bar":
        return values
    return np.append(values, 0.0) if kind == "y" else np.append(values - 0.5, values + 0.5)


def _image(layout, trace, wide: int, high: int, rises: bool) -> str:
    """A heatmap as a PNG of one pixel a cell, by its own colours or those of its colour axis."""
    scale, end = (layout[trace.coloraxis], "c") if getattr(trace, "coloraxis", None) else (trace, "z")
    values = np.asarray(trace.z, float)
    least, most = scale[end + "min"], scale[end + "max"]
    least = np.nanmin(values) if least is None else least
    most = np.nanmax(values) if most is None else most
    stops, colours = zip(*scale.colorscale)
    channels = np.array([ImageColor.getrgb(colour) for colour in colours]).T
    share = np.clip((values - least) / (most - least or 1), 0, 1)
    pixels = np.stack([np.interp(share, stops, channel) for channel in channels], -1)
    pixels[~np.isfinite(values)] = ImageColor.getrgb(theme.colour("blank"))
    file = io.BytesIO()
    Image.fromarray((pixels[::-1] if rises else pixels).round().astype(np.uint8)).save(file, "PNG")
    size = f'width="{wide}" height="{high}" preserveAspectRatio="none" style="image-rendering:pixelated"'
    return f'<image {size} href="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"/>'


def _bars(trace, x, y, ink: str, number: int, count: int) -> list[str]:
    """The bars of the trace that is `number`th of `count`, as one path of thick strokes."""
    wide = 0.8 * (x(1.0) - x(0.0)) / count
    aside = (number - (count - 1) / 2) * wide
    path = "".join(f"M{a + aside:.1f} {y(0.0):.1f}V{b:.1f}" for a, b in zip(x(trace.x), y(trace.y)))
    return [f'<path d="{path}" fill="none" stroke="{ink}" stroke-width="{wide:.1f}"/>']


def _points(trace, x, y, ink: str) -> list[str]:
    """A line, dots, or words at them; what is not finite is left out."""
    points = [(f"{a:.1f} {b:.1f}", a, b) for a, b in zip(x(trace.x), y(trace.y)) if np.isfinite(a + b)]
    mode, drawn = trace.mode or "lines", []
    if "lines" in mode:
        drawn.append(f'd="M{"L".join(point for point, *_ in points)}" stroke-width="2"')
    if "markers" in mode:
        drawn.append(f'd="{"".join(f"M{point}h0" for point, *_ in points)}" stroke-width="7" stroke-linecap="round"')
    words = zip(points, trace.text) if "text" in mode else ()
    return [f'<path fill="none" stroke="{ink}" {path}/>' for path in drawn] + [
        f'<text x="{a + 6:.0f}" y="{b - 6:.0f}">{word}</text>' for (_, a, b), word in words if word
    ]


# Notebooks keep stills from now on, unless the reader has chosen a renderer that draws by itself.
pio.renderers["kdviz_still"] = Still()
if pio.renderers.default in VIEWERS:
    pio.renderers.default += "+kdviz_still"

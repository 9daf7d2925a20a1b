"""The numbers behind a figure as an HTML table, for who cannot see it or wants to read them."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go


class DataTable:
    """A closed ``<details>`` with one table for each visible trace; notebooks show it, ``str()`` is its HTML."""

    def __init__(self, source: str):
        self._source = source

    def _repr_html_(self) -> str:
        return self._source

    __str__ = _repr_html_


def table(figure: go.Figure) -> DataTable:
    """The data of a figure as it is first on screen: rows and columns by their words, everything escaped."""
    alt = html.escape((figure.layout.meta or {}).get("alt", ""))
    tables = "".join(_of_trace(figure, trace) for trace in figure.data if trace.visible in (None, True))
    return DataTable(f"<details><summary>Data of this figure as tables</summary><p>{alt}</p>{tables}</details>")


def _of_trace(figure: go.Figure, trace) -> str:
    """A heatmap's cells, or the points of a line. Labels are escaped for plotly, whose escapes HTML reads alike."""
    axes = [figure.layout[kind + (trace[kind] or "x")[1:]] for kind in ("xaxis", "yaxis")]
    columns, rows = (dict(zip(axis.tickvals or (), axis.ticktext or ())) for axis in axes)
    if trace.type != "heatmap":
        head = [axis.title.text or letter for axis, letter in zip(axes, "xy")]
        pairs = zip(trace.x, trace.y, strict=True)
        return grid(trace.name or "", head, [[_label(columns, x), _number(y)] for x, y in pairs])
    # the line of the hover that names the model
    caption = trace.hovertemplate.removesuffix("<extra></extra>").rsplit("<br>", 1)[-1]
    values = np.asarray(trace.z, dtype=float)
    head = ["", *(_label(columns, place) for place in range(values.shape[1]))]
    # words in the cells, escaped already, say more than their colours; where the hover tells both, so does the table
    body = [map(_number, row) for row in values] if trace.text is None else trace.text
    if trace.text is not None and "%{z" in trace.hovertemplate:
        named = (zip(words, row) for words, row in zip(trace.text, values))
        body = [[f"{word}: {_number(value)}" if word else "" for word, value in row] for row in named]
    return grid(caption, head, [[_label(rows, place), *row] for place, row in enumerate(body)])


def grid(caption: str, head: list[str], body: list[list[str]]) -> str:
    """An HTML table; all texts are HTML already. The first cell of a line is the line's heading."""
    heading = "".join(f'<th scope="col">{name}</th>' for name in head)
    row = lambda first, *rest: f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
    lines = "".join(row(*cells) for cells in body)
    return f"<table><caption>{caption}</caption><thead><tr>{heading}</tr></thead><tbody>{lines}</tbody></table>"


def _label(labels: dict, place) -> str:
    """The words of a tick; one without words shows its place, as in the picture."""
    return labels.get(place, _number(place) if isinstance(place, float | np.floating) else html.escape(str(place)))


def _number(value) -> str:
    return html.escape(value) if isinstance(value, str) else "" if np.isnan(value) else f"{float(value):.4g}"

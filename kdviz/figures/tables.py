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
    alt = (figure.layout.meta or {}).get("alt", "")
    parts = [_of_trace(figure, trace) for trace in figure.data if trace.visible in (None, True)]
    return DataTable(
        f"<details><summary>Data of this figure as tables</summary><p>{html.escape(alt)}</p>{''.join(parts)}</details>"
    )


def _of_trace(figure: go.Figure, trace) -> str:
    rows, columns = _labels(figure, trace, "yaxis"), _labels(figure, trace, "xaxis")
    caption = _caption(figure, trace)
    if trace.type == "heatmap":
        values = np.asarray(trace.z, dtype=float)
        head = [_label(columns, place) for place in range(values.shape[1])]
        # words in the cells, escaped already, say more than their colours
        body = [list(map(_number, row)) for row in values] if trace.text is None else [list(row) for row in trace.text]
        return grid(caption, ["", *head], [[_label(rows, place), *row] for place, row in enumerate(body)])
    head = [_axis_title(figure, trace, "xaxis") or "x", _axis_title(figure, trace, "yaxis") or "y"]
    pairs = zip(trace.x, trace.y, strict=True)
    return grid(caption, head, [[_label(columns, x), _number(y)] for x, y in pairs])


def grid(caption: str, head: list[str], body: list[list[str]]) -> str:
    """An HTML table; all texts are HTML already. The first cell of a line is the line's heading."""
    heading = "".join(f'<th scope="col">{name}</th>' for name in head)
    lines = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in body
    )
    return f"<table><caption>{caption}</caption><thead><tr>{heading}</tr></thead><tbody>{lines}</tbody></table>"


def _axis(figure: go.Figure, trace, kind: str):
    name = getattr(trace, kind) or kind[0]                  # "x", "x2", …
    return figure.layout[kind + name[1:]]


def _axis_title(figure: go.Figure, trace, kind: str) -> str:
    return _axis(figure, trace, kind).title.text or ""


def _labels(figure: go.Figure, trace, kind: str) -> dict:
    """Place -> words of an axis, as HTML: the labels are escaped for plotly, whose escapes HTML reads alike. A tick without
    words shows its place, as in the picture."""
    axis = _axis(figure, trace, kind)
    return dict(zip(axis.tickvals or (), axis.ticktext or ()))


def _label(labels: dict, place) -> str:
    return labels.get(place, _number(place) if isinstance(place, float | np.floating) else html.escape(str(place)))


def _number(value) -> str:
    return html.escape(value) if isinstance(value, str) else "" if np.isnan(value) else f"{float(value):.4g}"


def _caption(figure: go.Figure, trace) -> str:
    """The line of the hover that names the model, or the trace's name; both are escaped already."""
    if trace.type == "heatmap":
        return trace.hovertemplate.removesuffix("<extra></extra>").rsplit("<br>", 1)[-1]
    return trace.name or ""

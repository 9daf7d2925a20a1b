"""Keep a figure: a page that works with no network, a picture for a slide, or its numbers."""

from __future__ import annotations

import html
import os
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from kdviz import chromium
from kdviz.disk import write_whole
from kdviz.figures.tables import table

FORMATS = (".html", ".png", ".svg", ".json")
SHARED_SCRIPT = "plotly.min.js"


def save(figure: go.Figure, path, *, share_script: bool = False, scale: float = 2.0) -> Path:
    """Write a figure; the ending of `path` says how: .html, .png, .svg or .json. Returns the path.

    .html needs no network and no kernel: sliders, menus and hover work, the keyboard moves them, the alt text is the
    drawing's label, the numbers follow as a table. It holds plotly's script (5 MB); with ``share_script`` the script
    is put beside it once, for a folder of pages.
    .png and .svg show the figure as it is at first and need a Chromium or Chrome; .png has `scale` times the pixels.
    A figure that is already there is replaced only when the new one is complete.
    Raises ValueError for another ending, FileNotFoundError when the folder is missing or there is no browser.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"cannot save {path.name!r}: a figure is saved as {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"folder {str(path.parent)!r} does not exist; create it first")
    match path.suffix.lower():
        case ".html":
            content = page(figure, SHARED_SCRIPT if share_script else None).encode()
            if share_script:
                write_whole(path.with_name(SHARED_SCRIPT), get_plotlyjs().encode())
        case ".json":
            content = figure.to_json().encode()
        case suffix:
            content = _picture(figure, suffix.removeprefix("."), scale)
    write_whole(path, content)
    return path


def page(figure: go.Figure, script: str | None = None) -> str:
    """A whole HTML page with the figure. script : address of plotly's script beside it, None to hold it inside."""
    alt = html.escape(figure.layout.meta["alt"])
    how = {"full_html": False, "auto_play": False, "config": {"displaylogo": False, "responsive": True}}
    dressed = keyboard() + 'dressPlotly(document.getElementById("{plot_id}"), Plotly);'
    drawing = figure.to_html(include_plotlyjs=script or True, div_id="figure", post_script=dressed, **how)
    look = figure.layout.template.layout
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{alt}</title><style>{_STYLE % (look.paper_bgcolor, look.font.color)}</style></head><body><main>"
        f'<figure role="group" aria-label="{alt}">{drawing}</figure>{table(figure)}</main></body></html>'
    )


_STYLE = (
    "body{background:%s;color:%s;font-family:sans-serif;margin:12px}figure{margin:0;overflow-x:auto}"
    "details{overflow-x:auto}table{border-collapse:collapse;margin:8px 0}caption{text-align:left;font-weight:bold}"
    "th,td{padding:2px 6px;text-align:right}[tabindex]:focus{outline:3px solid #e69f00;outline-offset:2px}"
)


def keyboard() -> str:
    """The script that makes sliders and menus of a drawing reachable by keyboard: ``dressPlotly(drawing, Plotly)``."""
    return (Path(__file__).parent / "keyboard.js").read_text(encoding="utf-8")


def _picture(figure: go.Figure, kind: str, scale: float) -> bytes:
    browser = chromium.find_chromium()
    if browser is None:
        raise FileNotFoundError(f"a .{kind} needs Chromium or Chrome. {chromium.ADVICE} A .html needs none.")
    os.environ.setdefault("BROWSER_PATH", browser)  # where kaleido looks
    width = figure.layout.width or 1100
    return figure.to_image(format=kind, width=width, height=figure.layout.height, scale=scale if kind == "png" else 1)

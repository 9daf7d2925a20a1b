"""kdviz run site: the executed lessons as pages that work from a disk, with no network and no kernel."""

from __future__ import annotations

import html
import json
import os
import re
import tempfile
from pathlib import Path

from docs.lessons.execute import execute
from kdviz.paths import clone, pick

PLOTLY_MIME = "application/vnd.plotly.v1+json"
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
HERE = Path(__file__).parent
# a formula, or a piece of code in which a dollar is only a dollar
MATH = re.compile(r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.DOTALL)


def add_arguments(parser) -> None:
    parser.add_argument("names", nargs="*", help="parts of lesson names, e.g. 02 (default: all)")
    parser.add_argument("--out", type=Path, help="folder to write into (default: build/site)")


def run(args) -> int:
    root = clone()
    lessons = {path.stem: path for path in sorted((root / "notebooks").glob("*.ipynb"))}
    executed = []
    for name in pick(list(lessons), args.names, "lesson"):
        done = root / "build" / "notebooks" / f"{name}.ipynb"
        if not is_fresh(done, [lessons[name], *(root / "kdviz").rglob("*.py")]):
            print(f"{name}: executing ...", flush=True)
            result = execute(lessons[name], done)
            if result.error:
                raise SystemExit(f"kdviz: {name} does not run: {result.error}")
        executed.append(done)
    out = args.out or root / "build" / "site"
    write(executed, out)
    print(f"{len(executed)} lessons in {out}; open {out / 'index.html'}")
    return 0


def is_fresh(target: Path, sources: list[Path]) -> bool:
    """True when the target is there and none of what it was made from is younger."""
    return target.exists() and all(target.stat().st_mtime >= source.stat().st_mtime for source in sources)


def write(notebooks: list[Path], out: Path) -> None:
    """Write the pages of executed notebooks, an index, and what all pages share: plotly, two scripts, a style."""
    from plotly.offline import get_plotlyjs

    from kdviz.figures.saving import keyboard

    out.mkdir(parents=True, exist_ok=True)
    _put(out / "plotly.min.js", get_plotlyjs())
    _put(out / "figures.js", keyboard() + (HERE / "site.js").read_text(encoding="utf-8"))
    _put(out / "style.css", (HERE / "site.css").read_text(encoding="utf-8") + _highlighting())
    titles = {}
    for notebook in notebooks:
        titles[notebook.stem], body = lesson(notebook)
        _put(out / f"{notebook.stem}.html", _page(titles[notebook.stem], body, figures='class="drawing"' in body))
    links = "".join(f'<li><a href="{name}.html">{html.escape(title)}</a></li>' for name, title in titles.items())
    _put(out / "index.html", _page("Knowledge distillation, lesson by lesson", f"<h1>Lessons</h1><ul>{links}</ul>"))


def lesson(notebook: Path) -> tuple[str, str]:
    """Title and HTML body of an executed notebook: formulas as MathML, figures as data that site.js draws."""
    import nbformat
    from nbconvert import HTMLExporter

    content = nbformat.read(notebook, as_version=4)
    title = next(
        (cell.source.lstrip("# ").splitlines()[0] for cell in content.cells if cell.cell_type == "markdown"),
        notebook.stem,
    )
    for cell in content.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.html)", with_mathml(cell.source))
            cell.attachments = {}
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if PLOTLY_MIME in data:
                output.data = {"text/html": drawing(data[PLOTLY_MIME], explorer=WIDGET_MIME in data)}
    exporter = HTMLExporter(template_file=str(HERE / "site.html.j2"))
    return title, exporter.from_notebook_node(content)[0]


def with_mathml(source: str) -> str:
    """Markdown with each formula as MathML, which browsers draw. ValueError names one that cannot be read."""
    from latex2mathml.converter import convert

    def formula(found: re.Match) -> str:
        if found["code"]:
            return found["code"]
        words = found["block"] or found["inline"]
        try:
            drawn = convert(words.strip(), display="block" if found["block"] else "inline")
        except Exception as error:  # the converter's errors have no common type; none is swallowed
            raise ValueError(f"formula {words!r} cannot be converted to MathML: {error!r}") from error
        drawn = re.sub(r"\s*\n\s*", " ", drawn).replace("*", "&#42;").replace("_", "&#95;").replace("|", "&#124;")
        return f"\n\n{drawn}\n\n" if found["block"] else drawn

    return MATH.sub(formula, source)


def drawing(figure: dict, explorer: bool = False) -> str:
    """The HTML of one stored figure: its place, its label, its data, and the same numbers as a table."""
    import plotly.graph_objects as go

    from kdviz.figures.still import decoded
    from kdviz.figures.tables import table

    figure = {**figure, "config": {"responsive": True, "displaylogo": False}}
    whole = go.Figure({key: decoded(figure[key]) for key in ("data", "layout")}, skip_invalid=True)
    alt = html.escape((whole.layout.meta or {}).get("alt", "figure"))
    data = json.dumps(figure, separators=(",", ":")).replace("<", "\\u003c")  # no token can end the script
    height = whole.layout.height or 450
    note = '<p class="note">Open the lesson in JupyterLab to type sentences of your own.</p>' if explorer else ""
    return (
        f'<div class="drawing" role="group" aria-label="{alt}" tabindex="0"><div style="min-height:{height}px"></div>'
        f'<script type="application/json">{data}</script></div>{note}<div class="table">{table(whole)}</div>'
    )


def _highlighting() -> str:
    from pygments.formatters import HtmlFormatter

    return HtmlFormatter(style="vs", nobackground=True).get_style_defs(".highlight")


def _page(title: str, body: str, figures: bool = False) -> str:
    scripts = ('<script src="plotly.min.js"></script>' if figures else "") + '<script src="figures.js"></script>'
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{html.escape(title)}</title><link rel="stylesheet" href="style.css"></head><body>'
        f'<nav aria-label="Course"><a href="index.html">All lessons</a></nav><main>{body}</main>{scripts}</body></html>'
    )


def _put(path: Path, content: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
    os.chmod(name, 0o644)
    os.replace(name, path)

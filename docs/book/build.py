"""kdviz run book: executed lessons, guides, results, gallery and reference as pages that need no network."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from docs.lessons.execute import execute
from kdviz.disk import make_folder, write_whole
from kdviz.paths import clone, pick

PLOTLY_MIME = "application/vnd.plotly.v1+json"
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
HERE = Path(__file__).parent
COPIED = (
    "CONTRIBUTING.md",
    "data/results/README.md",
    "docs/*.md",
)  # as they lie in the repository, so links stay right


def add_arguments(parser) -> None:
    parser.add_argument("names", nargs="*", help="parts of lesson names, e.g. 02 (default: all)")
    parser.add_argument("--out", type=Path, help="folder to write into (default: build/book)")
    parser.add_argument(
        "--page",
        action=argparse.BooleanOptionalAction,
        help="the page that runs models in a browser, as OUT/page (default: in a book of all lessons)",
    )


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
    out = args.out or root / "build" / "book"
    if args.page or (args.page is None and not args.names):
        from kdviz.page.build import save_default

        save_default(out / "page", lessons="../notebooks/{}.html")
    write(executed, out)
    print(f"{len(executed)} lessons in {out}; open {out / 'index.html'}")
    return 0


def is_fresh(target: Path, sources: list[Path]) -> bool:
    """True when the target is there and none of what it was made from is younger."""
    return target.exists() and all(target.stat().st_mtime >= source.stat().st_mtime for source in sources)


def write(notebooks: list[Path], out: Path) -> None:
    """Write the book of these executed notebooks; what has not changed since the last time is not written again.

    Raises SystemExit when Sphinx finds a fault: a dead link, a formula that cannot be read, two things of one name.
    """
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    work = out.with_name(out.name + ".work")
    sources(notebooks, work / "source")
    made = {
        "html_static_path": [str(HERE / "assets"), str(work / "source" / "_static")],
        "lessons": [path.stem for path in notebooks],
        "has_page": (out / "page" / "index.html").exists(),
    }
    with patch_docutils(str(HERE)), docutils_namespace():
        folders = (work / "source", HERE, out, work / "doctrees")
        book = Sphinx(*map(str, folders), "html", made, status=None, warning=sys.stderr, warningiserror=True)
        book.build()
    if book.statuscode:
        raise SystemExit("kdviz: the book has faults, see the lines above")


def sources(notebooks: list[Path], folder: Path) -> None:
    """Gather what Sphinx reads: files of the repository under their own paths, prepared lessons, and made pages."""
    from plotly.offline import get_plotlyjs

    from docs.book import pages
    from kdviz.figures import theme
    from kdviz.figures.saving import keyboard

    root, lessons = clone(), {path.stem: prepared(path) for path in notebooks}
    texts = {str(path.relative_to(root)): path.read_text("utf-8") for one in COPIED for path in sorted(root.glob(one))}
    texts |= {f"notebooks/{name}.ipynb": json.dumps(lesson, indent=1) for name, lesson in lessons.items()}
    texts |= {f"_static/lessons/{path.name}": path.read_text("utf-8") for path in (root / "notebooks").glob("*.ipynb")}
    texts |= pages.made(root, lessons)
    texts["_static/plotly.min.js"] = get_plotlyjs()
    texts["_static/figures.js"] = f"{keyboard()}\nconst DARK = {json.dumps(theme.in_the_dark())};\n"
    for path, text in texts.items():
        if not ((folder / path).exists() and (folder / path).read_text("utf-8") == text):
            make_folder((folder / path).parent)
            write_whole(folder / path, text.encode())
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if str(path.relative_to(folder)) not in texts:  # of an earlier build of other lessons
            path.unlink()


def prepared(path: Path) -> dict:
    """An executed notebook for the book: figures as data that book.js draws, solutions folded, no local folder."""
    lesson = json.loads(clean(path.read_text("utf-8")))
    lesson["metadata"] = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    for cell in lesson["cells"]:
        folded = cell["metadata"].get("jupyter", {}).get("source_hidden")
        cell["metadata"] = {"tags": cell["metadata"].get("tags", [])}
        if folded:
            cell["metadata"]["tags"].append("hide-input")
            cell["metadata"]["mystnb"] = {"code_prompt_show": "Solution", "code_prompt_hide": "Solution"}
        outputs = []
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if PLOTLY_MIME in data:
                still = "".join(data.get("text/html", ""))
                drawn = drawing(data[PLOTLY_MIME], explorer=WIDGET_MIME in data)
                output |= {"data": {"text/html": drawn}, "metadata": {"still": still}}
            elif WIDGET_MIME in data and "text/html" not in data:
                continue  # a bar of progress, which only a kernel moves
            outputs.append(output)
        if "outputs" in cell:
            cell["outputs"] = outputs
    return lesson


def clean(text: str) -> str:
    """Without the folders of the machine that executed a lesson."""
    for folder, name in ((clone(), "kdviz"), (Path.home(), "~")):
        text = text.replace(str(folder), name)
    return text


def drawing(figure: dict, explorer: bool = False) -> str:
    """The HTML of one stored figure: its place, its label, its data, and the same numbers as a table."""
    import html

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

"""Slides and printed hand-outs of lessons that were run: pages that need no network and no kernel.

A cell's place on the slides is its ``slideshow`` metadata, as Jupyter writes it; where it has none, `slide_type` says
what suits it. A slide shows headings, formulas, lists, pictures and the first sentence of a long paragraph; all of the
paragraph, and the answers, are in the speaker's notes below it (key N).
"""

from __future__ import annotations

import html
import importlib.util
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kdviz import chromium
from kdviz.course.classroom.flavours import (
    ANSWER,
    BINDER,
    CHOICE,
    QUESTION,
    exercise_cells,
    is_quiz,
    source,
    tags,
    unsolved,
)
from kdviz.paths import PACKAGE, in_clone

PLOTLY, HTML = "application/vnd.plotly.v1+json", "text/html"
NEEDED = ("nbclient", "nbconvert", "nbformat", "latex2mathml", "pygments")
LONG = 30  # words: of a longer paragraph a slide shows the first sentence
CODE = 16  # lines: longer code is in the notes
PRINTED = 26  # lines: of a longer print a slide shows the beginning; code beside it has to fit into what is left
SECONDS = 900  # for one cell of a lesson, and for one hand-out
# a formula, or a piece of code in which a dollar is only a dollar
MATH = re.compile(r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.DOTALL)
TO_LESSON = re.compile(r'<a href="(?:(\w+)\.ipynb|\.\./[^"]+)">(.*?)</a>')
HERE = Path(__file__).parent


def contents(kind: str, lessons: list[Path], log=print) -> Iterator[tuple[str, bytes]]:
    """(file name, content) of the slides or the hand-outs of lessons; each is run first, where no fresh run is at hand.

    Raises ImportError naming a missing package, FileNotFoundError without a browser for `pdf`, RuntimeError when a
    lesson stops.
    """
    from plotly.offline import get_plotlyjs

    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"{', '.join(missing)} missing: pip install {' '.join(missing)}, then try again")
    browser = chromium.find_chromium() if kind == "pdf" else None
    if kind == "pdf" and browser is None:
        raise FileNotFoundError(f"hand-outs are printed by Chromium or Chrome. {chromium.ADVICE}")
    shared = {"plotly.min.js": get_plotlyjs().encode(), "page.css": style().encode()}
    shared |= {"page.js": (HERE / "page.js").read_bytes()}
    if kind == "slides":
        yield from shared.items()
    titles = {}
    for lesson in lessons:
        notebook = executed(lesson, log)
        titles[lesson.stem] = title(notebook) or lesson.stem
        if kind == "slides":
            yield f"{lesson.stem}.html", slide_page(notebook, [one.stem for one in lessons]).encode()
        else:
            yield f"{lesson.stem}.pdf", printed(hand_out(notebook), shared, browser)
    if kind == "slides":
        links = "".join(f'<li><a href="{name}.html">{html.escape(words)}</a></li>' for name, words in titles.items())
        yield "index.html", page("Slides", f"<main><h1>Slides</h1><ul>{links}</ul></main>").encode()


def executed(lesson: Path, log=print) -> dict:
    """The notebook with its outputs: that of ``kdviz run notebooks`` when nothing is younger, else it is run now."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    stored = json.loads(lesson.read_text(encoding="utf-8"))
    done = PACKAGE.parent / "build" / "notebooks" / lesson.name
    youngest = max(path.stat().st_mtime for path in [lesson, *PACKAGE.rglob("*.py")])
    if in_clone() and done.exists() and done.stat().st_mtime >= youngest:
        return json.loads(done.read_text(encoding="utf-8"))
    log(f"{lesson.stem}: running ...", flush=True)
    os.environ.update(HF_HUB_OFFLINE="1", JUPYTER_PREFER_ENV_PATH="1")
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        notebook = nbformat.from_dict(stored)
        try:
            NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=where).execute()
        except CellExecutionError as error:
            raise RuntimeError(f"{lesson.stem} does not run: {error.ename}: {error.evalue}") from error
    return json.loads(nbformat.writes(notebook))


# ---- slides --------------------------------------------------------------------------------------------------------


@dataclass
class Slide:
    """HTML of what is shown and of the notes. figure: whether a picture is on it; words: how many, without code"""

    shown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figure: bool = False
    words: int = 0


def slide_type(cell: dict) -> str:
    """slide, subslide, fragment, "-", notes or skip: the cell's own, else what suits it."""
    own = cell.get("metadata", {}).get("slideshow", {}).get("slide_type")
    if own:
        return own
    text, words = source(cell), set(tags(cell))
    if cell["cell_type"] == "markdown":
        if text.startswith(("# ", "## ", "### ")):
            return "slide"
        return "-" if text.startswith(("*Picture", "**What to notice", "**You will")) else "subslide"
    if words & {"parameters", "imports", "exercise", "solution"} or "kd.check.run(" in text:
        return "skip"
    return "-" if cell.get("outputs") or "def " in text else "skip"


def slides(notebook: dict) -> list[Slide]:
    """A lesson that was run as slides, in reading order."""
    made = [Slide()]
    for cell in notebook["cells"]:
        kind = slide_type(cell)
        if kind == "skip":
            continue
        if kind == "notes":
            made[-1].notes.append(markdown(source(cell)))
            continue
        parts = QUESTION.split(source(cell)) if is_quiz(cell) else [source(cell)]
        for number, part in enumerate(parts):
            crowded = made[-1].figure or made[-1].words >= LONG or printed_lines(cell) > PRINTED // 2
            full = cell["cell_type"] == "code" and crowded
            if made[-1].shown and (kind in ("slide", "subslide") or number or full):
                made.append(Slide())
            if cell["cell_type"] == "markdown":
                shown, notes = short(part)
                made[-1].shown.append(markdown(shown))
                made[-1].words += len(shown.split())
                made[-1].notes += [markdown(notes)] * bool(notes)
            else:
                _add_code(made[-1], cell)
    return [one for one in made if one.shown]


def short(text: str) -> tuple[str, str]:
    """Markdown of a cell -> what a slide shows of it, and all of it for the notes where that is less."""
    answers = [f"**Answer.** {found.strip()}" for found in ANSWER.findall(text)]
    answers += [f"**{choice}** {why}" for choice, why in CHOICE.findall(text)]
    blocks = re.split(r"\n\s*\n", CHOICE.sub(r"- \1", BINDER.sub("", ANSWER.sub("", text))).strip())
    shown = []
    for block in blocks:
        plain = not block.startswith(("#", "$$", "-", "|", "*", ">", "1."))
        if plain and len(block.split()) > LONG:
            block = re.split(r"(?<=[.!?])\s+(?=[A-Z*$`])", block, maxsplit=1)[0]
        shown.append(block)
    notes = ["\n\n".join(blocks)] if shown != blocks else []
    return "\n\n".join(shown), "\n\n".join(notes + answers)


def slide_page(notebook: dict, lessons: Container[str] = ()) -> str:
    """The HTML page of a lesson's slides. lessons : those that have slides as well; a link to another becomes words"""
    sections = []
    made = slides(notebook)
    for number, one in enumerate(made, 1):
        notes = f'<aside class="notes" aria-label="Notes">{"".join(one.notes)}</aside>' if one.notes else ""
        look = ' class="beside"' if one.figure and len(one.shown) > 1 else ""
        label = f'aria-label="Slide {number} of {len(made)}"'
        sections.append(f'<section {label} tabindex="-1"><div{look}>{"".join(one.shown)}</div>{notes}</section>')
    bar = (
        '<nav aria-label="Slides"><a href="index.html">Lessons</a><button id="back">← Back</button>'
        '<output id="count"></output><button id="next">Next →</button><button id="notes">Notes (N)</button></nav>'
    )
    shown = TO_LESSON.sub(
        lambda found: f'<a href="{found[1]}.html">{found[2]}</a>' if found[1] in lessons else found[2],
        "".join(sections),
    )
    return page(title(notebook), f'<main class="slides">{shown}</main>{bar}', figures=True)


def _add_code(slide: Slide, cell: dict) -> None:
    outputs = joined(cell)
    begun = [outputs_of(one, PRINTED) for one in outputs]
    figure = any(PLOTLY in one.get("data", {}) for one in cell.get("outputs", []))
    lines, printed = len(source(cell).splitlines()), printed_lines(cell)
    few = lines <= CODE and lines + min(printed, PRINTED) <= PRINTED and not figure
    (slide.shown if few else slide.notes).append(code(source(cell)))
    slide.shown += [one for one in begun if one]
    slide.notes += [whole for whole, shown in zip(map(outputs_of, outputs), begun) if whole != shown]
    slide.figure |= figure
    slide.words += LONG * (few or printed > 0)  # code and prints want room


def printed_lines(cell: dict) -> int:
    """How many lines a cell printed."""
    outputs = [one for one in cell.get("outputs", []) if one["output_type"] == "stream"]
    return sum("".join(one["text"]).count("\n") for one in outputs)


# ---- hand-outs -----------------------------------------------------------------------------------------------------


def hand_out(notebook: dict) -> str:
    """The HTML page of a printed lesson: a student's copy with the outputs of a run, without any answer."""
    checks = {source(asked) for _, _, asked, _ in exercise_cells(notebook)}
    parts = []
    for cell in unsolved(notebook, [])["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append(markdown(ANSWER.sub("", source(cell))))
        else:
            parts.append(code(source(cell)))
            parts += [outputs_of(one) for one in joined(cell) if source(cell) not in checks]
    return page(title(notebook), f'<main class="hand-out">{"".join(parts)}</main>', figures=True)


def printed(text: str, shared: dict[str, bytes], browser: str) -> bytes:
    """A page as PDF. RuntimeError with the browser's words when it writes none."""
    with tempfile.TemporaryDirectory(prefix="kdviz-print-") as name:
        folder = Path(name)
        for file, content in {**shared, "page.html": text.encode()}.items():
            (folder / file).write_bytes(content)
        words = ["--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={folder / 'profile'}"]
        words += ["--no-sandbox"] * (hasattr(os, "geteuid") and os.geteuid() == 0)  # Chromium refuses it to root
        words += ["--virtual-time-budget=60000", "--no-pdf-header-footer", f"--print-to-pdf={folder / 'page.pdf'}"]
        command = [browser, *words, (folder / "page.html").as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        if not (folder / "page.pdf").is_file():
            raise RuntimeError(f"{browser} wrote no PDF: {done.stderr.strip()[-300:]}")
        return (folder / "page.pdf").read_bytes()


# ---- pieces --------------------------------------------------------------------------------------------------------


def title(notebook: dict) -> str:
    """The first heading of a lesson."""
    first = next((source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown"), "")
    return first.lstrip("# ").partition("\n")[0]


def markdown(text: str) -> str:
    """HTML of Markdown, formulas as MathML, which browsers draw."""
    from nbconvert.filters import markdown2html

    return str(markdown2html(with_mathml(text)))


def with_mathml(text: str) -> str:
    """Markdown with each formula as MathML. ValueError names one that cannot be read."""
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

    return MATH.sub(formula, text)


def code(text: str) -> str:
    """HTML of Python, in colours."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(text, PythonLexer(), HtmlFormatter(cssclass="code"))


def joined(cell: dict) -> list[dict]:
    """The outputs of a cell; what was printed without anything between is one."""
    made = []
    for one in cell.get("outputs", []):
        if made and one["output_type"] == made[-1]["output_type"] == "stream":
            made[-1] = made[-1] | {"text": [*made[-1]["text"], *one["text"]]}
        else:
            made.append(one)
    return made


def outputs_of(output: dict, most: int | None = None) -> str:
    """HTML of one output of a cell; empty for what only a notebook can show. most : lines of a print, None for all"""
    if output["output_type"] == "stream":
        lines = "".join(output["text"]).splitlines(keepends=True)
        left = 0 if most is None else max(0, len(lines) - most)
        end = f"… {left} lines more in the notes\n" if left else ""
        return f"<pre>{html.escape(''.join(lines[: len(lines) - left]))}{end}</pre>"
    data = output.get("data", {})
    if PLOTLY in data:
        figure = {**data[PLOTLY], "config": {"responsive": True, "displaylogo": False}}
        alt = html.escape(((figure.get("layout") or {}).get("meta") or {}).get("alt", "figure"))
        height = int((figure.get("layout") or {}).get("height") or 450)
        drawn = json.dumps(figure, separators=(",", ":")).replace("<", "\\u003c")  # no token can end the script
        return (
            f'<div class="figure" role="group" aria-label="{alt}"><div style="min-height:{height}px"></div>'
            f'<script type="application/json">{drawn}</script></div>'
        )
    if HTML in data:
        return f'<div class="output">{"".join(data[HTML])}</div>'
    words = "".join(data.get("text/plain", ""))
    return f"<pre>{html.escape(words)}</pre>" if words and not words.startswith("<") else ""


def style() -> str:
    """The style of all pages."""
    from pygments.formatters import HtmlFormatter

    colours = HtmlFormatter(style="vs", nobackground=True).get_style_defs(".code")
    return (HERE / "page.css").read_text(encoding="utf-8") + colours


def page(heading: str, body: str, figures: bool = False) -> str:
    """A whole page; `figures` says whether it draws any."""
    scripts = '<script src="plotly.min.js"></script><script src="page.js"></script>' if figures else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{html.escape(heading)}</title><link rel="stylesheet" href="page.css"></head><body>{body}{scripts}'
        "</body></html>"
    )

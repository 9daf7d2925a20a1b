"""The book from a disk with no network: figures move in light and dark, search finds, no link is dead, tokens stay text."""

from __future__ import annotations

import functools
import http.server
import os
import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import nbformat
import numpy as np
import pytest

import kdviz as kd
from docs.book import build
from docs.book.conf import _entries, docstring, mathml, views
from kdviz.cli.app import Quiet
from kdviz.course import trials
from kdviz.explore.explorer import mimebundle
from kdviz.figures.still import Still
from tests.browser.axe import hindrances
from tests.browser.pages import MOST_BYTES
from tests.browser.test_saved_figures import PLOT, assert_shows, pair
from tests.unit.figures.made import HOSTILE

ROOT = Path(__file__).resolve().parents[2]
NAME = "02_word_relation"  # the made lesson stands in this one's place
FORMULA = (
    r"Cost `$5`, then $\lVert u\rVert_2$ and"
    + "\n\n"
    + r"$$\cos(u, v) = \frac{\langle u, v\rangle}{\lVert u\rVert\,\lVert v\rVert}$$"
)
LINKS = "[the next](03_layer_transforming_relation.ipynb), [the page](../docs/page.md), [code](../kdviz/relations.py)"
SHARED = ("plotly.min.js", "figures.js", "book.js", "book.css")
PAGES = ["index.html", f"notebooks/{NAME}.html", "results.html", "gallery.html", "api/words.html", "docs/glossary.html"]


def lesson(figure, text: str):
    """An executed notebook: a formula, two figures of which an explorer drew the second, a solution, a bar of progress."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A lesson\n\n" + text)])
    notebook.metadata["papermill"] = {"input_path": str(ROOT)}
    widget = {build.WIDGET_MIME: {"model_id": "x", "version_major": 2, "version_minor": 0}}
    for extra in ({}, widget):
        data = mimebundle(figure) | Still().to_mimebundle(figure.to_dict()) | extra
        output = nbformat.v4.new_output("display_data", data=data)
        notebook.cells.append(nbformat.v4.new_code_cell("kd.figures.word_relation(pair)", outputs=[output]))
    told = nbformat.v4.new_output("stream", text=f"{ROOT}/data and {Path.home()}/.cache")
    bar = nbformat.v4.new_output("display_data", data={**widget, "text/plain": "a bar of progress"})
    notebook.cells.append(nbformat.v4.new_code_cell("print(1)", outputs=[told, bar]))
    hidden = {"jupyter": {"source_hidden": True}}
    notebook.cells.append(nbformat.v4.new_code_cell("the_solution = 1", metadata=hidden))
    return notebook


@pytest.fixture(scope="module")
def figure():
    return kd.figures.word_relation(pair(HOSTILE[:10]))


@pytest.fixture(scope="module")
def book(tmp_path_factory, figure):
    """The whole book with one lesson, and the page with the models beside it (its HTML alone)."""
    folder = tmp_path_factory.mktemp("book")
    nbformat.write(lesson(figure, FORMULA + "\n\n" + LINKS), folder / f"{NAME}.ipynb")
    (folder / "book" / "page").mkdir(parents=True)
    static = ROOT / "kdviz" / "page" / "static" / "index.html"
    (folder / "book" / "page" / "index.html").write_bytes(static.read_bytes())
    build.write([folder / f"{NAME}.ipynb"], folder / "book")
    return folder / "book"


@pytest.fixture
def opened(page, book):
    """The lesson, reached from the first page."""
    page.goto((book / "index.html").as_uri())
    page.get_by_role("link", name="Lessons").first.click()
    page.get_by_role("link", name=NAME).click()
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot[data-keyboard]').length === 2")
    return page


def use(page, look: str) -> None:
    page.evaluate("look => { document.documentElement.dataset.theme = look; }", look)
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot[data-keyboard]').length === 2")


def test_figures_move_and_formulas_are_drawn(opened, figure, shots):
    page = opened
    assert page.locator("math").count() == 2
    assert page.locator("math mfrac").bounding_box()["height"] > 15
    assert page.locator("code", has_text="$5").count() == 1
    page.locator("[data-control='slider 0']").first.focus()
    page.keyboard.press("Home")
    page.wait_for_function(f"() => {PLOT}._fullLayout.sliders[0].active === 0")
    page.wait_for_timeout(300)
    assert_shows(page, figure, 0, 0)
    assert page.evaluate(
        "() => [...document.querySelectorAll('.js-plotly-plot')].map(p => p._fullLayout.sliders[0].active)"
    ) == [0, 2]
    assert page.get_by_text("Open the lesson in JupyterLab").count() == 1
    assert page.get_by_text("a bar of progress").count() == 0
    assert page.get_by_role("group", name=figure.layout.meta["alt"]).count() == 2
    page.screenshot(path=shots / "book.png", full_page=True)


def test_figures_follow_light_and_dark(opened, figure, shots):
    page = opened
    ground = f"() => [{PLOT}._fullLayout.paper_bgcolor, getComputedStyle(document.body).backgroundColor]"
    try:
        for look, page_colour in (("dark", "rgb(17, 17, 17)"), ("light", "rgb(255, 255, 255)")):
            use(page, look)
            kd.theme.use(look)
            page.wait_for_function(
                f"wanted => {PLOT}?._fullLayout?.paper_bgcolor === wanted", arg=kd.theme.colour("ground")
            )
            assert page.evaluate(ground)[1] == page_colour
            assert page.evaluate(f"() => {PLOT}._fullLayout.font.color") == kd.theme.colour("ink")
            page.screenshot(path=shots / f"book_{look}.png")
    finally:
        kd.theme.use("auto")
    assert page.locator(".js-plotly-plot").count() == 2  # drawn in each other's place
    page.locator("[data-control='slider 0']").first.press("Home")
    assert_shows(page, figure, 0, 0)


def test_the_table_holds_the_numbers(opened, figure):
    page = opened
    page.get_by_text("Data of this figure as tables").first.click()
    cells = page.locator(".table table").first.locator("tbody td").all_text_contents()
    shown = np.array([float(cell) for cell in cells]).reshape(10, 10)
    np.testing.assert_allclose(shown, figure.data[0].z, rtol=1e-3, atol=1e-6)


def test_a_lesson_can_be_opened_elsewhere_copied_and_tried_with_a_sentence_of_ones_own(opened, book):
    page = opened
    addresses = page.locator(".launch a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert re.fullmatch(
        rf"https://mybinder.org/v2/gh/[^/]+/[^/]+/main\?urlpath=lab/tree/notebooks/{NAME}.ipynb", addresses[0]
    )
    assert re.fullmatch(rf"https://colab.research.google.com/github/.+/notebooks/{NAME}.ipynb", addresses[1])
    assert (book / "notebooks" / addresses[2]).read_bytes() == (ROOT / "notebooks" / f"{NAME}.ipynb").read_bytes()
    assert addresses[3:] == ["../page/index.html#h-relations"]
    page.locator("button.copybtn").nth(2).wait_for(state="attached")
    assert not page.get_by_text("the_solution").is_visible()
    page.get_by_text("Solution", exact=True).first.click()
    page.get_by_text("the_solution").wait_for()


def test_every_view_of_the_page_belongs_to_a_lesson():
    assert {lesson: [place for place, _ in found] for lesson, found in views().items()} == {
        "00_start_here": ["first"],
        "01_soft_targets": ["h-targets"],
        "02_word_relation": ["h-relations"],
        "03_layer_transforming_relation": ["h-path"],
        "04_contextual_distillation": ["h-row"],
    }


@pytest.fixture
def server(book):
    handler = functools.partial(Quiet, directory=str(book))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}/"
        serving.shutdown()


@pytest.mark.parametrize("way", ["disk", "server"])
def test_the_search_finds_without_a_network(page, book, server, way):
    page.goto(((book.as_uri() + "/") if way == "disk" else server) + "search.html?q=glossary")
    found = page.locator("#search-results ul.search a", has_text="Glossary").first
    found.wait_for()
    if way == "server":
        page.locator("#search-results p.context").first.wait_for()
    found.click()
    page.get_by_role("heading", name="Glossary").wait_for()


class Links(HTMLParser):
    """Of a page: where it leads, what it loads, and the places in it that may be led to."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.places = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value is not None:
                self.links.append(value)
            if name in ("id", "name"):
                self.places.add(value)


def test_no_link_is_dead_and_nothing_comes_from_elsewhere(book):
    pages = {path: Links(path.read_text("utf-8")) for path in book.rglob("*.html") if "_static" not in path.parts}
    assert len(pages) > 40
    dead = []
    for path, found in pages.items():
        for link in found.links:
            address, place = urldefrag(link)
            if re.match(r"(https?|mailto|data):", address) or path == book / "page" / "index.html":  # made here alone
                continue
            target = (path.parent / unquote(address.split("?")[0])).resolve() if address else path
            if not target.exists() or (place and target in pages and unquote(place) not in pages[target].places):
                dead.append(f"{path.relative_to(book)}: {link}")
    assert dead == []
    loads = re.compile(r"""<(?:script|img|iframe)[^>]+src=["']https?:|<link[^>]+rel="stylesheet"[^>]+href="https?:""")
    assert [path.name for path in pages if loads.search(path.read_text("utf-8"))] == []


def test_links_of_what_the_book_leaves_out_lead_to_the_repository(book):
    text = (book / "notebooks" / f"{NAME}.html").read_text("utf-8")
    links = [link for link in Links(text).links if "/blob/main/" in link]
    for path in ("notebooks/03_layer_transforming_relation.ipynb", "kdviz/relations.py"):
        assert any(link.endswith(f"/blob/main/{path}") for link in links)
    assert "../docs/page.html" in Links(text).links
    left_out = (book / "notebooks" / "03_layer_transforming_relation.html").read_text("utf-8")
    assert "holds a part of the lessons" in left_out


def test_no_page_tells_of_the_machine_that_made_it(book):
    names = [str(ROOT), str(book.parent), str(Path.home())]
    files = [path for path in book.rglob("*") if path.suffix in (".html", ".js", ".ipynb", ".inv", ".txt")]
    made = [path for path in files if path.name not in SHARED and "vendor" not in path.parts]
    assert [(path.name, name) for path in made for name in names if name in path.read_text("utf-8", "replace")] == []
    assert "kdviz/data and ~/.cache" in (book / "notebooks" / f"{NAME}.html").read_text("utf-8")


def test_pages_are_small_beside_what_they_share(book):
    sizes = {path.name: path.stat().st_size for path in book.rglob("*.html")}
    assert max(sizes.values()) < MOST_BYTES
    assert "plotly.min.js" not in (book / "index.html").read_text("utf-8")


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_no_page_scrolls_sideways(page, book, width, shots):
    page.set_viewport_size({"width": width, "height": 720})
    for name in PAGES:
        page.goto((book / name).as_uri())
        page.wait_for_timeout(500)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width, name
        page.screenshot(path=shots / f"book_{Path(name).stem}_{width}.png")


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_keeps_a_reader_out(page, book, name, look):
    page.emulate_media(color_scheme=look)
    page.goto((book / name).as_uri())
    page.wait_for_function(
        "() => [...document.querySelectorAll('.drawing')].every(d => d.querySelector('[data-keyboard]'))"
    )
    assert hindrances(page) == []


def test_a_wide_formula_is_reached_by_the_keyboard(opened):
    opened.set_viewport_size({"width": 160, "height": 600})
    opened.wait_for_function("() => document.querySelector('math[display=block]').tabIndex === 0")  # now it scrolls


def test_all_that_there_is_has_a_place(book):
    text = lambda name: (book / name).read_text("utf-8")
    gallery, words, methods, results = map(text, ("gallery.html", "api/words.html", "api/methods.html", "results.html"))
    figures = set(kd.figures.__all__) - {"save", "table", "theme"}
    assert [name for name in figures if f"<h2>{name}<" not in gallery] == []
    assert '<div class="still"><figure' in gallery
    rooms = {
        "course",
        "data",
        "explore",
        "figures",
        "losses",
        "methods",
        "models",
        "relations",
        "robustness",
        "training",
    }
    documented = words + methods
    missing = [
        name
        for name in set(kd.__all__) - rooms - {"check", "theme"}
        if not re.search(rf'id="kdviz\.(methods\.)?{name}"', documented)
    ]
    assert missing == []
    assert [name for name in trials.plan()["blocks"] if f"<h2>{name.capitalize()}<" not in results] == []
    assert [
        path.stem for path in (ROOT / "docs").glob("*.md") if f"docs/{path.stem}.html" not in text("guide.html")
    ] == []


def test_faults_are_named(figure, tmp_path, capsys):
    with pytest.raises(Exception, match="begin"):
        mathml(r"\begin{pmatrix}", "inline")
    nbformat.write(lesson(figure, "[gone](../docs/nothing.md)"), tmp_path / f"{NAME}.ipynb")
    with pytest.raises(SystemExit, match="faults"):
        build.write([tmp_path / f"{NAME}.ipynb"], tmp_path / "book")
    assert "nothing.md" in capsys.readouterr().err


def test_docstrings_are_read_as_they_are_written():
    lines = [
        "Sum |x| of *all*.",
        "",
        "Parameters",
        "----------",
        "x, y : (N,)   z : a thing",
        "    of two lines",
        "",
        "a",
        "  b",
    ]
    docstring(None, "function", "f", None, None, lines)
    assert lines == [
        r"Sum \|x\| of \*all\*.",
        "",
        ".. rubric:: Parameters",
        "",
        *["", "**x, y**", "    (N,)", "", "**z**", "    a thing of two lines", ""],
        *["", "| a", "| b", "", ""],
    ]
    assert _entries(["plain", "text"]) == ["plain", "text"]


def test_only_a_younger_page_is_fresh(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("1")
    assert not build.is_fresh(target, [source])
    target.write_text("2")
    os.utime(source, (1, 1))
    assert build.is_fresh(target, [source])
    os.utime(target, (0, 0))
    assert not build.is_fresh(target, [source])

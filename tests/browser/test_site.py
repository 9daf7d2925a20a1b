"""The site of executed lessons from a disk with no network: figures move, formulas are drawn, tokens stay text."""

from __future__ import annotations

import nbformat
import numpy as np
import pytest

import kdviz as kd
from docs.site import build as site
from kdviz.explore.explorer import mimebundle
from tests.browser.test_saved_figures import PLOT, assert_shows, pair
from tests.unit.figures.made import HOSTILE

FORMULA = (
    r"Cost `$5`, then $\lVert u\rVert_2$ and"
    + "\n\n"
    + r"$$\cos(u, v) = \frac{\langle u, v\rangle}{\lVert u\rVert\,\lVert v\rVert}$$"
)


@pytest.fixture(scope="module")
def figure():
    return kd.figures.word_relation(pair(HOSTILE[:10]))


@pytest.fixture
def opened(page, tmp_path, figure):
    """A lesson of one formula and two figures, the second from an explorer, written and on screen."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A lesson\n\n" + FORMULA)])
    for extra in ({}, {site.WIDGET_MIME: {"model_id": "x", "version_major": 2, "version_minor": 0}}):
        output = nbformat.v4.new_output("display_data", data=mimebundle(figure) | extra)
        notebook.cells.append(nbformat.v4.new_code_cell("figure", outputs=[output]))
    (tmp_path / "executed").mkdir()
    nbformat.write(notebook, tmp_path / "executed" / "09_lesson.ipynb")
    site.write([tmp_path / "executed" / "09_lesson.ipynb"], tmp_path / "site")
    page.goto((tmp_path / "site" / "index.html").as_uri())
    page.get_by_role("link", name="A lesson").click()
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot[data-keyboard]').length === 2")
    return page


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
    assert page.get_by_role("group", name=figure.layout.meta["alt"]).count() == 2
    page.screenshot(path=shots / "site.png", full_page=True)


def test_the_table_holds_the_numbers(opened, figure):
    page = opened
    page.get_by_text("Data of this figure as tables").first.click()
    cells = page.locator("table").first.locator("tbody td").all_text_contents()
    shown = np.array([float(cell) for cell in cells]).reshape(10, 10)
    np.testing.assert_allclose(shown, figure.data[0].z, rtol=1e-3, atol=1e-6)


def test_a_narrow_screen_scrolls_figures_not_the_page(opened, shots):
    page = opened
    page.set_viewport_size({"width": 800, "height": 900})
    page.wait_for_timeout(500)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 800
    page.screenshot(path=shots / "site_800.png", full_page=True)


def test_a_page_is_small_beside_what_pages_share(opened, tmp_path):
    assert (tmp_path / "site" / "09_lesson.html").stat().st_size < 1_500_000


def test_a_formula_that_cannot_be_read_is_named():
    with pytest.raises(ValueError, match="begin"):
        site.with_mathml(r"$\begin{pmatrix}$")


def test_only_a_younger_page_is_fresh(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("1")
    assert not site.is_fresh(target, [source])
    target.write_text("2")
    import os

    os.utime(source, (1, 1))
    assert site.is_fresh(target, [source])
    os.utime(target, (0, 0))
    assert not site.is_fresh(target, [source])

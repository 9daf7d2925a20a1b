"""Lesson 00 in Notebook 7 with the network cut: its figures are drawn, its explorer answers to mouse and keyboard."""

from __future__ import annotations

from functools import cache

import nbformat
import numpy as np

import kdviz as kd
from tests.browser.lab import PATIENCE
from tests.browser.test_lab import SENTENCE, shown, words_of
from tests.browser.test_lessons_in_lab import NOTEBOOKS, press


@cache
def states():
    return kd.encode(kd.load_teacher("minilm"), SENTENCE)


# a race of Notebook 7's own list of shortcuts, with or without kdviz: github.com/jupyter/notebook/issues/7862
KNOWN = "Cannot read properties of undefined (reading 'schema')"


def cosines(layer: int) -> np.ndarray:
    """Of the words of the lesson's sentence at a layer of its teacher, in plain numpy."""
    hidden = states().hidden[0, layer].double().numpy()
    unit = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
    return unit @ unit.T


def wait_layer(plot, layer: int) -> None:
    """The kernel's answer to a slider comes, and is what numpy says of that layer."""
    wanted, end = cosines(layer), 100
    while not np.allclose(shown(plot)[0], wanted, atol=2e-3) and (end := end - 1):
        plot.page.wait_for_timeout(100)
    np.testing.assert_allclose(shown(plot)[0], wanted, atol=2e-3)


def test_the_first_lesson_in_notebook_7(notebook7, page, watch, shots):
    lesson = nbformat.read(NOTEBOOKS / "00_start_here.ipynb", as_version=4)
    notebook7.put("00_start_here.ipynb", lesson.cells)
    notebook7.run_all(page, "00_start_here.ipynb")
    drawing = [cell for cell in lesson.cells if "kd.figures." in cell.source or "kd.explore." in cell.source]
    page.wait_for_function(
        "count => document.querySelectorAll('.js-plotly-plot[data-keyboard]').length === count",
        arg=len(drawing),
        timeout=PATIENCE,
    )
    plots = page.locator(".js-plotly-plot")
    for place in range(plots.count()):
        assert plots.nth(place).locator(".barlayer .trace, .scatterlayer .trace, .heatmaplayer .hm").count()
        assert plots.nth(place).get_attribute("aria-label")

    explorer = page.locator(".jupyter-widgets .js-plotly-plot")
    assert words_of(explorer)[1:3] == ["the", "plot"]
    wait_layer(explorer, 6)
    rail, handle = (page.locator(f".widget-slider .noUi-{part}").first for part in ("base", "handle"))
    rail.scroll_into_view_if_needed()
    box = rail.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_layer(explorer, 3)
    handle.focus()  # the arrows are the slider's, not the notebook's
    for key, layer in (("ArrowLeft", 2), ("ArrowRight", 3), ("ArrowRight", 4)):
        page.keyboard.press(key)
        wait_layer(explorer, layer)
    picker = page.locator(".jupyter-widgets").get_by_label("Word", exact=True)
    picker.focus()
    before = picker.input_value()
    page.keyboard.press("ArrowDown")
    assert picker.input_value() != before
    page.screenshot(path=shots / "notebook7.png")

    plain = next(plot for plot in plots.all() if plot.locator("[data-control='slider 0']").count())
    press(page, plain.locator("[data-control='slider 0']"), "Home", 0)
    page.wait_for_timeout(400)
    np.testing.assert_allclose(shown(plain)[0], cosines(0), atol=2e-3)
    watch.console_errors[:] = [line for line in watch.console_errors if line != KNOWN]

"""The lessons' own cells in JupyterLab: every slider and menu of their figures, live training, saving."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import plotly.graph_objects as go

from docs.book.build import PLOTLY_MIME
from kdviz.figures.still import decoded
from tests.browser.lab import PATIENCE
from tests.browser.test_lab import shown
from tests.unit.figures.made import drawn

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
DRAWS = ("kd.figures.", "kd.explore.", "[0].plot()")
FIRST = ("import kdviz", "kd.load_teacher(", "kd.encode(teacher, sentence)")
# lesson -> cells that its figures lean on, each with what is put after it so that nothing trains for long
LESSONS = {
    "00_start_here": {},
    "02_word_relation": {"kd.load_teacher(": 'students = {"labels": [student], "labels + WR": [student]}'},
    "03_layer_transforming_relation": {"kd.load_teacher(": 'students = {"labels + LTR": [student]}'},
    "04_contextual_distillation": {
        "seeds = [": "seeds, rows, steps = [0], 100, 8",
        "methods = {": 'methods = {"CKD": methods["CKD"]}',
        "runs = {": "",
    },
}
LIVE = "live = kd.distill(newborn(0), teacher, task, kd.KD(), epochs=4, steps_per_epoch=8, seed=0, score=())"
ATTENTION = "kd.explore.attention(kd.encode(student, sentence, attentions=True))"
BARS = """() => {
    window.bars = [];
    new MutationObserver(() => document.querySelectorAll('.jp-OutputArea progress').forEach(bar => window.bars.push(bar.value)))
        .observe(document.body, { childList: true, subtree: true });
}"""


def excerpt() -> list[str]:
    """The cells of the lessons that draw, in order, and what these need."""
    cells = []
    for name, after in LESSONS.items():
        for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
            tags = set(cell.metadata.get("tags", []))
            wanted = "parameters" in tags or any(mark in cell.source for mark in (*DRAWS, *FIRST, *after))
            if cell.cell_type == "code" and wanted and not tags & {"exercise", "solution"}:
                cells += [cell.source, *(more for mark, more in after.items() if more and mark in cell.source)]
    return [*cells, LIVE]


def figures_of(notebook) -> list[go.Figure]:
    """The figures stored in a notebook, in order."""
    outputs = [output.get("data", {}) for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    stored = [data[PLOTLY_MIME] for data in outputs if PLOTLY_MIME in data]
    return [go.Figure(decoded({key: one[key] for key in ("data", "layout", "frames") if key in one})) for one in stored]


def state(plot) -> list:
    """Where the sliders and menus of a drawing stand."""
    return plot.evaluate("""node => [...(node._fullLayout.sliders || []), ...(node._fullLayout.updatemenus || [])]
        .map(control => control.active)""")


CUT = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputArea .cm-scroller')]
    .filter(editor => editor.scrollWidth > editor.clientWidth + 1).map(editor => editor.textContent.slice(0, 60))"""


def assert_shows(plot, figure, step, view) -> None:
    menu = figure.layout.updatemenus[0] if figure.layout.updatemenus else None
    visible = (
        menu.buttons[view].args[0]["visible"] if menu else [trace.visible in (None, True) for trace in figure.data]
    )
    arrays = drawn(figure, step)
    for found, wanted in zip(
        shown(plot), [array for array, on in zip(arrays, visible, strict=True) if on], strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


LIVES = "node => node.closest('.jupyter-widgets') !== null"


def plots_of(page, figures) -> list:
    """The drawings on the page, when all of them are there, each with its title and what a screen reader says of it."""
    page.wait_for_function(
        "count => document.querySelectorAll('.js-plotly-plot[data-keyboard]').length === count",
        arg=len(figures),
        timeout=PATIENCE,
    )
    plots = [page.locator(".js-plotly-plot").nth(place) for place in range(len(figures))]
    for plot, figure in zip(plots, figures, strict=True):
        if not plot.evaluate(LIVES):  # an explorer that lives shows more than the figure that is stored for it
            assert plot.get_attribute("aria-label") == figure.layout.meta["alt"]
        assert plot.locator(".gtitle").text_content()
    return plots


def press(page, control, key: str, wanted: int) -> None:
    control.press(key)
    page.wait_for_function(
        "([node, at]) => node.getAttribute('aria-valuenow') === String(at)", arg=[control.element_handle(), wanted]
    )
    page.wait_for_timeout(150)


def work_controls(page, plot, figure) -> None:
    """Every slider and menu by keyboard; what is on screen is what the figure says of that step and entry."""
    at = figure.layout.sliders[0].active if figure.layout.sliders else None
    view = figure.layout.updatemenus[0].active if figure.layout.updatemenus else None
    menu, slider = plot.locator("[data-control='menu 0']"), plot.locator("[data-control='slider 0']")
    if figure.layout.sliders:
        last = len(figure.layout.sliders[0].steps) - 1
        for key, at in (("Home", 0), ("ArrowRight", 1), ("End", last), ("ArrowLeft", last - 1)):
            press(page, slider, key, at)
            assert_shows(plot, figure, at, view)
    if figure.layout.updatemenus:
        last = len(figure.layout.updatemenus[0].buttons) - 1
        for key, view in (("Home", 0), ("ArrowRight", 1), ("End", last)):
            press(page, menu, key, view)
            assert_shows(plot, figure, at, view)
            assert plot.locator(".gtitle").text_content()


# a run is painted every half second: this one lasts for three, however fast the machine
UNHURRIED = "import time\nfrom kdviz.methods import Method\nMethod.after_step = lambda self, ctx: time.sleep(0.1)"


def test_lessons_in_jupyterlab(lab, page, shots):
    cells = excerpt()
    lab.put("lessons.ipynb", [UNHURRIED, *cells, ATTENTION, "# a line that goes on" + " and on" * 40])
    page.evaluate(BARS)
    page.on("domcontentloaded", lambda opened: opened.evaluate(BARS))
    lab.run_all(page, "lessons.ipynb")
    assert len(set(page.evaluate("() => window.bars"))) >= 2  # the live plot moved while the student trained
    assert page.get_by_text("32 steps in").count() == 1  # and gave its place to the run's last word
    notebook = lab.saved(page, "lessons.ipynb")
    figures = figures_of(notebook)
    assert len(figures) == 1 + sum(any(mark in cell for mark in DRAWS) for cell in cells) >= 12  # LIVE draws as well
    plots = plots_of(page, figures)
    assert sum(plot.evaluate(LIVES) for plot in plots) == sum("kd.explore.word" in cell for cell in cells)
    for plot, figure in zip(plots, figures, strict=True):
        if plot.evaluate(LIVES):  # its controls: tests/browser/test_lab.py
            assert plot.locator(".heatmaplayer .hm").count() == 1
            continue
        at_first = [control.active or 0 for control in (*figure.layout.sliders, *figure.layout.updatemenus)]
        assert state(plot) == at_first, "another figure has moved it"
        if any(trace.type == "heatmap" for trace in figure.data):
            work_controls(page, plot, figure)
        else:
            assert plot.locator(".scatterlayer .trace, .barlayer .trace").count() >= 2
    page.screenshot(path=shots / "lab_lessons.png")
    assert page.evaluate(CUT) == [], "code that runs out of its cell cannot be read on a projector"
    assert_a_stranger_sees(lab, page, shots, notebook, figures)


def assert_a_stranger_sees(lab, page, shots, notebook, figures) -> None:
    """The executed lessons as they come by mail: not trusted, no kernel, and each figure lives and can be read."""
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("By mail."))  # other words than those that were signed
    lab.put("by_mail.ipynb", notebook.cells)
    lab.open(page, "by_mail.ipynb")
    page.locator(".jp-StatusItem-trust[title*='not trusted']").wait_for(timeout=PATIENCE)
    plots = plots_of(page, figures)
    assert not any(plot.evaluate(LIVES) for plot in plots)
    plot, figure = next(
        (plot, figure) for plot, figure in zip(plots, figures) if figure.layout.sliders and figure.frames
    )
    press(page, plot.locator("[data-control='slider 0']"), "Home", 0)
    assert_shows(plot, figure, 0, figure.layout.updatemenus[0].active if figure.layout.updatemenus else None)
    assert page.get_by_text("Where each head looks most, as tables").count() == 1  # bertviz needs scripts: its tables
    page.screenshot(path=shots / "lab_by_mail.png")

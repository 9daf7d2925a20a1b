"""An executed notebook from somebody else, opened without trust: every figure is there, moves, says what it shows."""

from __future__ import annotations

import nbformat

import kdviz as kd
from docs.book.build import WIDGET_MIME
from kdviz.explore.explorer import mimebundle
from kdviz.figures.still import Still
from tests.browser.lab import PATIENCE
from tests.browser.test_lab import shown
from tests.browser.test_saved_figures import FIGURES, pair
from tests.unit.figures.made import drawn

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_without_trust_figures_live_and_tables_speak_for_frames(lab, page, shots):
    figures = [FIGURES[name](8) for name in ("word_relation", "word_relation", "layer_path", "soft_targets")]
    # JupyterLab stores a picture as well
    bundles = [mimebundle(f) | Still().to_mimebundle(f.to_dict()) | {"image/png": PIXEL} for f in figures]
    bundles[0] |= {WIDGET_MIME: {"model_id": "gone", "version_major": 2, "version_minor": 0}}  # an explorer
    bundles += [{"text/html": kd.explore.attention(pair(8, heads=4), view)._repr_html_()} for view in ("head", "model")]
    cells = [
        nbformat.v4.new_code_cell("…", outputs=[nbformat.v4.new_output("display_data", data=data)]) for data in bundles
    ]
    lab.put("stranger.ipynb", cells)
    lab.open(page, "stranger.ipynb")
    page.locator(".jp-StatusItem-trust[title*='not trusted']").wait_for(timeout=PATIENCE)
    page.wait_for_function(
        "() => document.querySelectorAll('.js-plotly-plot[data-keyboard]').length === 4", timeout=PATIENCE
    )
    for place, figure in enumerate(figures):
        plot = page.locator(".js-plotly-plot").nth(place)
        assert plot.get_attribute("aria-label") == figure.layout.meta["alt"]
        assert plot.locator(".gtitle").text_content()
    for place in (0, 1):  # the explorer's controls need a kernel, its figure does not
        plot, figure = page.locator(".js-plotly-plot").nth(place), figures[place]
        plot.locator("[data-control='slider 0']").press("Home")
        page.wait_for_function("node => node._fullLayout.sliders[0].active === 0", arg=plot.element_handle())
        page.wait_for_timeout(300)
        for found, wanted in zip(shown(plot), drawn(figure, 0)[:3], strict=True):
            assert abs(found - wanted).max() < 1e-6
    assert page.locator("iframe[srcdoc]").count() == 0
    assert page.get_by_text("Attention of teacher minilm and student student over 8 tokens").count() == 2
    for summary in page.get_by_text("Where each head looks most, as tables").all():
        summary.click()
    assert page.get_by_role("table").count() == 4
    assert page.get_by_role("table").first.locator("tbody tr").count() == 8
    page.screenshot(path=shots / "lab_untrusted.png")

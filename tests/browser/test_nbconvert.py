"""Pages that nbconvert makes of an executed notebook, with the network cut: every figure is seen, with its words."""

from __future__ import annotations

import nbformat
import pytest
from nbconvert import HTMLExporter, SlidesExporter

import kdviz as kd
from kdviz.explore.explorer import PLOTLY_MIME, mimebundle
from kdviz.figures.still import Still
from tests.browser.test_saved_figures import FIGURES
from tests.unit.figures.made import HOSTILE


@pytest.mark.parametrize("exporter", [HTMLExporter, SlidesExporter])
def test_converted_figures_are_seen(chromium, tmp_path, shots, exporter):
    figures = [FIGURES["word_relation"](8), kd.figures.soft_targets([2.0, 1.0], HOSTILE[1:3], names=["teacher"])]
    bundles = [mimebundle(figure) | Still().to_mimebundle(figure.to_dict()) for figure in figures]
    assert all(PLOTLY_MIME in bundle for bundle in bundles)
    cells = [
        nbformat.v4.new_code_cell("…", outputs=[nbformat.v4.new_output("display_data", data=data)]) for data in bundles
    ]
    notebook = nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )
    file = tmp_path / "page.html"
    file.write_text(exporter().from_notebook_node(notebook)[0], encoding="utf-8")
    context, dialogs = chromium.new_context(offline=True), []  # nbconvert's own page asks for MathJax
    page = context.new_page()
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(file.as_uri(), wait_until="domcontentloaded")
    for figure in figures:
        caption = page.get_by_text(figure.layout.meta["alt"], exact=True)
        assert caption.is_visible() and caption.bounding_box()["height"] > 10
        picture = page.get_by_role("img", name=figure.layout.meta["alt"], exact=True)
        assert picture.is_visible() and picture.bounding_box()["height"] > 100
    assert page.locator("figure svg image").count() == 3 and page.locator("figure svg path").count() == 1
    assert [box["width"] > 150 for box in (one.bounding_box() for one in page.locator("figure svg image").all())] == [
        True
    ] * 3
    assert dialogs == []
    page.screenshot(path=shots / f"nbconvert_{exporter.__name__}.png", full_page=True)
    context.close()

"""Slides in Chromium. tests/course/test_lessons.py leafs through those of every lesson that it runs."""

from __future__ import annotations

import json

import pytest

from kdviz.course.classroom import pages
from kdviz.course.classroom.flavours import source
from tests.browser.slides import assert_every_slide_fits, write_slides
from tests.browser.test_saved_figures import FIGURES
from tests.course.test_exercises import NOTEBOOKS


@pytest.fixture
def lesson():
    """Lesson 02, each of its drawing cells with a picture as if it had been run, and what is much too high."""
    lesson = json.loads(json.dumps(NOTEBOOKS["02_word_relation"]))
    for cell in lesson["cells"]:
        if cell["cell_type"] == "code" and "kd.figures." in source(cell):
            drawn = json.loads(FIGURES["word_relation"](14).to_json())
            cell["outputs"] = [{"output_type": "display_data", "data": {pages.PLOTLY: drawn}, "metadata": {}}]
    rows = {"type": "scatter", "mode": "markers", "x": list(range(33)), "y": list(range(33))}
    names = {"tickvals": list(range(33)), "ticktext": [f"method {n}" for n in range(33)]}
    layout = {"height": 1250, "title": {"text": "33 methods"}, "meta": {"alt": "33 methods"}, "yaxis": names}
    high = {"data": [rows], "layout": layout}
    printed = {"output_type": "stream", "name": "stdout", "text": [f"line {n}\n" for n in range(66)]}
    for place, output in enumerate(({"output_type": "display_data", "data": {pages.PLOTLY: high}}, printed)):
        lesson["cells"].append({"cell_type": "code", "metadata": {}, "source": f"{place}", "outputs": [output]})
    return lesson


@pytest.fixture
def slides(tmp_path, lesson):
    return write_slides(tmp_path, lesson)


def test_every_slide_fits_and_every_figure_is_drawn(page, slides, shots):
    assert assert_every_slide_fits(page, slides) >= 4
    page.screenshot(path=shots / "slide.png")
    assert "… 40 lines more in the notes" in page.locator("section.now > div pre").last.inner_text()
    assert "line 65" in page.locator("section.now .notes").text_content()
    page.keyboard.press("ArrowLeft")
    names = page.locator("section.now .ytick text")
    assert names.count() == 33 and names.first.bounding_box()["height"] > 10, "letters that can be read from afar"
    page.keyboard.press("n")
    assert page.locator("section.now .notes").is_visible()


def test_a_figure_of_a_hand_out_fits_on_its_sheet(page, slides, lesson):
    sheet = slides.with_name("hand_out.html")
    sheet.write_text(pages.hand_out(lesson), encoding="utf-8")
    page.goto(sheet.as_uri())
    page.locator(".figure").last.locator(".gtitle").first.wait_for(timeout=60_000)
    heights = page.locator(".figure").evaluate_all("nodes => nodes.map(node => node.getBoundingClientRect().height)")
    assert len(heights) >= 5 and max(heights) < (297 - 2 * 16) / 25.4 * 96, "mm of A4 within its margins, as pixels"

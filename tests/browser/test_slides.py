"""Slides in Chromium, on a projector of 1280 by 720: every slide of a lesson, its figures drawn, nothing cut off."""

from __future__ import annotations

import json

import pytest
from plotly.offline import get_plotlyjs

from kdviz.course.classroom import pages
from kdviz.course.classroom.flavours import source
from tests.browser.test_saved_figures import FIGURES
from tests.course.test_exercises import NOTEBOOKS

SIZES = """() => {
    const slide = document.querySelector('section.now'), bar = document.querySelector('nav').getBoundingClientRect().top;
    const wide = [...slide.querySelectorAll('pre, .figure, .output, math')].filter(part => part.scrollWidth > part.clientWidth + 1 && part.clientWidth);
    return { high: document.documentElement.scrollHeight, below: slide.firstElementChild.getBoundingClientRect().bottom - bar,
             across: document.documentElement.scrollWidth, wide: wide.map(part => part.textContent.slice(0, 60)),
             letters: parseFloat(getComputedStyle(slide.firstElementChild).fontSize) };
}"""


@pytest.fixture
def slides(tmp_path):
    """Lesson 02, each of its drawing cells with a picture as if it had been run."""
    lesson = json.loads(json.dumps(NOTEBOOKS["02_word_relation"]))
    for cell in lesson["cells"]:
        if cell["cell_type"] == "code" and "kd.figures." in source(cell):
            drawn = json.loads(FIGURES["word_relation"](14).to_json())
            cell["outputs"] = [{"output_type": "display_data", "data": {pages.PLOTLY: drawn}, "metadata": {}}]
    for name, text in {"plotly.min.js": get_plotlyjs(), "page.css": pages.style()}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "page.js").write_bytes((pages.HERE / "page.js").read_bytes())
    (tmp_path / "slides.html").write_text(pages.slide_page(lesson), encoding="utf-8")
    return tmp_path / "slides.html"


def test_every_slide_fits_and_every_figure_is_drawn(page, slides, shots):
    page.goto(slides.as_uri())
    count, figures = page.locator("section").count(), 0
    for number in range(1, count + 1):
        page.wait_for_function(
            "text => document.getElementById('count').textContent === text", arg=f"{number} / {count}"
        )
        drawings = page.locator("section.now .figure")
        for place in range(drawings.count()):
            drawing = drawings.nth(place)
            drawing.locator(".gtitle").first.wait_for()
            box = drawing.locator(".main-svg").first.bounding_box()
            assert box["x"] + box["width"] <= 1280 and box["y"] + box["height"] <= 720
            figures += 1
            page.screenshot(path=shots / "slide.png")
        sizes = page.evaluate(SIZES)
        assert sizes["high"] <= 720 and sizes["below"] <= 0 and sizes["across"] <= 1280 and not sizes["wide"], number
        assert sizes["letters"] >= 14
        page.keyboard.press("ArrowRight")
    assert figures >= 4
    page.keyboard.press("n")
    assert page.locator("section.now .notes").count() == 0 or page.locator("section.now .notes").is_visible()

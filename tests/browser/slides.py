"""What a projector of 1280 by 720 shows of a lesson's slides: all of every slide, its figures drawn, nothing cut off."""

from __future__ import annotations

from pathlib import Path

from plotly.offline import get_plotlyjs

from kdviz.course.classroom import pages

SIZES = """() => {
    const slide = document.querySelector('section.now'), bar = document.querySelector('nav').getBoundingClientRect().top;
    const wide = [...slide.querySelectorAll('pre, .figure, .output, math')].filter(part => part.scrollWidth > part.clientWidth + 1 && part.clientWidth);
    return { high: document.documentElement.scrollHeight, below: slide.firstElementChild.getBoundingClientRect().bottom - bar,
             across: document.documentElement.scrollWidth, wide: wide.map(part => part.textContent.slice(0, 60)),
             letters: parseFloat(getComputedStyle(slide.firstElementChild).fontSize) };
}"""


def write_slides(folder: Path, lesson: dict) -> Path:
    """The slides of a lesson that was run, with what they share; the file to open."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"plotly.min.js": get_plotlyjs(), "page.css": pages.style()}.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "page.js").write_bytes((pages.HERE / "page.js").read_bytes())
    (folder / "slides.html").write_text(pages.slide_page(lesson), encoding="utf-8")
    return folder / "slides.html"


def assert_every_slide_fits(page, slides: Path) -> int:
    """Leaf through the slides; returns how many figures were drawn on them."""
    page.goto(slides.as_uri())
    count, figures, wrong = page.locator("section").count(), 0, {}
    for number in range(1, count + 1):
        page.wait_for_function(
            "text => document.getElementById('count').textContent === text", arg=f"{number} / {count}"
        )
        for drawing in page.locator("section.now .figure").all():
            drawing.locator(".gtitle").first.wait_for()
            box = drawing.locator(".main-svg").first.bounding_box()
            if box["x"] + box["width"] > 1280 or box["y"] + box["height"] > 720:
                wrong[number] = box
            figures += 1
        sizes = page.evaluate(SIZES)
        too_big = sizes["high"] > 720 or sizes["below"] > 0 or sizes["across"] > 1280 or sizes["wide"]
        if too_big or sizes["letters"] < 14:
            wrong[number] = sizes
        page.keyboard.press("ArrowRight")
    assert wrong == {}
    return figures

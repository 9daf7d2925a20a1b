"""Figures in a dark JupyterLab, on a projector and in a narrow window: looked at in build/screenshots, and measured."""

from __future__ import annotations

import json

import pytest

from kdviz.figures import theme
from tests.browser.fixtures import BUILD
from tests.browser.lab import PATIENCE

CELLS = (
    f"import sys\nsys.path.append({str(BUILD.parent)!r})\nfrom tests.browser.test_saved_figures import FIGURES",
    "FIGURES['word_relation'](14)",
    "FIGURES['layer_path'](14)",
    "FIGURES['soft_targets'](5)",
)
# every text of a drawing: its size in pixels and its colour; what stands behind the drawing
TEXTS = """node => [...node.querySelectorAll('svg text')].filter(text => text.textContent.trim() && text.getBoundingClientRect().width)
    .map(text => [parseFloat(getComputedStyle(text).fontSize), text.textContent])"""


@pytest.fixture
def theme_of_lab(lab):
    """Choose a theme as its menu does: in the user's settings, which the kernel reads as well."""
    file = lab.folder / "user" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"

    def choose(name: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"theme": name}))

    yield choose
    file.unlink()


@pytest.mark.parametrize("name", ["light", "dark"])
def test_themes_and_screens(lab, page, shots, theme_of_lab, name):
    theme_of_lab(f"JupyterLab {name.title()}")
    lab.put(f"looks_{name}.ipynb", CELLS)
    lab.run_all(page, f"looks_{name}.ipynb")
    plots = page.locator(".js-plotly-plot")
    page.wait_for_function(
        "() => document.querySelectorAll('.js-plotly-plot[data-keyboard]').length === 3", timeout=PATIENCE
    )
    assert page.locator("body").get_attribute("data-jp-theme-light") == str(name == "light").lower()
    ground = plots.first.locator(".main-svg").first.evaluate("node => getComputedStyle(node).backgroundColor")
    theme.use(name)
    wanted = tuple(int(theme.colour("ground")[k : k + 2], 16) for k in (1, 3, 5))
    theme.use("auto")
    assert ground == f"rgb{wanted}"

    for width, height in ((1280, 720), (800, 700)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1500)
        for place in range(3):
            plot = plots.nth(place)
            plot.scroll_into_view_if_needed()
            page.wait_for_timeout(300)
            page.screenshot(path=shots / f"lab_{name}_{width}_{place}.png")
            sizes = plot.evaluate(TEXTS)
            assert sizes and min(sizes)[0] >= theme.TICK_SIZE, min(sizes)
            assert plot.evaluate("node => node._fullLayout.width") >= 600
            # what does not fit can be scrolled to: nothing is cut off for good
            assert plot.evaluate("""node => { let box = node.parentElement;
                while (box && !(box.scrollWidth > box.clientWidth && /auto|scroll/.test(getComputedStyle(box).overflowX))) box = box.parentElement;
                return Boolean(box) || node.querySelector('.main-svg').getBoundingClientRect().right <= innerWidth; }""")

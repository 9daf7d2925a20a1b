"""JupyterLab with the network cut: explorers and figures by mouse and keyboard, the numbers on screen against numpy."""

from __future__ import annotations

import numpy as np
import pytest

import kdviz as kd
from tests.browser.lab import PATIENCE
from tests.browser.test_saved_figures import READ, WATCH_PAINT
from tests.unit.figures.made import HOSTILE

SENTENCE = "the plot is thin but the acting is not bad at all"
LONGER = "number {} the plot is thin but the acting is not bad at all and i liked every minute of it truly"  # 24 tokens
CELLS = (
    f'''import kdviz as kd
from kdviz.data.task import Task
text = "{SENTENCE}"
toy = Task("toy", ("bad", "good"), {{}})
teacher = kd.load_teacher("minilm")
student = kd.build_student(toy, layers=2, hidden=128, heads=4, vocabulary="full", seed=0)''',
    "kd.explore.word_relations([teacher, student], text)",
    "kd.explore.word_relations([teacher, student], text)",
    "kd.explore.layer_relations([teacher, student], text)",
    "kd.figures.word_relation(kd.encode([teacher, student], text))",
    "kd.figures.attention(kd.encode([student, student], text, attentions=True))",
    'kd.explore.attention(kd.encode(student, text, attentions=True), view="head")',
)


@pytest.fixture
def notebook(lab, page):
    """The little notebook, executed and on screen."""
    lab.put("little.ipynb", CELLS)
    lab.run_all(page, "little.ipynb")
    page.wait_for_function(
        "() => document.querySelectorAll('.js-plotly-plot[data-keyboard]').length === 5", timeout=PATIENCE
    )
    return page


def shown(plot) -> list[np.ndarray]:
    """The visible heatmaps of one drawing on the page."""
    read = READ.replace("()", "node", 1).replace("document.querySelector('.js-plotly-plot')", "node")
    return [np.array(z, dtype=float) for z in plot.evaluate(read)]


def words_of(plot) -> list[str]:
    return plot.evaluate("node => [...node._fullLayout.yaxis.ticktext]")


@pytest.fixture(scope="module")
def models():
    from kdviz.data.task import Task

    toy = Task("toy", ("bad", "good"), {})
    return [kd.load_teacher("minilm"), kd.build_student(toy, layers=2, hidden=128, heads=4, vocabulary="full", seed=0)]


def cosines(models, text, layers) -> list[np.ndarray]:
    """Teacher's, student's and their difference, in plain numpy."""
    found = []
    for states, layer in zip(kd.encode(models, text), layers, strict=True):
        hidden = states.hidden[0, layer].double().numpy()
        unit = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
        found.append(unit @ unit.T)
    return [*found, found[1] - found[0]]


def assert_cosines(plot, models, text, layers) -> None:
    for found, wanted in zip(shown(plot), cosines(models, text, layers), strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_explorers_and_figures_in_jupyterlab(notebook, models, measured, shots):
    page, plots = notebook, notebook.locator(".js-plotly-plot")
    first, second, plain = plots.nth(0), plots.nth(1), plots.nth(3)
    assert_cosines(first, models, SENTENCE, (6, 2))
    assert all(plots.nth(place).get_attribute("aria-label") for place in range(5))

    # the sliders inside figures: by keyboard in an explorer, by mouse and keyboard in a plain figure
    for plot in (first, plain):
        slider = plot.locator("[role=slider][data-control='slider 0']")
        slider.focus()
        assert slider.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
        page.keyboard.press("Home")
        page.wait_for_function("node => node._fullLayout.sliders[0].active === 0", arg=plot.element_handle())
        page.wait_for_timeout(400)
        assert_cosines(plot, models, SENTENCE, (0, 0))
    rail = plain.locator(".slider-rail-touch-rect")
    rail.scroll_into_view_if_needed()
    box = rail.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("node => node._fullLayout.sliders[0].active === 1", arg=plain.element_handle())
    page.wait_for_timeout(400)
    assert_cosines(plain, models, SENTENCE, (3, 1))
    menu = plain.locator("[data-control='menu 0']")
    menu.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(400)
    assert menu.get_attribute("aria-valuetext") == "distance"
    assert shown(plain)[0].max() > 1.5

    # a new sentence reaches its own explorer alone
    box = page.locator("input[placeholder^='type a sentence']").first
    box.fill("a truly good evening")
    box.press("Enter")
    page.wait_for_function("node => node._fullLayout.yaxis.ticktext.includes('evening')", arg=first.element_handle())
    page.wait_for_timeout(500)
    assert_cosines(first, models, "a truly good evening", (6, 2))
    assert_cosines(second, models, SENTENCE, (6, 2))
    for hostile in ("</script><img src=x onerror=alert(1)>", "<b>bold</b> &amp; $x^2$ " + HOSTILE[5]):
        box.fill(hostile)
        box.press("Enter")
        page.wait_for_timeout(1000)
    assert "bold" in words_of(first) and "&lt;" in words_of(first)

    # pickers: a vertex for angles, a word for its layers, by keyboard
    page.locator(".jupyter-widgets").get_by_label("View", exact=True).first.select_option("angles at a word")
    page.wait_for_function("node => node._fullLayout.title.text.startsWith('Angles')", arg=first.element_handle())
    page.locator(".jupyter-widgets").get_by_label("Vertex", exact=True).first.focus()
    before = first.evaluate("node => node._fullLayout.title.text")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("([node, old]) => node._fullLayout.title.text !== old", arg=[first.element_handle(), before])
    handle = page.locator(".widget-slider .noUi-handle").first
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(800)
    assert np.isnan(shown(first)[0]).any()

    page.frame_locator("iframe").locator("svg line").first.wait_for(state="attached")
    page.screenshot(path=shots / "lab.png")
    measure(page, second, measured)


def measure(page, plot, measured) -> None:
    """Enter on a new sentence and a key on a slider -> on screen. Written down, not judged: the machine may be busy."""
    page.locator("input[placeholder^='type a sentence']").nth(1).scroll_into_view_if_needed()
    plot.evaluate(
        """node => {
            window.times = []; let start = 0;
            document.addEventListener("keydown", () => { start = performance.now(); }, true);
            const painted = () => requestAnimationFrame(() => setTimeout(() => window.times.push(performance.now() - start)));
            window.watchPaint = event => node.once(event, painted);
        }"""
    )
    for number in range(10):
        box = page.locator("input[placeholder^='type a sentence']").nth(1)
        box.fill(LONGER.format(number))
        page.evaluate("window.watchPaint('plotly_afterplot')")
        box.press("Enter")
        page.wait_for_function("count => window.times.length === count", arg=number + 1, timeout=PATIENCE)
        page.wait_for_timeout(200)
    measured["sentence_p95_ms"] = round(float(np.percentile(page.evaluate("window.times"), 95)), 1)
    slider = plot.locator("[data-control='slider 0']")
    slider.focus()
    plot.evaluate(WATCH_PAINT)
    for number in range(20):
        page.keyboard.press("ArrowLeft" if number // 2 % 2 == 0 else "ArrowRight")
        page.wait_for_function("count => window.times.length === count", arg=number + 1, timeout=PATIENCE)
        page.wait_for_timeout(50)
    measured["slider_p95_ms"] = round(float(np.percentile(page.evaluate("window.times"), 95)), 1)

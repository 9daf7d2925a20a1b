"""JupyterLab with the network cut: explorers and figures by mouse and keyboard, the numbers on screen against numpy."""

from __future__ import annotations

import numpy as np
import pytest

import kdviz as kd
from tests.browser.lab import PATIENCE
from tests.browser.overlaps import overlaps
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


def wait_cosines(plot, models, text, layers) -> None:
    """A slider's last value reaches the kernel and comes back."""
    for _ in range(100):
        plot.page.wait_for_timeout(100)
        if np.allclose(shown(plot)[0], cosines(models, text, layers)[0], atol=2e-3):
            break
    assert_cosines(plot, models, text, layers)


def test_a_clicked_word_stands_as_bars_and_is_the_vertex(lab, page, models, shots):
    lab.put("words.ipynb", CELLS[:2])
    lab.run_all(page, "words.ipynb")
    plot = page.locator(".js-plotly-plot")
    plot.locator(".bars").first.wait_for(timeout=PATIENCE)
    for width, height in ((1000, 900), (1280, 720)):
        page.set_viewport_size({"width": width, "height": height})
        plot.scroll_into_view_if_needed()
        page.wait_for_timeout(1000)
        page.screenshot(path=shots / f"explorer_{width}.png")
    assert overlaps(plot) == []
    top = page.locator(".jp-OutputArea-output .jupyter-widgets").first.bounding_box()["y"]
    assert plot.bounding_box()["y"] + plot.bounding_box()["height"] - top < 600  # below the bars of a lab of 720

    def click(label: str, panel: int = 0) -> None:
        """Press on the label of a word: left of the first panel, else below a panel."""
        axis = "ytick" if panel == 0 else f"x{panel + 1}tick"
        box = plot.locator(f".{axis} text", has_text=label).first.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_function(
            "([node, word]) => node._fullLayout.title.text.includes(`“${word}”`)", arg=[plot.element_handle(), label]
        )

    click("thin")
    heights = plot.evaluate(
        "node => node._fullData.filter(trace => trace.type === 'bar').map(trace => Array.from(trace.y))"
    )
    place = words_of(plot).index("thin")
    for bars, wanted in zip(heights, cosines(models, SENTENCE, (6, 2)), strict=True):
        np.testing.assert_allclose(np.delete(bars, place), np.delete(wanted[place], place), atol=2e-3)
    click("bad", panel=1)
    page.locator(".jupyter-widgets").get_by_label("View", exact=True).select_option("angles at the word")
    page.wait_for_function(
        "node => node._fullLayout.title.text.startsWith('Angles at “bad”')", arg=plot.element_handle()
    )
    row = plot.locator(".heatmaplayer").first.bounding_box()
    page.mouse.click(row["x"] + row["width"] * 0.4, row["y"] + row["height"] * 2.5 / len(words_of(plot)))  # a cell
    page.wait_for_function(
        "node => node._fullLayout.title.text.startsWith('Angles at “plot”')", arg=plot.element_handle()
    )
    assert np.isnan(shown(plot)[0][2]).all()

    page.locator(".jupyter-widgets").get_by_label("View", exact=True).select_option("cosine")
    page.wait_for_function(  # an answer of the kernel that comes while one types would empty the box
        "node => !node._fullLayout.title.text.startsWith('Angles')", arg=plot.element_handle()
    )
    box = page.locator("input[placeholder^='a second sentence']")
    box.fill("the plot thickens")
    box.press("Enter")
    page.wait_for_function("node => node._fullLayout.yaxis4?.ticktext?.includes('thick')", arg=plot.element_handle())
    for found, text in zip(shown(plot)[::2], (SENTENCE, "the plot thickens"), strict=True):
        np.testing.assert_allclose(found, cosines(models, text, (6, 2))[0], atol=2e-3)
    assert "“plot” (" in plot.evaluate("node => node._fullLayout.title.text")  # the same word in both
    click("the", panel=2)
    page.wait_for_timeout(500)
    page.screenshot(path=shots / "explorer_two.png")
    assert overlaps(plot) == []


def test_explorers_and_figures_in_jupyterlab(notebook, models, measured, shots):
    page, plots = notebook, notebook.locator(".js-plotly-plot")
    first, second, plain = plots.nth(0), plots.nth(1), plots.nth(3)
    assert_cosines(first, models, SENTENCE, (6, 2))
    assert all(plots.nth(place).get_attribute("aria-label") for place in range(5))

    # the layer: by keyboard in an explorer, by mouse and keyboard in a plain figure
    page.locator(".widget-slider .noUi-handle").first.focus()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    wait_cosines(first, models, SENTENCE, (0, 0))
    slider = plain.locator("[role=slider][data-control='slider 0']")
    slider.focus()
    assert slider.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    page.keyboard.press("Home")
    page.wait_for_function("node => node._fullLayout.sliders[0].active === 0", arg=plain.element_handle())
    page.wait_for_timeout(400)
    assert_cosines(plain, models, SENTENCE, (0, 0))
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
    assert_cosines(first, models, "a truly good evening", (0, 0))
    assert_cosines(second, models, SENTENCE, (6, 2))
    for hostile in ("</script><img src=x onerror=alert(1)>", "<b>bold</b> &amp; $x^2$ " + HOSTILE[5]):
        box.fill(hostile)
        box.press("Enter")
        page.wait_for_timeout(1000)
    assert "bold" in words_of(first) and "&lt;" in words_of(first)

    # pickers: a vertex for angles, a word for its layers, by keyboard
    page.locator(".jupyter-widgets").get_by_label("View", exact=True).first.select_option("angles at the word")
    page.wait_for_function("node => node._fullLayout.title.text.startsWith('Angles')", arg=first.element_handle())
    page.locator(".jupyter-widgets").get_by_label("Word", exact=True).first.focus()
    before = first.evaluate("node => node._fullLayout.title.text")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("([node, old]) => node._fullLayout.title.text !== old", arg=[first.element_handle(), before])
    handle = page.locator(".widget-slider .noUi-handle").nth(1)
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
    slider = page.locator(".widget-slider .noUi-handle").nth(2)
    slider.focus()
    plot.evaluate(WATCH_PAINT)
    for number in range(20):
        page.keyboard.press("ArrowLeft" if number // 2 % 2 == 0 else "ArrowRight")
        page.wait_for_function("count => window.times.length === count", arg=number + 1, timeout=PATIENCE)
        page.wait_for_timeout(50)
    measured["slider_p95_ms"] = round(float(np.percentile(page.evaluate("window.times"), 95)), 1)


def test_an_explorer_whose_first_sentence_is_empty_draws_the_next_and_one_of_writers_the_next_word(lab, page):
    rows = '{"prompt": ["3+4=", "8+8="], "completion": ["7", "16"]}'
    cells = (
        f"import kdviz as kd, pandas as pd\nrows = pd.DataFrame({rows})",
        'task = kd.load_task(train=rows, dev=rows, test=rows, kind="language-modelling", tokenizer="characters")',
        'kd.explore.word_relations(kd.load_teacher("minilm"), "")',
        'kd.explore.next_words(kd.build_student(task, layers=2, hidden=16, heads=2), "3+4=")',
    )
    lab.put("first.ipynb", cells)
    lab.run_all(page, "first.ipynb")
    empty, writer = page.locator(".jp-OutputArea-output .widget-vbox").all()
    assert "The sentence is empty" in empty.locator("[role=alert]").inner_text().replace("\xa0", " ")
    empty.locator("input[type=text]").first.fill("not bad")
    empty.locator("input[type=text]").first.press("Enter")
    empty.locator(".js-plotly-plot .heatmaplayer").first.wait_for(timeout=PATIENCE, state="attached")
    assert words_of(empty.locator(".js-plotly-plot")) == ["[CLS]", "not", "bad", "[SEP]"]
    bars = writer.locator(".js-plotly-plot .bars .point")
    count, plot = bars.count(), writer.locator(".js-plotly-plot")
    assert count > 10 and plot.evaluate("node => node._fullLayout.sliders[0].steps.length") == 5
    writer.locator("input[type=text]").first.fill("3+48")
    writer.locator("input[type=text]").first.press("Enter")
    page.wait_for_function("node => /4 8/.test(node.textContent.replace(/\\u00a0/g, ' '))", arg=plot.element_handle())

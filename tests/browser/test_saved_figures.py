"""Every figure as a saved page, opened from disk with no network: drawn, moved by mouse and by keyboard, literal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

import kdviz as kd
from tests.browser.axe import hindrances
from tests.unit.figures.made import HOSTILE, asked_states, drawn, make_states, writing_states

PLOT = "document.querySelector('.js-plotly-plot')"
READ = f"""() => {PLOT}._fullData.filter(trace => trace.visible === true && trace.type === 'heatmap')
    .map(trace => Array.from(trace.z, row => Array.from(row, value => Number.isFinite(value) ? value : null)))"""


def pair(tokens=12, layers=2, heads=4):
    return [
        make_states(tokens=tokens, heads=12),
        make_states("student", tokens=tokens, layers=layers, width=8, seed=1, heads=heads),
    ]


def frames(tokens):
    return [make_states("student", tokens=tokens, layers=2, width=8, seed=seed) for seed in range(4)]


FIGURES = {
    "word_relation": lambda tokens: kd.figures.word_relation(pair(tokens)),
    "word_angles": lambda tokens: kd.figures.word_angles(pair(tokens), 1),
    "layer_relation": lambda tokens: kd.figures.layer_relation(pair(tokens), 1),
    "layer_path": lambda tokens: kd.figures.layer_path(pair(tokens)),
    "attention": lambda tokens: kd.figures.attention(pair(tokens)),
    "replay": lambda tokens: kd.figures.replay(range(0, 40, 10), frames(tokens), make_states(tokens=tokens)),
    "spans": lambda tokens: kd.figures.spans([asked_states(tokens), asked_states(tokens, "student", seed=1)], (0, 0)),
    "coloured_text": lambda tokens: kd.figures.coloured_text(
        [writing_states(tokens=tokens), writing_states("student", tokens=tokens, seed=1)]
    ),
    "soft_targets": lambda tokens: kd.figures.soft_targets([np.arange(12.0)], list(HOSTILE[:12]), names=["teacher"]),
}
PICTURES = "[...graph.querySelectorAll('.heatmaplayer image')].map(image => image.href.baseVal)"
# the same data drawn afresh beside the page: what the pictures must come to be, however slow the machine
AFRESH = f"""async () => {{
    const graph = document.createElement('div'), shown = {PLOT};
    Object.assign(graph.style, {{ position: 'absolute', left: '-9999px' }});
    document.body.append(graph);
    await Plotly.newPlot(graph, shown.data, {{ ...shown.layout, width: shown._fullLayout.width, height: shown._fullLayout.height }});
    const pictures = {PICTURES};
    Plotly.purge(graph);
    graph.remove();
    return pictures;
}}"""
ARE_SHOWN = f"wanted => {{ const graph = {PLOT}; return JSON.stringify({PICTURES}) === JSON.stringify(wanted); }}"
# event -> the pictures have changed -> the frame with them is on screen; times are collected in window.times
WATCH_PAINT = """node => {
    window.times = []; let start = null;
    document.addEventListener('keydown', () => { start = performance.now(); }, true);
    new MutationObserver(() => {
        if (start === null) return;
        const since = start;
        start = null;
        requestAnimationFrame(() => setTimeout(() => window.times.push(performance.now() - since)));
    }).observe(node.querySelector('.heatmaplayer'), { subtree: true, childList: true, attributes: true });
}"""
every_figure = pytest.mark.parametrize("name", FIGURES)


@pytest.fixture
def opened(page, tmp_path):
    """Open a figure as its saved page."""

    def open_(figure):
        page.goto(kd.save(figure, tmp_path / "figure.html", share_script=True).as_uri())
        page.wait_for_function(f"() => {PLOT} && {PLOT}._fullLayout && document.querySelector('.main-svg .gtitle')")
        return page

    return open_


def shown(page) -> list[np.ndarray]:
    return [np.array(z, dtype=float) for z in page.evaluate(READ)]


def assert_shows(page, figure, step: int, view: int) -> None:
    """The browser's visible heatmaps hold what the figure says of that step and menu entry."""
    menu = figure.layout.updatemenus[0] if figure.layout.updatemenus else None
    visible = menu.buttons[view].args[0]["visible"] if menu else [True] * len(figure.data)
    expected = [array for array, on in zip(drawn(figure, step), visible, strict=True) if on]
    for _ in range(50):  # a busy machine takes its time
        found = shown(page)
        if all(
            a.shape == b.shape and np.allclose(a, b, rtol=1e-6, equal_nan=True)
            for a, b in zip(found, expected, strict=True)
        ):
            break
        page.wait_for_timeout(100)
    for one, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, wanted, rtol=1e-6)
    pictures = page.evaluate(AFRESH)
    assert pictures
    page.wait_for_function(ARE_SHOWN, arg=pictures)  # drawn, not only taken note of


@every_figure
def test_drawn_without_network(opened, shots, name):
    page = opened(FIGURES[name](12))
    assert page.locator(".main-svg").first.bounding_box()["height"] > 300
    assert hindrances(page) == []
    page.screenshot(path=shots / f"{name}.png", full_page=True)


@pytest.mark.parametrize("name", ["word_relation", "attention", "replay", "word_angles"])
def test_the_mouse_moves_the_slider_to_every_step(opened, name):
    figure = FIGURES[name](8)
    page = opened(figure)
    page.locator(".slider-rail-touch-rect").scroll_into_view_if_needed()
    rail = page.locator(".slider-rail-touch-rect").bounding_box()
    steps = len(figure.frames)
    view = figure.layout.updatemenus[0].active if figure.layout.updatemenus else 0
    for step in [*range(steps), 0]:
        inset = 12
        x = rail["x"] + inset + (rail["width"] - 2 * inset) * step / (steps - 1)
        page.mouse.click(x, rail["y"] + rail["height"] / 2)
        page.wait_for_function(f"step => {PLOT}._fullLayout.sliders[0].active === step", arg=step)
        page.wait_for_timeout(150)
        assert_shows(page, figure, step, view)


@pytest.mark.parametrize("name", ["word_relation", "replay"])
def test_slider_and_menu_keep_each_others_choice(opened, name):
    figure = FIGURES[name](8)
    page = opened(figure)
    slider, menu = page.locator("[role=slider][data-control='slider 0']"), page.locator("[data-control='menu 0']")
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(200)
    for view in (0, 1, 2):
        page.locator(".updatemenu-header").first.click()
        page.locator(".updatemenu-dropdown-button").nth(view).click()
        page.wait_for_timeout(300)
        assert_shows(page, figure, 0, view)
        assert menu.get_attribute("aria-valuenow") == str(view)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    assert_shows(page, figure, 1, 2)


def reach_all(page) -> dict[str, str]:
    """Tab through the page: each control's role, name and outline while it has the focus."""
    reached = {}
    page.evaluate("() => document.activeElement.blur()")
    for _ in range(page.locator("[data-control]").count() + 12):
        page.keyboard.press("Tab")
        found = page.evaluate("""() => { const node = document.activeElement;
            return node.dataset.control && [node.dataset.control, [node.getAttribute('role'), node.getAttribute('aria-label'),
                                                                  getComputedStyle(node).outlineStyle]]; }""")
        if found:
            reached[found[0]] = tuple(found[1])
    return reached


@pytest.mark.parametrize(
    ("name", "controls"),
    [
        ("word_relation", {"slider 0": ("slider", "layer (teacher ↔ student)"), "menu 0": ("slider", "view")}),
        ("word_angles", {"slider 0": ("slider", "layer (teacher ↔ student)"), "menu 0": ("slider", "vertex")}),
        ("layer_relation", {"menu 0": ("slider", "word")}),
        ("attention", {"slider 0": ("slider", "layer (teacher ↔ student)")}),
        (
            "replay",
            {
                "slider 0": ("slider", "training step"),
                "menu 0": ("slider", "layer"),
                "menu 1 button 0": ("button", "▶ play"),
                "menu 1 button 1": ("button", "❚❚ pause"),
            },
        ),
        ("soft_targets", {"slider 0": ("slider", "temperature τ")}),
        ("layer_path", {"legend 0": ("button", "0: [CLS]")}),
    ],
)
def test_the_keyboard_reaches_every_control_by_its_name(opened, name, controls):
    page = opened(FIGURES[name](8))
    assert reach_all(page) == {control: (*words, "solid") for control, words in controls.items()}


def test_the_keyboard_works_slider_and_menu(opened):
    figure = FIGURES["word_relation"](8)
    page = opened(figure)
    menu, slider = page.locator("[data-control='menu 0']"), page.locator("[data-control='slider 0']")
    menu.focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_function(f"() => {PLOT}._fullLayout.updatemenus[0].active === 1")
    assert menu.get_attribute("aria-valuetext") == "distance"
    assert page.evaluate("() => document.activeElement.dataset.control") == "menu 0"
    assert_shows(page, figure, 2, 1)
    slider.focus()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")  # faster than they are drawn: the last one counts
    page.wait_for_function("() => document.activeElement.getAttribute('aria-valuenow') === '0'")
    assert slider.get_attribute("aria-valuetext") == "0"
    assert_shows(page, figure, 0, 1)


def test_every_menu_and_slider_of_any_figure_is_a_control(opened):
    """Two menus and two sliders with the methods that a reader's own figure may use."""

    def steps(name):
        return [
            {"label": f"{name} {size}", "method": "restyle", "args": [{f"marker.{name}": size}]} for size in (6, 12)
        ]

    figure = go.Figure(
        go.Scatter(x=[1, 2], y=[1, 2], mode="markers"), layout={"meta": {"alt": "dots"}, "title": "dots"}
    )
    figure.update_layout(
        sliders=[{"steps": steps("size"), "y": 0}, {"steps": steps("opacity"), "y": -0.3}],
        updatemenus=[{"buttons": steps("size"), "y": 1.2}, {"buttons": steps("line.width"), "name": "line", "y": 1}],
    )
    page = opened(figure)
    assert set(reach_all(page)) == {"slider 0", "slider 1", "menu 0", "menu 1"}
    for control, read in (("slider 1", "marker.opacity"), ("slider 0", "marker.size"), ("menu 1", "marker.line.width")):
        page.locator(f"[data-control='{control}']").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"() => {PLOT}.data[0].{read} === 12")
    assert page.get_by_label("line", exact=True).get_attribute("aria-valuetext") == "line.width 12"


def test_play_and_pause_by_keyboard(opened):
    film = [make_states("student", tokens=8, layers=2, width=8, seed=seed) for seed in range(25)]  # ten seconds of it
    figure = kd.figures.replay(range(25), film, make_states(tokens=8))
    page = opened(figure)
    page.get_by_role("button", name="play").focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => {PLOT}._fullLayout.sliders[0].active >= 1")
    page.get_by_role("button", name="pause").focus()
    page.keyboard.press(" ")
    page.wait_for_timeout(600)
    at = page.evaluate(f"() => {PLOT}._fullLayout.sliders[0].active")
    page.wait_for_timeout(900)
    assert at == page.evaluate(f"() => {PLOT}._fullLayout.sliders[0].active") < 24
    assert_shows(page, figure, at, 2)
    page.locator("[data-control='slider 0']").focus()  # a hand on the slider while it plays stops it
    page.get_by_role("button", name="play").press("Enter")
    page.locator("[data-control='slider 0']").press("Home")
    page.wait_for_timeout(900)
    assert_shows(page, figure, 0, 2)


def test_the_keyboard_hides_words_in_the_legend(opened):
    page = opened(FIGURES["layer_path"](8))
    page.locator("[data-control='legend 0']").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "1: word0"
    page.keyboard.press(" ")
    hidden = f"() => {PLOT}._fullData.filter(trace => trace.visible === 'legendonly').map(trace => trace.legendgroup)"
    assert page.evaluate(hidden) == ["1", "1"]  # the word's path in both panels
    assert page.evaluate("() => document.activeElement.getAttribute('aria-pressed')") == "false"
    page.keyboard.press("Enter")
    assert page.evaluate(hidden) == []


def test_plotlys_own_buttons_are_seen_when_they_have_the_focus(opened):
    page = opened(FIGURES["word_relation"](8))
    page.get_by_role("button", name="Download plot as a PNG").focus()
    page.wait_for_function("() => getComputedStyle(document.querySelector('.modebar')).opacity === '1'")


@every_figure
def test_hostile_tokens_are_shown_literally_and_run_nothing(opened, shots, name):
    page = opened(FIGURES[name](HOSTILE))
    if page.locator(".updatemenu-header").count():
        page.locator(".updatemenu-header").first.click()
        page.wait_for_timeout(150)
    texts = page.evaluate("() => [...document.querySelectorAll('svg text')].map(node => node.textContent)")
    for token in ("<b>bold</b>", "&amp;", "שלום", "a␀b", "$x^2$"):
        assert any(token in text for text in texts), token
    assert page.locator("svg a, svg img, img").count() == 0
    page.screenshot(path=shots / f"{name}_hostile.png", full_page=True)


def named_figures(bad) -> dict[str, list[go.Figure]]:
    """Figures that take names of classes, models, groups and methods, or texts, by the function that draws them."""
    f, line = kd.figures, np.linspace(0, 1, 4)
    lines = dict.fromkeys(bad, line)
    return {
        "best_of_draws": [f.best_of_draws(lines)],
        "choices": [f.choices(line[: len(bad[:4])], -line[: len(bad[:4])], bad[:4], 1, bad[0])],
        "schedule": [f.schedule(line, lines, title=bad[0], x_title=bad[1], y_title=bad[2])],
        "doubts": [f.doubts(np.full((4, 4), 0.25), bad[:4])],
        "growing_teacher": [f.growing_teacher([1, 2], [0.5, 1], line, [line, line], bad[:4])],
        "logit_path": [f.logit_path(line, line, {name: np.stack([line] * 4) for name in bad}, (0, 1), bad[:4])],
        "curves": [
            f.curves(line, {name: [line, line + 0.1] for name in bad}, title=bad[0], x_title=bad[1], y_title=bad[2])
        ],
        "checkpoint_search": [f.checkpoint_search(range(4), line, {name: [line] for name in bad})],
        "sample_weights": [
            f.sample_weights(range(4), np.full((5, 4), 0.5), {name: np.ones(5, bool) for name in bad}, name=bad[0])
        ],
        "memorised": [f.memorised(range(4), {name: np.zeros((2, 4), int) for name in bad}, [1, 1], [0, 0])],
        "landscape": [
            f.landscape(line, lines, title=bad[0]),
            f.landscape(line, {name: np.outer(line, line) for name in bad}, title=bad[0]),
        ],
        "probe_accuracy": [f.probe_accuracy(lines)],
        "brought_nearer": [f.brought_nearer({name: dict.fromkeys(bad, 0.5) for name in bad})],
        "factor_shapes": [
            f.factor_shapes(
                [{"a": (1, 1), "b": (2, 2), "parameters": 5, "flops": 9, "error": 0.1, "sigma": line[::-1] + 1}],
                of=bad[0],
            )
        ],
        "picked_share": [f.picked_share([(1, [1, 1, 1, 1, 1])], bad)],
        "picked_copies": [f.picked_copies(bad[0], bad, [1, 2], np.ones((2, 5)), 1)],
        "rewrites": [f.rewrites([1, 2], [HOSTILE] * 2, [HOSTILE[::-1]] * 2)],
        "tradeoff": [
            f.tradeoff(dict.fromkeys(bad, 1.0), dict.fromkeys(bad, (0.5, 0.4, 0.6)), x_title=bad[0], y_title=bad[1])
        ],
        "measured": [f.measured(costs(bad))],
        "mode_mass": [f.mode_mass(dict.fromkeys(bad, 0.2), {k: dict.fromkeys(bad, 0.2 + k / 9) for k in (0, 1)})],
        "next_words": [f.next_words(bad, np.full((2, 5, 5), 0.2), bad)],
        "accepted_drafts": [f.accepted_drafts({name: (np.eye(4), np.eye(4) / 2) for name in bad})],
        "drafted_text": [f.drafted_text(bad, [True] * len(bad))],
        "kept_and_lost": [
            f.kept_and_lost({name: [(name, 4, 0.1), (name, 40, [0.2, 0.3])] for name in bad}, y_title=bad[0])
        ],
    }


def costs(names) -> pd.DataFrame:
    """What kd.measure would say of some models, each ten times as large and slow as the one before."""
    size = 10.0 ** np.arange(len(names))
    known = {"accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6}
    return pd.DataFrame({"megabytes": size, "ms_1": size, "ms_1_spread": size / 9, **known}, index=list(names))


NO_NAMES = {"disagreement", "layer_attention", "values"}  # take numbers alone, or show names when pointed at
NO_FIGURES = {"save", "table", "theme"}


def test_every_figure_meets_hostile_text():
    met = set(FIGURES) | set(named_figures(HOSTILE[1:6])) | NO_NAMES | NO_FIGURES
    assert met == set(kd.figures.__all__), "put a new figure among FIGURES or named_figures"


def test_hostile_names_in_every_other_figure(page, tmp_path, shots):
    """All figures that take any name, on one page."""
    f = kd.figures
    figures = [figure for made in named_figures(HOSTILE[1:6]).values() for figure in made]
    kd.save(figures[0], tmp_path / "script_only.html", share_script=True)
    parts = [
        figure.to_html(full_html=False, include_plotlyjs=False, auto_play=False) + str(f.table(figure))
        for figure in figures
    ]
    (tmp_path / "all.html").write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><script src="plotly.min.js"></script>{"".join(parts)}', encoding="utf-8"
    )
    page.goto((tmp_path / "all.html").as_uri())
    page.wait_for_function(
        "count => document.querySelectorAll('.js-plotly-plot .gtitle').length === count", arg=len(figures)
    )
    page.locator("summary").evaluate_all("nodes => nodes.forEach(node => node.click())")
    assert page.locator("svg a, img, table a").count() == 0
    assert page.locator("table", has_text="<b>bold</b>").count() >= 5
    for plot in page.locator(".js-plotly-plot").all():
        texts = plot.evaluate("node => [...node.querySelectorAll('svg text')].map(text => text.textContent)")
        assert any(token in text for token in ("</script>", "</scr") for text in texts), texts
    page.screenshot(path=shots / "hostile_names.png", full_page=True)


def test_hover_names_both_words_and_the_value(opened):
    figure = kd.figures.word_relation(make_states(tokens=HOSTILE))
    page = opened(figure)
    page.locator("[data-control='slider 0']").press("Home")
    page.wait_for_function(f"() => {PLOT}._fullLayout.sliders[0].active === 0")
    box = page.locator(".nsewdrag").first.bounding_box()
    n = len(HOSTILE)
    page.mouse.move(box["x"] + box["width"] * 2.5 / n, box["y"] + box["height"] * 1.5 / n)
    page.wait_for_selector(".hoverlayer text")
    text = page.locator(".hoverlayer").text_content()
    assert "</script><img…" in text and "<b>bold</b>" in text
    assert f"{drawn(figure, 0)[0][1, 2]:.3f}".replace("-", "−") in text.replace("-", "−")


def test_alt_text_and_table_are_there_for_a_screen_reader(opened):
    figure = FIGURES["word_relation"](8)
    page = opened(figure)
    assert page.get_by_role("group", name=figure.layout.meta["alt"]).count() == 1
    page.get_by_text("Data of this figure as tables").click()
    assert page.get_by_role("table").count() == 3


def test_two_figures_on_one_page_are_independent(page, tmp_path):
    first, second = FIGURES["word_relation"](8), FIGURES["word_relation"](6)
    kd.save(first, tmp_path / "script_only.html", share_script=True)
    parts = [figure.to_html(full_html=False, include_plotlyjs=False, auto_play=False) for figure in (first, second)]
    (tmp_path / "two.html").write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><script src="plotly.min.js"></script>{"".join(parts)}', encoding="utf-8"
    )
    page.goto((tmp_path / "two.html").as_uri())
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot .gtitle').length === 2")
    rail = page.locator(".slider-rail-touch-rect").first
    box = rail.bounding_box()
    page.mouse.click(box["x"] + 8, box["y"] + box["height"] / 2)
    page.wait_for_timeout(300)
    states = page.evaluate(
        "() => [...document.querySelectorAll('.js-plotly-plot')].map(p => p._fullLayout.sliders[0].active)"
    )
    assert states == [0, 2]


def test_slider_to_paint(opened, measured):
    """Measured, not judged here: the machine may be busy. 24 tokens, 7 layers, two models."""
    page = opened(kd.figures.word_relation(pair(24, layers=6)))
    page.locator("[data-control='slider 0']").focus()
    page.locator(".js-plotly-plot").evaluate(WATCH_PAINT)
    for press in range(40):
        page.keyboard.press("ArrowLeft" if (press // 6) % 2 == 0 else "ArrowRight")
        page.wait_for_function("count => window.times.length === count", arg=press + 1)
        page.wait_for_timeout(50)
    measured["page_slider_p95_ms"] = round(float(np.percentile(page.evaluate("window.times"), 95)), 1)

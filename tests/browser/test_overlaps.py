"""Nothing over anything: boxes of all texts and controls of every figure, measured in windows of three widths."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import kdviz as kd
from kdviz.figures.runs import comparison_figure, history_figure
from tests.browser.overlaps import overlaps
from tests.browser.test_saved_figures import FIGURES, NO_FIGURES, named_figures

WIDTHS = (700, 1000, 1400)
METHODS = ["labels only", "KD", "CKD, relations first", "TinyBERT", "MiniLM"]
TEXT = "the plot is thin but the acting is not bad at all".split()


def history() -> pd.DataFrame:
    steps = np.arange(300)
    names = ("logits", "labels", "word_pair", "layer_triple")
    terms = {name: np.exp(-steps / 100) * 10.0**-k for k, name in enumerate(names)}
    dev = np.where(steps % 100 == 99, 0.5, np.nan)
    phases = np.where(steps < 100, "relations", "distil")
    rows = {"step": steps, "epoch": 0, "phase": phases, "lr": 0.1, "loss": 1.0}
    return pd.DataFrame(rows | terms | {"dev_accuracy": dev})


def methods() -> pd.DataFrame:
    rows = {"method": METHODS, "split": "test", "mean": np.linspace(0.4, 0.6, 5), "low": 0.35, "high": 0.65, "runs": 8}
    return pd.DataFrame(rows)


def every() -> dict:
    """Figures as lessons draw them, with ordinary words; long texts where they change the layout."""
    made = {name: [lambda make=make: make(["[CLS]", *TEXT, "[SEP]"])] for name, make in FIGURES.items()}
    for name, count in {"word_relation": 40, "layer_path": 40, "attention": 40, "soft_targets": 12}.items():
        made[name].append(lambda make=FIGURES[name], count=count: make([f"word{k}" for k in range(count)]))
    for name, figures in named_figures(METHODS).items():
        made[name] = [lambda figure=figure: figure for figure in figures]
    made["rewrites"] = [lambda: kd.figures.rewrites([1, 2], [TEXT] * 2, [TEXT, TEXT[::-1]])]
    climbs = np.arange(60) % 10 < 4
    made["disagreement"] = [lambda: kd.figures.disagreement(range(60), 1 + np.sin(np.arange(60)), np.ones(60), climbs)]
    made["layer_attention"] = [lambda: kd.figures.layer_attention([(k, np.full((2, 6), 1 / 6)) for k in range(30)])]
    endings = [
        "Paula did not see any bee.",
        "Paula saw an animal.",
        "Hugo saw a fish.",
        "Hugo never saw a fish at all, he said.",
    ]
    beginning = "Paula did not see any beetle, and Hugo did not see any animal, so"
    made["choices"] = [lambda: kd.figures.choices([2.0, 0.0, 1.0, 0.5], [1.0, 3.0, 0.0, 0.0], endings, 3, beginning)]
    made["values"] = [lambda: kd.figures.values(np.arange(40.0), np.sin(np.arange(40.0)), [*TEXT * 40][:40])]
    made["run.plot"] = [lambda: history_figure(history(), "CKD, relations first")]
    made["compare.plot"] = [lambda: comparison_figure(methods(), "test")]
    return made


@pytest.mark.parametrize("name", every())
def test_nothing_covers_anything(page, tmp_path, name):
    wrong = {}
    for number, make in enumerate(every()[name]):
        file = kd.save(make(), tmp_path / f"{number}.html", share_script=True)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(file.as_uri())
            page.wait_for_selector(".main-svg .gtitle")
            page.wait_for_timeout(100)
            wrong[number, width] = overlaps(page.locator(".js-plotly-plot"))
    assert wrong == dict.fromkeys(wrong, [])


def test_every_figure_is_measured():
    assert set(kd.figures.__all__) - NO_FIGURES == set(every()) - {"run.plot", "compare.plot"}


def test_what_covers_or_leaves_is_found(page, tmp_path):
    figure = kd.figures.curves([0, 1], {"a": [[0, 1]]}, title="A title", x_title="x")
    place = {"xref": "paper", "yref": "paper", "xanchor": "left", "showarrow": False}
    figure.add_annotation(place, text="over the title", x=0, y=1.16)
    figure.add_annotation(place, text="half outside of it", x=1, y=0.5)
    steps = [{"label": label, "method": "relayout", "args": [{}]} for label in "ab"]
    figure.update_layout(sliders=[{"steps": steps, "y": 0.6}])
    page.goto(kd.save(figure, tmp_path / "wrong.html").as_uri())
    page.wait_for_selector(".main-svg .gtitle")
    found = " ".join(overlaps(page.locator(".js-plotly-plot")))
    for words in ("'over the title' covers title 'A title'", "'half outside of it' leaves", "covers slider"):
        assert words in found

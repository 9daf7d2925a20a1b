"""How a run went: every term can be read; how runs compare: what the table says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import kdviz as kd
from kdviz.figures.runs import comparison_figure, history_figure


def history(steps=200, **terms):
    rows = {"step": range(steps), "epoch": 0, "phase": ["a"] * (steps // 2) + ["b"] * (steps - steps // 2), "lr": 0.1}
    return pd.DataFrame(rows | {"loss": 1.0, "grad_norm": 1.0} | terms)


def test_terms_of_any_size_have_a_panel_and_a_scale_of_their_own():
    steps = np.arange(200)
    labels = np.where(steps % 50 == 7, 0.0, 2.0)  # batches in which no text has a label
    dev = np.where(steps % 100 == 99, 0.3 + steps / 1000, np.nan)
    figure = history_figure(
        history(labels=labels, tiny=1e-5 + steps * 1e-7, never=np.nan, dev_accuracy=dev), "<b>KD</b>"
    )
    assert [trace.name for trace in figure.data] == ["labels", "tiny", "never", "dev accuracy"]
    assert [trace.yaxis for trace in figure.data] == ["y", "y2", "y3", "y4"]
    layout = figure.layout
    for axis in (layout.yaxis, layout.yaxis2, layout.yaxis3, layout.yaxis4):
        assert axis.type is None and axis.rangemode == "tozero" and axis.range is None
    smooth = pd.Series(labels).rolling(4, min_periods=1).mean()
    np.testing.assert_allclose(figure.data[0].y, smooth, rtol=1e-3)
    np.testing.assert_allclose(figure.data[3].y, [0.399, 0.499], rtol=1e-3)  # as it was measured, not smoothed
    texts = [note.text for note in layout.annotations]
    assert {"labels", "tiny", "never", "dev accuracy", "a", "b"} < set(texts)
    assert [line.x0 for line in layout.shapes] == [0] * 4 + [100] * 4  # in every panel
    assert "highest, 0.499, after step 199" in layout.meta["alt"] and "&lt;b&gt;KD" in layout.title.text
    assert layout.xaxis4.title.text == "training step" and len(figure.to_json()) < 100_000


def test_names_of_phases_do_not_cover_each_other_and_long_runs_stay_small():
    frame = history(20_000, **{f"term {k}": np.random.default_rng(k).random(20_000) for k in range(8)})
    frame.loc[:40, "phase"] = "a phase of forty steps"
    figure = history_figure(frame, "KD")
    assert len(figure.data[0].x) == 400 and figure.data[0].x[-1] == 19_999
    assert len(figure.to_json()) <= 300_000 and figure.layout.height < 760
    texts = [note.text for note in figure.layout.annotations]
    assert "a phase of forty steps" not in texts and "a" in texts and "b" in texts
    alone = history_figure(
        history(4, ce=1.0, dev_accuracy=[np.nan, np.nan, np.nan, 0.3]).assign(phase="a"), "KD"
    ).layout
    assert alone.yaxis2.range == (0, 1) and not alone.shapes
    with pytest.raises(ValueError, match="no steps"):
        history_figure(frame.iloc[:0], "KD")


ROWS = [
    {"method": "KD", "split": "test", "mean": 0.5, "low": 0.4, "high": 0.6, "runs": 3},
    {"method": "<b>CKD</b>", "split": "test", "mean": 0.6, "low": 0.55, "high": 0.65, "runs": 3},
    {"method": "KD", "split": "dev", "mean": 0.1, "low": 0.1, "high": 0.1, "runs": 3},
]


def test_methods_are_dots_with_intervals_the_best_on_top():
    figure = comparison_figure(pd.DataFrame(ROWS), "test")
    (dots,) = figure.data
    np.testing.assert_allclose(dots.x, [50, 60])
    np.testing.assert_allclose([dots.error_x.array, dots.error_x.arrayminus], [[10, 5], [10, 5]])
    assert (
        list(figure.layout.yaxis.ticktext) == ["KD", "&lt;b&gt;CKD&lt;/b&gt;"] and "paired" in figure.layout.title.text
    )
    assert "highest is <b>CKD</b> with 60.0 %" in figure.layout.meta["alt"]


def test_paired_differences_are_drawn_around_zero_with_their_verdict():
    rng = np.random.default_rng(0)
    rows = [
        {"method": name, "task": "t", "seed": seed, "test": 0.5 + gain + 0.01 * rng.normal()}
        for name, gain in (("KD", 0), ("CKD", 0.1), ("labels", -0.1))
        for seed in range(5)
    ]
    figure = kd.compare(pd.DataFrame(rows), paired="KD").plot()
    dots, layout = figure.data[0], figure.layout
    assert dots.x[0] < -5 < 5 < dots.x[1] and list(layout.yaxis.ticktext) == ["labels", "CKD"]
    assert layout.shapes[0].x0 == 0 and "minus KD" in layout.title.text and "more than KD" in layout.xaxis.title.text
    assert [list(one) for one in dots.customdata] == [[5, "the opposite is seen"], [5, "seen here"]]
    assert "CKD +" in layout.meta["alt"] and "(seen here)" in layout.meta["alt"]

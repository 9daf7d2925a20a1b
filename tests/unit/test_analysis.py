"""Statistics: against their definitions, against values worked out elsewhere, and at their edges."""

from __future__ import annotations

import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import kdviz as kd
from kdviz import analysis
from kdviz.data.kinds import CLASSIFICATION

LUCK = [0.0, 0.04, -0.03, 0.02, -0.01]


def rows(scores: dict[str, list[float]], **columns) -> pd.DataFrame:
    """One row for each method and seed."""
    about = {"task": "reviews", "labels": 0.05} | columns
    return pd.DataFrame(
        [about | {"method": m, "seed": s, "test": v} for m, values in scores.items() for s, v in enumerate(values)]
    )


def test_an_interval_of_a_mean_is_students():
    assert analysis.interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))
    low, high = analysis.interval([1.0, 2.0, 3.0], 0.9)
    assert (high - low) / 2 == pytest.approx(2.919986 / 3**0.5)  # t(2) at 95 %
    assert analysis.interval([0.5, 0.5]) == (0.5, 0.5)
    assert all(map(math.isnan, analysis.interval([0.5]))) and math.isnan(analysis.half_width([0.5]))


def test_an_interval_of_a_mean_holds_the_truth_as_often_as_it_says():
    drawn = np.random.default_rng(0).normal(3, 2, (2000, 5))
    held = [low <= 3 <= high for low, high in map(analysis.interval, drawn)]
    assert 0.935 < np.mean(held) < 0.965


def test_an_interval_of_a_share_is_wilsons():
    z, share, count = 1.959963984540054, 0.83, 300
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    assert analysis.wilson(share, count) == pytest.approx((middle - half, middle + half), abs=1e-12)
    assert analysis.wilson(0.5, 100) == pytest.approx((0.403832, 0.596168), abs=1e-6)
    assert analysis.wilson(1.0, 10)[1] == pytest.approx(1.0) and 0.7 < analysis.wilson(1.0, 10)[0] < 0.73


@pytest.mark.parametrize(
    ("guesses", "labels", "right"),
    [
        ([0, 1, 1, 2, 0], [0, 1, 2, 2, 1], (2 / 3 + 1 / 2 + 2 / 3) / 3),
        ([0, 0, 0], [0, 0, 0], 1.0),
        ([3, 3, 3], [0, 0, 0], 0.0),  # classes 1 and 2 do not occur and do not count
        ([0, 3], [0, 0], (2 / 3 + 0) / 2),  # class 3 occurs as a guess
    ],
)
def test_macro_f1_is_the_mean_over_the_classes_that_occur(guesses, labels, right):
    scores = CLASSIFICATION.scores(torch.eye(4)[guesses], torch.tensor(labels))
    assert scores["macro_f1"] == pytest.approx(right, abs=1e-12)


def test_p_values_fit_the_intervals():
    apart = [0.03, 0.01, 0.05, 0.02]
    mean, half = np.mean(apart), analysis.half_width(apart)
    assert analysis.p_value(apart) == analysis.p_value([-value for value in apart])
    assert analysis.p_value([value - mean + half for value in apart]) == pytest.approx(0.05)
    assert analysis.p_value([0.1, 0.1, 0.1]) == pytest.approx(0, abs=1e-12) and analysis.p_value([0.0, 0.0]) == 1


def test_holm_multiplies_by_the_questions_left_and_never_falls():
    assert analysis.holm([0.03, 0.005, 0.02, 0.4]) == pytest.approx([0.06, 0.02, 0.06, 0.4])
    assert analysis.holm([0.01, 0.011]) == pytest.approx([0.02, 0.02])
    assert analysis.holm([0.9, 0.8]) == [1, 1] and analysis.holm([]) == []


def test_runs_and_recorded_rows_are_compared_alike():
    scores = {"KD": [0.5 + x for x in LUCK], "CKD": [0.6 + 2 * x for x in LUCK]}
    runs = [
        SimpleNamespace(
            label=label,
            primary="accuracy",
            settings={"task": "reviews", "seed": seed},
            scores={"test": {"accuracy": value, "loss": 1 - value, "low": 0.1, "high": 0.9}},
        )
        for label, values in scores.items()
        for seed, value in enumerate(values)
    ]
    table = kd.compare(runs).table
    pd.testing.assert_frame_equal(table, kd.compare(rows(scores)).table)
    assert list(table) == ["method", "split", "mean", "low", "high", "sd", "runs"]
    assert (table.loc[0, "low"], table.loc[0, "high"]) == analysis.interval(scores["KD"])
    assert kd.compare(runs, "loss").table["mean"].tolist() == pytest.approx([1 - np.mean(v) for v in scores.values()])
    alone = kd.compare([runs[0], *runs[5:]]).table.set_index("method")
    assert alone.loc["KD", ["low", "high"]].tolist() == [0.1, 0.9], "a single run has the interval of its own share"
    assert (alone.loc["CKD", "low"], alone.loc["CKD", "high"]) == analysis.interval(scores["CKD"])
    assert kd.compare([runs[0]], "loss").table[["low", "high"]].isna().all(axis=None)
    paired = kd.compare(runs, paired="KD").table
    assert paired["mean"].tolist() == pytest.approx([np.mean(scores["CKD"]) - np.mean(scores["KD"])])


def with_differences(**apart: list[float]) -> pd.DataFrame:
    kd_scores = [0.5 + x for x in LUCK]
    return rows({"KD": kd_scores} | {name: [a + b for a, b in zip(kd_scores, gap)] for name, gap in apart.items()})


def test_paired_differences_get_the_four_verdicts():
    table = with_differences(
        better=[0.10, 0.12, 0.11, 0.09, 0.10],
        worse=[-0.10, -0.12, -0.11, -0.09, -0.10],
        same=[0.002, -0.003, 0.001, 0.0, -0.001],
        noisy=[0.1, -0.1, 0.2, 0.0, -0.05],
    )
    found = kd.compare(table, paired="KD", margin=0.01).table.set_index("method")
    assert found["verdict"].to_dict() == {
        "better": "seen here",
        "worse": "the opposite is seen",
        "same": "no difference of more than 0.01",
        "noisy": "too noisy to tell",
    }
    assert (found["baseline"] == "KD").all() and (found["runs"] == 5).all()
    assert tuple(found.loc["better", ["low", "high"]]) == pytest.approx(
        analysis.interval([0.10, 0.12, 0.11, 0.09, 0.10])
    )
    assert kd.compare(table, paired="KD").table.set_index("method").loc["same", "verdict"] == "too noisy to tell"
    lower = kd.compare(table, paired="KD", better="lower").table.set_index("method")["verdict"]
    assert (lower["better"], lower["worse"]) == ("the opposite is seen", "seen here")


def test_paired_differences_are_drawn_around_nothing():
    table = with_differences(better=[0.10, 0.12, 0.11, 0.09, 0.10]).assign(traps=lambda rows: rows["test"])
    figure = kd.compare(table, paired="KD", split="traps").plot()
    assert figure.data[0].x[0] == pytest.approx(10.4) and "KD" in figure.layout.title.text
    assert "better +10.4 (seen here)" in figure.layout.meta["alt"]


def test_luck_that_seeds_share_drops_out_of_a_difference():
    found = kd.compare(with_differences(same=[0.0] * 5, up=[0.01] * 5), paired="KD").table.set_index("method")
    assert found["verdict"].to_dict() == {"same": "no difference of more than 0", "up": "seen here"}
    assert found["sd"].tolist() == pytest.approx([0, 0], abs=1e-12)


def test_the_primary_comparison_alone_escapes_holm():
    gap = [0.03, 0.01, 0.06, 0.01, 0.06]
    table = with_differences(one=gap, two=gap, three=gap)
    alone = analysis.p_value(gap)
    assert 0.025 < alone < 0.05
    found = kd.compare(table, paired="KD", primary="two").table.set_index("method")
    assert found["p"].tolist() == pytest.approx([2 * alone, alone, 2 * alone])
    assert found["verdict"].tolist() == ["too noisy to tell", "seen here", "too noisy to tell"]
    assert kd.compare(table, paired="KD").table["p"].tolist() == pytest.approx([3 * alone] * 3)


def test_only_seeds_in_common_are_paired():
    table = with_differences(new=[0.1, 0.1, 0.1, 0.1, 9.0])
    found = kd.compare(table[(table["method"] == "KD") | (table["seed"] < 4)], paired="KD").table
    assert found["runs"].tolist() == [4] and found["mean"].tolist() == pytest.approx([0.1])
    with pytest.raises(ValueError, match="new and KD have 2 seeds in common: 3 are needed"):
        kd.compare(table[(table["method"] == "KD") | (table["seed"] < 2)], paired="KD")


def test_what_cannot_be_compared_is_named():
    table = with_differences(new=[0.1, 0.2, 0.1, 0.2, 0.1])
    for options, words in [
        ({"paired": "TAKD"}, "no TAKD in these rows, which hold KD, new"),
        ({"paired": "KD", "primary": "old"}, "no old in these rows"),
        ({"paired": "KD", "split": "abroad"}, "no split 'abroad'"),
        ({"paired": "KD", "better": "more"}, "better='more'"),
    ]:
        with pytest.raises(ValueError, match=words):
            kd.compare(table, **options)
    for wrong, words in [
        (pd.concat([table, table.assign(task="entail")]), "different tasks .reviews, entail."),
        (pd.concat([table, table]), "two runs are called 'KD' with seed 0"),
        (pd.concat([table, table.assign(labels=0.2)]), "0.05, 0.2 of the labels: compare one share"),
        (table[:0], "at least one row"),
        ([], "at least one run"),
    ]:
        with pytest.raises(ValueError, match=words):
            kd.compare(wrong)


def test_methods_are_recommended_only_where_intervals_separate():
    scores = {
        "labels only": [0.30 + x for x in LUCK],
        "KD": [0.50 + x for x in LUCK],
        "CKD": [0.505 + x + y for x, y in zip(LUCK, [0.02, -0.02, 0.01, -0.01, 0.0])],
    }
    table = rows(scores, adversarial=0.3)
    found = kd.recommend(table)
    assert [(row.better, row.worse) for row in found.pairs.itertuples()] == [
        ("CKD", "labels only"),
        ("KD", "labels only"),
    ]
    assert found.unbeaten == ["KD", "CKD"]
    apart = [a - b for a, b in zip(scores["CKD"], scores["labels only"])]
    low_high = analysis.interval(apart, 1 - 0.05 / 3)
    assert (found.pairs.loc[0, "low"], found.pairs.loc[0, "high"]) == pytest.approx(low_high)
    assert "KD is better than labels only (+20.0)" in repr(found)
    assert "No two methods can be told apart" in repr(kd.recommend(table, "adversarial"))
    with pytest.raises(ValueError, match="labels only and KD have 2 seeds in common"):
        kd.recommend(table[(table["seed"] < 2) | (table["method"] != "KD")])


def test_importing_it_waits_for_neither_scipy_nor_scikit_learn():
    code = "import sys, kdviz.analysis; sys.exit(any(name in sys.modules for name in ('scipy', 'sklearn', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

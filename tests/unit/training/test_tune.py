"""The search for settings: same draws for all, judged on dev alone, resumed where it stopped."""

from __future__ import annotations

import functools
import itertools
import json
import math

import numpy as np
import pytest

import kdviz as kd
from kdviz import analysis
from kdviz.training import tune as module
from kdviz.training.tune import draw_settings
from tests.unit.training import tiny

SPACE = {"lr": (1e-3, 1e-2), "temperature": (1, 8), "alpha": [0.5, 1.0]}
SHORT = {"epochs": 1, "steps_per_epoch": 2}


def search(method=kd.KD, space=SPACE, **more):
    more = {"draws": 2, "seeds": (5, 6), "progress": "off"} | SHORT | more
    return kd.tune(method, space, tiny.task(), tiny.student(), tiny.teacher(), **more)


def test_draws_lie_in_their_ranges_evenly_and_begin_the_same():
    space = {"lr": (1e-4, 1e-2), "heads": (1, 64), "rows": ["all", "labelled"], "window": [21, None]}
    points = draw_settings(space, 16)
    assert all(1e-4 <= p["lr"] <= 1e-2 and isinstance(p["heads"], int) and 1 <= p["heads"] <= 64 for p in points)
    assert sum(p["rows"] == "all" for p in points) == 8 == sum(p["window"] is None for p in points)
    bins = [int(4 * math.log(p["lr"] / 1e-4) / math.log(100)) for p in points]
    assert [bins.count(one) for one in range(4)] == [4] * 4, "log-uniform and even"
    assert draw_settings(space, 5) == points[:5]
    assert draw_settings(space, 5, sample=1) != points[:5]
    assert draw_settings({}, 3) == [{}] * 3


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"lr": (1e-2, 1e-4)}, "lr.*0 < low < high"),
        ({"lr": (0, 1)}, "0 < low < high"),
        ({"lr": 0.1}, "a range .low, high. or a list"),
        ({"lr": []}, "or a list of values"),
        ({"rows": "all"}, "or a list of values"),
    ],
)
def test_ranges_that_cannot_be_are_refused(space, words):
    with pytest.raises(ValueError, match=words):
        draw_settings(space, 2)


def test_a_search_scores_the_returned_student_on_dev(monkeypatch):
    asked = []
    real = module.distill

    def watched(*given, **settings):
        asked.append((given, settings, real(*given, **settings)))
        return asked[-1][2]

    monkeypatch.setattr(module, "distill", watched)
    found = search()
    assert len(found.table) == len(asked) == 4
    for row, (given, settings, run) in zip(found.table.to_dict("records"), asked, strict=True):
        assert run.scores == {}, "test is not looked at"
        labels = [tiny.task().labels[label] for label in tiny.task()["dev"]["label"]]
        assert row["dev"] == pytest.approx(np.mean(run.student.predict(tiny.task()["dev"]["text"][:]).label == labels))
        assert (given[3].temperature, given[3].alpha) == (row["temperature"], row["alpha"])
        assert (settings["lr"], settings["seed"]) == (row["lr"], row["seed"])
    means = found.table.groupby("draw")["dev"].mean()
    assert found.best == found.points[int(means.idxmax())]
    assert kd.KD().name in repr(found) and f"{means.max():.3f}" in repr(found)


def test_each_seed_may_build_a_student_of_its_own():
    made = []

    def build(seed):
        made.append(seed)
        return tiny.student(seed=seed)

    kd.tune(kd.LabelsOnly, {}, tiny.task(), build, draws=1, seeds=(3, 4), progress="off", **SHORT)
    assert made == [3, 4]


def test_a_stopped_search_goes_on_and_another_is_refused(tmp_path, monkeypatch):
    whole = search(folder=tmp_path)
    (tmp_path / "1-6.json").unlink()
    runs, real = [], module.distill
    monkeypatch.setattr(module, "distill", lambda *a, **k: runs.append(k["seed"]) or real(*a, **k))
    again = search(folder=tmp_path)
    assert runs == [6]
    assert again.table.drop(columns="seconds").equals(whole.table.drop(columns="seconds"))
    with pytest.raises(ValueError, match=r"holds another search: space was .*; choose another folder"):
        search(space=SPACE | {"alpha": [0.9]}, folder=tmp_path)
    with pytest.raises(ValueError, match="holds another search: settings was"):
        search(folder=tmp_path, batch_size=8)


def test_a_damaged_row_or_description_of_a_search_is_named(tmp_path):
    search(folder=tmp_path)
    for name, words in (("1-5.json", "remove it, and it is run again"), ("search.json", "remove its folder")):
        good = (tmp_path / name).read_bytes()
        for bad in (good[:9], b"[]", b"\xff\xfe"):
            (tmp_path / name).write_bytes(bad)
            with pytest.raises(ValueError, match=rf"{name} is damaged .*; {words}"):
                search(folder=tmp_path)
        (tmp_path / name).write_bytes(good)
    search(folder=tmp_path)


def test_a_draw_that_diverges_is_the_worst_and_stops_nothing(monkeypatch):
    real = module.distill

    def breaks(*given, lr, **settings):
        if lr > 3e-3:
            raise FloatingPointError("loss is nan")
        return real(*given, lr=lr, **settings)

    monkeypatch.setattr(module, "distill", breaks)
    found = search(draws=4)
    assert 0 < found.table["dev"].isna().sum() < len(found.table) and found.best["lr"] <= 3e-3
    assert json.loads(json.dumps(found.best)) == found.best
    monkeypatch.setattr(module, "distill", lambda *a, **k: breaks(*a, **k | {"lr": 1.0}))
    with pytest.raises(ValueError, match="all 2 draws diverged: choose lower rates"):
        search()


def test_names_that_nothing_has_are_refused():
    with pytest.raises(ValueError, match="space has 'betta': neither the method .alpha, temperature, rows"):
        search(space={"betta": (1, 2)})
    with pytest.raises(ValueError, match="epochs=1 is fixed and stands in the space, too"):
        search(space={"epochs": [1, 2]})
    search(functools.partial(kd.CKD, wr=None), {"beta": (1, 10)}, draws=1, seeds=(1,))


def test_the_best_to_expect_of_k_draws_is_the_mean_over_all_choices():
    scores = [0.2, 0.9, 0.5, 0.4]
    for taken, value in enumerate(analysis.best_of(scores), 1):
        assert value == pytest.approx(np.mean([max(some) for some in itertools.combinations(scores, taken)]))


def test_the_picture_of_a_search_says_what_it_is_worth():
    found = search()
    figure = found.plot()
    assert list(figure.data[0].y) == pytest.approx(analysis.best_of(found.scores), rel=1e-3)
    with pytest.raises(ValueError, match="no search to show"):
        kd.figures.best_of_draws({})

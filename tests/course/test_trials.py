"""Fair trials: the same search for all, nothing before its declaration, and a check that finds what is not so."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

import kdviz as kd
from kdviz import cli
from kdviz.course import decoders, recipes, results as runner, trials as module
from kdviz.course.digits import teacher_path
from kdviz.course.results import Results, work
from kdviz.course.trials import Trial, check, declare, trials
from kdviz.data.noise import flip_labels, symmetric
from kdviz.paths import data_dir

BLOCK = {
    "tasks": ["reviews"],
    "labels": [0.5],
    "student": {"layers": 1, "hidden": 16, "heads": 2},
    "settings": {"epochs": 1, "steps_per_epoch": 2},
    "space": {"lr": {"low": 1e-3, "high": 1e-2}},
    "methods": ["labels only", "other"],
    "seeds": [0, 1, 2],
    "seeds_of": {"other": [0, 1]},
    "primary": {"method": "other", "baseline": "labels only", "split": "test", "margin": 0.01},
    "seconds": 36,
}
PLAN = {
    "draws": 2,
    "tuning_seeds": [1000],
    "methods": {
        "labels only": {"class": "LabelsOnly", "space": {}},
        "other": {"class": "SWA", "space": {"start": [0.25, 0.5]}},
    },
    "blocks": {"small": BLOCK},
}


@pytest.fixture
def planned(monkeypatch, tmp_path):
    """A plan of one small block, its rows and declarations in a folder of the test's own."""
    plan = json.loads(json.dumps(PLAN))
    monkeypatch.setattr(module, "plan", lambda: plan)
    monkeypatch.setattr(module, "_declarations", lambda: tmp_path / "declared.json")
    monkeypatch.setattr(runner, "commit", lambda: "f" * 12)
    return plan


def record(one: Trial, results: Results, **values) -> None:
    """A row as the runner writes it, of a run that was not made."""
    one = one.resolved(results)
    keys = {name: getattr(one, name) for name in ("table", *runner.keys(one.table))}
    row = keys | {
        "dev": 0.5 + 0.1 * (one.draw or 0),
        "test": 0.5,
        "seconds": 7.2,
        "settings": "{}",
        "started": module.now(),
    }
    row |= {"declared": one.declared, "commit": "f" * 12, "command": one.name}
    row |= {f"drawn_{name}": json.dumps(getattr(one, name)) for name in ("made_by", "settings")}
    results.add(one, row | values)


def record_all(results: Results, **values) -> None:
    for one in trials():
        record(one, results, **values)


def faults(results: Results) -> str:
    return "\n".join(check(results)[0])


def test_a_block_plans_the_same_draws_for_every_method(planned):
    every = trials()
    names = [one.name for one in every]
    assert names[:2] == ["tuning/small/reviews/0.5/labels only/0.1000", "tuning/small/reviews/0.5/labels only/1.1000"]
    assert names[2:5] == [f"small/reviews/0.5/labels only/{seed}" for seed in range(3)]
    assert len(names) == len(set(names)) == 9
    draws = {one.method: module.draws_of(one) for one in every}
    assert [set(point) for point in draws["other"]] == [{"lr", "start"}] * 2 and draws["other"][0] != draws["other"][1]


def test_nothing_is_run_before_it_is_declared(planned, tmp_path):
    results = Results(tmp_path)
    with pytest.raises(ValueError, match="not declared as it is planned: kdviz run results --declare, and commit"):
        trials()[0].resolved(results)
    assert declare(["small"], results) == ["small/labels only", "small/other"]
    assert declare(["small"], results) == []
    trials()[0].resolved(results)
    planned["blocks"]["small"]["seeds"] = [0, 1, 2, 3]
    with pytest.raises(ValueError, match="not declared as it is planned"):
        trials()[0].resolved(results)


def test_a_plan_with_rows_cannot_be_declared_anew(planned, tmp_path):
    results = Results(tmp_path)
    declare(["small"], results)
    record_all(results)
    planned["methods"]["other"]["space"]["start"] = [0.75]
    with pytest.raises(ValueError, match="small/other has rows that were made as declared before"):
        declare(["small"], results)
    with pytest.raises(ValueError, match="no block 'large': choose among small"):
        declare(["large"], results)


def test_notes_and_estimates_may_change(planned, tmp_path):
    declare(["small"], Results(tmp_path))
    planned["blocks"]["small"] |= {"note": "words", "seconds": 99}
    assert declare(["small"], Results(tmp_path)) == []


def test_the_best_draw_on_dev_is_run_and_waits_for_all_draws(planned, tmp_path):
    results = Results(tmp_path)
    declare(["small"], results)
    draws = [one for one in trials() if one.method == "other" and one.draw is not None]
    result, _ = [one for one in trials() if one.method == "other" and one.draw is None]
    record(draws[0], results, dev=0.9)
    with pytest.raises(
        ValueError, match=r"has 1 of 2 draws: kdviz run results --only 'tuning/small/reviews/0.5/other/"
    ):
        result.resolved(results)
    record(draws[1], results, dev=0.8)
    first = module.draws_of(result)[0]
    assert result.resolved(results).settings["lr"] == first["lr"]
    assert result.resolved(results).made_by == {"class": "SWA", "start": first["start"]}
    results.gather()
    assert result.resolved(results).settings["lr"] == first["lr"], "gathered rows are read as well"


def test_a_run_holds_to_the_protocol_from_end_to_end(planned, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "load", lambda name, real=runner.load.__wrapped__: real(name).subset(20))
    results = Results(tmp_path)
    declare(["small"], results)
    for one in [one for one in trials() if one.draw is not None or one.seed == 0]:
        work(one.name, str(tmp_path))
    tuning, rows = results.rows("tuning"), results.rows("small")
    assert "test" not in tuning and tuning["dev"].between(0, 1).all(), "a search does not look at test"
    assert {"test", "dev", "ood_lexicon"} <= set(rows) and rows["seed"].tolist() == [0, 0]
    wrong, unfinished = check(results)
    assert not wrong and unfinished == [
        "small/labels only: 2 of 5 rows are missing",
        "small/other: 1 of 4 rows are missing",
    ]
    tables = results.gather()
    assert len(tables["tuning"]) == 4 and not check(results)[0]


def test_a_recipe_is_searched_on_dev_and_run_as_a_method_is(planned, tmp_path):
    planned["methods"]["forward KL"] = {"class": "Modes", "beta": 0, "space": {}}
    planned["blocks"]["small"] |= {"tasks": ["agreement"], "labels": [1.0], "student": {}, "methods": ["forward KL"]}
    planned["blocks"]["small"] |= {"settings": {"steps": 2}, "space": {"lr": {"low": 0.01, "high": 0.1}}}
    results = Results(tmp_path)
    declare(["small"], results)
    for one in trials():
        work(one.name, str(tmp_path))
    tuning, rows = results.rows("tuning"), results.rows("small")
    assert "modes" not in tuning and tuning["dev"].nunique() == 2, "a search looks at dev alone"
    assert rows["modes"].between(1, 3).all() and rows["seed"].tolist() == [0, 1, 2] and not faults(results)
    assert json.loads(rows["settings"][1]) == json.loads(rows["drawn_settings"][1]) | {"seed": 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"started": "2020-01-01T00:00:00+00:00"}, "before its declaration"),
        ({"declared": "0" * 64}, "another plan than the declared one"),
        ({"drawn_settings": "{}"}, "settings is {}, planned is"),
        ({"seed": 77}, "no such run is planned"),
    ],
)
def test_the_check_finds_a_row_that_breaks_the_rules(planned, tmp_path, change, words):
    results = Results(tmp_path)
    declare(["small"], results)
    record_all(results)
    assert not faults(results)
    last = trials()[-1]
    record(last, results, **change)
    assert words in faults(results)


def test_the_check_finds_a_seed_of_the_search_among_the_results(planned, tmp_path):
    planned["blocks"]["small"]["seeds"] = [999, 1000]
    assert "a seed of the search is a seed of a result" in faults(Results(tmp_path))


def test_the_check_asks_git_for_the_declaration(planned, tmp_path, monkeypatch):
    results = Results(tmp_path)
    declare(["small"], results)
    record_all(results)
    monkeypatch.setattr(module, "_declared_in", lambda commit: "{}")
    assert "does not hold its declaration" in faults(results)
    monkeypatch.undo()
    head = runner.commit().rstrip("+")
    assert module._declared_in(head) is not None and module._declared_in("0" * 12) is None


def test_hours_are_of_rows_so_far(planned, tmp_path):
    results = Results(tmp_path)
    declare(["small"], results)
    record(trials()[0], results)
    (row,) = module.hours(results).to_dict("records")
    assert (row["rows"], row["done"], row["declared"]) == (9, 1, True)
    assert row["hours_open"] == pytest.approx((4 * 7.2 + 4 * 36) / 3600)


def test_the_commands_plan_and_check(capsys):
    assert cli.main(["run", "results", "--plan"]) == 0
    assert "hours_open" in capsys.readouterr().out
    assert cli.main(["run", "results", "--check"]) == 0, "the recorded trials break no rule"
    assert cli.main(["run", "results", "--declare", "nothing"]) == 1
    assert "no block 'nothing'" in capsys.readouterr().err


def test_every_planned_method_can_be_made_with_every_draw():
    for one in trials():
        if one.draw is not None and one.seed == module.plan()["tuning_seeds"][0]:
            drawn = module.draws_of(one)[one.draw]
            made = runner._build(one.made_by | {name: value for name, value in drawn.items() if name != "lr"})
            assert made.run if hasattr(recipes, one.made_by["class"]) else made.phases(one.settings["epochs"])
            assert 1e-5 < drawn["lr"] < 0.3


def test_what_the_readme_says_of_the_trial():
    rows = kd.recorded("scratch", "entail", 0.05)
    found = kd.compare(rows, paired="KD", primary="CKD", margin=0.01).table.set_index("method")
    assert round(100 * found.loc["CKD", "mean"]) == 11 and found.loc["CKD", "verdict"] == "seen here"
    assert found.loc["CKD word relation", "verdict"] == "seen here"
    both = kd.compare(rows, paired="CKD").table.set_index("method").loc["CKD word relation"]
    assert both["low"] < 0 < both["high"], "words alone do as well as both"
    assert found.loc["CKD layer relation", "verdict"] == "too noisy to tell"
    hard = found.loc["KD, hard answers"]
    assert round(100 * hard["mean"], 1) == -1.5 and hard["verdict"] == "too noisy to tell"
    assert found.loc["labels only", "mean"] < -0.2
    assert found.loc["MiniLM", "verdict"] == "the opposite is seen"
    assert found.loc["MiniLM, then KD", "mean"] > 0


def test_what_the_readme_says_of_texts_that_people_wrote():
    rows = kd.recorded("scratch", "tweets", 0.05)
    found = kd.compare(rows, paired="KD", primary="CKD", margin=0.01).table.set_index("method")
    assert round(100 * found.loc["CKD", "mean"], 1) == -0.5 and found.loc["CKD", "verdict"] == "the opposite is seen"
    assert round(100 * found.loc["CKD word relation", "mean"], 1) == 0.6
    assert {found.loc[name, "verdict"] for name in ("CKD word relation", "KD, hard answers")} == {"too noisy to tell"}
    assert found.loc["CKD layer relation", "verdict"] == "too noisy to tell"
    for name in ("PKD", "TinyBERT"):
        assert round(100 * found.loc[name, "mean"]) == -3 and found.loc[name, "verdict"] == "the opposite is seen"
    assert round(100 * found.loc["KD, hard answers", "mean"], 1) == -0.8
    words = kd.compare(rows, paired="CKD").table.set_index("method").loc["CKD word relation"]
    assert words["low"] > 0, "words alone do better than both"
    teacher = json.loads((data_dir() / "teachers" / "tweets" / "log.json").read_text(encoding="utf-8"))["test"]
    assert 4 < 100 * (teacher - rows[rows["method"] == "KD"]["test"].mean()) < 5


def test_what_the_readme_says_of_the_controls():
    flagship, controls = kd.recorded("scratch", "entail", 0.05, ["KD", "CKD"]), kd.recorded("controls", "entail", 0.05)
    rows = pd.concat([flagship, controls])
    over_kd = kd.compare(rows, paired="KD").table.set_index("method")
    under_ckd = kd.compare(rows, paired="CKD").table.set_index("method")
    assert controls["method"].nunique() == 3
    for name in controls["method"].unique():
        assert over_kd.loc[name, "verdict"] != "seen here" and over_kd.loc[name, "mean"] < 0
        assert under_ckd.loc[name, "verdict"] == "the opposite is seen"


PRIMARY = {  # docs/trials.md, "What they say so far": block, task -> difference in points, half its interval, verdict
    ("scratch", "entail"): (10.9, 1.8, "seen here"),
    ("scratch", "tweets"): (-0.5, 0.4, "the opposite is seen"),
    ("controls", "entail"): (-5.7, 4.3, "the opposite is seen"),
    ("annealing", "digits"): (0.4, 0.6, "too noisy to tell"),
    ("continuation", "digits"): (-2.4, 1.1, "the opposite is seen"),
    ("path", "digits"): (-2.3, 2.3, "the opposite is seen"),
    ("weights", "digits"): (0.7, 0.9, "too noisy to tell"),
    ("noisy", "digits"): (2.5, 1.3, "seen here"),
    ("averaging", "entail"): (1.2, 1.0, "seen here"),
    ("modes", "agreement"): (-1.06, 0.39, "seen here"),
    ("direction", "brackets"): (32.2, 16.9, "seen here"),
    ("on-policy", "brackets"): (-4.2, 5.7, "too noisy to tell"),
    ("decoders", "bracket texts"): (0.011, 0.014, "too noisy to tell"),
    ("stored", "order-2"): (-0.050, 0.004, "seen here"),
    ("drafts", "order-2"): (4.0, 0.4, "seen here"),
    ("traces", "sums"): (27.5, 11.5, "seen here"),
    ("universal", "entail"): (-1.2, 2.2, "too noisy to tell"),
    ("questions", "answers"): (11.9, 5.8, "seen here"),
}
# score, or a task of its own -> how many of its unit are one, and decimals; shares are told in points
UNITS = {"modes": (1, 2), "bias": (1, 3), decoders.NAME: (1, 3)}


@pytest.mark.parametrize(("block", "task"), PRIMARY)
def test_the_guide_tells_each_primary_comparison_as_it_was_recorded(block, task):
    about = module.plan()["blocks"][block]
    first, (labels,) = about["primary"], about["labels"]
    rows = kd.recorded(block, task, labels)
    if "of" in first:
        rows = pd.concat([kd.recorded(first["of"], task, labels), rows])
    how = {"split": first["split"], "margin": first["margin"], "better": first.get("better", "higher")}
    found = kd.compare(rows, paired=first["baseline"], primary=first["method"], **how).table
    row = found.set_index("method").loc[first["method"]]
    unit = task if task == decoders.NAME else first["split"]
    (mean, half, verdict), (times, digits) = PRIMARY[block, task], UNITS.get(unit, (100, 1))
    assert round(times * row["mean"], digits) == mean
    assert round(times * (row["high"] - row["low"]) / 2, digits) == half
    assert row["verdict"] == verdict
    text = (data_dir().parent / "docs" / "trials.md").read_text(encoding="utf-8")
    assert f"{mean:+.{digits}f} ± {half:.{digits}f}" in text


def test_a_lesson_trains_with_the_draw_that_the_trial_chose():
    made = runner.chosen("annealing", "digits", 0.1)
    assert list(made) == module.plan()["blocks"]["annealing"]["methods"]
    method, settings = made["MSE-KD"]
    assert method == kd.AnnealingKD(tau_max=1) and settings["epochs"] == 30 and settings["lr"] == 0.0129
    (path, _), *_ = runner.chosen("path", "digits", 0.1).values()
    assert len(path.checkpoints) == 4


def test_a_block_says_how_many_labels_are_wrong_and_who_teaches():
    """The teacher of lesson 09 stopped early, that of lesson 10 learned from the labels of its students."""
    early, misled = (module._of_block(block)[0] for block in ("weights", "noisy"))
    assert (early.wrong, early.teacher, misled.wrong, misled.teacher) == (0.3, 1, 0.45, "same labels")
    task = kd.load_task("digits")
    finished, wrong = teacher_path(), flip_labels(task, symmetric(10, 0.45))
    assert runner._teacher(early, task) is finished[1] and finished[1] is not finished[-1]
    taught = runner._teacher(misled, wrong)
    assert kd.robustness.accuracy(taught, task["test"]) < kd.robustness.accuracy(finished[-1], task["test"]) - 0.03
    plain = dataclasses.replace(misled, teacher=None)
    assert runner._teacher(plain, wrong) is finished[-1]


def test_recorded_trials_are_whole():
    results = Results()
    for block in module.plan()["blocks"]:
        rows = results.table(block)
        if not rows.empty:
            # else dev is minus a loss or a number of modes, and may be anything finite
            shares = "test" in rows and rows["task"].iloc[0] != decoders.NAME
            assert rows["dev"].between(0, 1).all() if shares else np.isfinite(rows["dev"]).all()
            assert not rows.duplicated(runner.KEYS).any()


def test_what_the_guide_says_of_language_models():
    modes = kd.recorded("modes", "agreement").groupby("method")["modes"].mean()
    one, all_three = (round(modes[f"{name} KL, whole strings"], 2) for name in ("reverse", "forward"))
    assert (one, all_three) == (1.0, 2.06) and round(modes["reverse KL, word by word"], 1) == 1.6
    assert round(modes["reverse KL, word by word on own text"], 1) == 1.6
    invalid = kd.recorded("modes", "agreement").groupby("method")["invalid"].mean()
    shown = ("reverse KL, whole strings", 0.001), ("reverse KL, word by word", 0.49), ("forward KL, word by word", 0.56)
    assert all(invalid[name] == pytest.approx(share, abs=0.005) for name, share in shown)
    assert invalid["reverse KL, whole strings"] < 0.0015
    valid = kd.recorded("direction", "brackets").groupby("method")["valid"].mean().round(3)
    assert (valid["reverse KL"], valid["forward KL"], valid["strings only"]) == (0.625, 0.303, 0.819)
    few, own = kd.recorded("direction", "brackets"), kd.recorded("on-policy", "brackets")
    assert round(few.groupby("method")["copied"].mean()["strings only"], 3) == 0.725
    valid = own.groupby("method")["valid"].mean().round(3)
    assert [valid[f"{name} text"] for name in ("reverse KL, own", "forward KL, own", "reverse KL, unlimited")] == [
        *(0.897, 0.578, 0.781)
    ]
    gain = kd.compare(pd.concat([few, own]), paired="reverse KL", split="valid").table.set_index("method")
    more = gain.loc["reverse KL, own text"]
    assert (round(more["mean"], 3), round((more["high"] - more["low"]) / 2, 3)) == (0.272, 0.147)
    near = pd.concat([few, own]).groupby("method")["forward"].mean()
    assert 9 < near["forward KL"] / near["forward KL, own text"] < 11
    stored = kd.recorded("stored", "order-2")
    bias, gap = (stored.groupby("method")[score].mean().round(3) for score in ("bias", "gap"))
    assert (bias["renormalised top-k"], bias["top-k and a bucket"], bias["k words drawn"]) == (0.196, 0.146, 0.039)
    assert (gap["renormalised top-k"], gap["text alone"], gap["text and ULD"]) == (0.197, 0.311, 0.389)
    found = kd.compare(stored, paired="text alone", split="gap", better="lower").table.set_index("method")
    assert found.loc["text and ULD", "verdict"] == "the opposite is seen"
    traces = kd.recorded("traces", "sums")
    right = traces.groupby("method")[["chained", "single", "plain"]].mean().mul(100).round(1)
    assert right.loc["trace"].tolist() == [67.7, 66.2, 82.2] and right.loc["answer alone"].tolist() == [
        40.2,
        22.1,
        50.7,
    ]
    for score, told in (("single", (44.1, 9.9)), ("plain", (31.5, 7.6))):
        (gain,) = (
            kd.compare(traces, paired="answer alone", split=score).table.query("method == 'trace'").to_dict("records")
        )
        assert (round(100 * gain["mean"], 1), round(50 * (gain["high"] - gain["low"]), 1)) == told


def test_a_recorded_row_of_a_recipe_comes_out_again():
    (one,) = runner.select("stored/order-2/1/top-k and a bucket/30")
    row, recorded = runner.outcome(one.resolved(Results())), kd.recorded("stored", "order-2").set_index("method")
    former = recorded[recorded["seed"] == 30].loc["top-k and a bucket"]
    assert [row[name] for name in ("gap", "bias")] == pytest.approx([former["gap"], former["bias"]], rel=1e-3)

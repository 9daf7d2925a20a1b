"""The recorded tables: what is finished stays, what is killed is whole or absent, and a cheap row comes out again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import kdviz as kd
from kdviz import cli, paths
from kdviz.analysis import interval
from kdviz.course import results as module
from kdviz.course.results import Experiment, Results, experiments, run_one, select
from kdviz.course.trials import trials

CHEAP = "quick/reviews/1/labels only/0"


def row_of(experiment: Experiment, **values) -> dict:
    keys = {name: getattr(experiment, name) for name in ("table", "task", "labels", "method", "seed")}
    return keys | {"test": 0.5, "dev": 0.5, "settings": "{}", "command": "x"} | values


def test_a_cheap_row_comes_out_within_its_recorded_interval():
    (experiment,) = select(CHEAP)
    recorded = Results().table("quick")
    values = recorded["test"].tolist()
    assert len(values) >= 5 and recorded["seed"].nunique() == len(values)
    row = run_one(experiment)
    low, high = interval(values)
    spread = (high - low) / 2 * (len(values) + 1) ** 0.5  # of one further run, not of the mean
    middle = sum(values) / len(values)
    assert middle - spread <= row["test"] <= middle + spread
    former = recorded.set_index("seed").loc[0]
    assert (row["steps"], row["weights"], row["command"]) == (former["steps"], former["weights"], former["command"])


def test_every_row_says_how_it_came_about():
    table = Results().table("quick")
    for name in ("command", "commit", "seconds", "torch", "transformers", "python", "settings"):
        assert table[name].notna().all() and (table[name].astype(str) != "").all(), name
    assert [json.loads(text)["seed"] for text in table["settings"]] == table["seed"].tolist()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A repository of somebody else's, and nothing known of any commit."""
    who = dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "x")
    for words in ("init -q .", "commit -q --allow-empty -m theirs"):
        subprocess.run(["git", *words.split()], cwd=tmp_path, check=True, env=os.environ | who)
    module.commit.cache_clear()
    yield tmp_path
    module.commit.cache_clear()


def test_a_commit_is_kdvizs_own_or_none(elsewhere, monkeypatch):
    monkeypatch.setenv("KDVIZ_DATA", str(elsewhere / "data"))  # a data folder in a foreign repository
    (elsewhere / "data").mkdir()
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=paths.PACKAGE, capture_output=True, text=True)
    assert module.commit().rstrip("+") == head.stdout.strip() != ""
    package = elsewhere / "site" / "kdviz"
    (package.parent / "notebooks").mkdir(parents=True)
    for place in (paths, module):
        monkeypatch.setattr(place, "PACKAGE", package)
    for _ in ("a wheel", "a copy of the sources"):
        module.commit.cache_clear()
        assert module.commit() == ""
        (package.parent / "pyproject.toml").touch()
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    module.commit.cache_clear()
    assert module.commit() == ""


def test_what_the_readme_says_of_longer_runs():
    root = Path(__file__).resolve().parents[2]
    readme = (root / "README.md").read_text(encoding="utf-8")
    teacher = json.loads((root / "data" / "teachers" / "reviews" / "log.json").read_text())["test"]
    assert f"({100 * teacher:.1f} % on `reviews`)" in readme
    rows = {task: module.recorded("steps", task, 0.05) for task in module.plan()["tasks"]}

    def lead(task, times, split="test", one="CKD", other="KD"):
        table = rows[task].pivot(index="seed", columns="method", values=split)
        return interval(
            (table[f"{one}, {times} times the steps"] - table[f"{other}, {times} times the steps"]).tolist()
        )

    names = "CKD, 4 times the steps", "KD, 12 times the steps"
    (early, cost), (late, most) = (
        rows["reviews"][rows["reviews"]["method"] == name][["test", "seconds"]].agg(
            {"test": "mean", "seconds": "median"}
        )
        for name in names
    )
    assert late - early < 0.02 and f"({cost:.0f} s against {most:.0f} s)" in readme
    for task in module.plan()["tasks"]:
        assert min(lead(task, times)[0] for times in (2, 4)) > 0 > lead(task, 12)[0], "faster, not better in the end"
        assert lead(task, 4, one="MiniLM")[0] > 0 and lead(task, 4, one="TinyBERT")[0] > 0
        assert lead(task, 4, other="MiniLM")[0] < 0 < lead(task, 4, other="MiniLM")[1]
    assert lead("reviews", 4, other="TinyBERT")[1] > 0 > lead("entail", 4, other="TinyBERT")[1]
    assert lead("reviews", 12, "adversarial")[0] > 0 > lead("entail", 12, "adversarial")[0]


def test_names_are_unique_and_patterns_choose():
    names = [one.name for one in experiments()]
    assert len(set(names)) == len(names) == 700 + len(trials())
    assert {one.method for one in select("methods/entail/0.05/KD/*")} == {"KD"}
    assert len(select("methods/*/labels only/0")) == 6
    with pytest.raises(ValueError, match="no experiment fits 'nothing'"):
        select("nothing")


def test_every_recorded_row_is_an_experiment_with_its_settings():
    planned = {one.name: one for one in experiments()}
    for table in ("quick", "methods", "steps", "noise"):
        for row in Results().table(table).to_dict("records"):
            one = planned.pop("/".join([table, row["task"], f"{row['labels']:g}", row["method"], str(row["seed"])]))
            assert one.settings.items() <= json.loads(row["settings"]).items(), one.name


def test_recorded_rows_are_shown_without_the_methods_that_made_them():
    code = "import sys, kdviz as kd; kd.recorded('methods', 'reviews', 0.05); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_plan_says_what_a_group_changes():
    plain, longer = select("methods/reviews/0.05/CKD/0")[0], select("steps/reviews/0.05/CKD, 4 times the steps/0")[0]
    assert longer.settings == plain.settings | {"steps_per_epoch": 600} and longer.made_by == plain.made_by
    (noisy,) = select("noise/reviews/0.2/co-distillation/0")
    assert (noisy.wrong, noisy.build().drop) == (0.4, 0.4)
    assert select("methods/*/co-distillation/0")[0].build().drop != 0.4
    assert {one.task for one in select("methods/*/Pro-KD/*")} == {"reviews"}, "the other teacher has no checkpoints"
    assert select("methods/reviews/0.05/SWA on KD/0")[0].build().base == kd.KD()


def test_every_method_of_the_table_can_be_made():
    sizes = SimpleNamespace(teacher=SimpleNamespace(layers=6, width=64), student=SimpleNamespace(layers=2, width=64))
    epochs = module.plan()["settings"]["epochs"]
    made = {(one.table, one.task, one.method): one.build() for one in module.experiments() if one.seed == 0}
    for name, method in made.items():
        if isinstance(method, kd.MobileBERT):
            method.setup(sizes)  # its phases are the matched layers
        assert sum(phase.epochs for phase in method.phases(epochs)) == epochs, name
    assistant = made["methods", "entail", "TAKD"].assistant
    assert (assistant.layers, assistant.width, assistant.labels) == (2, 128, module.load("entail").labels)


def test_wrong_labels_and_kronecker_students_reach_the_run(monkeypatch):
    import kdviz.training.distill as engine

    seen, real = [], engine.distill

    def watched(student, teacher, task, *rest, **settings):
        seen.append((student, task))
        return real(student, teacher, task, *rest, **settings)

    monkeypatch.setattr(engine, "distill", watched)
    plain = replace(select(CHEAP)[0], table="made", settings={"epochs": 1, "steps_per_epoch": 1}, rows=50)
    made = replace(plain, wrong=0.4, kronecker=8)
    rows = [run_one(one) for one in (plain, made)]
    (dense, clean), (small, noisy) = seen
    assert rows[1]["weights"] == sum(p.numel() for p in small.parameters()) < rows[0]["weights"]
    assert small.network.kind == "kronecker" and dense.network.kind != "kronecker"
    wrong = [a != b for a, b in zip(noisy["train"]["label"], clean["train"]["label"], strict=True)]
    assert 0.2 < sum(wrong) / len(wrong) < 0.6
    assert noisy["test"]["label"][:] == clean["test"]["label"][:]


def test_a_folder_that_cannot_be_is_said_before_a_row_is_made(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert cli.main(["run", "results", "--only", CHEAP, "--folder", str(tmp_path / "file")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        f"kdviz: nothing can be written into {tmp_path / 'file' / 'rows'} (Not a directory); name a"
    )


def test_rows_are_gathered_replaced_and_known(tmp_path):
    results, (first, second) = Results(tmp_path), select("quick/*")[:2]
    results.add(first, row_of(first))
    assert results.done(first) and not results.done(second)
    results.gather()
    assert results.done(first) and not results.done(second) and not list((tmp_path / "rows").glob("*"))
    results.add(second, row_of(second))
    results.add(first, row_of(first, test=0.7))
    tables = results.gather()
    pd.testing.assert_frame_equal(tables["quick"], results.table("quick"))
    assert tables["quick"]["test"].tolist() == [0.7, 0.5]
    assert pd.read_csv(tmp_path / "quick.csv")["test"].tolist() == [0.7, 0.5]


def test_what_is_missing_is_run_and_what_failed_is_said(tmp_path, monkeypatch, capsys):
    ran = []

    def pretend(experiment):
        ran.append(experiment.name)
        assert os.environ["OMP_NUM_THREADS"] == "1"
        if experiment.seed == 3:
            raise RuntimeError("it broke")
        return row_of(experiment, seconds=1.0)

    monkeypatch.setattr(module, "run_one", pretend)
    monkeypatch.setattr(module, "ProcessPoolExecutor", lambda workers, context: ThreadPoolExecutor(workers))
    words = ["run", "results", "--only", "quick/*", "--folder", str(tmp_path)]
    assert cli.main(words) == 1
    told = capsys.readouterr().out
    assert "5 experiments, 0 finished before, 5 to run" in told and "FAILED" in told and "it broke" in told
    assert len(Results(tmp_path).table("quick")) == 4
    ran.clear()
    cli.main(words)
    assert ran == ["quick/reviews/1/labels only/3"]
    assert cli.main([*words, "--list"]) == 0
    listed = capsys.readouterr().out
    assert listed.count("done  ") == 4 and "open  quick/reviews/1/labels only/3" in listed
    assert cli.main(["run", "results", "--only", "nothing"]) == 1


def test_a_row_is_run_in_a_process_of_its_own(tmp_path):
    assert module.run_many(select(CHEAP), Results(tmp_path), workers=1, say=(told := []).append) == 0
    assert told[-1].startswith(f"1/1 {CHEAP}: test 0.")
    (row,) = Results(tmp_path).table("quick").to_dict("records")
    assert row["seconds"] > 0 and row["command"] == f"kdviz run results --only '{CHEAP}'"


def test_recorded_rows_are_chosen_and_compared(tmp_path, monkeypatch):
    results = Results(tmp_path)
    for method, score in (("CKD", 0.6), ("KD", 0.5), ("labels only", 0.4)):
        for one in select(f"methods/reviews/1/{method}/*"):
            results.add(one, row_of(one, test=score + one.seed / 100, adversarial=0.3))
    results.gather()
    monkeypatch.setattr(module, "Results", lambda: Results(tmp_path))
    rows = kd.recorded("methods", task="reviews")
    assert rows["method"].tolist() == ["labels only"] * 5 + ["KD"] * 5 + ["CKD"] * 5  # as the experiments have them
    assert rows["seed"].tolist() == [0, 1, 2, 3, 4] * 3
    chosen = kd.recorded("methods", task="reviews", methods=["CKD", "KD"])
    table = kd.compare(chosen).table.set_index(["method", "split"])
    assert list(dict.fromkeys(chosen["method"])) == ["CKD", "KD"]
    assert table.loc[("CKD", "test"), "mean"] == pytest.approx(0.62) and table.loc[("KD", "test"), "runs"] == 5
    assert (table.loc[("CKD", "test"), "low"], table.loc[("CKD", "test"), "high"]) == interval(
        [0.6, 0.61, 0.62, 0.63, 0.64]
    )
    assert set(table.index.get_level_values("split")) == {"test", "adversarial"}
    late = kd.compare(chosen.assign(attacked=[0.2] * 5 + [float("nan")] * 5)).table
    assert late[late["split"] == "attacked"]["method"].tolist() == ["CKD"], "KD was recorded before that split"
    with pytest.raises(ValueError, match="nothing is recorded for methods/entail/1: kdviz run results --only"):
        kd.recorded("methods", task="entail")
    with pytest.raises(ValueError, match="no PKD in methods/reviews/1, only CKD, KD, labels only"):
        kd.recorded("methods", task="reviews", methods=["PKD"])
    with pytest.raises(ValueError, match="different tasks"):
        kd.compare(pd.concat([rows, rows.assign(task="entail")]))
    with pytest.raises(ValueError, match="two runs are called 'labels only' with seed 0"):
        kd.compare(pd.concat([rows, rows]))
    with pytest.raises(ValueError, match="1, 0.2 of the labels: compare one share"):
        kd.compare(pd.concat([rows, rows.assign(labels=0.2)]))
    with pytest.raises(ValueError, match="at least one row"):
        kd.compare(rows[:0])

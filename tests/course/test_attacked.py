"""The pool of adversarial texts in data/results: its labels are sure, and nobody is judged by its own."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

import kdviz as kd
from data.make import attacks
from kdviz import cli
from kdviz.course import attacked, results
from kdviz.data import swaps
from kdviz.robustness import Candidates, attack, pooled
from tests.unit.test_robustness import Bag
from tests.unit.training import tiny


@pytest.mark.parametrize("name", results.plan()["tasks"])
def test_every_recorded_text_is_a_test_text_renamed_by_rule(name):
    pool, task = attacked.recorded_pool(name), kd.load_task(name)
    first = task["test"].select(range(attacks.TEXTS))
    rules, fresh = swaps.by_rule(name), swaps.texts(pool)
    assert set(pool["kept"][:]) == {"rule"} and len(set(fresh)) == len(fresh) > 300
    named = {one for names in pool["against"][:] for one in names.split(", ")}
    assert named == set(attacked.AGAINST)
    assert not set(fresh) & {row for split in task.splits.values() for row in swaps.texts(split)}
    # a word may become two ("slightly", "a bit"): what is not renamed must stand in the text that it was made from
    known = {
        word
        for renamings in rules.values()
        for one in renamings
        for pair in one.items()
        for word in " ".join(pair).split()
    }
    kept = lambda row: [word for word in swaps.words(row) if word not in known | {"a", "an"}]  # noqa: E731
    origins = {(tuple(kept(row)), label) for row, label in zip(swaps.texts(first), first["label"][:], strict=True)}
    assert {(tuple(kept(row)), label) for row, label in zip(fresh, pool["label"][:], strict=True)} <= origins


def test_attackers_have_a_seed_that_no_recorded_row_has():
    made = [one for task in results.plan()["tasks"] for one in results.attackers(task)]
    assert {one.seed for one in made}.isdisjoint(one.seed for one in results.experiments())
    assert {one.method for one in made} == set(attacked.AGAINST)
    assert all((one.student, one.settings) == (results.plan()["student"], results.plan()["settings"]) for one in made)


def test_what_fooled_any_student_is_pooled_and_written(tmp_path):
    task = kd.load_task("reviews")
    students = {"first": Bag(task.labels), "second": Bag(task.labels)}
    made = attacks.make_pool(task, students, tmp_path / "pool.parquet", texts=60)
    plain = attack(students["first"], task["test"], Candidates(swaps.by_rule("reviews")), limit=60)
    assert [(one.model, one.found) for one in made] == [("first", plain.found), ("second", plain.found)]
    assert plain.found and [path.name for path in tmp_path.iterdir()] == ["pool.parquet"]
    written = kd.data.files.read_table(tmp_path / "pool.parquet").to_pydict()
    known = {row for split in task.splits.values() for row in swaps.texts(split)}
    whole = pooled(made).to_pandas()
    assert written == whole[[(text,) not in known for text in whole["text"]]].to_dict("list") and set(
        written["against"]
    ) == {"first, second"}
    with pytest.raises(ValueError, match="which words of 'tiny' may be exchanged"):
        attacks.make_pool(tiny.task(), students, tmp_path / "none.parquet")


def test_the_command_trains_attacks_and_tells(tmp_path, monkeypatch, capsys):
    trained = []

    def train(experiment):
        trained.append(experiment.name)
        return SimpleNamespace(student=Bag(kd.load_task(experiment.task).labels))

    monkeypatch.setattr(results, "train", train)
    assert cli.main(["run", "attacks", "--task", "reviews", "--folder", str(tmp_path)]) == 0
    assert trained == [f"attackers/reviews/0.05/{name}/100" for name in attacked.AGAINST]
    told = capsys.readouterr().out
    assert "reviews: training CKD" in told and "rows fooled it" in told
    assert (tmp_path / "attacked_reviews.parquet").exists()


def test_a_row_is_scored_on_the_pool_and_its_student_does_not_know_of_it(monkeypatch):
    seen, real = [], attacked.recorded_pool
    monkeypatch.setattr(attacked, "recorded_pool", lambda task: seen.append(task) or real(task))
    (quick,) = results.select("quick/reviews/1/labels only/0")
    run = results.train(replace(quick, settings={"epochs": 1, "steps_per_epoch": 1}, rows=50))
    assert seen == ["reviews"] and run.scores["attacked"]["rows"] == len(real("reviews"))
    plain = kd.build_student(kd.load_task("reviews").subset(50), layers=1, hidden=32, heads=2)
    assert run.student.tokenizer.get_vocab() == plain.tokenizer.get_vocab()

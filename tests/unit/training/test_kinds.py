"""Kinds of tasks: regression from a file to a student in transformers, a kind of one's own, what is refused by name."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch.testing import assert_close

import kdviz as kd
from kdviz import analysis
from kdviz.data import kinds
from kdviz.data.kinds import CLASSIFICATION, REGRESSION, Classification
from kdviz.data.noise import flip_labels, symmetric
from tests.unit.training import tiny

SHORT = {"epochs": 2, "steps_per_epoch": 2, "progress": "off"}
SERVING = [
    kd.LabelsOnly(),
    kd.KD(),
    kd.PKD(),
    kd.RKD(),
    kd.DistilBERT(),
    kd.TinyBERT(heads="mean"),
    kd.MiniLM(),
    kd.MiniLM(then="KD"),
    kd.CKD(),
    kd.AnnealingKD(),
    kd.ContinuationKD(),
    kd.RWKD(),
    kd.PD(),
    kd.SWA(kd.KD()),
]


def rows(count: int = 48, seed: int = 0) -> pd.DataFrame:
    """Pairs of texts and how many words they share: from 0 to 3, a number."""
    draw, words = np.random.default_rng(seed), ["film", "plot", "song", "book", "play", "night"]
    made = []
    for _ in range(count):
        one, other = (draw.permutation(words)[:3] for _ in range(2))
        shared = len(set(one) & set(other))
        made.append({"text": f"the {' '.join(one)}", "text_b": f"a {' '.join(other)}", "label": shared + 0.25})
    return pd.DataFrame(made)


@pytest.fixture(scope="module")
def task():
    return kd.load_task(train=rows(), dev=rows(24, 1), test=rows(24, 2), transfer=rows(30, 3), kind="regression")


@pytest.fixture(scope="module")
def models(task):
    teacher = kd.build_student(task, layers=4, hidden=24, heads=4, seed=7)
    return kd.build_student(task, layers=2, hidden=16, heads=2), teacher


# ---- the kinds themselves --------------------------------------------------------------------------------------------
def test_regression_is_squared_error_and_correlation():
    values, teacher = torch.tensor([[1.0], [2.0], [4.0]], requires_grad=True), torch.tensor([[1.5], [2.0], [3.0]])
    labels = torch.tensor([0.0, torch.nan, 5.0])
    hard = REGRESSION.hard(values, labels)
    assert_close(hard, torch.tensor((1.0 + 1.0) / 2))
    hard.backward()
    assert_close(values.grad, torch.tensor([[1.0], [0.0], [-1.0]]), msg="an unlabelled row has no gradient, and no NaN")
    assert_close(REGRESSION.hard(values, labels, reduction="none"), torch.tensor([1.0, 0.0, 1.0]))
    assert_close(REGRESSION.soft(values, teacher, 4.0), torch.tensor((0.25 + 0 + 1) / 3))
    assert float(REGRESSION.hard(values, torch.full((3,), torch.nan))) == 0
    truth = torch.tensor([1.0, 2.0, 9.0])
    scores = REGRESSION.scores(values.detach(), truth)
    assert scores["pearson"] == pytest.approx(stats.pearsonr([1, 2, 4], [1, 2, 9]).statistic)
    assert scores["spearman"] == pytest.approx(1.0) and scores["loss"] == pytest.approx(25 / 3)
    assert REGRESSION.scores(torch.ones(3, 1), truth)["pearson"] == 0.0, "a constant knows nothing"


def test_an_interval_of_a_correlation_is_fishers():
    low, high = analysis.of_score("correlation", 0.6, 50)
    wanted = stats.pearsonr(*_correlated(0.6, 50)).confidence_interval()
    assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    assert all(map(np.isnan, analysis.of_score("correlation", 0.6, 3)))
    assert all(map(np.isnan, analysis.of_score(None, 0.6, 50)))


def _correlated(r: float, count: int):
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(2, count))
    x = (x - x.mean()) / np.linalg.norm(x - x.mean())
    y = y - y.mean() - x * (x @ (y - y.mean()))
    return x, r * x + (1 - r**2) ** 0.5 * y / np.linalg.norm(y)


# ---- data ------------------------------------------------------------------------------------------------------------
def test_the_same_numbers_mean_the_same_in_every_format(tmp_path, task):
    table = rows()
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    table.to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        one = kd.load_task(train=tmp_path / name, dev=rows(24, 1), kind="regression", labels=(0, 5))
        assert one.kind is REGRESSION and one.labels == ("score",)
        assert one.fingerprint == kd.load_task(train=table, dev=rows(24, 1), kind="regression").fingerprint
    assert "regression" in repr(task) and np.isnan(task["transfer"]["label"][:]).all()
    few = task.with_labels(0.25)
    assert len(few["train"]) == pytest.approx(12, abs=4) and np.isnan(few["transfer"]["label"][:]).all()
    spread = np.ptp(few["train"]["label"][:])
    assert spread >= 1, "rows with labels come from all parts of the scale"


@pytest.mark.parametrize(
    ("value", "options", "words"),
    [
        ("much", {}, "row 2.*'much' is no number"),
        (float("nan"), {}, "row 2.*is no number"),
        (float("inf"), {}, "row 2.*inf is no number"),
        (True, {}, "row 2.*True is no number"),
        (None, {}, "row 2.*is no number"),
        (7.5, {"labels": (0, 5)}, "row 2.*label 7.5 lies outside 0 to 5"),
        (1.0, {"labels": ("a", "b")}, "the lowest and the highest value"),
        (1.0, {"kind": "ranking"}, "no kind of task 'ranking': choose among classification, regression, multi-label"),
    ],
)
def test_what_is_no_number_is_named_by_row(value, options, words):
    table = rows(4)
    table["label"] = pd.Series([0.5, value, 1.0, 2.0], dtype=object)
    with pytest.raises(ValueError, match=words):
        kd.load_task(train=table, **{"kind": "regression"} | options)


def test_scores_of_a_classification_task_name_the_kind():
    with pytest.raises(ValueError, match='regression.*Pass kind="regression"'):
        kd.load_task(train=rows())


# ---- runs ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", SERVING, ids=lambda method: method.name + getattr(method, "then", ""))
def test_methods_that_read_answers_through_the_kind_serve_regression(method, task, models):
    student, teacher = models
    run = kd.distill(student, teacher, task, method, **SHORT | {"epochs": 3})
    assert run.history["loss"].notna().all() and run.primary == "pearson"
    assert {"pearson", "spearman", "loss", "low", "high"} <= set(run.test)
    if method.returns == "best":
        assert run.chosen["pearson"] == pytest.approx(run.dev["dev_pearson"].max())
    assert "pearson test" in repr(run) and len(run.predictions["test"]) == 24
    assert run.plot().layout.meta["alt"].count("Dev pearson is highest") == 1


def test_a_student_learns_a_number(task, models):
    student, _ = models
    run = kd.distill(student, None, task, kd.LabelsOnly(), epochs=40, lr=5e-3, progress="off", seed=1)
    assert run.dev["dev_loss"].min() < run.dev["dev_loss"].iloc[0]
    values = run.student.predict([("the film plot", "a film plot")])
    assert list(values) == ["text", "score"] and np.isfinite(values["score"]).all()


def test_methods_for_classes_alone_are_refused_by_name(task, models):
    for method in (kd.HardKD(), kd.CoDistillation(), kd.UniversalKD()):
        with pytest.raises(
            ValueError, match=f"{method.name} is a method for classification, the task 'data' is one of reg"
        ):
            kd.distill(*models, task, method, **SHORT)
    with pytest.raises(ValueError, match="'data' is one of regression: labels are flipped between classes"):
        flip_labels(task, symmetric(2, 0.2))
    with pytest.raises(ValueError, match="labels are numbers, as of regression.*: an attack changes the class"):
        kd.robustness.attack(models[0], task["test"], None)
    with pytest.raises(
        ValueError, match="the student answers as in classification, the task 'data' is one of regression"
    ):
        kd.distill(tiny.student(), None, task, kd.LabelsOnly(), **SHORT)


def test_a_run_is_saved_resumed_measured_and_compared(task, models, tmp_path):
    *runs, again = tiny.three_runs(*models, task, tmp_path, SHORT)
    assert again.scores == runs[0].scores and again.student.task_kind == "regression"
    table = kd.compare(runs).table
    assert table["mean"].iloc[0] == pytest.approx(np.mean([run.test["pearson"] for run in runs]))
    assert "earson on test" in kd.compare(runs).plot().layout.title.text
    found = kd.measure({"student": runs[0].student}, [("a", "b")], task, repeats=1)
    assert found["pearson"].iloc[0] == pytest.approx(runs[0].test["pearson"])
    assert "pearson" in kd.figures.measured(found).layout.yaxis.title.text
    search = kd.tune(kd.KD, {"lr": (1e-3, 1e-2)}, task, *models, draws=2, seeds=(5,), **SHORT)
    assert search.scores.between(-1, 1).all()


def test_a_regression_head_leaves_for_transformers_and_comes_back(task, models, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    student, _ = models
    student.save_pretrained(tmp_path / "out")
    reader = AutoTokenizer.from_pretrained(tmp_path / "out")
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    assert (network.config.problem_type, network.config.num_labels) == ("regression", 1)
    pairs = [("the film plot", "a song"), ("the book", "a book play night")]
    batch = reader(*map(list, zip(*pairs)), padding=True, return_tensors="pt")
    with torch.no_grad():
        assert_close(
            network(**batch).logits.squeeze(-1).numpy(), student.predict(pairs)["score"].to_numpy(), atol=1e-6, rtol=0
        )
    back = kd.load_teacher(tmp_path / "out", task)
    assert back.task_kind == "regression" and back.labels == ("score",)
    assert_close(back.predict(pairs)["score"].to_numpy(), student.predict(pairs)["score"].to_numpy(), atol=1e-6, rtol=0)
    with pytest.warns(UserWarning, match="out has no classifier for the labels of 'data': a new one was put on"):
        kd.load_teacher(
            tmp_path / "out", kd.load_task(train=rows(8).assign(label=["a", "b"] * 4), labels={"a": "a", "b": "b"})
        )


# ---- a kind of one's own ---------------------------------------------------------------------------------------------
class OffByOne(Classification):
    """Classes in an order, where a neighbour is half right."""

    name, primary, spread = "ordered", "near", None

    def scores(self, logits, labels):
        gap = (logits.argmax(-1) - labels).abs().double()
        return {"near": float((1 - gap / 2).clamp(min=0).mean())} | super().scores(logits, labels)


def test_a_kind_is_one_class(monkeypatch, tmp_path):
    mine = OffByOne()
    monkeypatch.setitem(kinds.KINDS, mine.name, mine)
    task = replace(tiny.task(), kind=mine)
    student = kd.build_student(task, layers=1, hidden=16, heads=2)
    run = kd.distill(student, None, task, kd.LabelsOnly(), folder=tmp_path, **SHORT)
    assert run.primary == "near" and list(run.test)[0] == "near" and "dev_near" in run.history
    assert kd.Run.load(tmp_path).student.task_kind == "ordered"
    assert run.student.predict("the film is fine")["label"].iloc[0] in task.labels
    with pytest.raises(ValueError, match="HardKD is a method for classification, the task 'tiny' is one of ordered"):
        kd.distill(student, tiny.teacher(), task, kd.HardKD(), **SHORT)


def test_a_copied_task_is_of_the_same_kind(task):
    assert copy.deepcopy(REGRESSION) == pickle.loads(pickle.dumps(REGRESSION)) == REGRESSION != CLASSIFICATION
    again = replace(tiny.task(), kind=copy.deepcopy(CLASSIFICATION))
    student = kd.build_student(again, layers=1, hidden=16, heads=2)
    assert kd.distill(student, tiny.teacher(), again, kd.HardKD(), **SHORT).primary == "accuracy"


def test_a_kind_that_lacks_something_says_what():
    class Half(kinds.Kind):
        name = "half"

    with pytest.raises(TypeError, match="answers.*scores"):
        Half()


def test_classification_asks_as_before():
    logits, labels = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])
    assert list(CLASSIFICATION.scores(logits, labels)) == ["accuracy", "loss", "macro_f1"]
    assert_close(CLASSIFICATION.hard(logits, labels), torch.nn.functional.cross_entropy(logits, labels))
    assert_close(
        CLASSIFICATION.soft(logits, logits.flip(0), 2.0), kd.losses.logits.soft_kl(logits, logits.flip(0), 2.0)
    )

"""Multiple choice and several labels: from rows to a student in transformers and ONNX, and back as a teacher."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import kdviz as kd
from kdviz.data.kinds import MULTI_LABEL, MULTIPLE_CHOICE
from kdviz.models.model import Model
from tests.unit.models.families import save_family
from tests.unit.training import tiny

SHORT = {"epochs": 2, "steps_per_epoch": 3, "batch_size": 6, "progress": "off"}
WORDS = ("film", "plot", "song")


def several(start: int) -> pd.DataFrame:
    """Texts whose labels are the things that they praise."""
    rows = [
        {"text": f"the {' and the '.join(of) or 'play'} was {how}", "labels": [w for w in of if how == "good"]}
        for of in [(), *((w,) for w in WORDS), WORDS[:2], WORDS[1:], WORDS]
        for how in ("good", "bad", "very bad")
    ]
    return pd.DataFrame(rows[start::2])


def choices(start: int) -> pd.DataFrame:
    """Beginnings of which one ending is good."""
    rows = [
        {
            "text": f"{how} the {one}",
            "endings": [f"was {'good' if k == n % 3 else bad}" for k in range(3)],
            "label": n % 3,
        }
        for n, (one, how, bad) in enumerate(product(WORDS, ("once", "then", "now"), ("dull", "bad")))
    ]
    return pd.DataFrame(rows[start::2])


def task_of(kind: str):
    make = several if kind == "multi-label" else choices
    transfer = make(0).drop(columns=["labels", "label"], errors="ignore")
    return kd.load_task(train=make(0), dev=make(1), test=make(1), transfer=transfer, kind=kind)


@pytest.fixture(scope="module", params=["multi-label", "multiple-choice"])
def setting(request):
    task = task_of(request.param)
    teacher = kd.build_student(task, layers=4, hidden=24, heads=4, seed=7)
    return task, kd.build_student(task, layers=2, hidden=16, heads=2), teacher


@pytest.fixture(scope="module")
def choosing():
    task = task_of("multiple-choice")
    return task, kd.build_student(task, layers=2, hidden=16, heads=2)


ASKED = [
    ("once the film", ["was a film", "was a plot", "was a song"]),
    ("the song", ["good", "very bad film", "a play"]),
]


# ---- the kinds themselves --------------------------------------------------------------------------------------------
def test_losses_of_several_labels_are_those_of_as_many_yes_or_no_questions():
    g = torch.Generator().manual_seed(0)
    student = torch.randn(3, 4, generator=g, dtype=torch.float64).requires_grad_()
    teacher = torch.randn(3, 4, generator=g, dtype=torch.float64)
    labels = torch.tensor([[1, 0, 1, 0], [torch.nan] * 4, [0, 0, 0, 0]], dtype=torch.float64)
    z, t, y, tau = student.detach().numpy(), teacher.numpy(), labels.numpy(), 3.0
    p = 1 / (1 + np.exp(-z))
    hard = MULTI_LABEL.hard(student, labels)
    assert hard.item() == pytest.approx(np.mean((-y * np.log(p) - (1 - y) * np.log(1 - p))[[0, 2]]), abs=1e-6)
    (slope,) = torch.autograd.grad(hard, student)
    assert_close(slope.numpy(), np.nan_to_num((p - y) / 8), atol=1e-6, rtol=0)
    yes_s, yes_t = 1 / (1 + np.exp(-z / tau)), 1 / (1 + np.exp(-t / tau))
    kl = yes_t * np.log(yes_t / yes_s) + (1 - yes_t) * np.log((1 - yes_t) / (1 - yes_s))
    soft = MULTI_LABEL.soft(student, teacher, tau)
    assert soft.item() == pytest.approx(tau**2 * kl.mean(), abs=1e-6)
    (slope,) = torch.autograd.grad(soft, student)
    assert_close(slope.numpy(), tau * (yes_s - yes_t) / 12, atol=1e-6, rtol=0)
    assert_close(MULTI_LABEL.hard(student, labels, reduction="none")[1].item(), 0.0)
    assert MULTI_LABEL.soft(student, teacher, tau, reduction="none").shape == (3,)
    with pytest.raises(ValueError, match=r"labels \(3,\) for logits \(3, 4\)"):
        MULTI_LABEL.hard(student, labels[:, 0])


def test_losses_of_a_choice_are_those_of_its_classes():
    g = torch.Generator().manual_seed(0)
    network, teacher = torch.randn(12, 1, generator=g).requires_grad_(), torch.randn(3, 4, generator=g)
    logits, tau = MULTIPLE_CHOICE.shaped(network, tuple("abcd")), 2.0
    assert_close(logits, network.view(3, 4))
    labels = torch.tensor([2, -100, 0])
    hard = MULTIPLE_CHOICE.hard(logits, labels)
    assert_close(hard, F.cross_entropy(logits[[0, 2]], labels[[0, 2]]))
    (slope,) = torch.autograd.grad(MULTIPLE_CHOICE.soft(logits, teacher, tau), network, retain_graph=True)
    share = lambda z: np.exp(z / tau) / np.exp(z / tau).sum(1, keepdims=True)  # noqa: E731
    expected = tau * (share(logits.detach().numpy()) - share(teacher.numpy())) / 3
    assert_close(slope.view(3, 4).numpy(), expected, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="11 texts for 4 endings"):
        MULTIPLE_CHOICE.shaped(network[:11], tuple("abcd"))


def test_scores_of_several_labels_are_those_of_scikit_learn():
    logits = torch.tensor([[2.0, -1.0, 1.0], [-1.0, -1.0, -1.0], [1.0, 1.0, -1.0]])
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    found = MULTI_LABEL.scores(logits, labels)
    assert list(found)[0] == "micro_f1" and found["micro_f1"] == pytest.approx(2 * 3 / (2 * 3 + 1))
    assert found["macro_f1"] == pytest.approx((1 + 1 + 0) / 3) and found["exact"] == pytest.approx(2 / 3)
    said = MULTI_LABEL.said(logits, ("a", "b", "c"))
    assert said["labels"] == [("a", "c"), (), ("a", "b")] and said["p(a)"][0] == pytest.approx(1 / (1 + np.exp(-2)))


# ---- runs ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", [kd.KD(), kd.CKD(), kd.Glitter(pool=2, k=1)], ids=lambda method: method.name)
def test_a_cached_teacher_teaches_what_a_live_one_does(setting, method, tmp_path):
    task, student, teacher = setting
    run = kd.distill(student, teacher, task, method, folder=tmp_path, snapshots=["the film was good"], **SHORT)
    live = kd.distill(student, teacher, task, method, cache=False, **SHORT)
    assert_close(run.history["loss"].to_numpy(), live.history["loss"].to_numpy(), atol=1e-5, rtol=1e-5)
    again = kd.Run.load(tmp_path)
    assert repr(again.scores) == repr(run.scores) and again.student.task_kind == task.kind.name
    assert run.primary == task.kind.primary and task.kind.primary in repr(run)
    assert run.plot().layout.meta["alt"]
    for ours, read in zip(run.predictions.values(), again.predictions.values()):
        assert torch.equal(ours, read)


def test_a_student_learns_it(setting):
    task, student, _ = setting
    run = kd.distill(student, None, task, kd.LabelsOnly(), **SHORT | {"epochs": 10, "steps_per_epoch": 20}, lr=1e-2)
    assert run.dev["dev_loss"].min() < 0.8 * run.dev["dev_loss"].iloc[0]
    assert run.chosen[run.primary] > 0.5


def test_runs_are_measured_compared_and_searched(setting):
    task, student, teacher = setting
    runs = [kd.distill(student, teacher, task, kd.KD(), seed=seed, **SHORT) for seed in range(2)]
    assert kd.compare(runs).table["mean"].iloc[0] == pytest.approx(np.mean([r.test[r.primary] for r in runs]))
    found = kd.measure({"student": runs[0].student}, task["test"], task, repeats=1)
    assert found[task.kind.primary].iloc[0] == pytest.approx(runs[0].test[task.kind.primary])
    search = kd.tune(kd.KD, {"lr": (1e-3, 1e-2)}, task, student, teacher, draws=2, seeds=(5,), **SHORT)
    assert search.scores.between(0, 1).all()
    with pytest.raises(ValueError, match=f"the student answers as in classification, .* is one of {task.kind.name}"):
        kd.distill(tiny.student(), None, task, kd.LabelsOnly(), **SHORT)
    with pytest.raises(ValueError, match="an attack changes the class"):
        kd.robustness.attack(student, task["test"], None)


def test_every_other_field_is_of_each_text(choosing):
    task, student = choosing
    from kdviz import fields
    from kdviz.data.batches import encode_split

    batch = encode_split(task["dev"], student.tokenizer, kind=task.kind).batch([0, 3])
    want = fields.wanted({"logits", "word_gram", "cls"})
    out = student(batch.input_ids, batch.attention_mask, batch.token_type_ids, want=want)
    made = fields.compute(out, {"logits", "word_gram", "cls"}, (0, 1, 2), batch.attention_mask)
    n = batch.input_ids.shape[1]
    assert (
        made["logits"].shape == (2, 3) and made["word_gram"].shape == (6, 3, n, n) and made["cls"].shape == (6, 3, 16)
    )
    with pytest.raises(ValueError, match="5 texts for 3 endings: pass all endings of each row"):
        student(batch.input_ids[:5], batch.attention_mask[:5])
    assert kd.encode(student, ["the film", "a song"]).logits is None


def test_predict_says_which_ending(choosing):
    _, student = choosing
    found = student.predict(ASKED)
    assert list(found)[:3] == ["text", "ending", "label"] and found["text"].tolist() == [text for text, _ in ASKED]
    shares = found[["p(ending_0)", "p(ending_1)", "p(ending_2)"]].to_numpy()
    assert_close(shares.sum(1), np.ones(2, np.float32))
    assert found["ending"].tolist() == [endings[k] for (_, endings), k in zip(ASKED, shares.argmax(1))]
    for asked, words in (
        (("a film", ["x"]), "row 0 has 1 endings, 'student' chooses among 3"),
        ("a film", r"row 0 is 'a film': pass \(beginning, \[ending, …\]\)"),
        (("a film", ["x", " ", "z"]), "row 0 is .*all of them texts"),
    ):
        with pytest.raises(ValueError, match=words):
            student.predict([asked])


# ---- out of kdviz and back -------------------------------------------------------------------------------------------
def test_several_labels_leave_for_transformers_and_come_back(tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    task = task_of("multi-label")
    student = kd.build_student(task, layers=2, hidden=16, heads=2)
    network = AutoModelForSequenceClassification.from_pretrained(student.save_pretrained(tmp_path / "out")).eval()
    assert (network.config.problem_type, network.config.num_labels) == ("multi_label_classification", 3)
    texts, reader = ["the film was good", "a song"], AutoTokenizer.from_pretrained(tmp_path / "out")
    with torch.no_grad():
        shares = network(**reader(texts, padding=True, return_tensors="pt")).logits.sigmoid()
    assert_close(shares.numpy(), student.predict(texts).filter(like="p(").to_numpy(), atol=1e-6, rtol=0)
    turned = network.config.to_dict() | {"id2label": {0: "song", 1: "film", 2: "plot"}}
    network.config = type(network.config).from_dict(turned)
    network.save_pretrained(tmp_path / "turned")
    reader.save_pretrained(tmp_path / "turned")
    back = kd.load_teacher(tmp_path / "turned", task)
    assert back.labels == task.labels and back.task_kind == "multi-label"
    order = [1, 2, 0]  # film, plot, song of task.labels
    assert_close(back.predict(texts).filter(like="p(").to_numpy(), shares.numpy()[:, order], atol=1e-6, rtol=0)
    other = kd.load_task(train=several(0).drop(columns="labels").assign(label=[*"abc"] * 3 + ["a"] * 2))
    with pytest.raises(ValueError, match="'out' has a multi-label head .* the task 'data' asks for classification"):
        kd.load_teacher(tmp_path / "out", other)


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert", "electra", "gpt2"])
def test_a_choice_leaves_for_transformers_and_comes_back(choosing, family, tmp_path):
    from transformers import AutoModelForMultipleChoice, AutoTokenizer

    task, _ = choosing
    base = kd.load_teacher(save_family(tmp_path / "base", family))
    student = kd.build_student(task, layers=2, hidden=16, heads=2, init_from=base)
    student.save_pretrained(tmp_path / "out")
    expected = student.predict(ASKED).filter(like="p(").to_numpy()
    if family != "gpt2":  # which has no such head
        reader = AutoTokenizer.from_pretrained(tmp_path / "out")
        network = AutoModelForMultipleChoice.from_pretrained(tmp_path / "out").eval()
        firsts = [text for text, endings in ASKED for _ in endings]
        flat = reader(firsts, [e for _, endings in ASKED for e in endings], padding=True, return_tensors="pt")
        with torch.no_grad():
            logits = network(**{name: flat[name].view(2, 3, -1) for name in ("input_ids", "attention_mask")}).logits
        assert_close(logits.softmax(-1).numpy(), expected, atol=1e-6, rtol=0)
    back = kd.load_teacher(tmp_path / "out", task)
    assert back.choices == 3 and back.task_kind == "multiple-choice"
    assert_close(back.predict(ASKED).filter(like="p(").to_numpy(), expected, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="has a multiple-choice head .*load it with that task"):
        kd.load_teacher(tmp_path / "out")
    assert Model.load(student.save(tmp_path / "kept")).fingerprint() == student.fingerprint()


def test_a_choice_of_other_networks(choosing):
    task, student = choosing
    for one in (kd.build_student(task, layers=1, hidden=16, architecture="bilstm"), kd.compress(student, 8)):
        run = kd.distill(one, None, task, kd.LabelsOnly(), **SHORT)
        assert run.student.choices == 3 and run.history["loss"].notna().all()


def test_both_leave_for_onnx(setting, tmp_path):
    task, student, _ = setting
    texts = ASKED if task.kind == MULTIPLE_CHOICE else ["the film was good", "a song"]
    found = student.export(tmp_path / "out", texts=texts)
    assert found.gap < 1e-5 and found.labels == task.labels
    table = kd.measure({"model": student, "file": found}, task["test"], task, repeats=1)
    assert table[task.kind.primary].nunique() == 1


def test_a_copy_of_a_row_has_another_beginning_and_the_same_endings(choosing):
    from kdviz.data import augment

    task, _ = choosing
    made = augment.pool(task["train"], 2)
    for row, source in zip(made, made["source"][:]):
        assert row["endings"] == task["train"][source]["endings"] and row["text"] != task["train"][source]["text"]


def test_the_command_line_exports_a_choice(choosing, tmp_path, capsys):
    from kdviz.cli import main

    choosing[1].save(tmp_path / "kept")
    choices(0).to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    texts = ["--onnx", "--texts", str(tmp_path / "rows.jsonl")]
    assert main(["export", str(tmp_path / "kept"), str(tmp_path / "out"), *texts]) == 0
    assert "on 9 texts" in capsys.readouterr().out

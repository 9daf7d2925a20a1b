"""The call, the loop, what they log and what they refuse."""

from __future__ import annotations

import math
import subprocess
import sys

import datasets
import numpy as np
import pandas as pd
import pytest
import torch

import kdviz as kd
from kdviz.data.batches import BatchSampler, Rows
from kdviz.methods.base import Method, Phase
from kdviz.training.context import Context
from kdviz.training.distill import _accelerator
from kdviz.training.metrics import evaluate
from kdviz.training.phases import ScheduledPhase, schedule_phases
from kdviz.training.progress import Progress, choose, sketch
from kdviz.training.state import Settings
from tests.unit.training import tiny


def make(method, **settings) -> Context:
    return Context(tiny.student(), tiny.teacher(), tiny.task(), method, Settings(**settings), _accelerator(None))


# ---- a run ---------------------------------------------------------------------------------------------------------


def test_a_run_learns_and_says_what_happened():
    run = tiny.distill(kd.LabelsOnly(), epochs=40, lr=3e-3, student=tiny.student(dropout=0.0))
    assert run.history["loss"].iloc[-1] < 0.2 * run.history["loss"].iloc[0]
    assert run.test["accuracy"] > 0.6 and run.test["rows"] == len(tiny.task()["test"])
    assert run.test["low"] < run.test["accuracy"] <= run.test["high"]
    assert list(run.history["step"]) == list(range(len(run.history)))
    assert len(run.dev) == 40 and run.dev["step"].iloc[0] == 2
    assert "LabelsOnly" in repr(run) and "test" in repr(run)


def test_equal_seeds_give_equal_runs_and_others_do_not():
    one, two, other = tiny.distill(seed=3), tiny.distill(seed=3), tiny.distill(seed=4)
    pd.testing.assert_frame_equal(one.history, two.history, check_exact=True)
    assert one.history["loss"].tolist() != other.history["loss"].tolist()


def test_neither_the_given_student_nor_the_global_chance_is_touched():
    before = {name: tensor.clone() for name, tensor in tiny.student().state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tiny.distill()
    assert torch.equal(torch.rand(3), expected)
    for name, tensor in tiny.student().state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(parameter.requires_grad for parameter in tiny.teacher().parameters())


def test_the_best_dev_student_is_kept_and_the_test_is_looked_at_once(monkeypatch):
    from kdviz.training import distill as module

    looks = []
    real = module.evaluate
    monkeypatch.setattr(module, "evaluate", lambda *args: looks.append(1) or real(*args))
    run = tiny.distill(kd.LabelsOnly(), epochs=12, lr=3e-3)
    assert len(looks) == 1  # one split is not trained on: test
    rows = Rows(tiny.teacher().tokenizer, 128)
    rows.add(tiny.task()["dev"])
    assert evaluate(run.student, rows)[0]["accuracy"] == run.dev["dev_accuracy"].max()


class Ruined(Method):
    """Labels, then a second phase that pushes the student to the other answer."""

    def phases(self, epochs):
        return [Phase("good", epochs - 2, rows="labelled"), Phase("harm", 2, rows="labelled", restart="best")]

    def loss(self, student, teacher, batch, ctx):
        labels = batch.labels if ctx.at.phase == "good" else 1 - batch.labels
        return {"labels": torch.nn.functional.cross_entropy(student["logits"], labels)}


def dev_scores(student):
    rows = Rows(tiny.teacher().tokenizer, 128)
    rows.add(tiny.task()["dev"])
    return evaluate(student, rows)[0]


def test_a_harmful_phase_does_not_ruin_the_student(tmp_path):
    run = tiny.distill(Ruined(), epochs=22, lr=3e-3, student=tiny.student(dropout=0.0), folder=tmp_path)
    best = run.dev.groupby("phase", sort=False)["dev_accuracy"].max()
    assert best["harm"] < best["good"], "the second phase did harm"
    there = run.history.loc[run.chosen["step"]]
    assert there["phase"] == "good" and there["dev_accuracy"] == best["good"] == run.chosen["accuracy"]
    for student in (run.student, kd.Run.load(tmp_path).student):
        assert run.chosen == {"step": run.chosen["step"]} | dev_scores(student)
    assert kd.Run.load(tmp_path).chosen == run.chosen


@pytest.mark.parametrize("method", [kd.KD(), kd.SWA(), kd.AnnealingKD(label_epochs=1), kd.CKD(relation_epochs=1)])
def test_the_dev_scores_of_a_run_are_those_of_its_student(method):
    run = tiny.distill(method, epochs=3, lr=3e-3)
    assert run.chosen == {"step": run.chosen["step"]} | dev_scores(run.student)
    if method.returns == "best":
        assert run.chosen["accuracy"] == run.dev["dev_accuracy"].max()


def test_of_equal_phases_the_later_is_returned():
    class Twice(kd.KD):
        def phases(self, epochs):
            return [Phase("one", 1), Phase("two", 1, lr=1e-12)]

    run = tiny.distill(Twice())
    assert run.dev["dev_accuracy"].nunique() == 1 and run.chosen["step"] == len(run.history) - 1


def test_a_phase_is_no_longer_than_its_rows_can_bear():
    class Plan(Method):
        def phases(self, epochs):
            labels = Phase("labels", 2, rows="labelled", reset_optimizer=False, passes=3)
            return [Phase("a", 1), Phase("b", 2), labels]

    stretches = schedule_phases(make(Plan(), batch_size=4, steps_per_epoch=30), Plan().phases(5))
    labels = stretches[-1]
    assert labels.steps == 3 * labels.order.per_pass < 60
    assert [s.steps for s in stretches] == [30 + (60 - labels.steps) // 3, 60 + (60 - labels.steps) * 2 // 3, 18]
    assert [s.first for s in stretches] == [0, 44, 132]
    assert labels.shared == stretches[1].shared == 106
    unlimited = schedule_phases(make(Plan(), batch_size=4), Plan().phases(5))
    assert [s.steps // s.order.per_pass for s in unlimited] == [1, 2, 2], "passes that are fewer are left alone"
    alone = schedule_phases(make(Plan(), batch_size=4, steps_per_epoch=30), [Plan().phases(5)[-1]])
    assert alone[0].steps == 60, "there is no phase before it that could take its steps"


def test_epochs_of_a_longer_phase_are_scored_evenly():
    few = tiny.task().with_labels(0.3, seed=0)
    run = tiny.distill(kd.AnnealingKD(), task=few, steps_per_epoch=30, epochs=5)
    assert len(run.history) == 150
    phases = run.history.groupby("phase", sort=False)["step"].count()
    assert phases["labels"] == 10 and list(run.dev["step"]) == [34, 69, 104, 139, 149]
    asked = tiny.distill(kd.AnnealingKD(label_epochs=1), task=few, steps_per_epoch=30, epochs=5)
    assert (asked.history["phase"] == "labels").sum() == 30, "who asks for epochs gets them"


def test_predictions_and_scores_agree():
    run = tiny.distill(epochs=1)
    labels = torch.tensor(tiny.task()["test"]["label"][:])
    assert run.test["accuracy"] == (run.predictions["test"] == labels).double().mean().item()
    assert tiny.distill(epochs=1, score=()).scores == {}
    with pytest.raises(KeyError, match="not scored on test"):
        tiny.distill(epochs=1, score=()).test  # noqa: B018


def test_rows_without_a_label_neither_count_nor_narrow_the_interval():
    few, many = tiny.task()["test"], tiny.task()["transfer"]
    mixed = datasets.concatenate_datasets([few, *[many] * 5])
    task = kd.Task("tiny", tiny.task().labels, tiny.task().splits | {"test": few, "mixed": mixed})
    run = tiny.distill(epochs=1, task=task)
    for name in ("accuracy", "rows", "low", "high"):
        assert run.scores["mixed"][name] == run.scores["test"][name], name
    measured = [
        kd.measure([tiny.teacher()], ["a film"], kd.Task("x", (), {"test": rows}), repeats=1) for rows in (few, mixed)
    ]
    for name in ("accuracy", "accuracy_low", "accuracy_high"):
        assert measured[0].loc["tiny teacher", name] == measured[1].loc["tiny teacher", name], name


def test_what_cannot_be_scored_is_said_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr("kdviz.training.distill.train", lambda *args: pytest.fail("it was trained"))
    with pytest.raises(KeyError, match="no split 'tset'"):
        tiny.distill(score=("tset",))
    with pytest.raises(ValueError, match="split 'transfer' .* has no labels to score"):
        tiny.distill(score=("transfer",))
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"written into .*run \(Not a directory\); name a folder that you can write to"):
        tiny.distill(folder=tmp_path / "file" / "run")
    monkeypatch.setattr("kdviz.disk.os.access", lambda *args: False)
    with pytest.raises(PermissionError, match=r"written into .*run \(Permission denied\); name a folder"):
        tiny.distill(folder=tmp_path / "run")


def test_a_run_is_saved_and_loaded_whole(tmp_path):
    run = tiny.distill(snapshots=["the film is great", "a dull song"], snapshot_every=4)
    run.records["weights"] = [(0, torch.rand(3)), (2, torch.rand(2))]
    back = kd.Run.load(run.save(tmp_path / "run"))
    pd.testing.assert_frame_equal(back.history, run.history, check_exact=True)
    assert back.scores == run.scores and back.settings == run.settings and back.label == run.label
    assert [step for step, _ in back.records["weights"]] == [0, 2]
    assert torch.equal(back.records["weights"][1][1], run.records["weights"][1][1])
    assert torch.equal(back.predictions["test"], run.predictions["test"])
    assert back.snapshots.steps == run.snapshots.steps == [0, 4, 8, 12]
    assert back.snapshots.teacher.tokens == run.snapshots.teacher.tokens
    assert torch.equal(back.snapshots.states[2].hidden, run.snapshots.states[2].hidden)
    kinds = {path.suffix for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert kinds <= {".json", ".safetensors", ".txt"}
    with pytest.raises(FileNotFoundError, match="no finished run"):
        kd.Run.load(tmp_path)


def test_mixed_precision_trains_near_full_precision():
    full, half = tiny.distill(), tiny.distill(mixed_precision="bf16")
    assert not half.history["loss"].equals(full.history["loss"])
    np.testing.assert_allclose(half.history["loss"], full.history["loss"], rtol=0.05)
    assert tiny.distill().history["loss"].equals(full.history["loss"])  # the next run is in full precision again


def test_arrays_of_ids_need_no_tokenizer():
    class Pixels(torch.nn.Module):
        """Eight integers to two classes, with the face of a Model."""

        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(8, 2)

        def forward(self, input_ids, attention_mask, token_type_ids=None, *, want):
            from kdviz.models.model import Outputs

            return Outputs(logits=self.layer(input_ids.float() / 8 - 1))

    chance = np.random.default_rng(0)

    def split(count):
        pixels = chance.integers(0, 16, (count, 8))
        return datasets.Dataset.from_dict(
            {"input_ids": pixels.tolist(), "label": (pixels.sum(1) > 60).astype(int).tolist()}
        )

    task = kd.Task("pixels", ("dark", "light"), {name: split(60) for name in ("train", "dev", "test")})
    torch.manual_seed(0)
    run = kd.distill(Pixels(), Pixels(), task, kd.KD(alpha=0.1), epochs=40, lr=0.1, progress="off")
    assert run.test["accuracy"] > 0.8


# ---- phases and hooks ----------------------------------------------------------------------------------------------


class Recorder(Method):
    """Uses every hook and writes down what it saw."""

    needs = frozenset({"logits"})
    returns = "last"

    def __init__(self):
        self.seen, self.asked, self.returned = [], [], []

    def phases(self, epochs):
        first = Phase("first", 1, rows="labelled", lr=1e-2)
        return [
            first,
            Phase("none", 0),
            Phase("second", epochs - 1, rows="unlabelled", restart="best", reset_optimizer=False),
        ]

    def setup(self, ctx):
        self.ctx = ctx
        self.head = ctx.add_module("head", torch.nn.Linear(2, 2))
        self.before = self.head.weight.detach().clone()
        self.kept = ctx.add_state("counter", torch.nn.BatchNorm1d(2))
        self.added = ctx.add_rows(datasets.Dataset.from_dict({"text": ["a new text", "another"]}))

    def select(self, batch, ctx):
        return ctx.rows([*batch.index.tolist(), self.added[0]])

    def perturb(self, batch, ctx):
        return {"input_ids": batch.input_ids.flip(0), "attention_mask": batch.attention_mask.flip(0)}

    def weights(self, losses, ctx):
        return {"rows": torch.full_like(losses["rows"], 3.0)}

    def teacher_for(self, phase):
        self.asked.append(phase.name)
        return tiny.student(seed=9) if phase.name == "second" else None

    def after_step(self, ctx):
        ctx.log(doubled=2 * ctx.at.step)
        ctx.record("labels", ctx.batch.labels)

    def finish(self, ctx):
        self.score = ctx.evaluate()
        self.kept_student = {name: tensor.clone() for name, tensor in ctx.student.state_dict().items()}

    def loss(self, student, teacher, batch, ctx):
        self.seen.append((ctx.at, batch, teacher))
        flipped = student["perturbed"]["logits"]
        assert flipped.shape == student["logits"].shape and teacher["perturbed"]["logits"].shape == flipped.shape
        rows = (self.head(student["logits"]) - teacher["logits"]).square().mean(-1)
        apart = (flipped - teacher["perturbed"]["logits"]).square().mean()
        self.returned.append((rows.mean().item(), apart.item()))
        return {"rows": rows, "flipped": apart}


def test_every_hook_is_called_as_documented():
    method = Recorder()
    run = tiny.distill(method, epochs=3)
    first = [entry for entry in method.seen if entry[0].phase == "first"]
    second = [entry for entry in method.seen if entry[0].phase == "second"]
    assert method.asked == ["first", "second"]
    assert all((batch.labels[:-1] >= 0).all() for _, batch, _ in first)
    assert all((batch.labels == -100).all() for _, batch, _ in second)
    assert all(batch.index[-1] == method.added[0] for _, batch, _ in method.seen)
    assert [at.step for at, *_ in method.seen] == list(range(len(run.history)))
    assert {at.epoch for at, *_ in second} == {0, 1} and second[0][0].fraction == 0
    assert method.seen[0][0].index == 0 and second[0][0].index == 1
    assert not torch.equal(method.head.weight, method.before)
    assert run.history["doubled"].tolist()[1:] == [2 * step for step in range(len(run.history) - 1)]
    assert [step for step, _ in run.records["labels"]] == list(range(len(run.history)))
    assert method.score["accuracy"] == run.dev["dev_accuracy"].iloc[-1]
    logged = run.history[["rows", "flipped"]].to_numpy()
    np.testing.assert_allclose(logged, [[3 * rows, apart] for rows, apart in method.returned], rtol=1e-5)
    losses = run.history["loss"] - run.history["rows"] - run.history["flipped"]
    assert losses.abs().max() < 1e-5
    at, batch, teacher = second[-1]
    with torch.no_grad():
        other = tiny.student(seed=9).eval()(batch.input_ids, batch.attention_mask, batch.token_type_ids).logits
    torch.testing.assert_close(teacher["logits"], other, atol=1e-5, rtol=1e-4)


class Looker(kd.LabelsOnly):
    """Writes down how the student stood at each step, and leaves it without dropout."""

    def __init__(self):
        self.stood = []

    def loss(self, student, teacher, batch, ctx):
        self.stood.append(all(part.training for part in ctx.student.modules()))
        return super().loss(student, teacher, batch, ctx)

    def after_step(self, ctx):
        if ctx.at.step % 3 == 0:
            ctx.student.eval()


def test_a_student_trains_with_dropout_whoever_looked_at_it():
    method = Looker()
    tiny.distill(method, epochs=2, student=tiny.student().eval())
    assert len(method.stood) > 5 and all(method.stood)


def test_the_rate_warms_up_decays_and_is_shared_by_phases_that_say_so():
    class Plan(Method):
        def phases(self, epochs):
            return [
                Phase("a", 1),
                Phase("b", 1, reset_optimizer=False, lr=1.0),
                Phase("c", 1),
                Phase("d", 1, schedule="constant"),
            ]

    stretches = schedule_phases(make(Plan(), batch_size=4), Plan().phases(4))
    steps = stretches[0].steps
    assert [(s.first, s.shared_first, s.shared) for s in stretches] == [
        (0, 0, 2 * steps),
        (steps, 0, 2 * steps),
        (2 * steps, 2 * steps, steps),
        (3 * steps, 3 * steps, steps),
    ]
    rates = [stretches[0].lr(step, 0.5, 0.25) for step in range(steps)]
    warm = 0.25 * 2 * steps
    assert rates[0] == pytest.approx(0.5 / (warm + 1)) and max(rates) <= 0.5
    assert stretches[1].lr(steps - 1, 0.5, 0.25) == pytest.approx(1.0 / (2 * steps - warm))
    assert stretches[3].lr(steps - 1, 0.5, 0.25) == 0.5
    assert all(ScheduledPhase.lr(s, step, 0.5, 0.0) > 0 for s in stretches for step in range(s.steps))


def test_an_order_visits_each_row_once_a_pass_and_starts_anywhere():
    lengths = np.random.default_rng(0).integers(3, 30, 50)
    members = np.arange(7, 47)
    order = BatchSampler(members, lengths, 8, seed=1, phase=0)
    steps = [order[step] for step in range(10)]
    for one_pass in (steps[:5], steps[5:]):
        assert sorted(np.concatenate(one_pass)) == list(members)
    assert np.array_equal(BatchSampler(members, lengths, 8, seed=1, phase=0)[7], steps[7])
    assert not np.array_equal(BatchSampler(members, lengths, 8, seed=1, phase=1)[0], steps[0])


def test_steps_per_epoch_makes_runs_equally_long():
    few = tiny.task().with_labels(0.3, seed=0)
    runs = [tiny.distill(method, task=few, steps_per_epoch=5, epochs=3) for method in (kd.LabelsOnly(), kd.KD())]
    assert [len(run.history) for run in runs] == [15, 15]
    assert [len(run.dev) for run in runs] == [3, 3]


# ---- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, told",
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"lr": 0}, "lr=0"),
        ({"warmup": 1.0}, "warmup=1.0"),
        ({"epochs": -1}, "epochs=-1"),
        ({"mixed_precision": "fp8"}, "mixed_precision='fp8': choose among None, 'no'"),
        ({"steps_per_epoch": 0}, "steps_per_epoch=0"),
        ({"progress": "loud"}, "progress='loud'"),
        ({"teacher": None}, "KD needs logits, but teacher is None"),
    ],
)
def test_impossible_settings_are_named(settings, told):
    with pytest.raises(ValueError, match=told):
        tiny.distill(kd.KD(), **settings)


def test_models_that_do_not_fit_the_task_are_refused():
    splits = tiny.task().splits
    other = kd.Task("other", ("no", "yes"), splits)
    with pytest.raises(ValueError, match="student answers"):
        tiny.distill(task=other)
    with pytest.raises(ValueError, match="has no dev split"):
        tiny.distill(task=kd.Task("tiny", tiny.task().labels, {name: splits[name] for name in ("train", "test")}))
    labelled = kd.Task("tiny", tiny.task().labels, {name: splits[name] for name in ("train", "dev", "test")})
    with pytest.raises(ValueError, match='rows "unlabelled", but of 23 rows none is'):
        tiny.distill(kd.KD(rows="unlabelled"), task=labelled)


def test_a_loss_that_is_no_number_stops_the_run_by_name():
    class Broken(kd.KD):
        def loss(self, student, teacher, batch, ctx):
            return super().loss(student, teacher, batch, ctx) | {
                "bad": student["logits"].mean() / (0 if ctx.at.step == 2 else 1)
            }

    with pytest.raises(FloatingPointError, match=r"step 2 \(distil\): loss, bad"):
        tiny.distill(Broken())


# ---- what a reader sees --------------------------------------------------------------------------------------------


def test_plain_progress_is_one_line_an_epoch(capsys):
    tiny.distill(progress="plain")
    lines = [line for line in capsys.readouterr().out.splitlines() if "epoch" in line]
    assert len(lines) == 2 and "KD: distil epoch 2/2, step 12/12, loss" in lines[1] and "dev accuracy" in lines[1]


def test_where_nobody_watches_progress_is_plain(monkeypatch):
    monkeypatch.setenv("CI", "1")
    assert choose("auto") == "plain"
    assert choose("terminal") == "terminal"


def test_a_terminal_shows_a_bar(capsys):
    tiny.distill(progress="terminal")
    assert "KD: 100%" in capsys.readouterr().err


def test_a_notebook_keeps_the_summary_and_a_figure(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    root = str(tiny.__file__).rpartition("/tests/")[0]
    cell = (
        f"import sys; sys.path.insert(0, {root!r})\nfrom tests.unit.training import tiny\n"
        "run = tiny.distill(progress='auto', epochs=6)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    NotebookClient(notebook, timeout=300).execute()
    outputs = notebook.cells[0].outputs
    kinds = [set(output.get("data", {})) for output in outputs]
    assert sum("application/vnd.plotly.v1+json" in kind for kind in kinds) == 1
    html = " ".join(output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {}))
    assert "KD: 36 steps" in html and "<progress" not in html
    assert not any("widget" in name for kind in kinds for name in kind)


def test_the_sketch_shows_terms_as_text_never_as_markup():
    drawn = sketch([{"step": 0, "phase": "a", "<b>x": 1.0}, {"step": 1, "phase": "a", "<b>x": 0.5}])
    assert "&lt;b&gt;x" in drawn and "<b>" not in drawn and "polyline" in drawn
    assert Progress("off", "x").close("done") is None


def test_a_run_is_plotted_with_its_phases():
    run = tiny.distill(kd.CKD(relation_epochs=1), epochs=3)
    figure = run.plot()
    names = [trace.name for trace in figure.data]
    assert {"word_pair", "layer_triple", "logits", "labels"} < set(names) and names[-1] == "dev accuracy"
    dev = next(trace for trace in figure.data if trace.name == "dev accuracy")
    np.testing.assert_allclose(dev.y, run.dev["dev_accuracy"], atol=2e-3)
    texts = [note.text for note in figure.layout.annotations]
    assert "relations" in texts and "distil" in texts and "18 training steps" in figure.layout.meta["alt"]


def test_runs_are_compared_over_seeds():
    runs = [tiny.distill(method, seed=seed, epochs=1) for method in (kd.KD(), kd.LabelsOnly()) for seed in range(3)]
    compared = kd.compare(runs)
    row = compared.table.set_index(["method", "split"]).loc[("KD", "test")]
    values = [run.test["accuracy"] for run in runs[:3]]
    assert row["mean"] == pytest.approx(np.mean(values)) and row["runs"] == 3
    half = 4.302653 * np.std(values, ddof=1) / math.sqrt(3)
    assert row["high"] - row["mean"] == pytest.approx(half, rel=1e-5)
    assert len(compared.plot().data[0].x) == 2 and "KD" in compared._repr_html_()
    with pytest.raises(ValueError, match="two runs are called 'KD' with seed 0"):
        kd.compare([runs[0], runs[0]])
    with pytest.raises(ValueError, match="at least one run"):
        kd.compare([])
    with pytest.raises(ValueError, match="'ood'"):
        compared.plot("ood")


def test_importing_kdviz_does_not_import_training():
    code = (
        "import sys, kdviz; kdviz.__dir__(); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'accelerate', 'kdviz.training')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

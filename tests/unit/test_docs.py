"""What the pages show is run: students out of kdviz, a search of one's own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

import kdviz as kd
from tests.unit.training import tiny

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXTS = ["the film is great", "the plot is dull [MASK]", "warm " * 600]


def blocks(page: str, heading: str) -> list[str]:
    """The Python of a page below a heading."""
    section = (DOCS / page).read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)


@pytest.fixture(scope="module")
def student():
    model = kd.build_student(tiny.task(), layers=2, hidden=16, heads=2)
    with torch.no_grad():
        model.network.encoder.classifier.weight.mul_(20)
    return model


def test_transformers_reads_the_folder(student, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [code] = blocks("export.md", "For transformers")
    names = {"run": SimpleNamespace(student=student)}
    exec(code, names)
    texts = re.findall(r'"([^"]+)"', code.splitlines()[-1])[-2:]
    table = student.predict(texts)
    assert [one["label"] for one in names["answers"]] == list(table.label)
    assert names["model"].config.id2label == {0: "bad", 1: "good"}
    for one, (_, row) in zip(names["answers"], table.iterrows(), strict=True):
        assert one["score"] == pytest.approx(row[f"p({row.label})"], abs=1e-6)


def test_a_machine_without_torch_runs_the_lines_of_the_page(student, tmp_path):
    written, used = blocks("export.md", "ONNX, without torch")
    assert len([line for line in used.splitlines() if line]) <= 12
    exec(written.replace('"out"', repr(str(tmp_path / "out"))), {"run": SimpleNamespace(student=student)})
    used = used.replace('["a good film", "the plot is dull"]', repr(TEXTS))
    more = (
        "import sys\nprint(logits.tolist())\nprint([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", used + more], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    labels, logits, loaded = map(eval, done.stdout.splitlines())
    table, states = student.predict(TEXTS, max_length=512), kd.encode(student, TEXTS, max_length=512)
    assert "cut to 512 of 602 tokens" in states.notes[0]
    assert labels == list(table.label) and loaded == []
    assert_close(torch.tensor(logits), states.logits, atol=1e-5, rtol=1e-4)


def test_int8_is_measured_beside_the_others(student, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [code] = blocks("export.md", "In 8 bits")
    names = {"run": SimpleNamespace(student=student), "kd": kd, "task": tiny.task()}
    exec(code, names)
    table = names["table"]
    assert list(table.index) == ["torch", "ONNX", "int8"] and table.weights.nunique() == 1
    assert table.megabytes["int8"] < table.megabytes["ONNX"] and table.accuracy["torch"] == table.accuracy["ONNX"]
    assert 0 < names["small"].gap < 0.1


def test_the_objective_of_the_search_trains_students_and_looks_at_dev_alone(monkeypatch):
    """Optuna itself is no part of the tests: a trial is what gives the numbers that are asked for."""
    [code] = blocks("runs.md", "A search of your own")
    asked, runs, distill = {}, [], kd.distill
    small = {"epochs": 1, "steps_per_epoch": 2}

    def noted(*given, **settings):
        runs.append(distill(*given, **settings | small))
        return runs[-1]

    def suggest(name, low, high, log=False):
        asked[name] = (low, high, log)
        return low

    study = SimpleNamespace(optimize=lambda objective, n_trials: runs.append(objective(trial)), best_params=asked)
    trial = SimpleNamespace(suggest_float=suggest)
    optuna = SimpleNamespace(create_study=lambda direction: study if direction == "maximize" else None)
    monkeypatch.setattr(kd, "distill", noted, raising=False)
    exec(code, {"kd": kd, "task": tiny.task(), "teacher": tiny.teacher(), "optuna": optuna})
    *students, value = runs
    assert asked == {"alpha": (0.3, 1.0, False), "temperature": (1.0, 8.0, False), "lr": (3e-4, 1e-2, True)}
    assert value == pytest.approx(sum(run.dev["dev_accuracy"].max() for run in students) / 2)
    assert [run.scores for run in students] == [{}, {}], "test is not looked at"
    assert students[0].settings["seed"] != students[1].settings["seed"]
    assert students[0].settings["lr"] == 3e-4

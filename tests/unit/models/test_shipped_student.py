"""The student that comes with a task: as good as its log says, small, and missed by name."""

from __future__ import annotations

import json

import numpy as np
import pytest

import kdviz as kd
from kdviz.models import teachers
from kdviz.models.model import Model
from kdviz.paths import data_dir


def test_it_is_as_good_as_its_log_says_and_small():
    task = kd.load_task("reviews")
    student, folder = kd.load_student(task), data_dir() / "students" / "reviews"
    log = json.loads((folder / "log.json").read_text())
    test = task["test"]
    right = np.mean(student.predict(test["text"][:]).label == [task.labels[label] for label in test["label"]])
    assert right == pytest.approx(log["test"], abs=0.002) and right > 0.9
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) < 4e6
    assert student.role == "student" and student.layer_map is not None


def test_a_task_without_one_is_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no student comes with the task 'entail', only with reviews"):
        kd.load_student(kd.load_task("entail"))
    monkeypatch.setattr(teachers, "data_dir", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match="only with none: .* data/students"):
        kd.load_student(kd.load_task("reviews"))


def test_its_script_writes_student_and_log(tmp_path, monkeypatch):
    from data.make import student as workshop

    task = kd.load_task("reviews").subset(20)
    monkeypatch.setattr(workshop.kd, "load_task", lambda name: task)
    log = workshop.make("reviews", tmp_path, epochs=1, steps_per_epoch=2, progress="off")
    assert json.loads((tmp_path / "log.json").read_text()) == log and len(log["dev"]) == 1
    assert Model.load(tmp_path).name == "student"
    halfway = Model.load(tmp_path / "halfway")
    assert halfway.name == "student, halfway" and log["halfway_step"] == 0
    assert halfway.fingerprint() != Model.load(tmp_path).fingerprint()

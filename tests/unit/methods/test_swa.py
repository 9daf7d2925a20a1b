"""Weight averaging: the result is the mean of the students passed through, whatever method moved them."""

from __future__ import annotations

import pytest
import torch

import kdviz as kd
from kdviz.training.run import Run
from tests.unit.training import tiny


class Watched(kd.KD):
    """KD that keeps every student it passes through."""

    def after_step(self, ctx):
        self.__dict__.setdefault("students", []).append((ctx.at, ctx.weights()))


def mean_of(students):
    return {name: torch.stack([weights[name] for weights in students]).mean(0) for name in students[0]}


@pytest.mark.parametrize("start, every", [(0.5, 1), (0.25, 3), (0.0, 2), (0.99, 5)])
def test_the_result_is_the_mean_of_the_students_after_the_start(start, every):
    base = Watched()
    run = tiny.distill(kd.SWA(base, start=start, every=every), epochs=2)
    steps = len(run.history)
    first = min(round(start * steps), steps - 1)
    chosen = [weights for at, weights in base.students if at.step in range(first, steps, every)]
    assert len(base.students) == steps and len(chosen) == len(range(first, steps, every))
    for name, mean in mean_of(chosen).items():
        torch.testing.assert_close(run.student.state_dict()[name], mean, rtol=1e-5, atol=1e-6)


def test_averaging_changes_the_path_in_nothing():
    """With the base's own schedule, the students that are passed through are the base's students."""
    alone, averaged = Watched(), Watched()
    tiny.distill(alone, epochs=2)
    tiny.distill(kd.SWA(averaged, schedule="linear"), epochs=2)
    for (_, one), (_, other) in zip(alone.students, averaged.students, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_rate_of_the_averaged_phase():
    constant = tiny.distill(kd.SWA(kd.KD(), lr=3e-3), epochs=3).history["lr"]
    assert constant.iloc[-1] == 3e-3 and (constant.iloc[len(constant) // 2 :] == 3e-3).all()
    decayed = tiny.distill(kd.SWA(kd.KD(), schedule="linear"), epochs=3).history["lr"]
    assert decayed.iloc[-1] < 0.2 * decayed.max()


class Stages(kd.AnnealingKD):
    def after_step(self, ctx):
        self.__dict__.setdefault("students", []).append((ctx.at, ctx.weights()))


def test_of_several_phases_only_the_last_is_averaged():
    base = Stages(tau_max=2, label_epochs=2)
    run = tiny.distill(kd.SWA(base, start=0), epochs=4)
    assert run.label == "Stages + SWA" and list(dict.fromkeys(run.history["phase"])) == ["teacher", "labels"]
    for name, mean in mean_of([weights for at, weights in base.students if at.phase == "labels"]).items():
        torch.testing.assert_close(run.student.state_dict()[name], mean, rtol=1e-5, atol=1e-6)


def test_a_wrapped_method_keeps_its_hooks():
    run = tiny.distill(kd.SWA(kd.RWKD(meta_size=4)), epochs=1)
    assert len(run.records["teacher_share"]) == len(run.history)


def test_without_a_teacher_labels_alone_are_averaged():
    run = tiny.distill(kd.SWA(), epochs=1, teacher=None)
    assert run.label == "LabelsOnly + SWA"


class Stop(Exception):
    pass


class Mortal(kd.KD):
    def after_step(self, ctx):
        if ctx.at.step == 5:
            raise Stop


def test_a_run_that_was_stopped_goes_on_with_its_mean(tmp_path, monkeypatch):
    settings = {"epochs": 3, "checkpoint_every": 1}
    whole = tiny.distill(kd.SWA(start=0.2, base=kd.KD()), folder=tmp_path / "whole", **settings)
    with pytest.raises(Stop):
        tiny.distill(kd.SWA(Mortal(), start=0.2), folder=tmp_path / "cut", **settings)
    assert not (tmp_path / "cut" / "run.json").exists()
    monkeypatch.setattr(Mortal, "after_step", kd.KD.after_step)
    resumed = tiny.distill(kd.SWA(Mortal(), start=0.2), folder=tmp_path / "cut", resume=True, **settings)
    for name, weight in whole.student.state_dict().items():
        assert torch.equal(weight, resumed.student.state_dict()[name]), name
    loaded = Run.load(tmp_path / "cut")
    assert all(torch.equal(w, loaded.student.state_dict()[n]) for n, w in whole.student.state_dict().items())


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"start": 1.0}, "start=1.0"),
        ({"every": 0}, "every=0"),
        ({"schedule": "cosine"}, "choose among constant, linear"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings, words):
    with pytest.raises(ValueError, match=words):
        kd.SWA(**settings)

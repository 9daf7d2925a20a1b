"""The history in TensorBoard's own files, through accelerate's trackers."""

from __future__ import annotations

import pytest
from accelerate import tracking
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import kdviz as kd
from tests.unit.training import tiny


def scalars(folder) -> dict:
    """name -> {step: value}, of the event files themselves."""
    events = EventAccumulator(str(folder / "log"))
    events.Reload()
    return {name: {event.step: event.value for event in events.Scalars(name)} for name in events.Tags()["scalars"]}


def test_the_event_files_hold_the_history(tmp_path):
    run = tiny.distill(kd.KD(), epochs=2, folder=tmp_path / "run", log_with="tensorboard")
    found = scalars(tmp_path / "run")
    for name in run.history:
        if name in ("step", "phase"):
            continue
        column = run.history.set_index("step")[name].dropna()
        assert found[name] == pytest.approx(column.to_dict(), rel=1e-5), name
    assert len(found["dev_accuracy"]) == 2 and {"lr", "loss", "labels", "logits"} <= set(found)
    [settings] = (tmp_path / "run" / "log").glob("*/hparams.yml")
    assert "method.temperature: 4.0" in settings.read_text() and "seed: 0" in settings.read_text()


def test_tracking_changes_nothing_of_the_run(tmp_path):
    tracked = tiny.distill(kd.KD(), epochs=1, folder=tmp_path / "run", log_with="tensorboard")
    plain = tiny.distill(kd.KD(), epochs=1)
    assert tracked.settings == plain.settings and tracked.history.equals(plain.history)


def test_a_resumed_run_goes_on_in_the_same_log(tmp_path, monkeypatch):
    class Stop(Exception):
        pass

    class Stopping(kd.KD):
        def after_step(self, ctx):
            if ctx.at.step == stop_at:
                raise Stop

    stop_at, how = 4, {"folder": tmp_path / "run", "log_with": "tensorboard", "checkpoint_every": 2, "epochs": 2}
    with pytest.raises(Stop):
        tiny.distill(Stopping(), resume=True, **how)
    assert set(scalars(tmp_path / "run")["loss"]) == set(range(4))
    stop_at = -1
    run = tiny.distill(Stopping(), resume=True, **how)
    assert scalars(tmp_path / "run")["loss"] == pytest.approx(run.history.set_index("step")["loss"].to_dict(), rel=1e-5)
    files = len(list((tmp_path / "run" / "log").rglob("events.*")))
    tiny.distill(Stopping(), resume=True, **how)  # finished: nothing is opened
    assert len(list((tmp_path / "run" / "log").rglob("events.*"))) == files


def test_a_missing_package_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "get_available_trackers", list)
    with pytest.raises(ValueError, match="not installed: pip install tensorboard"):
        tiny.distill(kd.KD(), epochs=1, folder=tmp_path / "run", log_with="tensorboard")
    with pytest.raises(ValueError, match="needs folder="):
        tiny.distill(kd.KD(), epochs=1, log_with="tensorboard")
    with pytest.raises(ValueError, match="diary"):
        tiny.distill(kd.KD(), epochs=1, folder=tmp_path / "run", log_with="diary")

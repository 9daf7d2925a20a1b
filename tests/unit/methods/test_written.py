"""Methods that distil on what a language model writes, and the cache of a teacher's likeliest tokens."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from torch.testing import assert_close

import kdviz as kd
from kdviz.data.batches import Rows
from kdviz.data.language import Stored
from kdviz.losses import language
from kdviz.models import writing
from kdviz.training.cache import TeacherCache
from tests.unit.data import sums

SETTINGS = {"epochs": 3, "batch_size": 8, "progress": "off"}


@cache
def task():
    return sums.task()


@cache
def teacher():
    start = kd.build_student(task(), layers=2, hidden=32, heads=4, seed=3)
    taught = kd.distill(start, None, task(), kd.LabelsOnly(), epochs=30, lr=5e-3, progress="off").student
    taught.name, taught.role = "sums teacher", "teacher"
    return taught


@cache
def student():
    return kd.build_student(task(), layers=2, hidden=16, heads=2, architecture="gpt2")


def distill(method, **more):
    return kd.distill(student(), teacher(), task(), method, **SETTINGS | more)


class Seen:
    """A method that notes the batches of its steps."""

    def __init__(self, method):
        self.batches, loss = [], method.loss

        def noted(student, teacher, batch, ctx):
            self.batches.append(batch)
            return loss(student, teacher, batch, ctx)

        method.loss, self.method = noted, method

    def texts(self) -> set[str]:
        decoded = [task().tokenizer.batch_decode(b.input_ids, skip_special_tokens=True) for b in self.batches]
        return {text for batch in decoded for text in batch}


def test_seqkd_trains_on_what_the_teacher_writes_after_every_prompt(tmp_path):
    prompts = [text for split in ("train", "transfer") for text in task()[split]["text"][:]]
    seen = Seen(kd.SeqKD(tokens=6, temperature=0))
    run = distill(seen.method)
    greedy = writing.write(teacher(), prompts, 6, temperature=0)
    assert seen.texts() == {a + b for a, b in zip(prompts, greedy)}
    assert all((batch.index == -1).all() for batch in seen.batches)
    assert list(run.history.filter(["loss", "written"]).iloc[0]) == [run.history.loss[0]] * 2
    drawn = Seen(kd.SeqKD(tokens=6))
    distill(drawn.method, seed=5)
    assert drawn.texts() == {a + b for a, b in zip(prompts, writing.write(teacher(), prompts, 6, seed=5))}


def test_beams_find_what_is_at_least_as_likely():
    prompts = task()["dev"]["text"][:]
    ids = kd.states.text_to_ids(task().tokenizer, prompts)["input_ids"]
    model = kd.build_student(task(), layers=1, hidden=16, heads=2, seed=9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)

    def likely(written):
        rows, texts = Rows(task().tokenizer, 128, task().kind), [np.array(a + b) for a, b in zip(ids, written)]
        rows.append(texts, [np.zeros_like(text) for text in texts], np.array([len(prompt) for prompt in ids]))
        return kd.training.metrics.evaluate(model, rows)[1][..., 0].sum(1)

    length = 3
    greedy = writing.write_ids(model, ids, length, temperature=0, seeds=[0] * len(ids))
    found = writing.beams_of(model, ids, length, 12)
    assert likely(found).mean() > likely(greedy).mean() + 0.01
    assert writing.beams_of(model, ids, length, 1) == greedy


def test_what_the_teacher_wrote_is_kept_and_gone_on_with(tmp_path, monkeypatch):
    whole = distill(kd.SeqKD(tokens=6), folder=tmp_path / "whole")
    asked, write_ids = [], writing.write_ids

    def dies(model, prompts, *given, **more):
        asked.append(len(prompts))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return write_ids(model, prompts, *given, **more)

    monkeypatch.setattr("kdviz.methods.written.AT_ONCE", 10)
    monkeypatch.setattr("kdviz.methods.written.write_ids", dies)
    with pytest.raises(KeyboardInterrupt):
        distill(kd.SeqKD(tokens=6), folder=tmp_path / "part", resume=True)
    again = distill(kd.SeqKD(tokens=6), folder=tmp_path / "part", resume=True)
    assert asked == [10, 10, 10, 10, 6], "36 prompts, of which 20 were written before"
    assert again.student.fingerprint() == whole.student.fingerprint()


def test_gkd_lets_the_student_write_a_share_of_the_batches():
    labelled = replace(task(), splits={name: rows for name, rows in task().splits.items() if name != "transfer"})
    more = SETTINGS | {"epochs": 1, "steps_per_epoch": 60}
    run = lambda on_policy: kd.distill(student(), teacher(), labelled, kd.GKD(on_policy=on_policy, tokens=4), **more)
    assert (run(0.0).history.on_policy == 0).all() and (run(1.0).history.on_policy == 1).all()
    assert 0.25 < run(0.5).history.on_policy.mean() < 0.75


@pytest.mark.parametrize(
    "divergence", ["generalized_jsd", "forward_kl", "reverse_kl", "skew_kl", "skew_reverse_kl", "total_variation"]
)
def test_the_loss_of_gkd_is_the_divergence_on_the_completion(divergence):
    seen = Seen(kd.GKD(divergence=divergence, beta=0.3, alpha=0.2, on_policy=1.0, tokens=5))
    without = kd.build_student(task(), layers=2, hidden=16, heads=2)
    run = kd.distill(without, teacher(), task(), seen.method, **SETTINGS | {"epochs": 1})
    batch = seen.batches[0]
    with torch.no_grad():
        z, guide = (model(batch.input_ids, batch.attention_mask).logits for model in (without.eval(), teacher()))
    extra = {"generalized_jsd": {"beta": 0.3}, "skew_kl": {"alpha": 0.2}, "skew_reverse_kl": {"alpha": 0.2}}
    expected = getattr(language, divergence)(z, guide, batch.labels != -100, **extra.get(divergence, {}))
    assert run.history.loss[0] == pytest.approx(float(expected), rel=1e-4)
    prompts = set(task()["train"]["text"][:]) | set(task()["transfer"]["text"][:])
    first = {
        text.split("=")[0] + "=" for text in task().tokenizer.batch_decode(batch.input_ids, skip_special_tokens=True)
    }
    assert first <= prompts


def killed(method, step):
    """The process ends, as by the machine, after the update of one step."""

    def after_step(ctx):
        if ctx.at.step == step:
            os.kill(os.getpid(), signal.SIGKILL)

    method.after_step = after_step
    return method


@pytest.mark.parametrize("made", [lambda: kd.GKD(tokens=5), lambda: kd.SeqKD(tokens=5)], ids=["GKD", "SeqKD"])
def test_a_run_that_was_killed_resumes_bit_for_bit(made, tmp_path):
    more = {"checkpoint_every": 2, "resume": True}
    whole = distill(made(), folder=tmp_path / "whole", **more)
    for step in (2, 8):
        child = os.fork()
        if child == 0:
            distill(killed(made(), step), folder=tmp_path / "part", **more)
            os._exit(1)  # it should not have lived
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    again = distill(made(), folder=tmp_path / "part", **more)
    assert again.student.fingerprint() == whole.student.fingerprint()
    pd.testing.assert_frame_equal(again.history, whole.history)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (lambda: kd.GKD(divergence="kl"), "divergence='kl' is not one of"),
        (lambda: kd.GKD(on_policy=2), "on_policy=2: a share"),
        (lambda: kd.GKD(temperature=0), "temperature=0, writing_temperature=1.0, tokens=64"),
        (lambda: kd.SeqKD(beams=0), "tokens=64, beams=0"),
    ],
)
def test_settings_that_cannot_be(method, message):
    with pytest.raises(ValueError, match=message):
        method()


# ---- the likeliest tokens alone --------------------------------------------------------------------------------------
def rows_of(split="train"):
    rows = Rows(task().tokenizer, 128, task().kind)
    rows.add(task()[split])
    return rows


def test_the_cache_keeps_the_likeliest_tokens_and_the_mass_of_the_rest():
    rows, lines = rows_of(), []
    made = {
        top: TeacherCache.open(teacher(), rows, {"logits"}, (), dtype="float16", top=top, say=lines.append)
        for top in (3, 5, None)
    }
    index = [4, 0, 7]
    full, few = (made[top].batch(index, {"logits"})["logits"] for top in (None, 3))
    assert isinstance(few, Stored) and few.ids.shape == few.log_probs.shape == (3, full.shape[1], 3)
    batch = rows.batch(index)
    with torch.no_grad():
        logits = teacher().eval()(batch.input_ids, batch.attention_mask).logits
    real = batch.attention_mask.bool()
    best = logits.log_softmax(-1).topk(3)
    assert_close(few.log_probs[real], best.values[real], atol=1e-5, rtol=1e-4)
    assert (few.ids[real] == best.indices[real]).all()
    tokens = sum(len(ids) for ids in {tuple(ids) for ids in map(tuple, rows.input_ids)})
    size = {top: sum(len(part) for part in cache.files["logits"].parts) for top, cache in made.items()}
    assert size == {3: 6 * tokens, 5: 10 * tokens, None: len(task().tokenizer) * tokens}, (
        "8 bytes for each token that is kept"
    )
    assert all("MB in" in line and "once" in line for line in lines) and len(lines) == 3


def test_kd_from_the_likeliest_tokens_is_sparse_kl_and_of_all_tokens_kd():
    words = len(task().tokenizer)
    kd_of = lambda **more: distill(kd.KD(temperature=1.0), **{"epochs": 1} | more).history
    few, all_of_them, live = kd_of(cache_top=3), kd_of(cache_top=words), kd_of(cache=False)
    assert_close(torch.tensor(all_of_them.loss), torch.tensor(live.loss), atol=1e-5, rtol=1e-5)
    assert (few.logits[0] < live.logits[0]) and few.labels[0] == live.labels[0]


@pytest.mark.parametrize(
    ("method", "more", "message"),
    [
        (lambda: kd.KD(), {}, "temperature=4.0, but what is stored of the teacher are probabilities at 1"),
        (lambda: kd.AnnealingKD(), {}, "needs all logits, the cache keeps 3"),
        (lambda: kd.GKD(tokens=4, on_policy=0.0), {}, "generalized_jsd needs all of the teacher's logits"),
        (lambda: kd.KD(), {"cache": False}, "cache_top=3, cache=False"),
        (lambda: kd.KD(), {"cache_top": 0}, "cache_top=0"),
    ],
)
def test_what_needs_more_than_the_likeliest_tokens_is_refused(method, more, message):
    with pytest.raises(ValueError, match=message):
        distill(method(), **{"cache_top": 3} | more)


def test_cache_top_is_for_language_modelling():
    from tests.unit.training import tiny

    with pytest.raises(ValueError, match="cache_top=3 is for language modelling, not for classification"):
        tiny.distill(kd.KD(), cache_top=3)

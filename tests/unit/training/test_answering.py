"""Question answering from a task to a student in transformers: runs, folders, predictions, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from torch.testing import assert_close

import kdviz as kd
from kdviz.data.batches import encode_split
from kdviz.data.kinds import kind_of
from kdviz.data.questions import AWAY
from tests.unit.data import asked
from tests.unit.models.families import DECODERS, FAMILIES, tiny_tokenizer
from tests.unit.training import tiny

SHORT = {"epochs": 2, "steps_per_epoch": 2, "progress": "off"}
PAIRS = [("What did Ana buy?", "Ben bought two books. Ana bought a red lamp."), ("What did Omar buy?", "Nothing.")]


@pytest.fixture(scope="module")
def task():
    return asked.task()


@pytest.fixture(scope="module")
def models(task):
    teacher = kd.build_student(task, layers=4, hidden=24, heads=4, seed=7)
    return kd.build_student(task, layers=2, hidden=16, heads=2, vocabulary="full"), teacher


@pytest.fixture(scope="module")
def learnt(task):
    """A student that has learnt the 24 questions."""
    student = kd.build_student(task, layers=2, hidden=32, heads=2, seed=1)
    return kd.distill(student, None, task, kd.LabelsOnly(), epochs=60, lr=1e-2, progress="off", seed=1)


def test_a_student_learns_to_answer(task, learnt):
    rows = task["train"].select(range(1, 9))
    said = learnt.student.predict(list(zip(rows["text"][:], rows["text_b"][:])))
    assert list(said) == ["question", "answer", "start", "end", "score"] and said["score"].between(0, 1).all()
    right = [answer in (row["answers"] or [""]) for answer, row in zip(said["answer"], rows)]
    assert np.mean(right) >= 0.75, said
    for (answer, start, end), context in zip(said[["answer", "start", "end"]].to_numpy(), rows["text_b"]):
        assert context[start:end] == answer


def test_long_contexts_are_read_whole(task, learnt):
    filler = "Omar bought nothing. " * 12
    said = learnt.student.predict([("What did Ana buy?", filler + "Ana bought a mirror.")], max_length=48)
    assert 0 <= said["start"][0] <= said["end"][0] <= len(filler) + 20


def test_an_answer_does_not_depend_on_what_else_is_asked(task):
    """Long rows beside a short one lengthen its logits: what is added there is no token, however low the others are."""
    student = kd.build_student(task, layers=1, hidden=16, heads=2, vocabulary="full", seed=3)
    with torch.no_grad():
        student.network.encoder.qa_outputs.bias.fill_(-3)
    short, long = ("What did Ana buy?", "Ana bought a red lamp."), ("What did Ana buy?", "Ana bought a red lamp. " * 4)
    alone, beside = student.predict([short]), student.predict([short] * 70 + [long])
    assert alone["answer"][0]
    pd.testing.assert_frame_equal(alone, beside.head(1), rtol=1e-4)


@pytest.mark.parametrize("cache", [True, False])
def test_a_cache_says_what_the_teacher_says(task, models, tmp_path, monkeypatch, cache):
    monkeypatch.setenv("KDVIZ_CACHE", str(tmp_path))
    run = kd.distill(*models, task, kd.KD(), seed=3, cache=cache, **SHORT)
    other = kd.distill(*models, task, kd.KD(), seed=3, cache=not cache, **SHORT)
    assert run.history["loss"].to_numpy() == pytest.approx(other.history["loss"].to_numpy(), rel=1e-5)
    assert run.history["loss"].max() < 100, "what is outside of the context is no part of a loss"


def test_a_run_is_saved_resumed_measured_and_compared(task, models, tmp_path):
    *runs, again = tiny.three_runs(*models, task, tmp_path, SHORT)
    assert again.scores == runs[0].scores and again.student.task_kind == "question-answering"
    assert again.student.threshold == runs[0].student.threshold
    assert runs[0].test["rows"] == 12 and {"f1", "exact", "loss", "low", "high"} <= set(runs[0].test)
    assert kd.compare(runs).table["mean"].iloc[0] == pytest.approx(np.mean([run.test["f1"] for run in runs]))
    assert "f1" in runs[0].plot().layout.meta["alt"]
    found = kd.measure({"student": runs[0].student}, PAIRS, task, repeats=1)
    assert found["f1"].iloc[0] == pytest.approx(runs[0].test["f1"])
    search = kd.tune(kd.KD, {"lr": (1e-3, 1e-2)}, task, *models, draws=2, seeds=(5,), **SHORT)
    assert search.scores.between(0, 1).all()


def test_a_head_leaves_for_transformers_and_comes_back(task, learnt, tmp_path):
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    student = learnt.student
    student.threshold = 0.5
    student.save_pretrained(tmp_path / "out")
    reader = AutoTokenizer.from_pretrained(tmp_path / "out")
    network = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "out").eval()
    batch = reader(*map(list, zip(*PAIRS)), padding=True, return_tensors="pt")
    with torch.no_grad():
        out = network(**batch)
    logits = torch.stack([out.start_logits, out.end_logits], -1)
    own = kd.encode(student, PAIRS).logits
    inside = own > AWAY / 2
    assert inside[:, 0].all() and inside.any() and not inside.all()
    assert_close(logits[inside], own[inside], atol=1e-5, rtol=0)
    back = kd.load_teacher(tmp_path / "out", task)
    assert (back.task_kind, back.threshold, back.labels) == ("question-answering", 0.5, task.labels)
    assert back.predict(PAIRS)["answer"].tolist() == student.predict(PAIRS)["answer"].tolist()
    alone = kd.load_teacher(tmp_path / "out")
    assert alone.predict(PAIRS)["answer"].tolist() == back.predict(PAIRS)["answer"].tolist()
    student.save(tmp_path / "own")
    again = type(student).load(tmp_path / "own")
    assert again.threshold == 0.5


@pytest.mark.parametrize("architecture", ["bilstm", "cnn"])
def test_networks_without_attention_answer_too(task, architecture):
    student = kd.build_student(task, layers=2, hidden=16, architecture=architecture)
    run = kd.distill(student, None, task, kd.LabelsOnly(), **SHORT)
    assert 0 <= run.test["f1"] <= 1 and len(run.student.predict(PAIRS)) == 2


def saved(folder, family):
    """A tiny model of a family with a head for spans, written as transformers does; its tokenizer and config."""
    from transformers import AutoConfig, AutoModelForQuestionAnswering

    reader = tiny_tokenizer(family)
    if family == "longformer":  # its question, to which all words attend, ends before the first of two separators
        special = [("[CLS]", reader.cls_token_id), ("[SEP]", reader.sep_token_id)]
        pair = {"single": "[CLS] $A [SEP]", "pair": "[CLS] $A [SEP] [SEP] $B:1 [SEP]:1", "special_tokens": special}
        reader.backend_tokenizer.post_processor = TemplateProcessing(**pair)
    size = {
        "vocab_size": len(reader),
        "initializer_range": 0.3,
        "pad_token_id": reader.pad_token_id,
        "sep_token_id": reader.sep_token_id,
    }
    config = AutoConfig.for_model(family, **size | FAMILIES[family])
    torch.manual_seed(0)
    network = AutoModelForQuestionAnswering.from_config(config).eval()
    network.save_pretrained(folder)
    reader.save_pretrained(folder)
    return network, reader, config


def test_what_it_cannot_do_is_refused_by_name(task, models, tmp_path):
    from transformers import GPT2Config, GPT2ForQuestionAnswering

    with pytest.raises(ValueError, match="a llama cannot say that there is no answer.*choose architecture="):
        kd.build_student(task, layers=1, hidden=16, heads=2, architecture="llama")
    GPT2ForQuestionAnswering(GPT2Config(n_layer=1, n_embd=16, n_head=2, n_positions=64)).save_pretrained(tmp_path / "g")
    models[0].tokenizer.save_pretrained(tmp_path / "g")
    with pytest.raises(ValueError, match="which kdviz cannot run .*the first token, which stands for no answer"):
        kd.load_teacher(tmp_path / "g", task)
    with pytest.raises(TypeError, match=r"'Who\?' comes alone: pass \(question, context\) tuples"):
        models[0].predict(["Who?"])


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(DECODERS)))
def test_every_family_answers_as_in_transformers(family, tmp_path):
    network, reader, config = saved(tmp_path, family)
    teacher = kd.load_teacher(tmp_path)
    rows = encode_split(
        [("the film", "a plot is thin but fun"), ("a song", "the acting")], reader, 24, kind_of(teacher.task_kind)
    )
    batch = rows.batch([0, 1])
    given = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    if getattr(config, "type_vocab_size", 0) > 1 and family != "distilbert":
        given["token_type_ids"] = batch.token_type_ids
    with torch.no_grad():
        out = network(**given)
        own = teacher(batch.input_ids, batch.attention_mask, batch.token_type_ids).logits
    wanted, inside = torch.stack([out.start_logits, out.end_logits], -1), own > AWAY / 2
    assert_close(own[inside], wanted[inside], atol=1e-5, rtol=1e-4)
    assert inside[:, :, 0].sum(1).tolist() == [7, 3], "the context and the first token"

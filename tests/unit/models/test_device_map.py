"""Teachers in several places: accelerate moves what they read, and they give what they give in one place."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch.testing import assert_close

import kdviz as kd
from kdviz.models.writing import write
from tests.unit.models.families import save_family

ROWS = pd.DataFrame({"text": ["the plot is thin", "dull film", "a fun song", "the acting was bad"] * 3})
DISK = {"model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "model.norm": "cpu", "lm_head": "cpu"}


def parts(layers: int) -> dict[str, str]:
    """The last layer stays on disk."""
    places = ["cpu"] * (layers - 1) + ["disk"]
    return DISK | {f"model.layers.{number}": place for number, place in enumerate(places)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny LLaMA whose table has a row for each of its tokenizer's ids."""
    first = save_family(tmp_path_factory.mktemp("in"), "llama", labels=(), head="CausalLM")
    return kd.load_teacher(first).save_pretrained(tmp_path_factory.mktemp("out") / "teacher")


def test_a_teacher_in_several_places_is_the_same_teacher(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("KDVIZ_CACHE", str(tmp_path))
    task = kd.load_task(train=ROWS, dev=ROWS, test=ROWS, kind="language-modelling")
    whole = kd.load_teacher(folder, task)
    spread = kd.load_teacher(folder, task, device_map=parts(whole.layers))
    assert any(weight.is_meta for weight in spread.parameters()) and spread.device == torch.device("cpu")
    one, other = (kd.encode(model, ROWS["text"][:2].tolist()) for model in (whole, spread))
    assert_close(other.logits, one.logits)
    assert_close(other.hidden, one.hidden)
    assert write(spread, ["the plot"], 5) == write(whole, ["the plot"], 5)
    assert spread.fingerprint() == whole.fingerprint()
    assert spread.to("meta") is spread and spread.device == torch.device("cpu"), "it stays where it is"
    students = []
    for teacher, more in ((whole, {}), (spread, {"cache": False}), (spread, {"cache_top": 8})):
        method = kd.CKD() if more.get("cache_top") is None else kd.KD(temperature=1.0)
        student = kd.build_student(task, layers=1, hidden=16, heads=2, tokenizer=teacher.tokenizer)
        how = {"epochs": 1, "steps_per_epoch": 2, "progress": "off", "score": ()}
        students.append(kd.distill(student, teacher, task, method, **how, **more).student)
    for mine, its in zip(students[0].parameters(), students[1].parameters()):
        assert_close(mine, its)


@pytest.mark.parametrize("place", ["auto", {"": "cpu"}])
def test_a_teacher_in_one_place_moves_as_others_do(folder, place):
    teacher = kd.load_teacher(folder, device_map=place)
    assert teacher.fingerprint() == kd.load_teacher(folder).fingerprint()
    assert teacher.to("meta").network.embedding.weight.is_meta


def test_what_would_have_to_be_changed_on_disk_is_refused(tmp_path):
    wide = save_family(tmp_path / "wide", "llama", labels=(), head="CausalLM", vocab_size=400)
    layers = kd.load_teacher(wide).layers
    with pytest.raises(ValueError, match="400 rows of words, its tokenizer .* ids, and what lies in several places"):
        kd.load_teacher(wide, device_map=parts(layers))
    names = save_family(tmp_path / "names", "llama", labels=("bad", "good"))
    rows = ROWS.assign(label=["good", "bad"] * 6)
    for labels, fits in ((("bad", "good"), True), (("good", "bad"), False)):
        task = kd.load_task(train=rows, dev=rows, test=rows, labels=labels)
        place = {name.removeprefix("lm_"): where for name, where in parts(layers).items() if name != "lm_head"}
        place |= {"score": "disk"}
        if fits:
            assert kd.load_teacher(names, task, device_map=place).labels == labels
        else:
            with pytest.raises(ValueError, match="its classifier lies on disk"):
                kd.load_teacher(names, task, device_map=place)


def test_device_map_is_for_transformers_folders(tmp_path):
    task = kd.load_task(train=ROWS.assign(label=["a", "b"] * 6), dev=ROWS.assign(label=["a", "b"] * 6))
    with pytest.raises(ValueError, match="the packaged MiniLM is small"):
        kd.load_teacher(device_map="auto")
    own = kd.build_student(task, layers=1, hidden=16, heads=2).save(tmp_path / "own")
    with pytest.raises(ValueError, match="kdviz's own and lies in one place"):
        kd.load_teacher(own, device_map="auto")

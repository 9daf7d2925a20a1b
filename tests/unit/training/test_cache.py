"""The teacher's outputs on disk: exact, complete, shared, and never half-made."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
import time
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch

import kdviz as kd
from kdviz.data.batches import Rows
from kdviz.fields import FIELDS, compute, wanted
from kdviz.training import cache as cache_module, cachefile
from kdviz.training.cache import TeacherCache, entries, fingerprint, remove
from tests.unit.training import tiny

LAYERS = (0, 2, 4)


def rows_of(*splits, task=None) -> Rows:
    rows = Rows(tiny.teacher().tokenizer, 128)
    for split in splits or ("train", "transfer"):
        rows.add((task or tiny.task())[split])
    return rows


def opened(rows=None, needs=FIELDS, said=None, **settings) -> TeacherCache:
    say = (lambda text: None) if said is None else said.append
    return TeacherCache.open(tiny.teacher(), rows or rows_of(), needs, LAYERS, say=say, **settings)


def live(rows, index, needs=FIELDS):
    batch = rows.batch(index)
    with torch.no_grad():
        outputs = tiny.teacher().eval()(batch.input_ids, batch.attention_mask, batch.token_type_ids, want=wanted(needs))
    return compute(outputs, needs, LAYERS, batch.attention_mask), batch.attention_mask.bool()


TOKENS = {"hidden": 2, "last": 1, "ffn": 2, "qkv": 3, "layer_gram": 1, "word_gram": 3, "attentions": 4, "scores": 4}


@pytest.mark.parametrize("index", [[3], [7, 0, 20, 7], list(range(40))])
def test_every_field_equals_the_live_teacher_on_real_tokens(index):
    rows = rows_of()
    kept, (now, mask) = opened(rows).batch(index, FIELDS), live(rows, index)
    assert set(kept) == set(FIELDS)
    for name, value in kept.items():
        assert value.shape == now[name].shape and value.dtype == torch.float32, name
        for axis in {2, 3} & {TOKENS.get(name)} if name == "word_gram" else {TOKENS[name]} if name in TOKENS else ():
            shape = [len(mask), *[1] * (value.ndim - 1)]
            shape[axis] = mask.shape[1]
            real = mask.reshape(shape)
            now[name] = now[name] * real
        if name in ("word_gram", "attentions", "scores"):
            shape = [len(mask), *[1] * (value.ndim - 1)]
            shape[-2] = mask.shape[1]
            now[name] = now[name] * mask.reshape(shape)
        torch.testing.assert_close(value, now[name], atol=2e-6, rtol=1e-5, msg=lambda m, name=name: f"{name}: {m}")


def test_half_precision_halves_the_disk_and_keeps_three_digits():
    rows = rows_of()
    whole, half = opened(rows, {"word_gram"}), opened(rows, {"word_gram"}, dtype="float16")
    assert whole.folder != half.folder
    index = list(range(12))
    torch.testing.assert_close(
        half.batch(index, {"word_gram"})["word_gram"],
        whole.batch(index, {"word_gram"})["word_gram"],
        rtol=1e-3,
        atol=1e-3,
    )
    sizes = {entry["key"]: entry["bytes"] for entry in entries()}
    assert sizes[half.folder.name] < 0.7 * sizes[whole.folder.name]


def test_pages_that_are_let_go_come_back(monkeypatch):
    rows = rows_of()
    index = [[7, 0, 20], [3, 7], [0]]
    kept = [opened(rows).batch(one, FIELDS) for one in index]
    monkeypatch.setattr(cachefile, "MOST_MAPPED", 0)
    cache = opened(rows)
    for one, before in zip(index, kept, strict=True):
        torch.testing.assert_close(cache.batch(one, FIELDS), before, rtol=0, atol=0)
        assert {field.read for field in cache.files.values()} == {0}, "every read lets its pages go"


def test_only_what_is_missing_is_computed_and_it_is_said_before():
    said = []
    opened(needs={"logits"}, said=said)
    opened(needs={"logits", "word_gram"}, said=said)
    opened(needs={"logits", "word_gram"}, said=said)
    assert len(said) == 2
    assert "logits of tiny teacher for 46 texts" in said[0] and "MB" in said[0] and " s, once" in said[0]
    assert said[1].startswith("teacher cache: word_gram of")


def test_the_order_and_the_labels_of_the_texts_do_not_matter():
    said = []
    first = opened(said=said, needs={"logits"})
    fewer = tiny.task().with_labels(0.3, seed=1)
    rows = rows_of(task=fewer)
    second = opened(rows, needs={"logits"}, said=said)
    assert len(said) == 1 and first.folder == second.folder
    now, _ = live(rows, [0, 30], {"logits"})
    torch.testing.assert_close(second.batch([0, 30], {"logits"})["logits"], now["logits"])


def test_another_teacher_text_or_layer_is_another_cache():
    folder = opened(needs={"word_gram"}).folder
    assert opened(rows_of("train"), needs={"word_gram"}).folder != folder
    other = tiny.student(seed=11)
    assert TeacherCache.open(other, rows_of(), {"word_gram"}, (0, 1, 2), say=lambda text: None).folder != folder
    again = TeacherCache.open(tiny.teacher(), rows_of(), {"word_gram"}, (0, 4), say=lambda text: None)
    assert again.folder == folder and again.batch([0], {"word_gram"})["word_gram"].shape[1] == 2
    assert fingerprint(torch.nn.Linear(2, 2)) != fingerprint(torch.nn.Linear(2, 2))


def test_files_are_arrow_for_any_reader_and_hold_nothing_else():
    cache = opened(needs={"word_gram", "logits"})
    table = datasets.Dataset.from_file(str(cache.folder / "word_gram-0.2.4.arrow"))
    assert table.column_names == ["length", "values"] and len(table) == 46
    assert all(len(row["values"]) == 3 * row["length"] ** 2 for row in table)
    kinds = {path.suffix for path in cache.folder.iterdir() if path.name != ".lock"}
    assert kinds == {".arrow", ".json"}


@pytest.mark.parametrize("harm", ["flip", "cut", "swap", "json"])
def test_a_damaged_file_is_found_and_made_again(harm):
    rows, said = rows_of(), []
    cache = opened(rows, {"logits"})
    before = cache.batch(range(46), {"logits"})["logits"]
    path = cache.folder / "logits.arrow"
    content = bytearray(path.read_bytes())
    path.unlink()  # the open cache goes on reading the former file
    if harm == "flip":
        content[len(content) // 2] ^= 1
    path.write_bytes({"cut": content[:-7], "swap": b"", "json": content}.get(harm, content))
    if harm == "json":
        path.with_suffix(".json").write_text("{")
    again = opened(rows, {"logits"}, said=said)
    assert any("logits.arrow is damaged" in text for text in said)
    assert torch.equal(again.batch(range(46), {"logits"})["logits"], before)


def _open_in_process(folder, slow: bool) -> None:
    os.environ["KDVIZ_CACHE"] = folder
    if slow:
        teacher, forward = tiny.teacher(), tiny.teacher().forward

        def slowly(*args, **kwargs):
            time.sleep(0.15)
            return forward(*args, **kwargs)

        teacher.forward = slowly
    cache = opened(needs={"logits", "word_gram"})
    assert np.isfinite(cache.batch(range(46), {"logits"})["logits"].numpy()).all()


def test_two_processes_at_once_make_one_whole_cache(cache_folder):
    tiny.teacher()
    fork = multiprocessing.get_context("fork")
    both = [fork.Process(target=_open_in_process, args=(str(cache_folder), True)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    said = []
    opened(needs={"logits", "word_gram"}, said=said)
    assert not said and len(entries()) == 1


def test_a_killed_pass_leaves_nothing_that_counts(cache_folder):
    tiny.teacher()
    process = multiprocessing.get_context("fork").Process(target=_open_in_process, args=(str(cache_folder), True))
    process.start()
    deadline = time.monotonic() + 60
    while not list(cache_folder.rglob("*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert list(cache_folder.rglob("*.tmp"))
    rows, said = rows_of(), []
    kept = opened(rows, {"logits", "word_gram"}, said=said).batch([5], {"logits"})["logits"]
    assert len(said) == 1 and not list(cache_folder.rglob("*.tmp"))
    torch.testing.assert_close(kept, live(rows, [5], {"logits"})[0]["logits"])


def test_entries_are_listed_and_removed():
    cache = opened(needs={"logits", "cls"})
    (entry,) = entries()
    assert entry["teacher"] == "tiny teacher" and entry["texts"] == 46 and entry["fields"] == ["cls", "logits"]
    assert entry["bytes"] > 0
    with pytest.raises(KeyError, match="zzz"):
        remove("zzz")
    assert remove(entry["key"][:6]) == entry["bytes"]
    assert not entries() and not cache.folder.exists()


def test_a_description_that_disagrees_with_its_file_counts_as_damage():
    cache = opened(needs={"logits"})
    path = cache.folder / "logits.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in about.items() if key != "sha256"}))
    said = []
    opened(needs={"logits"}, said=said)
    assert any("damaged" in text for text in said)


def test_a_cached_run_has_the_same_numbers_as_a_live_teacher(monkeypatch):
    cached, direct = (tiny.distill(kd.CKD(), cache=way) for way in (True, False))
    np.testing.assert_allclose(cached.history["loss"], direct.history["loss"], rtol=1e-4)
    assert cached.history["loss"].tolist() == tiny.distill(kd.CKD()).history["loss"].tolist()

    def refuse(*args, **kwargs):
        raise AssertionError("the teacher was run although everything is cached")

    monkeypatch.setattr(tiny.teacher(), "forward", refuse, raising=True)
    tiny.distill(kd.CKD())


def test_unknown_types_and_fields_are_refused_by_name():
    with pytest.raises(ValueError, match="int8"):
        opened(dtype="int8")
    with pytest.raises(ValueError, match="needs gram; fields are"):
        opened(needs={"gram"})
    assert cache_module.cache_folder().name == "kdviz-cache"


@pytest.mark.parametrize(
    "failure, words", [(OSError(28, "No space left on device"), "free some disk, set KDVIZ_CACHE")]
)
def test_a_full_disk_leaves_nothing_behind_and_the_message_names_folder_and_remedy(
    monkeypatch, failure, words, cache_folder
):
    def full(*args):
        raise failure

    monkeypatch.setattr(cachefile.FieldWriter, "add", full)
    with pytest.raises(OSError, match=words) as stopped:
        tiny.distill(kd.CKD())
    assert str(cache_folder) in str(stopped.value)
    assert not [path for path in cache_folder.rglob("*") if path.is_file() and path.name != ".lock"]


def test_numbers_that_float16_cannot_hold_and_nan_are_refused_by_name(tmp_path):
    rows = torch.full((1, 2), 7e4).numpy()
    for dtype, array, words in (
        ("float16", rows, 'reaches 70,000, and float16 ends at 65,504: pass cache_dtype="float32"'),
        ("float32", rows * float("nan"), "2 numbers of logits that are NaN or infinite: look at its weights"),
    ):
        writer = cachefile.FieldWriter(tmp_path / f"{dtype}.arrow", "logits", array, dtype)
        with pytest.raises(ValueError, match=words):
            writer.add(array, torch.tensor([3]).numpy())
        writer.drop()
    assert not list(tmp_path.iterdir())


def test_a_cache_with_a_damaged_description_or_a_foreign_file_is_listed_and_removed(cache_folder):
    tiny.distill(kd.KD())
    (folder,) = (cache_folder / "teachers").iterdir()
    (folder / "logits.json").write_text('{"field": ')
    (cache_folder / "teachers" / "notes.txt").write_text("mine")
    (entry,) = entries()
    assert entry["fields"] == ["logits (damaged)"] and remove(entry["key"]) > 0 and entries() == []


def test_without_a_home_the_cache_is_among_the_temporary_files(monkeypatch, tmp_path):
    monkeypatch.delenv("KDVIZ_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_module.cache_folder() == tmp_path / "kdviz"
    monkeypatch.setattr(cache_module.os, "access", lambda *args: False)
    assert cache_module.cache_folder().parent == Path(tempfile.gettempdir())
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(cache_module.os.path, "expanduser", lambda path: path)  # what it gives when no home is known
    assert cache_module.cache_folder().parent == Path(tempfile.gettempdir())

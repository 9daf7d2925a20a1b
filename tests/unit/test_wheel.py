"""The wheel, built from this clone and used in an empty folder: data and lessons are in it, and it works alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LARGEST = (
    23e6  # 22.4 MB: seven adapters, a small writer, the eight epochs of one of them, a student at two moments, data
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(folder), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)
    return folder


@pytest.fixture
def run(installed, tmp_path):
    """Run Python with the installed wheel in an empty folder; the rest of the environment is this one's."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    environment.pop("KDVIZ_DATA", None)

    def run(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


def test_the_wheel_holds_data_and_lessons_but_not_the_workshop(wheel):
    assert wheel.stat().st_size < LARGEST
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    wanted = {name for name in tracked if name.startswith("kdviz/") and (ROOT / name).exists()}
    for folder in ("data", "notebooks"):
        inside = [name for name in tracked if name.startswith(f"{folder}/") and not name.startswith("data/make/")]
        wanted |= {f"kdviz/_{name}" for name in inside if (ROOT / name).exists()}
    assert wanted - names == set()
    assert [name for name in names if not name.startswith(("kdviz/", "kdviz-"))] == []
    assert [name for name in names if "/make/" in name or "__pycache__" in name] == []


def test_tasks_teachers_results_and_lessons_are_found_without_a_clone(run):
    done = run(
        "-c",
        "import kdviz as kd, kdviz.paths as paths\n"
        "task = kd.load_task('reviews')\n"
        "teacher = kd.load_teacher('minilm', task)\n"
        "print(paths.in_clone(), paths.PACKAGE, len(task['train']))\n"
        "print(len(teacher.labels), kd.recorded('methods', 'reviews', 0.05)['seed'].nunique())\n"
        "print(len(list(paths.lessons_dir().glob('*.ipynb'))), paths.restore('data'))",
    )
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    where, package, rows = first.split()
    assert where == "False" and str(ROOT) not in package and int(rows) > 1000
    assert second.split() == ["5", "5"]
    assert third.split()[0] == str(len(list((ROOT / "notebooks").glob("*.ipynb")))) and "git" not in third


def test_the_doctor_is_content(run):
    done = run("-m", "kdviz.cli", "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ready." in done.stdout and str(ROOT / "data") not in done.stdout


def test_lab_copies_the_lessons_beside_the_reader_and_opens_them(run, tmp_path):
    words = ["lab", "--no-browser", "--lesson", "02"]
    code = f"from kdviz.cli import lab, parser_for; print(lab.command(parser_for({words}).parse_args({words}))[0])"
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (ROOT / "notebooks").glob("*.ipynb")} == {
        path.name for path in (tmp_path / "notebooks").glob("*.ipynb")
    }
    assert f"--ServerApp.root_dir={tmp_path}" in done.stdout
    assert "--LabApp.default_url=/lab/tree/notebooks/02_word_relation.ipynb" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["notebooks"], "nothing is written beside the lessons"
    assert json.loads((tmp_path / "notebooks" / ".kdviz" / "labconfig" / "default_setting_overrides.json").read_text())


def test_a_command_of_the_workshop_says_what_it_lacks(run):
    done = run("-m", "kdviz.cli", "run", "bench")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "clone it and run `make lab` there" in done.stderr

"""The habits of the repository: one address for all links, blank notebooks, a version said once, checks that run."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import kdviz as kd

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def address():
    spec = importlib.util.spec_from_file_location("address", ROOT / ".ci" / "address.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(address, tmp_path) -> Path:
    """A copy of every file with links."""
    for path in address.files():
        (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    return tmp_path


def own_links(address, root: Path = ROOT) -> dict[str, set[str]]:
    """File -> the repositories it opens on Binder or Colab, or names as kdviz's own."""
    found = {}
    for path in address.files(root):
        text = path.read_text(encoding="utf-8")
        hosted = re.findall(r"(?:mybinder\.org/v2/gh/|colab\.research\.google\.com/github/)([\w.-]+/[\w.-]*\w)", text)
        found[path.relative_to(root).as_posix()] = set(hosted) | (set(address.links(text)) & {address.current(root)})
    return found


def test_every_badge_and_link_agrees_with_pyproject(address):
    links = own_links(address)
    assert set().union(*links.values()) == {address.current()}
    lessons = [f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert [file for file in ("README.md", "CITATION.cff", *lessons) if not links[file]] == [], (
        "a file without its link"
    )


def test_one_command_changes_the_address_everywhere_and_back(address, copy):
    before = {path: path.read_bytes() for path in address.files(copy)}
    old = address.current(copy)
    changed = address.change("ada/kd-viz.course", copy)
    assert address.current(copy) == "ada/kd-viz.course"
    assert set().union(*own_links(address, copy).values()) == {"ada/kd-viz.course"}
    assert all(old not in re.sub(r"TO=\S+", "", path.read_text(encoding="utf-8")) for path in changed)
    assert len(changed) >= 3 + len(list((ROOT / "notebooks").glob("*.ipynb")))
    for path in (copy / "notebooks").glob("*.ipynb"):
        json.loads(path.read_text(encoding="utf-8"))
    address.change(old, copy)
    assert {path: path.read_bytes() for path in address.files(copy)} == before


def test_other_repositories_keep_their_address(address, copy):
    (copy / "README.md").write_text("https://github.com/OWNER/REPOSITORY-more https://github.com/huggingface/peft")
    address.change("ada/kdviz", copy)
    assert (
        copy / "README.md"
    ).read_text() == "https://github.com/OWNER/REPOSITORY-more https://github.com/huggingface/peft"


@pytest.mark.parametrize("wrong", ["kdviz", "https://github.com/ada/kdviz", "ada/kdviz/tree", "ada kdviz", ""])
def test_what_is_no_address_is_refused(address, copy, wrong):
    with pytest.raises(SystemExit, match="is not OWNER/REPOSITORY"):
        address.change(wrong, copy)


def test_notebooks_with_outputs_are_named(tmp_path):
    script = ROOT / ".ci" / "stored_blank.py"
    assert subprocess.run([sys.executable, script]).returncode == 0, "a lesson is stored with outputs"
    cells = [{"cell_type": "code", "outputs": [], "execution_count": 3}, {"cell_type": "markdown"}]
    (tmp_path / "run.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "blank.ipynb").write_text(json.dumps({"cells": cells[1:]}))
    words = [sys.executable, script, tmp_path / "blank.ipynb"]
    assert subprocess.run(words).returncode == 0
    done = subprocess.run([*words, tmp_path / "run.ipynb"], capture_output=True, text=True)
    assert done.returncode == 1 and "run.ipynb" in done.stderr and "blank.ipynb" not in done.stderr


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == kd.__version__
    assert {"cff-version", "message", "title", "authors", "license"} <= set(citation)
    changelog = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\]", changelog, flags=re.MULTILINE)
    assert headings[0] == "Unreleased" and kd.__version__ in headings
    assert set(re.findall(r"^### (\w+)", changelog, flags=re.M)) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }


def test_the_workflow_runs_the_readmes_command_on_every_python_that_is_promised():
    job = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]["test"]
    versions = job["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={versions[0]}"
    assert [f"Programming Language :: Python :: {version}" in project["classifiers"] for version in versions] == [
        True
    ] * 3
    assert ".ci/run" in [step.get("run") for step in job["steps"]]


def test_hooks_before_a_commit_are_part_of_make_lint():
    """What a hook checks, `make lint` checks too: who installs no hooks learns the same."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text()
    lint = makefile[makefile.index("\nlint:") : makefile.index("\nlock:")]
    for hook in hooks:
        program = hook["entry"].removesuffix(" --force-exclude").removesuffix(" --no-cache")
        assert program in lint, f"{hook['id']} runs {program}"


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_forms_can_be_read(path):
    form = yaml.safe_load(path.read_text())
    if path.parent.name == "ISSUE_TEMPLATE" and path.name != "config.yml":
        assert {"name", "description", "body"} <= set(form)
        assert all(part["type"] in ("textarea", "input", "markdown") for part in form["body"])
        names = [part["id"] for part in form["body"]]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("words", [["check"], ["format", "--check"]])
def test_every_file_is_in_the_one_format_and_without_lint(words):
    ruff = [sys.executable, "-m", "ruff", *words, "--no-cache"]
    done = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

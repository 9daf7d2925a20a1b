"""One environment, described in four places: pyproject, lock, environment.yml and binder agree, and set-up resumes."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
# only in environment.yml: the interpreter and what installs kdviz itself
CONDA_OWN = {"python", "pip", "hatchling"}
CONDA_NAMES = {"pytorch-cpu": "torch", "python-kaleido": "kaleido"}  # conda's name -> pip's name
HERE = {"environment.yml": "-e .", "binder/environment.yml": "-e .."}  # pip reads the path from the file's folder


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def asked_for(*extras: str) -> dict[str, SpecifierSet]:
    """The packages of the library, and those of some extras."""
    return requirements(
        [*project()["dependencies"], *(line for one in extras for line in project()["optional-dependencies"][one])]
    )


def requirements(lines) -> dict[str, SpecifierSet]:
    return {canonicalize_name(req.name): req.specifier for req in map(Requirement, lines)}


def locked() -> dict[str, Version]:
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[^+\s]+", line) for line in lines), "exact versions, without build labels"
    names = [canonicalize_name(line.split("==")[0]) for line in lines]
    assert len(names) == len(set(names))
    return {name: Version(line.split("==")[1]) for name, line in zip(names, lines)}


def conda(file: str) -> tuple[dict[str, SpecifierSet], list[str]]:
    """(packages by pip's name, pip options) of an environment file."""
    content = yaml.safe_load((ROOT / file).read_text())
    plain = [line for line in content["dependencies"] if isinstance(line, str)]
    [pip] = [line["pip"] for line in content["dependencies"] if isinstance(line, dict)]
    options = [line for line in pip if line.startswith("-")]
    # conda writes python=3.11 where pip writes python==3.11.*
    lines = [re.sub(r"^([\w-]+)=([\d.]+)$", r"\1==\2.*", line) for line in plain]
    lines += [line for line in pip if not line.startswith("-")]
    found = requirements(lines)
    return {CONDA_NAMES.get(name, name): wanted for name, wanted in found.items()}, options


def test_the_lock_meets_pyproject_and_holds_its_tools():
    wanted = asked_for("lab", "docs", "export", "page", "dev")
    lock = locked()
    assert sorted(set(wanted) - set(lock)) == [], "not locked: run `make lock`"
    assert {name: str(lock[name]) for name in wanted if lock[name] not in wanted[name]} == {}, "run `make lock`"
    # the editable install builds with the environment's own hatchling
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert all(lock[name] in wanted for name, wanted in requirements(build).items())


def test_what_hosted_notebooks_bring_stays_in_place():
    """Colab of 2026: pip replaces neither its torch nor its pillow, and a newer torch is welcome."""
    floors = asked_for()
    assert "2.11.0" in floors["torch"] and "3.0" in floors["torch"] and "11.3.0" in floors["pillow"]
    assert not [name for name, versions in floors.items() if any("<" in one.operator for one in versions)]


def test_the_lock_is_complete_and_holds_no_cuda_package():
    """Everything that a locked package requires on this machine is locked too, in a version that it accepts."""
    lock = locked()
    assert [name for name in lock if name.startswith(("nvidia", "cuda", "triton"))] == []
    assert f"torch=={lock['torch']} --index-url" in (ROOT / "README.md").read_text(), "the README names another torch"
    unmet = []
    for name in lock:
        for line in importlib.metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker and not needed.marker.evaluate({"extra": ""}):
                continue
            version = lock.get(canonicalize_name(needed.name))
            if version is None or not needed.specifier.contains(version, prereleases=True):
                unmet.append(f"{name} needs {needed}, locked is {version}")
    assert unmet == []


def test_this_environment_is_the_locked_one():
    """`make test` runs with the very versions of the lock."""
    lock = locked()
    wrong = {
        name: found
        for name, version in lock.items()
        if (found := importlib.metadata.version(name).split("+")[0]) != str(version)
    }
    assert wrong == {}, "run `make test`, which installs the lock; or `make lock` when pyproject.toml changed"


@pytest.mark.parametrize("file", HERE)
def test_environment_files_list_the_packages_of_pyproject(file):
    packages, options = conda(file)
    wanted = asked_for("lab")
    assert set(packages) - CONDA_OWN == set(wanted)
    assert {name: str(packages[name]) for name in wanted if packages[name] != wanted[name]} == {}
    lock = locked()
    assert {name for name in wanted if lock[name] not in packages[name]} == set()
    assert options == [HERE[file]], "kdviz itself is installed from the clone, and no other option is used"
    oldest = SpecifierSet(project()["requires-python"])
    assert str(packages["python"]).removeprefix("==").removesuffix(".*") in oldest
    assert yaml.safe_load((ROOT / file).read_text())["channels"] == ["conda-forge", "nodefaults"]


def test_binder_has_the_same_environment():
    """Equal but for the path back to the clone: pip resolves `-e` from the folder that holds the file."""
    root, binder = ((ROOT / file).read_text().splitlines() for file in HERE)
    assert [(a.strip(), b.strip()) for a, b in zip(root, binder, strict=True) if a != b] == [("- -e .", "- -e ..")]


def test_repo2docker_reads_the_binder_configuration():
    """repo2docker's own parser writes the Dockerfile; nothing is built."""
    tool = ROOT / "build" / "repo2docker" / "bin" / "jupyter-repo2docker"
    assert tool.exists(), "repo2docker is missing from build/: run `make test`, which sets it up"
    run = subprocess.run([tool, "--no-build", "--debug", "."], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    dockerfile = run.stdout + run.stderr
    steps = [
        'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"',
        "RUN ./binder/postBuild",
        'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
    ]
    places = [dockerfile.find(step) for step in steps]
    assert -1 not in places and places == sorted(places), dict(zip(steps, places))
    # `-e ..` needs the clone inside the image before the environment is made
    assert 0 < dockerfile.find("COPY --chown=0:0 src/ ${REPO_DIR}/") < places[0]


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_binder_scripts_run_and_parse(name):
    script = ROOT / "binder" / name
    assert script.stat().st_mode & stat.S_IXUSR
    assert subprocess.run(["bash", "-n", script]).returncode == 0


@pytest.mark.parametrize("limit, threads", [("1", "1"), ("2.0", "2"), ("0.5", "1"), (None, "1"), ("none", "1")])
def test_binder_starts_with_capped_threads_and_an_offline_hub(limit, threads):
    environment = {"PATH": os.environ["PATH"], **({"CPU_LIMIT": limit} if limit else {})}
    run = subprocess.run(
        [ROOT / "binder" / "start", "env"], env=environment, capture_output=True, text=True, check=True
    )
    seen = dict(line.partition("=")[::2] for line in run.stdout.splitlines())
    assert seen["OMP_NUM_THREADS"] == seen["MKL_NUM_THREADS"] == threads
    assert seen["HF_HUB_OFFLINE"] == seen["HF_DATASETS_OFFLINE"] == "1"
    assert seen["OMP_WAIT_POLICY"] == "PASSIVE"


def test_the_image_of_a_hub_is_made_of_the_lock_and_of_files_that_exist(tmp_path):
    text = (ROOT / "docs" / "hub" / "Dockerfile").read_text()
    base = re.search(r"^FROM python:([\d.]+)-slim$", text, re.M)[1]
    assert base in SpecifierSet(project()["requires-python"]) and "torch" in locked()
    versions = re.findall(r"[\w-]+==[^ \n)]+", text)
    assert versions == ['jupyterhub==$HUB.*"'], "every other version is the lock's"
    assert "-r requirements.lock" in text and "grep ^torch== requirements.lock" in text
    copied = [word for line in re.findall(r"^COPY (.+) \S+$", text, re.M) for word in line.split()]
    assert copied and [word for word in copied if not (ROOT / word).exists()] == []
    for script in re.findall(r"binder/\w+", text):
        assert (ROOT / script).stat().st_mode & stat.S_IXUSR
    home = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, ROOT / "docs" / "hub" / "jupyter_server_config.py"], env=home, check=True)
    copies = {path.name for path in (tmp_path / "notebooks").glob("*.ipynb")}
    assert copies == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_the_line_for_colab_leaves_its_packages_and_brings_what_explorers_need():
    """Run with Colab's Python 3.12, torch 2.11 and pillow 11.3: lesson 00 stops without anywidget."""
    [line] = re.findall(r"(?m)^!?pip install (.+git\+.+)$", (ROOT / "README.md").read_text())
    assert "anywidget" in line and "[lab]" not in line
    assert line in (ROOT / "docs" / "instructor.md").read_text(), "the guide names the same line"


# ---- the set-up itself ---------------------------------------------------------------------------------------------


@pytest.fixture
def prepare():
    spec = importlib.util.spec_from_file_location("prepare", ROOT / ".ci" / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unpacked(folder: Path, name: str, files: dict[str, str], record: bool = True) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    for path, text in files.items():
        (folder / path).write_text(text)
    if record:
        listed = [*files, f"{info.name}/METADATA", f"{info.name}/RECORD"]
        (info / "RECORD").write_text("".join(f"{path},sha256=abc,3\n" for path in listed))


def test_an_interrupted_installation_is_taken_up_again(prepare, tmp_path):
    unpacked(tmp_path, "whole", {"whole.py": ""})
    unpacked(tmp_path, "norecord", {"norecord.py": ""}, record=False)
    unpacked(tmp_path, "partly", {"partly.py": "", "gone.py": ""})
    (tmp_path / "gone.py").unlink()
    assert prepare.sweep(tmp_path) == ["norecord-1.0", "partly-1.0"]
    assert [path.name for path in tmp_path.glob("*.dist-info")] == ["whole-1.0.dist-info"]


def test_set_up_is_done_only_for_the_same_lock_and_a_living_python(prepare, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    stamp = tmp_path / "kdviz.stamp"
    assert not prepare.is_done(stamp, "a")
    stamp.write_text(prepare.fingerprint("lock", "project"))
    assert prepare.is_done(stamp, prepare.fingerprint("lock", "project"))
    assert not prepare.is_done(stamp, prepare.fingerprint("lock", "project changed"))
    (tmp_path / "bin" / "python").unlink()
    (tmp_path / "bin" / "python").symlink_to(tmp_path / "uninstalled")
    assert not prepare.is_done(stamp, prepare.fingerprint("lock", "project"))


REQUIRES = ["filelock", 'nvidia-cublas==13.1; platform_system == "Linux" and platform_machine == "x86_64"']


def test_cuda_builds_of_torch_are_recognised(prepare):
    assert prepare.cuda_packages(REQUIRES, "Linux", "x86_64") == REQUIRES[1:]
    assert prepare.cuda_packages(REQUIRES, "Linux", "aarch64") == []
    assert prepare.cuda_packages(REQUIRES, "Darwin", "arm64") == []
    assert prepare.cuda_packages(["filelock", "sympy"], "Linux", "x86_64") == []


@pytest.mark.parametrize(
    "cuda, answers, taken",
    [
        ([], None, ["install", "--no-deps"]),  # pip finds a CPU build by itself: no index is asked
        (["nvidia-cublas"], True, ["install", "--no-deps", "--index-url"]),
        (["nvidia-cublas"], False, None),
    ],
)
def test_torch_never_comes_with_cuda(prepare, monkeypatch, tmp_path, cuda, answers, taken):
    asked, ran = [], []
    monkeypatch.delenv("KDVIZ_TORCH", raising=False)
    monkeypatch.setattr(prepare, "torch_that_pip_would_take", lambda venv, requirement: {"url": "", "cuda": cuda})
    monkeypatch.setattr(prepare, "index_answers", lambda url: asked.append(url) or answers)
    monkeypatch.setattr(prepare, "pip", lambda venv, *words: ran.append(list(words)))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to("/bin/false")  # an environment without torch
    if taken is None:
        with pytest.raises(SystemExit, match="(?s)did not answer within 3 s.*KDVIZ_TORCH=cuda"):
            prepare.install_torch(tmp_path)
        assert ran == []
    else:
        prepare.install_torch(tmp_path)
        assert [words[: len(taken)] for words in ran] == [taken]
        assert ran[0][-1] == f"torch=={locked()['torch']}"
    assert bool(asked) == (answers is not None)


def test_an_index_that_does_not_answer_is_given_up_in_time(prepare, monkeypatch):
    """A server of our own on localhost that accepts and stays silent."""
    import socket

    monkeypatch.setattr(prepare, "CPU_WHEELS_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert prepare.index_answers(address) is False
    assert prepare.index_answers(address) is False  # closed: refused at once


def test_prepare_needs_nothing_installed():
    """It runs before anything is: with the bare interpreter, without site-packages."""
    run = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / ".ci" / "prepare.py", "nonsense"], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "unknown goal 'nonsense'; one of course, test, lock" in run.stderr


def test_continuous_integration_runs_the_readme_command():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    command = script.read_text().splitlines()[-1]
    assert command == "make test"
    assert command in (ROOT / "README.md").read_text()


# ---- what is imported is asked for ---------------------------------------------------------------------------------

# what may be imported where: the library stands on the core alone, and the rooms that a notebook asks for on "lab"
ROOMS_OF_LAB = ("kdviz/explore", "kdviz/course", "kdviz/cli", "kdviz/training/progress.py")
ROOMS_OF_EXPORT = ("kdviz/models/onnx.py",)
HOMES = importlib.metadata.packages_distributions()


def imported(*folders: str) -> dict[str, set[str]]:
    """Source -> names of the packages (pip's) that it imports, wherever in it."""
    found = {}
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        tops = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                tops |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                tops.add(node.module.split(".")[0])
        tops -= set(sys.stdlib_module_names)
        found[path.relative_to(ROOT).as_posix()] = {canonicalize_name(HOMES[top][0]) for top in tops if top in HOMES}
    return found


def test_every_imported_package_is_declared():
    """None comes only because another package happens to bring it, and the library needs the core alone."""
    every = ("lab", "docs", "export", "page", "class", "dev")
    core, lab, docs, export, page, classroom, dev = (
        set(asked_for(*extras)) | {"kdviz"}
        for extras in ((), ("lab",), ("lab", "docs"), ("export",), ("page",), ("lab", "class"), every)
    )
    wrong = {}
    for source, names in imported("kdviz", "docs", "data", "tests").items():
        if source.startswith("kdviz"):
            allowed = lab if source.startswith(ROOMS_OF_LAB) else export if source in ROOMS_OF_EXPORT else core
            allowed = page if source.startswith("kdviz/page/") else allowed
            allowed = classroom if source.startswith("kdviz/course/classroom/") else allowed
        else:
            allowed = docs if source.startswith("docs") else dev
        if names - allowed:
            wrong[source] = sorted(names - allowed)
    assert wrong == {}

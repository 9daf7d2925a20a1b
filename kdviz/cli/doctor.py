"""kdviz doctor: what this machine has, what it lacks, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kdviz.chromium import ADVICE, find_chromium
from kdviz.paths import clone

SET_UP = "make lab"
LEAST_MEMORY_GB = 2.0  # a lesson may take 1.2 GB beside JupyterLab


@dataclass(frozen=True)
class Finding:
    """One line of the report. state: "ok", "note" (a lesson may miss it) or "wrong" (the course cannot run)."""

    state: str
    what: str
    fix: str = ""


def locked(lock: Path) -> dict[str, str]:
    """Name -> exact version, from requirements.lock."""
    lines = (line.strip() for line in lock.read_text(encoding="utf-8").splitlines())
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def plain_name(requirement: str) -> str:
    """"Jupyter_Client[x]>=8 ; …" -> "jupyter-client"."""
    return re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0].lower().replace("_", "-").rstrip("-.")


def installed(name: str) -> str | None:
    """Version of an installed package without its build label ("2.13.0+cpu" -> "2.13.0"); None when missing."""
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def machine() -> Iterator[Finding]:
    """Python, cores and memory; CPU_LIMIT and MEM_LIMIT tell the truth on Binder, os.cpu_count() does not."""
    new_enough = sys.version_info >= (3, 11)
    yield Finding("ok" if new_enough else "wrong", f"Python {platform.python_version()} in {sys.prefix}",
                  "" if new_enough else "kdviz needs Python 3.11 or newer: make lab PYTHON=/path/to/python3.12")
    if installed("psutil") is None:
        return  # named under packages
    import psutil

    cores = os.environ.get("CPU_LIMIT") or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else
                                               range(os.cpu_count() or 1))
    total = int(os.environ.get("MEM_LIMIT") or 0) or psutil.virtual_memory().total
    free = min(total, psutil.virtual_memory().available)
    roomy = free >= LEAST_MEMORY_GB * 1e9
    yield Finding("ok" if roomy else "note", f"{cores} cores, {total / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB free",
                  "" if roomy else f"lessons want {LEAST_MEMORY_GB} GB free: shut down other kernels")


def packages() -> Iterator[Finding]:
    """Every package of pyproject.toml and of the lock, against what is installed."""
    root = clone()
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = locked(root / "requirements.lock")
    needed = [plain_name(line) for line in project["dependencies"]]
    missing = [name for name in needed if installed(name) is None]
    if missing:
        yield Finding("wrong", f"missing packages: {', '.join(missing)}", SET_UP)
    for_tests = [plain_name(line) for line in project["optional-dependencies"]["dev"]]
    if absent := [name for name in for_tests if installed(name) is None]:
        yield Finding("note", f"missing packages of the test suite: {', '.join(absent)}", "pip install -e '.[dev]'")
    other = [f"{name} {installed(name)} (lock: {versions[name]})" for name in versions
             if installed(name) not in (None, versions[name])]
    if other:
        yield Finding("note", f"other versions than the lock's: {', '.join(other)}", SET_UP)
    if not (missing or other):
        yield Finding("ok", f"{len(needed)} packages of the course, at the versions of requirements.lock")


def torch_build() -> Iterator[Finding]:
    """Which torch this is, and whether it sees a GPU."""
    if installed("torch") is None:
        return  # named under packages
    import torch

    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    seen = f"{torch.cuda.device_count()} GPU" if torch.cuda.is_available() else "no GPU used"
    yield Finding("ok", f"torch {torch.__version__} ({build}), {torch.get_num_threads()} threads, {seen}")


def teacher() -> Iterator[Finding]:
    """The packaged MiniLM, weights compared with their SHA-256."""
    from kdviz.models.tokenizers import RESTORE, verified_folder

    try:
        yield Finding("ok", f"packaged MiniLM, weights intact, in {verified_folder()}")
    except (FileNotFoundError, ValueError) as error:
        yield Finding("wrong", str(error), RESTORE)


def data() -> Iterator[Finding]:
    """The embedded tasks, and the teacher's adapter of each."""
    from kdviz.paths import data_dir

    try:
        folder = data_dir()
    except FileNotFoundError as error:
        yield Finding("wrong", str(error), "git checkout -- data")
        return
    tasks = sorted(path.parent.name for path in folder.glob("*/train.parquet"))
    yield (Finding("ok", f"tasks {', '.join(tasks)} in {folder}") if tasks else
           Finding("wrong", f"no task in {folder}", "git checkout -- data"))
    for task in tasks:
        has = any((folder / "teachers" / task).glob("*.safetensors"))
        yield (Finding("ok", f"teacher adapted to {task}") if has else
               Finding("wrong", f"no adapter in {folder / 'teachers' / task}", "git checkout -- data"))


def jupyter() -> Iterator[Finding]:
    """The kernel that lessons run in: it must be this environment's own."""
    if installed("jupyterlab") is None or installed("ipykernel") is None:
        return  # named under packages
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # as `kdviz lab` starts it
    try:
        folder = KernelSpecManager().get_kernel_spec("python3").resource_dir
    except NoSuchKernel:
        yield Finding("wrong", "Jupyter knows no kernel python3", "pip install --force-reinstall --no-deps ipykernel")
        return
    yield Finding("ok", f"JupyterLab {installed('jupyterlab')}, kernel python3 of {folder}")


def browser() -> Iterator[Finding]:
    """A Chromium, for pictures of figures and for the browser tests."""
    try:
        found = find_chromium()
    except FileNotFoundError as error:
        yield Finding("wrong", str(error), "unset KDVIZ_CHROMIUM")
        return
    yield (Finding("ok", f"Chromium {found}") if found else
           Finding("note", "no Chromium (PNG, SVG, browser tests)", ADVICE))


def hub() -> Iterator[Finding]:
    """What the Hugging Face cache holds. Nothing of it is needed by the lessons' defaults."""
    if installed("huggingface-hub") is None:
        return
    from huggingface_hub import CacheNotFound, constants, scan_cache_dir

    mode = "offline (HF_HUB_OFFLINE is set)" if constants.HF_HUB_OFFLINE else "asked when a lesson wants another model"
    try:
        repos = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        repos = frozenset()
    names = ", ".join(sorted(f"{repo.repo_id} ({repo.size_on_disk / 1e6:.0f} MB)" for repo in repos)) or "nothing"
    yield Finding("ok", f"hub {mode}; cached in {constants.HF_HUB_CACHE}: {names}")


CHECKS = (machine, packages, torch_build, teacher, data, jupyter, browser, hub)


def add_arguments(parser) -> None:
    parser.epilog = "The exit status is 1 when the course cannot run."


def run(args) -> int:
    marks = {"ok": "ok    ", "note": "note  ", "wrong": "WRONG "}
    states = []
    for check in CHECKS:
        for finding in check():
            states.append(finding.state)
            print(marks[finding.state], finding.what, flush=True)
            if finding.fix:
                print("        →", finding.fix)
    wrong = states.count("wrong")
    print("Ready." if not wrong else f"{wrong} thing{'s' if wrong > 1 else ''} to mend before the course can run.")
    return 1 if wrong else 0

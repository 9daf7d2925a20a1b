"""Threads that wait sleep while others wait for the processors, and only then; who decided otherwise is left alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kdviz import threads

CORES = len(os.sched_getaffinity(0))
COUNT = "len(os.listdir('/proc/self/task'))"
FIRST = {"torch": "import torch, kdviz", "kdviz": "import kdviz, torch"}
# torch has its own threads after one operation in parallel; then the processors are crowded, and then they are not
WATCHED = f"""import os, sys, threading, time
from pathlib import Path
state = Path(sys.argv[1])
def say(running):
    state.write_text(f"procs_running {{running}}\\n")
say(1)
IMPORTS
from kdviz import threads
threads.STATE, threads.LOOK = str(state), 0.01
torch.set_num_threads({max(2, CORES)})
torch.ones(1 << 20).sum()
def leaders():
    return [one for one in threading.enumerate() if "OpenMP" in one.name]
def reaches(wanted):
    for _ in range(ROUNDS):
        if wanted():
            return True
        time.sleep(0.02)
    return False
reaches(lambda: not leaders())  # of the machine as it is, before it was told
time.sleep(1)
before = {COUNT}
say({CORES + 2})
print(reaches(lambda: leaders() and {COUNT} >= before + {CORES + 1}))
torch.ones(1 << 20).sum()
say({CORES + 1})
print(reaches(lambda: not leaders() and {COUNT} <= before))
print(os.environ.get("OMP_WAIT_POLICY"))
"""


def said(code: str, *words: str, **variables: str) -> list[str]:
    """What code prints in a plain Python with no word about threads but `variables`."""
    ours = ("OMP_", "GOMP_", "KMP_", "MKL_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | variables
    return subprocess.run(
        [sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.parametrize("first", FIRST)
def test_threads_sleep_while_the_processors_are_crowded_and_no_longer(first, tmp_path):
    """GNU's OpenMP stops spinning where a program has more threads than cores: a leader and a team of cores + 1."""
    code = WATCHED.replace("IMPORTS", FIRST[first]).replace("ROUNDS", "1500")
    assert said(code, str(tmp_path / "stat")) == ["True", "True", "None"]


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"])
def test_who_has_decided_is_left_alone(name):
    code = f"import os, torch; before = {COUNT}; import kdviz; print({COUNT} - before)"
    assert said(code, **{name: "ACTIVE" if name.startswith("OMP") else "7"}) == ["0"]


def test_one_thread_needs_no_company(tmp_path):
    code = WATCHED.replace("IMPORTS", FIRST["torch"]).replace("ROUNDS", "20")
    code = code.replace(f"set_num_threads({max(2, CORES)})", "set_num_threads(1)")
    assert said(code, str(tmp_path / "stat"))[0] == "False"


@pytest.mark.parametrize(
    ("text", "crowded"),
    [
        (f"cpu 1 2\nprocs_running {CORES + 1}\nprocs_blocked 9\n", False),
        (f"procs_running {CORES + 2}\n", True),
        ("procs_running many\n", True),
        ("cpu 1 2\n", True),
        (None, True),
    ],
)
def test_what_the_system_says_of_its_processors(text, crowded, tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "STATE", str(tmp_path / "stat"))
    if text is not None:
        (tmp_path / "stat").write_text(text)
    assert threads.crowded() is crowded

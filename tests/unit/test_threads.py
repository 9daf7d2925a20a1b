"""Threads that wait sleep, whichever of torch and kdviz is imported first; who has decided otherwise is left alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CORES = len(os.sched_getaffinity(0))
COUNT = "len(os.listdir('/proc/self/task'))"
# after one operation in parallel, so that torch has its own threads already
TORCH_FIRST = f"""import os, torch
torch.set_num_threads({max(2, CORES)})
torch.ones(1 << 20).sum()
before = {COUNT}
import kdviz
for _ in range(200):
    if {COUNT} > before + {CORES}:
        break
    __import__("time").sleep(0.05)
print({COUNT} - before, os.environ.get("OMP_WAIT_POLICY"))
"""


def said(code: str, **variables: str) -> list[str]:
    """What code prints in a plain Python with no word about threads but `variables`."""
    ours = ("OMP_", "GOMP_", "KMP_", "MKL_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | variables
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()


def test_kdviz_first_and_torch_reads_the_word():
    assert said("import os, kdviz; print(os.environ['OMP_WAIT_POLICY'])") == ["PASSIVE"]


def test_torch_first_and_its_library_is_given_threads_that_sleep():
    """GNU's OpenMP stops spinning where a program has more threads than cores: a leader and a team of cores + 1."""
    threads, policy = said(TORCH_FIRST)
    assert int(threads) >= CORES + 1 and policy == "PASSIVE"


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"])
def test_who_has_decided_is_left_alone(name):
    code = (
        f"import os, torch; before = {COUNT}; import kdviz; print({COUNT} - before, os.environ.get('OMP_WAIT_POLICY'))"
    )
    threads, policy = said(code, **{name: "ACTIVE" if name.startswith("OMP") else "7"})
    assert threads == "0" and policy == ("ACTIVE" if name.startswith("OMP") else "None")


def test_one_thread_needs_no_company():
    code = f"import os, torch; before = {COUNT}; import kdviz; print({COUNT} - before)"
    assert said(code, OMP_NUM_THREADS="1") == ["0"]

"""Three readers on one machine: kernels that nobody told anything share it fairly, and one alone is as fast as before.

A reader is a plain Python in which torch is imported first and no variable is set, as kernels of JupyterHub, VS Code
and Colab are. DEFAULT is the same with OpenMP's own spinning, which kdviz leaves alone when it is asked for.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

STEPS = 60
READERS = 3
ROUNDS = 3
FAIR = 1.3  # times the fair share
DEFAULT = {"GOMP_SPINCOUNT": "300000"}  # what GNU's OpenMP does without a word

READER = f"""
import torch, time
import kdviz as kd
task = kd.load_task("reviews")
student = kd.build_student(task, layers=2, hidden=128, heads=4)
settings = dict(epochs=1, batch_size=32, progress="off")
kd.distill(student, None, task, kd.LabelsOnly(), steps_per_epoch=3, **settings)
print("ready", flush=True)
input()
start = time.perf_counter()
kd.distill(student, None, task, kd.LabelsOnly(), steps_per_epoch={STEPS}, **settings)
print(time.perf_counter() - start, flush=True)
"""


def seconds(readers: int, **variables: str) -> list[float]:
    """What the steps take each of some readers who start together."""
    ours = ("OMP_", "GOMP_", "KMP_", "MKL_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | variables
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    started = [subprocess.Popen([sys.executable, "-c", READER], **pipes) for _ in range(readers)]
    for one in started:
        while one.stdout.readline().strip() != "ready":
            if one.poll() is not None:
                raise RuntimeError("a reader ended before it was ready")
    for one in started:
        one.stdin.write("go\n")
        one.stdin.flush()
    return [float(one.communicate()[0].split()[-1]) for one in started]


def measure() -> dict[str, float]:
    alone, default, together = [], [], []
    for _ in range(ROUNDS):
        alone += seconds(1)
        default += seconds(1, **DEFAULT)
        together.append(max(seconds(READERS)))
    share = READERS * statistics.median(alone)
    numbers = {
        "readers_three_against_fair_share": statistics.median(together) / share,
        "readers_alone_against_spinning": statistics.median(alone) / statistics.median(default),
    }
    print(f"   {STEPS} steps: alone {statistics.median(alone):.1f} s, spinning {statistics.median(default):.1f} s;")
    print(
        f"   {READERS} at once {statistics.median(together):.1f} s, limit {FAIR} times the fair share of {share:.1f} s"
    )
    return numbers

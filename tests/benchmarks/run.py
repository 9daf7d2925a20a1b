"""kdviz run bench: measure what the course promises about speed and memory.

A benchmark is a file ``tests/benchmarks/bench_*.py`` with one function ``measure() -> dict[str, float]``: it prints
what it measured and how far that is from the limit, and returns the numbers by name. Each file runs in a process of
its own, so that one's memory and threads do not touch the next.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from docs.lessons.execute import keep
from kdviz.paths import clone, pick

WORKER = """
import json, runpy, sys
numbers = runpy.run_path(sys.argv[1], run_name="bench")["measure"]()
json.dump({name: float(value) for name, value in numbers.items()}, open(sys.argv[2], "w"))
"""


def measure(benchmark: Path, root: Path) -> dict[str, float]:
    """Run one benchmark file in its own process, its report on our output; returns its numbers.

    Raises RuntimeError when it fails, or when a number is not finite.
    """
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "numbers.json"
        command = [sys.executable, "-c", WORKER, str(benchmark), str(answer)]
        status = subprocess.call(command, env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": path}, cwd=root)
        if status:
            raise RuntimeError(f"{benchmark.name} ended with status {status}")
        numbers = json.loads(answer.read_text())
    wrong = {name: value for name, value in numbers.items() if not math.isfinite(value)}
    if wrong or not numbers:
        raise RuntimeError(f"{benchmark.name} gave {wrong or 'no number'}; measure() returns finite numbers by name")
    return numbers


def add_arguments(parser) -> None:
    parser.add_argument("names", nargs="*", help="parts of benchmark names, e.g. word_angle (default: all)")


def run(args) -> int:
    root = clone()
    files = {path.stem.removeprefix("bench_"): path for path in sorted((root / "tests/benchmarks").glob("bench_*.py"))}
    if not files:
        raise SystemExit(f"kdviz: no bench_*.py in {root / 'tests' / 'benchmarks'}")
    numbers, failed = {}, []
    for name in pick(list(files), args.names, "benchmark"):
        print(f"── {name}", flush=True)
        start = time.monotonic()
        try:
            new = measure(files[name], root)
        except RuntimeError as error:
            failed.append(name)
            print(f"   FAILED: {error}", flush=True)
            continue
        twice = sorted(set(new) & set(numbers))
        if twice:
            raise SystemExit(f"kdviz: {name} names {', '.join(twice)} again; each number has one benchmark")
        numbers.update(new)
        for key, value in new.items():
            print(f"   {key:<40}{value:>12.4g}")
        print(f"   ({time.monotonic() - start:.0f} s)", flush=True)
    keep(root / "build" / "bench.json", numbers, everything=not args.names)
    print(f"{len(numbers)} numbers in build/bench.json" + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0

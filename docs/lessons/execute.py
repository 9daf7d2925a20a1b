"""kdviz run notebooks: execute lessons as a reader would, and hold them to their budget."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from kdviz.disk import write_json
from kdviz.paths import clone, pick

BUDGET = {"seconds": 90, "peak_mb": 1200, "size_kb": 1024}
SAMPLE_EVERY = 0.1  # seconds between two looks at the kernel's memory
GIVE_UP_AFTER = 900  # seconds: ten times the budget; then the kernel hangs

# papermill in a process of its own: its kernel's memory is then that of the children of one known process, and no
# widget state (megabytes of JavaScript) is stored
WORKER = """
import json, sys, papermill
source, target, parameters = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
known = sorted(papermill.inspect_notebook(source))
unknown = sorted(set(parameters) - set(known))
if unknown:
    sys.exit(f"unknown parameter {', '.join(unknown)}; this lesson has: {', '.join(known) or 'none'}")
try:
    papermill.execute_notebook(source, target, parameters=parameters, progress_bar=False, kernel_name="python3",
                               cwd=sys.argv[4], start_timeout=300, store_widget_state=False)
except papermill.PapermillExecutionError as error:
    sys.exit(f"cell {error.exec_count}: {error.ename}: {error.evalue}")
"""


@dataclass(frozen=True)
class Result:
    """One executed lesson: wall seconds, peak resident MB of the kernel and its children, KB of the executed file."""

    lesson: str
    seconds: float
    peak_mb: float
    size_kb: float
    error: str = ""

    def over_budget(self, keys: tuple[str, ...] = tuple(BUDGET)) -> list[str]:
        """A phrase for each number beyond its budget, e.g. "seconds 120.0 > 90"."""
        return [f"{key} {getattr(self, key)} > {BUDGET[key]}" for key in keys if getattr(self, key) > BUDGET[key]]


def resident_mb(process) -> float:
    """Resident memory of the descendants of a psutil process, in MB of 10⁶ bytes; 0 when it has none (any more)."""
    import psutil

    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):  # the process itself may have ended
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # or a child, between the two looks
                total += child.memory_info().rss
    return total / 1e6


def execute(notebook: Path, target: Path, parameters: dict | None = None) -> Result:
    """Execute one notebook into `target`; an error of the lesson is in the result, with the file kept as .failed.ipynb.

    The kernel works in the notebook's own folder, with the hub offline: lessons need no network.
    """
    import psutil

    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.failed.ipynb")
    command = [sys.executable, "-c", WORKER, notebook, partial, json.dumps(parameters or {}), notebook.parent]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "JUPYTER_PREFER_ENV_PATH": "1"}
    start, peak, error = time.monotonic(), 0.0, ""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        worker = psutil.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        try:
            while worker.poll() is None and not error:
                peak = max(peak, resident_mb(worker))
                if time.monotonic() - start > GIVE_UP_AFTER:
                    error = f"no end after {GIVE_UP_AFTER} s"
                time.sleep(SAMPLE_EVERY)
        finally:  # also on Ctrl-C: leave no kernel behind
            if worker.poll() is None:
                for process in [*worker.children(recursive=True), worker]:
                    process.kill()
        seconds, status = time.monotonic() - start, worker.wait()
        log.seek(0)
        lines = log.read().strip().splitlines() or [f"papermill ended with status {status}"]
    error = error or (lines[-1] if status else "")
    size = partial.stat().st_size / 1024 if partial.exists() else 0.0
    if partial.exists():
        os.replace(partial, target.with_suffix(".failed.ipynb") if error else target)
    return Result(notebook.stem, round(seconds, 1), round(peak, 1), round(size, 1), error)


def parameter(text: str) -> tuple[str, object]:
    """ "epochs=2" -> ("epochs", 2): the value is JSON where it can be, else text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, e.g. epochs=1")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def add_arguments(parser) -> None:
    parser.add_argument("names", nargs="*", help="parts of lesson names, e.g. 02 or word_relation (default: all)")
    pairs = {"type": parameter, "action": "append", "default": [], "metavar": "NAME=VALUE"}
    words = "a parameter other than its default; an unknown name is an error"
    parser.add_argument("-p", "--parameter", help=words, **pairs)


def run(args) -> int:
    root = clone()
    lessons = {path.stem: path for path in sorted((root / "notebooks").glob("*.ipynb"))}
    chosen = pick(list(lessons), args.names, "lesson")
    if not chosen:
        raise SystemExit(f"kdviz: no notebooks in {root / 'notebooks'}")
    failed, table = [], {}
    print(f"{'lesson':<32}{'seconds':>9}{'peak MB':>9}{'KB':>8}", flush=True)
    for name in chosen:
        if sys.stdout.isatty():
            print(f"{name} ...", end="\r", flush=True)
        result = execute(lessons[name], root / "build" / "notebooks" / f"{name}.ipynb", dict(args.parameter))
        problems = [result.error] if result.error else result.over_budget()
        numbers = f"{result.seconds:>9.1f}{result.peak_mb:>9.0f}{result.size_kb:>8.0f}"
        print(f"{name:<32}{numbers}  {'; '.join(problems)}", flush=True)
        table[name] = {key: value for key, value in asdict(result).items() if key != "lesson"}
        failed += [name] * bool(problems)
    keep(root / "build" / "notebooks.json", table, everything=not args.names)
    budget = ", ".join(f"{key} ≤ {limit}" for key, limit in BUDGET.items())
    print(f"{len(chosen) - len(failed)} of {len(chosen)} lessons within budget ({budget})")
    return 1 if failed else 0


def keep(path: Path, numbers: dict, everything: bool) -> None:
    """Store the numbers: a run of everything replaces the file, a run of a part replaces its own lines."""
    before = {} if everything or not path.exists() else json.loads(path.read_text(encoding="utf-8"))
    write_json(path, {**before, **numbers})

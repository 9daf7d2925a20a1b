"""A Binder session played through: fresh folders, one core, 2 GB, no hub; what a visitor opens first runs there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import time
import venv
from pathlib import Path

import psutil
import pytest

from docs.lessons.execute import Result
from kdviz.cli.lab import EXTENSION, SETTINGS

ROOT = Path(__file__).resolve().parents[2]
MEMORY = 2_000_000_000  # where Binder ends a session


def family_memory(process: psutil.Process) -> int:
    """Resident bytes of a process and all that it has started."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:  # ended between the two looks
            continue
    return total


@pytest.fixture
def session(tmp_path):
    """The clone in a folder of its own, an environment with an own prefix, and nothing else of this user's."""
    clone, prefix, home = tmp_path / "clone", tmp_path / "environment", tmp_path / "home"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    venv.create(prefix, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(prefix), "platbase": str(prefix)}))
    (packages / "installed.pth").write_text(f"{clone}\n{sysconfig.get_path('purelib')}\n")
    script = prefix / "bin" / "kdviz"
    script.write_text(f"#!{prefix}/bin/python\nimport sys\nfrom kdviz.cli import main\nsys.exit(main())\n")
    script.chmod(0o755)
    home.mkdir()
    return (
        clone,
        prefix,
        {"PATH": f"{prefix}/bin:{os.environ['PATH']}", "HOME": str(home), "CPU_LIMIT": "1", "MEM_LIMIT": str(MEMORY)},
    )


def test_first_lessons_run_in_a_binder_session(session):
    clone, prefix, environment = session
    built = subprocess.run([clone / "binder" / "postBuild"], cwd=clone, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    assert json.loads((prefix / "share/jupyter/lab/settings/overrides.json").read_text()) == SETTINGS
    assert (prefix / "share/jupyter" / EXTENSION / "static" / "remoteEntry.js").is_file()

    command = [clone / "binder" / "start", "kdviz", "run", "notebooks", "00", "02"]
    with (
        open(clone / "said.txt", "w+") as words,
        subprocess.Popen(
            command, cwd=clone, env=environment, stdout=words, stderr=subprocess.STDOUT, start_new_session=True
        ) as running,
    ):
        process, most = psutil.Process(running.pid), 0
        process.cpu_affinity(process.cpu_affinity()[:1])  # one core, inherited by all that it starts
        try:
            while running.poll() is None and most < MEMORY:
                most = max(most, family_memory(process))
                time.sleep(0.2)
        finally:
            if running.poll() is None:
                for one in [*process.children(recursive=True), process]:
                    one.kill()
        words.seek(0)
        said = words.read()
    assert most < MEMORY, f"{most / 1e6:,.0f} MB: Binder would have ended the session\n{said}"
    done = json.loads((clone / "build" / "notebooks.json").read_text())
    assert sorted(done) == ["00_start_here", "02_word_relation"], said
    for lesson, numbers in done.items():
        result = Result(lesson, **numbers)
        assert result.error == ""
        assert result.over_budget(("peak_mb", "size_kb")) == []
    kernel = subprocess.run(
        [prefix / "bin" / "python", "-c", "import kdviz, sys; print(kdviz.__file__, sys.prefix)"],
        cwd=clone / "notebooks",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert kernel.stdout.split() == [str(clone / "kdviz" / "__init__.py"), str(prefix)]

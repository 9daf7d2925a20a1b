"""What CONTRIBUTING.md tells to write is written, in a copy of the clone, and works: two files each beside its test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^`([\w/.-]+)`,[^`]*?(new|a line more)\b.*?\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def recipes() -> dict[str, list[tuple[str, str, str]]]:
    """Heading -> [(path, "new" or "a line more", code)] of the guide."""
    sections = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## ")[1:]
    found = {section.partition("\n")[0]: BLOCK.findall(section) for section in sections}
    return {heading: blocks for heading, blocks in found.items() if blocks}


HEADINGS = ["Adding a method", "Adding a figure", "Adding a kind of task"]


def test_the_guide_has_a_recipe_for_a_method_a_figure_and_a_kind():
    assert list(recipes()) == HEADINGS


@pytest.mark.parametrize("heading", HEADINGS)
def test_who_follows_the_guide_gets_a_thing_that_works(heading, tmp_path):
    for folder in ("kdviz", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    blocks = recipes()[heading]
    written = [path for path, _, _ in blocks if not path.startswith("tests/")]
    tests = [path for path, _, _ in blocks if path.startswith("tests/")]
    assert len(written) <= 2 and len(tests) == 1
    for path, how, code in blocks:
        assert (tmp_path / path).exists() == (how != "new")
        with open(tmp_path / path, "a", encoding="utf-8") as file:
            file.write(code)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "KDVIZ_DATA": str(ROOT / "data")}

    def run(*words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    new = [path for path, how, _ in blocks if how == "new"]
    run("pytest", "-q", "-p", "no:cacheprovider", *tests)
    run("ruff", "check", "--no-cache", *new)
    run("ruff", "format", "--check", "--no-cache", *new)
    run("mypy", "--cache-dir", str(tmp_path / "types"), *written)


def test_the_links_of_the_guide_lead_somewhere():
    linked = re.findall(r"\]\(([^)]+)\)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert linked and [link for link in linked if "://" not in link and not (ROOT / link).exists()] == []

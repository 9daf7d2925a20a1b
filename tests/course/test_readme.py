"""What README.md tells in numbers is what the rows and the code say."""

from __future__ import annotations

import re

from data.make import readme

TEXT = (readme.ROOT / "README.md").read_text(encoding="utf-8")


def test_every_block_is_as_its_script_writes_it():
    blocks = ["afternoon", "trial, scratch", "trial, controls", "methods", "longer, reviews", "longer, entail"]
    assert re.findall(r"<!-- made: (.+?) -->", TEXT) == blocks
    assert readme.written(TEXT) == TEXT, "python -m data.make.readme writes it anew"


def test_a_changed_figure_is_noticed():
    changed = TEXT.replace("48.7 ± 3.3", "49.7 ± 3.3")
    assert changed != TEXT and readme.written(changed) == TEXT


def test_the_reading_path_is_an_afternoon():
    assert readme.lines_to_read() <= 1900, "shorten a file, or leave it out of the path"


def test_every_file_that_the_readme_names_is_there():
    named = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert len(named) > 60
    assert [name for name in named if not (readme.ROOT / name).exists()] == []

"""What the grammars say of their words is kept in a file of the task, and kdviz needs nothing else of the workshop."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from data.make import words
from data.make.grammar import reviews_lexicon
from kdviz.data import augment, swaps
from kdviz.data.words import TASKS, lexicon
from kdviz.paths import data_dir


@pytest.mark.parametrize("task", TASKS)
def test_the_file_is_what_the_script_writes(task):
    assert (data_dir() / task / "words.json").read_bytes() == words.content(task)
    assert len(swaps.by_rule(task)) > 100 and swaps.unread(task) < swaps.known(task)


def test_the_script_writes_both_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KDVIZ_DATA", str(tmp_path))
    for task in TASKS:
        (tmp_path / task).mkdir()
    words.main([])
    assert [path.name for path in sorted(tmp_path.rglob("*.json"))] == ["words.json"] * 2
    assert lexicon("reviews")["opinions"] == augment.opinions() and "reviews/words.json" in capsys.readouterr().out


def test_opinions_have_the_values_of_the_grammar():
    values = augment.opinions()
    assert len(values) > 200 and set(values.values()) == {-2, -1, 0, 1, 2}
    for kind in reviews_lexicon.MAIN["opinions"].values():
        assert all(word in values for some in kind.values() for word in some.split())
    assert (values["superb"], values["dull"], values["average"]) == (2, -1, 0)


def test_a_task_of_ones_own_has_no_lexicon_and_a_damaged_one_says_how_to_restore_it(tmp_path, monkeypatch):
    assert lexicon("mine") == {}
    shutil.copytree(data_dir() / "entail", tmp_path / "entail")
    monkeypatch.setenv("KDVIZ_DATA", str(tmp_path))
    (tmp_path / "entail" / "words.json").write_text("{")
    with pytest.raises(ValueError, match=r"words\.json is damaged .*git checkout -- data/entail"):
        swaps.by_rule("entail")
    with pytest.raises(FileNotFoundError, match=r"words\.json is missing.*git checkout -- data/reviews"):
        augment.synonyms()


def test_the_library_imports_nothing_of_the_workshop():
    found = []
    for path in (Path(augment.__file__).parents[1]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [f"{path.name}: {name}" for name in names if name.split(".")[0] == "data"]
    assert found == []

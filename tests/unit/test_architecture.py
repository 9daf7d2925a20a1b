"""The plan of the house, held by reading the source: who imports whom, how long a file is, how light `import kdviz` is."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 400
# a room imports only from floors below its own; rooms of one floor do not import each other
FLOORS = {
    "lazy": 0, "disk": 0, "paths": 0, "hub": 0, "chromium": 0, "relations": 0, "states": 0,
    "losses": 1, "data": 2, "models": 3, "figures": 4, "analysis": 5, "methods": 5, "robustness": 5, "fields": 6,
    "training": 7, "explore": 8, "course": 9, "cli": 10,
}
# not even inside a function
NEVER = {
    "losses": {"transformers", "datasets", "kdviz.models", "kdviz.data", "ipywidgets"},
    "relations": {"transformers", "datasets", "kdviz.models", "kdviz.data", "ipywidgets"},
    "figures": {"transformers", "datasets", "kdviz.models", "kdviz.data", "ipywidgets"},
    "methods": {"kdviz.training"},
}
HEAVY = ("torch", "transformers", "plotly", "datasets", "accelerate", "ipywidgets", "numpy", "pandas")


def sources() -> list[Path]:
    return sorted((ROOT / "kdviz").rglob("*.py"))


def room_of(path: Path) -> str:
    """kdviz/losses/logits.py -> "losses"; kdviz/cli.py -> "cli"; kdviz/__init__.py -> ""."""
    first = path.relative_to(ROOT / "kdviz").parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def imports(source: str, module: str) -> list[tuple[str, bool]]:
    """Every module a source imports, at the top or inside a function: (dotted name, whether for type hints only).

    `module` is the dotted name of the package the source lies in, for relative imports.
    """
    tree = ast.parse(source)
    hints = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: len(module.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names]  # `from kdviz import models` names kdviz.models
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
            names = [node.args[0].value] if isinstance(node.args[0], ast.Constant) else []
        else:
            continue
        found += [(name, id(node) in hints) for name in names]
    return found


def faults(room: str, source: str, module: str = "kdviz") -> list[str]:
    """What a source in `room` imports and must not."""
    wrong = []
    for name, hint in imports(source, module):
        wrong += [f"never {bad}" for bad in NEVER.get(room, ()) if name == bad or name.startswith(bad + ".")]
        parts = name.split(".")
        if parts[0] != "kdviz" or name == "kdviz.__version__":
            continue
        other = parts[1] if len(parts) > 1 else ""
        if other not in FLOORS:
            wrong.append(f"{name}: import what is needed from its own room")
            continue
        if other == room:
            continue
        if room == "models" and other == "data" and hint:
            continue  # a teacher is told its task: for type hints only
        if other == "explore" and room not in ("cli", "commands"):
            wrong.append(f"{name}: only the command line and notebooks import explorers")
        elif FLOORS[other] > FLOORS[room] or (FLOORS[other] == FLOORS[room] and {room, other} != {"cli", "commands"}):
            wrong.append(f"{name} (floor {FLOORS[other]}) from {room} (floor {FLOORS[room]})")
    return wrong


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_from_floors_below(path):
    room = room_of(path)
    if room == "":
        heavy = [name for name, _ in imports(path.read_text(encoding="utf-8"), "kdviz") if name.split(".")[0] in HEAVY]
        assert not heavy
        return
    assert room in FLOORS, f"{room} is a room without a floor: give it one in the plan at the top of this file"
    module = ".".join(path.relative_to(ROOT).parent.parts)
    assert faults(room, path.read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize("room, source", [
    ("losses", "from kdviz.models import model"),
    ("losses", "def f():\n    import transformers"),
    ("figures", "import ipywidgets.widgets"),
    ("figures", "from .. import explore"),
    ("methods", "from kdviz.training.loop import step"),
    ("data", "from kdviz import models"),
    ("data", "def f():\n    from kdviz.models import model"),
    ("training", "import kdviz.explore"),
    ("relations", "from kdviz.states import States"),
    ("losses", "import importlib\nimportlib.import_module('kdviz.data')"),
    ("training", "from kdviz import load_task"),
    ("training", "import kdviz as kd"),
])
def test_the_plan_notices_a_wrong_import(room, source):
    assert faults(room, source, f"kdviz.{room}")


@pytest.mark.parametrize("room, source", [
    ("losses", "from kdviz import relations"),
    ("losses", "from .features import pkd"),
    ("models", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from kdviz.data.task import Task"),
    ("explore", "import ipywidgets\nfrom kdviz.figures import word_relation"),
    ("cli", "from kdviz.explore import words"),
])
def test_the_plan_allows_a_right_import(room, source):
    assert faults(room, source, f"kdviz.{room}") == []


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short_enough_to_read(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines: split it, a file wants 250 and may have {LONGEST_FILE}"


def test_import_kdviz_is_light():
    code = f"import sys, kdviz; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


@pytest.mark.parametrize("words", [["--help"], ["lab", "--help"], ["doctor", "--help"], ["run", "notebooks", "--help"]])
def test_the_command_line_answers_without_heavy_imports(words):
    code = (f"import sys, kdviz.cli\ntry:\n    kdviz.cli.main({words!r})\nexcept SystemExit:\n    pass\n"
            f"print('HEAVY', *[name for name in {HEAVY + ('papermill', 'jupyterlab')!r} if name in sys.modules])")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("usage: kdviz")
    assert run.stdout.splitlines()[-1] == "HEAVY"


@pytest.mark.parametrize("package", ["kdviz", "kdviz.methods", "kdviz.figures", "kdviz.explore"])
def test_every_public_name_is_found_and_a_wrong_one_is_answered_with_the_right_ones(package):
    module = importlib.import_module(package)
    assert len(module.__all__) >= 3 and set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        found = getattr(module, name)
        assert vars(module)[name] is found, f"{name} is looked up again each time"
    with pytest.raises(AttributeError, match=f"{package} has no name 'nonsense'; it offers .*{module.__all__[0]}"):
        module.nonsense


def test_nothing_is_read_from_pickles_or_remote_code():
    """Weights come as safetensors, data as Parquet, settings as JSON; code of a hub repository is never run."""
    wrong = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "torch.save", "pickle.load",
                                                                         "pickle.loads", "joblib.load"):
                wrong.append(f"{path.name}:{node.lineno} {ast.unparse(node.func)}")
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                    wrong.append(f"{path.name}:{node.value.lineno} trust_remote_code")
    assert wrong == []

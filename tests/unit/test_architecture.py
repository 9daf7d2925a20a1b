"""The plan of the house: contracts of pyproject.toml hold; `import kdviz` is light and typed; nothing is pickled."""

from __future__ import annotations

import ast
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 400  # lines; a file wants 250
HEAVY = ("torch", "transformers", "plotly", "datasets", "accelerate", "ipywidgets", "numpy", "pandas")


def sources() -> list[Path]:
    return sorted((ROOT / "kdviz").rglob("*.py"))


def tool(*words: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """Run a program of this environment on `folder`."""
    program = Path(sys.executable).parent / words[0]
    return subprocess.run(
        [program, *words[1:]], cwd=folder, env={"PATH": "", "PYTHONPATH": str(folder)}, capture_output=True, text=True
    )


# ---- who imports whom ----------------------------------------------------------------------------------------------


def test_a_room_imports_only_from_rooms_below():
    done = tool("lint-imports", "--no-cache")
    assert done.returncode == 0, done.stdout[done.stdout.find("Contracts") :]


@pytest.mark.parametrize(
    "file, line",
    [
        ("losses/logits.py", "from kdviz.models import model"),
        ("losses/logits.py", "def late():\n    import transformers"),
        ("figures/words.py", "def late():\n    import ipywidgets.widgets"),
        ("figures/words.py", "from .. import explore"),
        ("methods/kd.py", "from kdviz.training.loop import step"),
        ("methods/kd.py", "from kdviz.robustness import attacks"),
        ("data/task.py", "def late():\n    from kdviz.models import model"),
        ("training/loop.py", "import kdviz.explore"),
        ("a_room_without_a_floor.py", "import torch"),
    ],
)
def test_the_contracts_notice_a_wrong_import(tmp_path, file, line):
    shutil.copytree(ROOT / "kdviz", tmp_path / "kdviz", ignore=shutil.ignore_patterns("*.js", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with open(tmp_path / "kdviz" / file, "a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    assert tool("lint-imports", "--no-cache", folder=tmp_path).returncode == 1


def test_no_room_imports_through_the_front_door():
    """`from kdviz import load_task` inside the library would hide from the contracts which room it needs."""
    wrong = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                wrong += [f"{path.name}:{node.lineno}" for alias in node.names if alias.name == "kdviz"]
            elif isinstance(node, ast.ImportFrom) and node.module == "kdviz":
                rooms = {alias.name for alias in node.names if list((ROOT / "kdviz").glob(f"{alias.name}*"))}
                wrong += [f"{path.name}:{node.lineno} {one.name}" for one in node.names if one.name not in rooms]
    assert wrong == []


# ---- what is read and loaded ---------------------------------------------------------------------------------------


def test_import_kdviz_is_light():
    code = f"import sys, kdviz; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


@pytest.mark.parametrize("words", [["--help"], ["lab", "--help"], ["doctor", "--help"], ["run", "notebooks", "--help"]])
def test_the_command_line_answers_without_heavy_imports(words):
    code = (
        f"import sys, kdviz.cli\ntry:\n    kdviz.cli.main({words!r})\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', *[name for name in {HEAVY + ('papermill', 'jupyterlab')!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("usage: kdviz")
    assert run.stdout.splitlines()[-1] == "HEAVY"


def test_nothing_is_read_from_pickles_or_remote_code():
    """Weights come as safetensors, data as Parquet, settings as JSON; code of a hub repository is never run."""
    forbidden = ("torch.load", "torch.save", "pickle.load", "pickle.loads", "joblib.load")
    wrong = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in forbidden:
                wrong.append(f"{path.name}:{node.lineno} {ast.unparse(node.func)}")
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code" and ast.unparse(node.value) != "False":
                wrong.append(f"{path.name}:{node.value.lineno} trust_remote_code")
    assert wrong == []


def test_files_stay_short_enough_to_read():
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()
    }
    assert {path: count for path, count in lines.items() if count > LONGEST_FILE} == {}


# ---- what a reader types -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", ["kdviz", "kdviz.methods", "kdviz.figures", "kdviz.explore", "kdviz.course"])
def test_every_public_name_is_found_and_a_wrong_one_is_answered_with_the_right_ones(package):
    module = importlib.import_module(package)
    assert len(module.__all__) >= 2 and set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match=f"{package} has no name 'nonsense'; it offers .*{module.__all__[0]}"):
        module.nonsense  # noqa: B018  looking it up is the test


WRONG = """import kdviz as kd
task = kd.load_task("reviews")
kd.build_student(task, layerz=2)
kd.CKD(betta=1)
kd.nonsense
kd.figures.nonsense
"""


def test_editors_know_the_public_names_and_their_arguments(tmp_path):
    """mypy reads the stubs beside the packages: what lessons type passes, a misspelt word or argument does not."""
    done = tool("mypy")
    assert done.returncode == 0, done.stdout
    (tmp_path / "wrong.py").write_text(WRONG)
    found = tool("mypy", tmp_path / "wrong.py").stdout.splitlines()
    assert [line.split(":")[1] for line in found if ": error:" in line] == ["3", "4", "5", "6"], found

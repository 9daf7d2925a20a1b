"""Every lesson runs top to bottom at its defaults, within its memory and size; and is stored the way a lesson is."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

from docs.book import build as book
from docs.lessons import minutes
from docs.lessons.execute import BUDGET, Result, execute
from tests.browser.pages import assert_page_works
from tests.browser.slides import assert_every_slide_fits, write_slides

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LONGEST_CELL = 25
MOST_IMPORTS = 8
NETWORK = {"requests", "urllib", "httpx", "socket", "http", "ftplib"}
# what the promise of a lesson consists of, in this order
TEMPLATE = ("# ", "mybinder.org", "You will be able to", "minutes", "Exercise", "Quiz", "References")

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def test_there_are_lessons_and_the_first_one_is_the_door():
    assert [path.name for path in LESSONS][:1] == ["00_start_here.ipynb"]
    numbers = [path.stem[:2] for path in LESSONS]
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem) for path in LESSONS) and len(set(numbers)) == len(numbers)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """One book after the other in one place: what all of them share is made once."""
    return tmp_path_factory.mktemp("shelf")


@each_lesson
def test_a_lesson_runs_within_memory_and_size_and_becomes_a_page(path, tmp_path, shelf, record_property, page):
    """Seconds are reported (`make notebooks` holds them to the budget): two lessons run at once here."""
    result = execute(path, tmp_path / path.name)
    record_property("seconds", result.seconds)
    print(f"{result.lesson}: {result.seconds:.0f} s, {result.peak_mb:.0f} MB, {result.size_kb:.0f} KB")
    assert result.error == ""
    assert result.over_budget(("peak_mb", "size_kb")) == []
    book.write([tmp_path / path.name], shelf / "book")
    assert_page_works(page, shelf / "book" / "notebooks" / f"{path.stem}.html")
    executed = json.loads((tmp_path / path.name).read_text(encoding="utf-8"))
    assert_every_slide_fits(page, write_slides(tmp_path / "slides", executed))


# ---- how it is stored ----------------------------------------------------------------------------------------------


def stored_faults(notebook) -> list[str]:
    """What is wrong with a stored lesson; [] when nothing is."""
    wrong = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        wrong.append(f"{len(tagged)} cells are tagged parameters, one must be")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        wrong.append("its kernel is not python3")
    if notebook.metadata.get("kernelspec", {}).get("language") != "python":
        wrong.append("its kernelspec names no language, which papermill needs")
    if "widgets" in notebook.metadata:
        wrong.append("widget state is stored")
    imports = 0
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        if cell.outputs or cell.execution_count is not None:
            wrong.append(f"cell {place} is stored with its output: clear all outputs before you save")
        lines = cell.source.splitlines()
        if len(lines) > LONGEST_CELL:
            wrong.append(f"cell {place} has {len(lines)} lines, {LONGEST_CELL} are readable")
        try:
            tree = ast.parse(cell.source)
        except SyntaxError as error:
            wrong.append(f"cell {place} is not plain Python (no magics, no shell): {error.msg}")
            continue
        imports += sum(isinstance(node, (ast.Import, ast.ImportFrom)) for node in ast.walk(tree))
        wrong += [f"cell {place}: {fault}" for fault in code_faults(tree)]
    if imports > MOST_IMPORTS:
        wrong.append(f"{imports} imports, {MOST_IMPORTS} are enough")
    return wrong


def code_faults(tree: ast.AST) -> list[str]:
    """Path surgery, installation, network and absolute paths in a cell."""
    wrong = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path":
            wrong.append("sys.path is touched; kdviz is installed")
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            wrong += [f"imports {name}" for name in names if name.split(".")[0] in NETWORK | {"pip", "subprocess"}]
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.match(r"(https?|ftp)://", node.value):
                wrong.append(f"asks the network: {node.value!r}")
            if re.match(r"(/\w+/|~/|[A-Za-z]:\\)", node.value):
                wrong.append(f"absolute path {node.value!r}")
    return wrong


@each_lesson
def test_a_lesson_is_stored_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert stored_faults(notebook) == []


@each_lesson
def test_a_lesson_follows_the_template(path):
    notebook = nbformat.read(path, as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert text.startswith("# ")
    assert [word for word in TEMPLATE if word.lower() not in text.lower()] == []
    for cell in notebook.cells:
        if "exercise" in cell.metadata.get("tags", []):
            assert cell.metadata.get("kdviz", {}).get("exercise"), "an exercise names itself in its metadata"


@each_lesson
def test_a_lesson_says_the_minutes_that_it_takes(path):
    """Counted by words, lines and exercises; `python -m docs.lessons.minutes --write` puts them into the header."""
    notebook = nbformat.read(path, as_version=4)
    assert f"**Time** {minutes.header(notebook)} · **Machine** " in "\n".join(cell.source for cell in notebook.cells)
    assert max(minutes.sittings(notebook)) <= minutes.LIMIT


def test_minutes_are_counted():
    """200 words, 4 lines of code; exercises by what they say; what nobody reads is not counted, nor a wrong choice."""
    words = nbformat.v4.new_markdown_cell(
        "## 1 · One\n" + "word " * 400 + "$$a + b$$ $c$ [link](https://a.b/c)"
        "\n\n<details><summary>A · word word</summary>Not so. It is not.</details>\n<details><summary>B</summary>Right."
    )
    exercise = nbformat.v4.new_markdown_cell("**Exercise 1** (7 min): write it.\n\n## References\n" + "word " * 400)
    code = nbformat.v4.new_code_cell("# a comment\nimport os\nx = 1\n\ny = 2\nkd.check.run('a', b)")
    stub = nbformat.v4.new_code_cell("def f():\n    ...", metadata={"tags": ["exercise"]})
    book = nbformat.v4.new_notebook(cells=[words, code, exercise, stub])
    assert minutes.sections(book) == pytest.approx({"Start": 0, "1 · One": 406 / 200 + 2 / 4 + 6 / 200})
    assert minutes.minutes(book) == (3, 7) and minutes.sittings(book) == [3, 7]
    book.cells.insert(1, nbformat.v4.new_markdown_cell(f"{minutes.BREAK} More follows."))
    assert minutes.sittings(book) == [2, 1, 7] and "in two sittings" in minutes.header(book)


KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def lesson(*cells: str, parameters: str = "seed = 0"):
    """A notebook of code cells, the first of them tagged `parameters`."""
    book = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    book.cells = [nbformat.v4.new_code_cell(source) for source in (parameters, *cells)]
    book.cells[0].metadata["tags"] = ["parameters"]
    return book


@pytest.mark.parametrize(
    "cell, fault",
    [
        ("import sys\nsys.path.insert(0, '..')", "sys.path is touched"),
        ("%pip install torch", "not plain Python"),
        ("!ls", "not plain Python"),
        ("import requests", "imports requests"),
        ("from urllib.request import urlopen", "imports urllib.request"),
        ("a = 'https://example.org/data.csv'", "asks the network"),
        ("open('/home/me/data.csv')", "absolute path"),
        ("\n".join(["x = 1"] * 26), "has 26 lines"),
        ("\n".join(f"import os as a{i}" for i in range(9)), "9 imports"),
    ],
)
def test_the_eye_for_storage_notices(cell, fault):
    assert any(fault in found for found in stored_faults(lesson(cell)))


def test_the_eye_for_storage_notices_outputs_and_passes_a_clean_lesson():
    clean = lesson("import kdviz as kd")
    assert stored_faults(clean) == []
    clean.cells[1].execution_count = 3
    assert "stored with its output" in stored_faults(clean)[0]


# ---- the runner ----------------------------------------------------------------------------------------------------


def stored(book, folder: Path) -> Path:
    path = folder / "source.ipynb"
    nbformat.write(book, path)
    return path


def test_the_runner_measures_the_kernel_and_its_children(tmp_path):
    """300 MB in the kernel and 200 MB in a process that it starts count together."""
    child = "import time; block = b'x' * 200_000_000; time.sleep(1.5)"
    source = (
        f"import subprocess, sys\nblock = bytearray(b'x') * 300_000_000\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], check=True)\nprint('y' * 50_000)"
    )
    result = execute(stored(lesson(source), tmp_path), tmp_path / "done.ipynb")
    assert result.error == "" and (tmp_path / "done.ipynb").exists()
    assert 500 < result.peak_mb < 900
    assert 49 < result.size_kb < 70
    assert sorted(path.name for path in tmp_path.iterdir()) == ["done.ipynb", "source.ipynb"]


def test_the_runner_stores_no_widget_state(tmp_path):
    """The state of the widgets of one lesson is megabytes of JavaScript; who opens it runs it anyway."""
    result = execute(stored(lesson("import ipywidgets\nipywidgets.IntSlider()"), tmp_path), tmp_path / "done.ipynb")
    assert result.error == ""
    assert "widgets" not in nbformat.read(tmp_path / "done.ipynb", as_version=4).metadata


def test_the_runner_names_a_failing_cell_and_keeps_the_notebook(tmp_path):
    result = execute(stored(lesson("1 / 0"), tmp_path), tmp_path / "done.ipynb")
    assert "ZeroDivisionError: division by zero" in result.error
    assert (tmp_path / "done.failed.ipynb").exists() and not (tmp_path / "done.ipynb").exists()


def test_the_runner_passes_parameters_and_refuses_unknown_ones(tmp_path):
    source = stored(lesson("assert seed == 7", parameters="seed = 0\nepochs = 2"), tmp_path)
    assert execute(source, tmp_path / "done.ipynb", {"seed": 7}).error == ""
    assert execute(source, tmp_path / "done.ipynb", {"sede": 7}).error == (
        "unknown parameter sede; this lesson has: epochs, seed"
    )


def test_a_number_over_budget_is_named():
    assert Result("00", 90, 1200, 1024).over_budget() == []
    assert Result("00", 91, 1201, 1025).over_budget() == [
        "seconds 91 > 90",
        "peak_mb 1201 > 1200",
        "size_kb 1025 > 1024",
    ]
    assert BUDGET == {"seconds": 90, "peak_mb": 1200, "size_kb": 1024}


# ---- the README's table --------------------------------------------------------------------------------------------


def test_the_readme_leads_from_every_lesson_to_its_notebook_and_code():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d\d) \|.*?\]\((notebooks/\S+\.ipynb)\) \| (.*) \|$", text, flags=re.MULTILINE)
    assert [row[1] for row in rows] == [f"notebooks/{path.name}" for path in LESSONS], "one row a lesson, in order"
    for number, notebook, code in rows:
        assert number == Path(notebook).name[:2]
        linked = re.findall(r"\]\(([^)]+)\)", code)
        assert linked and [link for link in linked if not (ROOT / link).exists()] == [], f"code of lesson {number}"


def test_the_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    local = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert local and [link for link in local if not (ROOT / link).exists()] == []


def test_readme_and_lessons_open_on_the_same_binder():
    """Who fills in the repository fills it in everywhere; each lesson's address opens that lesson."""
    address = r"mybinder\.org/v2/gh/([\w.-]+/[\w.-]+/[\w.-]+)\?urlpath=lab/tree/notebooks/(\w+\.ipynb)"
    readme = re.findall(address, (ROOT / "README.md").read_text(encoding="utf-8"))
    assert [name for _, name in readme] == ["00_start_here.ipynb"]
    for path in LESSONS:
        assert re.findall(address, path.read_text(encoding="utf-8")) == [(readme[0][0], path.name)]

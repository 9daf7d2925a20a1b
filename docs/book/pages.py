"""Pages of the book that are made: the list of lessons, recorded results, the gallery, the reference."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path

GUIDES = (
    "glossary",
    "methods",
    "families",
    "runs",
    "export",
    "page",
    "trials",
    "instructor",
)  # of docs/, in this order
# rooms of the reference, in the order of their imports; names are documented where they are met first
ROOMS = {
    "words": ("kdviz",),
    "relations": ("kdviz.relations", "kdviz.states"),
    "losses": ("kdviz.losses.logits", "kdviz.losses.contextual", "kdviz.losses.features", "kdviz.losses.language"),
    "methods": ("kdviz.methods",),
    "data": ("kdviz.data.task", "kdviz.data.kinds", "kdviz.data.noise", "kdviz.data.augment", "kdviz.data.batches"),
    "models": ("kdviz.models.model", "kdviz.models.students", "kdviz.models.products", "kdviz.models.probes"),
    "training": ("kdviz.training.tune", "kdviz.training.measure", "kdviz.training.flatness"),
    "robustness": ("kdviz.robustness",),
    "figures": ("kdviz.figures", "kdviz.explore"),
    "check": ("kdviz.course.check", "kdviz.course.controls"),
}


def made(root: Path, lessons: dict[str, dict]) -> dict[str, str]:
    """Path -> text of every made page; lessons : name -> prepared notebook."""
    guides = [f"docs/{name}" for name in GUIDES if (root / "docs" / f"{name}.md").exists()]
    guides += sorted({f"docs/{path.stem}" for path in (root / "docs").glob("*.md")} - {*guides})
    index = (root / "docs" / "book" / "index.md").read_text("utf-8")
    return {
        "index.md": index,
        "lessons.md": _lessons(root, lessons),
        "guide.md": "# Guide\n\n" + _tree(*guides, "CONTRIBUTING"),
        "results.md": results(),
        "gallery.md": gallery(root, lessons),
        **reference(),
    }


def _tree(*names: str, depth: int = 1) -> str:
    """A list of pages, which are the next ones to read."""
    return "\n".join(["```{toctree}", f":maxdepth: {depth}", "", *names, "```", ""])


def _lessons(root: Path, lessons) -> str:
    """The README's table of the lessons that are in the book."""
    rows = re.findall(r"^\| .+ \|$", (root / "README.md").read_text("utf-8"), re.MULTILINE)
    head = next(place for place, row in enumerate(rows) if "| notebook |" in row)
    kept = [row for row in rows if any(f"(notebooks/{name}.ipynb)" in row for name in lessons)]
    hidden = _tree(*(f"notebooks/{name}" for name in lessons)).replace(":maxdepth: 1", ":hidden:")
    return "\n".join(["# Lessons", "", *rows[head : head + 2], *kept, "", hidden])


# ---- results ---------------------------------------------------------------------------------------------------------


def results() -> str:
    """Every block of fair trials that is recorded: what was asked, the table, the differences as a picture."""
    from data.make import readme
    from docs.book.build import drawing
    from kdviz.course import trials

    parts = [
        "# Results\n\nMade from the rows that are recorded in this repository; [the rules](docs/trials.md) say how "
        "fair trials are run, [the tables](data/results/README.md) hold every run with the command that repeats it.\n"
    ]
    for name, block in trials.plan()["blocks"].items():
        done = [task for task in block["tasks"] if readme.finished(name, task)]
        parts.append(f"## {name.capitalize()}\n\n{block['note']}\n")
        parts.append(readme.trial(name) + "\n" if done else "*Not recorded yet.*\n")
        for task in done:
            figure = json.loads(readme.compared(name, task).plot().to_json())
            parts.append(f"```{{raw}} html\n{drawing(figure)}\n```\n")
    parts.append(
        "## Older tables\n\nTheir baseline was never tuned ([how that was found](docs/trials.md)). Accuracy after 600 "
        f"steps with 5 % of the labels, and what longer runs make of it:\n\n{readme.methods()}\n"
    )
    parts += [readme.longer(task) + "\n" for task in ("reviews", "entail")]
    return "\n".join([*parts, _tree("data/results/README")])


# ---- the gallery -----------------------------------------------------------------------------------------------------


def gallery(root: Path, lessons) -> str:
    """All figures: what each shows, the line of a lesson that draws it, and how it looks there."""
    from kdviz import explore, figures

    drawn = _lines(root, lessons)
    parts = [
        "# Gallery\n\nEvery figure of kdviz, with the line that draws it. Each works in its lesson: sliders, menus, "
        "words under the pointer. Any arrays may be passed, not only those of kdviz's models.\n"
    ]
    for room in (figures, explore):
        for name in sorted(room.__all__):
            thing = getattr(room, name)
            if not inspect.isfunction(thing) or name in ("save", "table"):
                continue
            word = f"{room.__name__.removeprefix('kdviz.')}.{name}"
            parts.append(f"## {name}\n\n{_first(thing)} [Reference](kdviz.{word})\n")
            if word in drawn:
                line, lesson, still = drawn[word]
                parts.append(f"```python\n{line}\n```\n\nIn [lesson {lesson[:2]}](notebooks/{lesson}.ipynb).\n")
                parts.append(f'```{{raw}} html\n<div class="still">{still}</div>\n```\n' if still else "")
            else:
                parts.append(f"```python\nkd.{word}{inspect.signature(thing)}\n```\n")
    return "\n".join(parts)


def _first(thing) -> str:
    """The first sentence of a docstring, as Markdown that shows it as it is."""
    return re.sub(r"([\\*_\[\]|<$])", r"\\\1", " ".join(inspect.getdoc(thing).split("\n\n")[0].split()))


def _lines(root: Path, lessons) -> dict[str, tuple[str, str, str]]:
    """ "figures.name" -> (the call, the lesson, the still when the book has the lesson); the first call of each."""
    found = {}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        lesson = lessons.get(path.stem) or json.loads(path.read_text("utf-8"))
        for cell in lesson["cells"]:
            if cell["cell_type"] != "code":
                continue
            source = "".join(cell["source"])
            stills = [
                output["metadata"]["still"] for output in cell["outputs"] if "still" in output.get("metadata", {})
            ]
            for call in ast.walk(ast.parse(source)):
                if not isinstance(call, ast.Call):
                    continue
                word = re.search(r"(?:figures|explore)\.\w+$", ast.unparse(call.func))
                if word and (word[0] not in found or (stills and not found[word[0]][2])):
                    found[word[0]] = (ast.get_source_segment(source, call), path.stem, "".join(stills[-1:]))
    return found


# ---- the reference ---------------------------------------------------------------------------------------------------


def reference() -> dict[str, str]:
    """A page a room; the words of `kd` first. Docstrings are read by docs/book/conf.py."""
    import importlib

    import kdviz

    texts, met = {}, {getattr(kdviz.methods, name) for name in kdviz.methods.__all__}  # which have a page of their own
    for room, modules in ROOMS.items():
        lines = [room.capitalize(), "=" * len(room), ""]
        for name in modules:
            module = importlib.import_module(name)
            if room == "methods":
                met = met - {getattr(module, one) for one in module.__all__}
            if len(modules) > 1:
                lines += [f"``{name}``", "-" * (len(name) + 4), ""]
            lines += [f".. automodule:: {name}", ""]
            for word in sorted(_words(module)):
                thing = getattr(module, word)
                if thing in met or not (inspect.isclass(thing) or inspect.isfunction(thing)):
                    continue
                met.add(thing)
                kind = "class" if inspect.isclass(thing) else "function"
                lines += [f".. auto{kind}:: {name}.{word}", *["   :members:"] * (kind == "class"), ""]
        texts[f"api/{room}.rst"] = "\n".join(lines)
    tree = _tree(*ROOMS, depth=2)
    texts["api/index.md"] = (
        "# Reference\n\nWhat `import kdviz as kd` gives, room by room, from the docstrings.\n\n" + tree
    )
    return texts


def _words(module) -> list[str]:
    """The public names of a module: what it says, else what it defines."""
    if said := getattr(module, "__all__", None):
        return said
    return [name for name, one in vars(module).items() if name[0] != "_" and one_of(one, module)]


def one_of(thing, module) -> bool:
    return getattr(thing, "__module__", None) == module.__name__

"""Sphinx' settings of the book, and what it does not do by itself: formulas, links to the repository, docstrings."""

from __future__ import annotations

import posixpath
import re
import textwrap
import tomllib
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform

from kdviz.paths import PACKAGE, clone

project = "kdviz"
html_title = "kdviz: knowledge distillation, lesson by lesson"
repository = tomllib.loads((clone() / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
extensions = "myst_nb sphinx.ext.autodoc sphinx.ext.viewcode sphinx_copybutton".split()
templates_path, exclude_patterns = ["templates"], ["_static"]
default_role = "py:obj"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
nb_execution_mode, nb_merge_streams = "off", True
myst_enable_extensions, myst_heading_anchors = ["dollarmath"], 4
html_theme = "pydata_sphinx_theme"
html_css_files, html_js_files, html_favicon = ["book.css"], ["book.js"], "assets/icon.svg"
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = html_show_sphinx = False
html_context = {"default_mode": "auto"}
toc_object_entries_show_parents = "hide"
# what a lesson holds stands above the other lessons: figures need the width
html_sidebars = {"index": [], "gallery": [], "results": [], "notebooks/*": ["page-toc", "sidebar-nav-bs"]}
html_theme_options = {
    "logo": {"text": "kdviz"},
    "icon_links": [{"name": "Repository", "url": repository, "icon": "fa-brands fa-github"}],
    "navbar_persistent": ["search-button-field"],
    "article_header_end": ["launch"],
    "secondary_sidebar_items": {"notebooks/*": [], "[!n]**": ["page-toc"]},
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": [],
    "footer_end": [],
}
copybutton_prompt_text = ">>> "


def mathml(words: str, display: str) -> str:
    """A formula as MathML, which browsers draw. Raises ExtensionError naming one that cannot be read."""
    from latex2mathml.converter import convert

    try:
        return convert(words.strip(), display=display)
    except Exception as error:  # the converter's errors have no common type; none is swallowed
        raise ExtensionError(f"formula {words!r} cannot be converted to MathML: {error!r}") from error


def formula(display: str):
    def visit(writer, node):
        writer.body.append(mathml(node.astext(), display))
        raise nodes.SkipNode

    return visit, None


class ToTheRepository(SphinxPostTransform):
    """A link to a file of the repository that is not in this book leads there; one to nothing is a fault."""

    default_priority = 5  # before MyST looks for them

    def run(self, **_):
        for node in list(self.document.findall(pending_xref)):
            if node["reftype"] == "myst" and node["refdomain"] is None:
                folder = posixpath.dirname(node.get("refdoc", self.env.docname))
                path = posixpath.normpath(posixpath.join(folder, node["reftarget"].split("#")[0]))
                if (clone() / path).exists():
                    address = f"{repository}/blob/main/{path}"
                    node.replace_self(nodes.reference("", "", *node.children, refuri=address))


ENTRY = re.compile(r"(?P<names>\S.{0,70}?)\s*(?<= ): (?P<text>.*)")
IN_CODE = re.compile(r"(``.+?``|`[^`]+`)", re.DOTALL)


def docstring(app, what, name, thing, options, lines) -> None:
    """Our docstrings as reStructuredText: underlined heads, entries `name : what`, everything else as it stands."""
    text = "".join(
        part if number % 2 else re.sub(r"([\\*|]|_(?!\w))", r"\\\1", part)
        for number, part in enumerate(IN_CODE.split("\n".join(lines)))
    )
    text = re.sub(r"(?<=\w`)(?=\w)", r"\\ ", text)  # a code's plural
    made = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        block = paragraph.split("\n")
        if len(block) > 1 and re.fullmatch(r"-{3,}", block[1].strip()):
            made += [f".. rubric:: {block[0]}", ""]
            block = block[2:]
        made += [*_entries(block), ""]
    lines[:] = made


def _entries(block: list[str]) -> list[str]:
    """Lines of one paragraph: a list of entries, lines that keep their breaks where some are indented, or text."""
    joined: list[str] = []
    for line in block:
        if line.startswith(" ") and joined:
            joined[-1] += "\n" + line
        else:
            joined.append(line)
    made, is_list = [], any(ENTRY.fullmatch(line.split("\n")[0]) for line in joined)
    for line in joined:
        first, *rest = line.split("\n")
        entries = re.split(r" {3,}(?=\w+ : )", first) if is_list else [first]
        for one in entries:
            entry = ENTRY.fullmatch(one) if is_list else None
            tail = " ".join(part.strip() for part in rest) if one is entries[-1] else ""
            if entry:
                made += ["", f"**{entry['names']}**", f"    {entry['text']} {tail}".rstrip()]
            elif rest and not is_list:
                made += [
                    "",
                    *(f"| {part}" for part in (first, *textwrap.dedent(line.removeprefix(first)).split("\n")[1:])),
                    "",
                ]
            else:
                made += [*[""] * is_list, f"{one} {tail}".rstrip(), *[""] * is_list]
    return made


def views() -> dict[str, list[tuple[str, str]]]:
    """Lesson -> (place, name) of the views that it teaches, as the page with the models says itself; 00: all of it."""
    found: dict[str, list] = {"00_start_here": [("first", "teacher and student")]}
    page = (PACKAGE / "page" / "static" / "index.html").read_text("utf-8")
    for part in re.split(r"(?=<h2)", page)[1:]:
        head = re.match(r'<h2 id="([\w-]+)">(.+?)</h2>', part)
        for lesson in re.findall(r'data-lesson="(\w+)"', part):
            found.setdefault(lesson, []).append((head[1], re.sub(r"<.+?>", "", head[2])))
    return found


def context(app, pagename, templatename, known, doctree) -> None:
    """What templates ask for; plotly only where something is drawn."""
    folder, _, lesson = pagename.partition("/")
    known["repository"], known["address"] = repository, repository.removeprefix("https://github.com/")
    known["has_page"] = app.config.has_page
    if folder == "notebooks":
        known["lesson"], known["views"] = lesson, views().get(lesson, []) if app.config.has_page else []
    if folder == "_modules":  # of a word of `kd` the way back is not known by its home's name
        known["body"] = re.sub(r'<a class="viewcode-back".*?</a>', "", known.get("body", ""))
    if 'class="drawing"' in known.get("body", ""):
        app.add_js_file("plotly.min.js")
        app.add_js_file("figures.js")


def missing(app):
    """A page for each lesson that this copy of the book leaves out: the page with the models leads to all of them."""
    for path in sorted((clone() / "notebooks").glob("*.ipynb")):
        if path.stem not in app.config.lessons:
            yield f"notebooks/{path.stem}", {"title": path.stem}, "missing.html"


def stale(app, env, added, changed, removed) -> list[str]:
    """Documents that name a lesson which is new in the book or has left it: links are settled when a text is read."""
    turned = set(getattr(env, "lessons_before", ())) ^ set(app.config.lessons)
    env.lessons_before = app.config.lessons
    known = env.found_docs & env.all_docs.keys()
    return [one for one in known if any(name in Path(env.doc2path(one)).read_text("utf-8") for name in turned)]


def setup(app) -> None:
    app.add_config_value("lessons", [], "html")  # that are in the book; all pages list them
    app.add_config_value("has_page", False, "html")  # whether the page with the models stands in the folder `page`
    app.add_html_math_renderer("mathml", formula("inline"), formula("block"))
    app.add_post_transform(ToTheRepository)
    app.connect("autodoc-process-docstring", docstring)
    app.connect("html-page-context", context)
    app.connect("html-collect-pages", missing)
    app.connect("env-get-outdated", stale)

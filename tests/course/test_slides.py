"""Slides and hand-outs: what is on them, that they need no network, and that they are printed."""

from __future__ import annotations

import json
import re

import pytest

from kdviz import chromium
from kdviz.cli import main
from kdviz.course.classroom import flavours, pages
from tests.course.test_exercises import NOTEBOOKS


def cell(kind: str, text: str, *outputs: dict, tags=(), slide: str | None = None) -> dict:
    metadata = {"tags": list(tags)} | ({"slideshow": {"slide_type": slide}} if slide else {})
    made = {"cell_type": kind, "metadata": metadata, "source": text}
    return made | ({"outputs": list(outputs), "execution_count": 1} if kind == "code" else {})


def figure(alt: str) -> dict:
    drawn = {"data": [{"type": "bar", "x": [1, 2], "y": [3, 4]}], "layout": {"meta": {"alt": alt}, "height": 300}}
    return {"output_type": "display_data", "data": {pages.PLOTLY: drawn, "text/html": "<p>still</p>"}, "metadata": {}}


def printed(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text}


LONG = "The first sentence of it has $x_1$ in it. " + "More words follow here. " * 12
RUN = {
    "cells": [
        cell(
            "markdown", "# 01 · A <title>\n\n*A promise.*\n\n**▶ [Open this lesson on Binder](https://mybinder.org/x)**"
        ),
        cell("markdown", "**You will be able to**\n\n- see"),
        cell("code", "seed = 1", tags=["parameters"]),
        cell("markdown", f"## 1 · An idea\n\n{LONG}\n\n$$a = \\frac{{b}}{{c}}$$"),
        cell("code", "def loss():\n    return 1", printed("1 < 2\n")),
        cell("code", "load()"),
        cell("code", "draw()", figure('bars & "so on" </script>')),
        cell(
            "markdown",
            "*Picture: bars.*\n\n**What to notice**: why?\n\n<details><summary>Answer</summary>\n\nBecause.</details>",
        ),
        cell("markdown", "Only the speaker knows.", slide="notes"),
        cell("markdown", "Left out.", slide="skip"),
        cell("code", "load()", slide="subslide"),
        cell("code", "def f():\n    ...", tags=["exercise"])
        | {"metadata": {"tags": ["exercise"], "kdviz": {"exercise": "e"}}},
        cell("code", 'kd.check.run("e", f)', printed("e ○ not attempted yet")),
        cell("code", "def f():\n    return 'the solution'", tags=["solution"]),
        cell(
            "markdown",
            "## 2 · Quiz\n\n**1.** Who?\n\n<details><summary>A · I.</summary>Right. Me.</details>\n"
            "<details><summary>B · You.</summary>Not so. Them.</details>\n\n**2.** When?",
        ),
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 4,
}


def test_what_is_on_a_slide_and_what_is_in_the_notes():
    made = pages.slides(RUN)
    shown, notes = (["".join(part) for part in parts] for parts in zip(*((one.shown, one.notes) for one in made)))
    first, idea, drawn, later, quiz, who, when = shown
    assert "01 · A" in first and "You will" in first and "Binder" not in first
    assert "first sentence" in idea and "More words" not in idea and "<mfrac>" in idea and "More words" in notes[1]
    assert "loss" in idea and "1 &lt; 2" in idea and "load" not in idea, "a short text and its code share a slide"
    assert 'class="figure"' in drawn and "Picture: bars." in drawn and "What to notice" in drawn and "draw" not in drawn
    assert "Because" not in drawn and "Because" in notes[2] and "draw" in notes[2] and "Only the speaker" in notes[2]
    assert "load" in later, "a cell's own place goes before the rule"
    assert "Quiz" in quiz and "Who?" in who and "Me." not in who and "When?" in when
    assert who.count("<li>") == 2 and "B · You." in who and "Me." in notes[5] and "Them." in notes[5]
    everything = "".join(shown + notes)
    assert "the solution" not in everything and "Left out" not in everything and "seed = 1" not in everything
    assert [one.figure for one in made] == [number == 2 for number in range(7)]


@pytest.mark.parametrize(("lines", "where"), [(14, "shown"), (18, "notes")])
def test_code_beside_a_long_print_is_in_the_notes(lines, where):
    made = pages.Slide()
    pages._add_code(made, cell("code", "a = 1\n" * 12, printed("1\n" * lines)))
    assert ["".join(part).count("a") > 0 for part in (made.shown, made.notes)] == [where == "shown", where == "notes"]
    assert "".join(made.shown).count("1\n") >= lines - 1


@pytest.mark.parametrize("lesson", NOTEBOOKS)
def test_every_lesson_fits_on_slides(lesson):
    made = pages.slides(NOTEBOOKS[lesson])
    assert 12 <= len(made) <= 80
    shown = "".join("".join(one.shown) for one in made)
    assert "<math" in shown or "$" not in "".join(map(flavours.source, NOTEBOOKS[lesson]["cells"][:9]))
    assert "<summary>Answer" not in shown and "mybinder" not in shown


def test_a_page_asks_nothing_of_the_network_and_no_token_ends_its_script():
    text = pages.slide_page(RUN)
    assert not re.findall(r'(?:src|href)="(?!page\.|plotly\.min\.js|index\.html|#)[^"]+"', text)
    assert text.count("</script>") == 3 and "\\u003c/script>" in text
    assert (
        'aria-label="bars &amp; &quot;so on&quot; &lt;/script&gt;"' in text
        and "<title>01 · A &lt;title&gt;</title>" in text
    )


def test_a_link_leads_to_slides_that_were_made_and_to_nothing_else():
    lesson, following = NOTEBOOKS["02_word_relation"], "03_layer_transforming_relation"
    links = lambda *args: re.findall(r'href="([^"#]+)"', pages.slide_page(*args))
    assert links(lesson, [following]) == ["page.css", f"{following}.html", "index.html"]
    assert links(lesson) == links(NOTEBOOKS["00_start_here"]) == ["page.css", "index.html"]
    assert "03 · Layer transforming relation" in pages.slide_page(lesson)


def test_a_hand_out_has_outputs_and_no_answers():
    text = pages.hand_out(RUN)
    assert "1 &lt; 2" in text and 'class="figure"' in text and "Who?" in text and '<span class="nf">f</span>' in text
    assert "<li>A · I.</li>" in text
    for word in ("the solution", "Because", "Me.", "Them.", "not attempted", "Binder", "<summary>"):
        assert word not in text


def test_a_lesson_is_run_for_its_slides(tmp_path, capsys):
    lesson = tmp_path / "00_small.ipynb"
    small = {"cells": [cell("markdown", "# 00 · Small"), cell("code", "def f(): return 6 * 7\nprint(f())")]}
    lesson.write_text(json.dumps(RUN | small))
    files = dict(pages.contents("slides", [lesson]))
    assert set(files) == {"plotly.min.js", "page.css", "page.js", "00_small.html", "index.html"}
    assert "<pre>42\n</pre>" in files["00_small.html"].decode() and b"00 \xc2\xb7 Small" in files["index.html"]
    assert "00_small: running" in capsys.readouterr().out
    small["cells"][1]["source"] = "1 / 0"
    lesson.write_text(json.dumps(RUN | small))
    with pytest.raises(RuntimeError, match="00_small does not run: ZeroDivisionError: division by zero"):
        list(pages.contents("slides", [lesson]))


def test_a_hand_out_is_printed():
    shared = {"page.css": pages.style().encode(), "page.js": (pages.HERE / "page.js").read_bytes()}
    shared["plotly.min.js"] = b"Plotly = {newPlot: function () {}};"
    content = pages.printed(pages.hand_out(RUN), shared, chromium.find_chromium())
    assert content.startswith(b"%PDF-") and len(content) > 5000


def test_a_browser_that_prints_nothing_is_named(tmp_path):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display >&2\n")
    broken.chmod(0o755)
    with pytest.raises(RuntimeError, match="wrote no PDF: no display"):
        pages.printed("<p>", {}, str(broken))


def test_without_a_browser_or_a_package_nothing_begins(tmp_path, monkeypatch, capsys):
    words = ["course", "make", "--for", "pdf", "--lessons", "00", str(tmp_path / "out")]
    monkeypatch.setattr(chromium, "NAMES", ())
    monkeypatch.setattr(chromium, "MAC", tmp_path / "none")
    monkeypatch.delenv("KDVIZ_CHROMIUM", raising=False)
    assert main(words) == 1
    assert "hand-outs are printed by Chromium or Chrome. Install one" in capsys.readouterr().err
    monkeypatch.setattr(pages.importlib.util, "find_spec", lambda name: None)
    assert main(words) == 1
    assert "latex2mathml, pygments missing: pip install nbclient" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.pdf"))

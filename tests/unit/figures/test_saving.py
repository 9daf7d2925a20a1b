"""kd.save: pages without a network, pictures, numbers; nothing half written."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

import kdviz as kd
from kdviz.figures import saving
from tests.unit.figures.made import HOSTILE, make_states


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


@pytest.fixture
def figure():
    return kd.figures.word_relation(make_states(tokens=HOSTILE))


def test_a_page_stands_alone(figure, tmp_path):
    path = kd.save(figure, tmp_path / "a.html")
    content = path.read_text(encoding="utf-8")
    assert len(content) > 3_000_000  # plotly's script is inside
    found = Elements()
    found.feed(content)
    assert not [tag for tag, attributes in found.seen if tag in ("img", "link", "iframe", "object")]
    assert not [attributes for _, attributes in found.seen if {"src", "href", "onerror"} & set(attributes)]
    (group,) = [attributes for tag, attributes in found.seen if tag == "figure"]
    assert group["aria-label"] == figure.layout.meta["alt"]
    assert ("details", {}) in found.seen


def test_ticks_without_words_are_places(tmp_path):
    curve = kd.figures.curves([600, 1200], {"KD": [[0.4, 0.6]]}, title="t", x_title="steps")
    curve.update_xaxes(tickvals=[600, 1200])
    page = kd.figures.save(curve, tmp_path / "curve.html").read_text(encoding="utf-8")
    assert '<th scope="row">600</th><td>0.4</td>' in page and '<th scope="row">1200</th><td>0.6</td>' in page


def test_pages_may_share_the_script(figure, tmp_path):
    path = kd.save(figure, tmp_path / "a.html", share_script=True)
    assert path.stat().st_size < 400_000
    assert 'src="plotly.min.js"' in path.read_text(encoding="utf-8")
    assert (tmp_path / "plotly.min.js").stat().st_size > 3_000_000


def test_json_holds_the_figure(figure, tmp_path):
    content = json.loads(kd.save(figure, tmp_path / "a.json").read_text(encoding="utf-8"))
    assert content["layout"]["meta"]["alt"] == figure.layout.meta["alt"]
    assert len(content["frames"]) == 7


def test_pictures(figure, tmp_path):
    assert kd.save(figure, tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n")
    svg = kd.save(figure, tmp_path / "a.SVG").read_text(encoding="utf-8")
    texts = ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "<b>bold</b>" in texts and "&amp;" in texts and "$x^2$" in texts


def test_without_a_browser_the_advice_is_given(figure, tmp_path, monkeypatch):
    monkeypatch.setattr(saving.chromium, "find_chromium", lambda: None)
    with pytest.raises(FileNotFoundError, match="Chromium or Chrome.*apt-get install chromium.*html needs none"):
        kd.save(figure, tmp_path / "a.png")
    assert not any(tmp_path.iterdir())


def test_other_endings_and_missing_folders_are_refused(figure, tmp_path):
    with pytest.raises(ValueError, match="a.pdf.*.html, .png, .svg, .json"):
        kd.save(figure, tmp_path / "a.pdf")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        kd.save(figure, tmp_path / "nowhere" / "a.html")


def test_a_failure_leaves_the_old_file_and_no_rest(figure, tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk is full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        kd.save(figure, path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]

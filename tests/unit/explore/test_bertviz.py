"""bertviz's views: complete without a network, and tokens stay data. Its pictures are looked at in tests/browser."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser

import pytest

import kdviz as kd
from kdviz.explore import bertviz
from tests.unit.figures.made import HOSTILE, make_states


class Page(HTMLParser):
    """Elements with attributes, and the text of every script."""

    def __init__(self, source):
        super().__init__()
        self.elements, self.scripts, self._inside = [], [], False
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        self._inside = tag == "script"

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1] += data


def frame(view) -> Page:
    """The page inside the frame."""
    (attributes,) = [attributes for tag, attributes in Page(view._repr_html_()).elements if tag == "iframe"]
    assert attributes["sandbox"] == "allow-scripts"
    assert attributes["title"] == view.alt
    return Page(attributes["srcdoc"])


@pytest.fixture
def pair():
    return [make_states(tokens=HOSTILE, heads=12), make_states("student", tokens=HOSTILE, layers=2, heads=4, seed=1)]


@pytest.mark.parametrize("view", ["head", "model"])
def test_a_view_needs_no_network_and_runs_only_its_own_scripts(pair, view):
    page = frame(kd.explore.attention(pair, view))
    assert [tag for tag, _ in page.elements if tag in ("img", "link", "iframe", "b", "a")] == []
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    assert scripts == [{}] * 5  # d3, jQuery, the stand-in for require, one drawing a model
    policy = next(attributes["content"] for tag, attributes in page.elements if "http-equiv" in attributes)
    assert "default-src 'none'" in policy


def test_the_numbers_and_the_tokens_arrive(pair):
    page = frame(kd.explore.attention(pair, "head", layer=2))
    decoder = json.JSONDecoder()
    for model, script in zip(pair, page.scripts[-2:], strict=True):
        settings, _ = decoder.raw_decode(script, script.index("params = ") + len("params = "))
        (data,) = settings["attention"]
        expected = [kd.theme.shortened(kd.theme.visible(token)) for token in HOSTILE]
        assert data["left_text"] == data["right_text"] == expected
        assert data["attn"][1][2][3][4] == pytest.approx(float(model.attentions[0, 1, 2, 3, 4]), abs=1e-4)
        assert settings["layer"] == 2
        assert settings["include_layers"] == list(range(1, model.layers + 1))
        assert script.count(str(settings["root_div_id"])) == 1  # the data is there once


def test_nothing_in_json_can_end_a_script():
    dumped = bertviz.script_json(["</script>", "<!--", "&amp;", "\u2028", "\x00", "שלום"])
    assert re.search(r"[<>&\u0080-\uffff\x00]", dumped) is None
    assert json.loads(dumped) == ["</script>", "<!--", "&amp;", "\u2028", "\x00", "שלום"]


def test_html_starts_with_a_div_and_shows_alt_and_notes(pair):
    long = make_states(tokens=60, heads=12, notes=("cut <b>",))
    view = kd.explore.attention(long)
    source = view._repr_html_()
    assert source.startswith("<div>")
    assert html.escape(view.alt) in source
    assert "cut &lt;b&gt;" in source and "of 60 tokens" in source
    assert len(source) < 1_000_000


def test_the_libraries_are_the_versions_that_bertviz_was_written_for():
    assert "https://d3js.org v5.7.0" in bertviz._asset("d3.min.js")[:60]
    assert "jQuery v2.1.0" in bertviz._asset("jquery.min.js")[:60]
    for name in ("d3", "jquery"):
        assert "Copyright" in bertviz._asset(f"{name}.LICENSE.txt")


@pytest.mark.parametrize("view", ["head", "model"])
def test_a_table_says_where_heads_look_when_the_frame_is_not_shown(pair, view):
    page = Page(kd.explore.attention(pair, view, layer=2 if view == "head" else None)._repr_html_())
    assert [tag for tag, _ in page.elements].count("table") == 2
    assert {"img", "b", "a", "script"}.isdisjoint(tag for tag, _ in page.elements)
    source = kd.explore.attention(pair, view, layer=2 if view == "head" else None).tables
    shares, names = (
        pair[1].attentions[0],
        [html.escape(kd.theme.shortened(kd.theme.visible(token))) for token in HOSTILE],
    )
    if view == "head":
        top, place = shares[1, 3, 5].max(-1)
        assert f"<td>{names[place]} {top:.2f}</td>" in source
    else:
        top, place = shares[1, 3].flatten().max(-1)
        assert f"<td>{names[place // len(names)]} → {names[place % len(names)]} {top:.2f}</td></tr></tbody>" in source


@pytest.mark.parametrize(
    ("view", "layer", "words"),
    [
        ("neuron", None, "kd.figures.attention"),
        ("heads", None, "'heads'"),
        ("head", 0, "layers 1 to 6"),
        ("head", 7, "layers 1 to 6"),
    ],
)
def test_views_and_layers_that_do_not_exist_are_refused(view, layer, words):
    with pytest.raises(ValueError, match=words):
        kd.explore.attention(make_states(heads=2), view, layer=layer)


def test_without_attentions_the_fix_is_named():
    with pytest.raises(ValueError, match="attentions=True"):
        kd.explore.attention(make_states())


def test_a_bertviz_of_another_make_is_refused(monkeypatch, tmp_path):
    (tmp_path / "head_view.js").write_text("something else")
    monkeypatch.setattr(
        bertviz.importlib.util, "find_spec", lambda _: type("Spec", (), {"submodule_search_locations": [tmp_path]})
    )
    with pytest.raises(ValueError, match="head_view.js is not as in bertviz 1.4"):
        kd.explore.attention(make_states(heads=2))

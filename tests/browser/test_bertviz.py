"""bertviz in its frame, with no network: lines are drawn, the layer changes, hostile tokens are only text."""

from __future__ import annotations

import pytest

import kdviz as kd
from tests.unit.figures.made import HOSTILE, make_states


@pytest.mark.parametrize("view", ["head", "model"])
def test_two_views_on_one_page_draw_and_change_layer(page, tmp_path, shots, view):
    pair = [make_states(tokens=HOSTILE, heads=12), make_states("student", tokens=HOSTILE, layers=2, heads=4, seed=1)]
    source = kd.explore.attention(pair, view)._repr_html_()
    file = tmp_path / "views.html"
    file.write_text(f'<!DOCTYPE html><meta charset="utf-8">{source}{source}', encoding="utf-8")
    page.goto(file.as_uri())
    frames = [page.frame_locator("iframe").nth(place) for place in (0, 1)]
    for frame in frames:
        frame.locator("#model1 svg line, #model1 svg path").first.wait_for(state="attached")
        assert frame.locator("svg line").count() > 100
    if view == "head":
        texts = frames[0].locator("#model0 svg text").all_text_contents()
        for token in ("<b>bold</b>", "&amp;", "שלום", "a␀b", "</script><img…"):
            assert token in texts
        assert frames[0].locator("#model0 #layer option").all_text_contents() == ["1", "2", "3", "4", "5", "6"]
        before = frames[1].locator("#model0 svg").inner_html()
        picker = frames[0].locator("#model0 #layer")
        chosen = "node => node.selectedOptions[0].textContent"
        assert picker.evaluate(chosen) == "6"
        drawn = frames[0].locator("#model0 svg").inner_html()
        picker.focus()
        page.keyboard.press("ArrowUp")
        assert picker.evaluate(chosen) == "5"
        assert frames[0].locator("#model0 svg").inner_html() != drawn
        assert frames[1].locator("#model0 svg").inner_html() == before
    page.screenshot(path=shots / f"bertviz_{view}.png", full_page=True)

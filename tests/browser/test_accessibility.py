"""axe-core on what the course shows outside JupyterLab: nothing that would keep somebody out."""

from __future__ import annotations

import pytest

import kdviz as kd
from tests.browser.axe import hindrances
from tests.browser.test_saved_figures import (
    FIGURES,
    opened as opened_figure,  # noqa: F401  a fixture
)
from tests.browser.test_site import figure, opened  # noqa: F401  fixtures


def test_pages_of_the_site(opened):  # noqa: F811
    assert opened.locator("math[display=block]").count() == 1
    assert hindrances(opened) == []
    opened.set_viewport_size({"width": 160, "height": 600})
    opened.wait_for_function("() => document.querySelector('math[display=block]').tabIndex === 0")  # now it scrolls
    assert hindrances(opened) == []
    opened.get_by_role("link", name="All lessons").click()
    assert opened.title() == "Knowledge distillation, lesson by lesson"
    assert hindrances(opened) == []


@pytest.mark.parametrize("look", ["light", "dark"])
def test_a_saved_figure_with_its_table(opened_figure, look):  # noqa: F811
    kd.theme.use(look)
    try:
        page = opened_figure(FIGURES["word_relation"](8))
    finally:
        kd.theme.use("auto")
    page.get_by_text("Data of this figure as tables").click()
    assert hindrances(page) == []


def test_axe_sees_what_hinders(page):
    page.set_content(
        '<html lang="en"><title>x</title><main><h1>x</h1><button></button><p style="color:#bbb">pale</p></main></html>'
    )
    assert {line.split(": ")[1] for line in hindrances(page)} == {"button-name", "color-contrast"}

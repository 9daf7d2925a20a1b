"""axe-core on a saved figure (pages of the book: test_book.py): nothing that would keep somebody out."""

from __future__ import annotations

import pytest

import kdviz as kd
from tests.browser.axe import hindrances
from tests.browser.test_saved_figures import (
    FIGURES,
    opened as opened_figure,  # noqa: F401  a fixture
)


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

"""The quiz of a lesson in JupyterLab: a choice says what there is to say of it, to mouse and keyboard, with no kernel."""

from __future__ import annotations

import nbformat
import pytest

from kdviz.course.classroom.flavours import CHOICE, is_quiz
from tests.browser.test_lessons_in_lab import NOTEBOOKS


@pytest.mark.parametrize("key", ["Space", "Enter"])
def test_a_choice_answers_to_mouse_and_keyboard(lab, page, shots, key):
    lesson = nbformat.read(NOTEBOOKS / "01_soft_targets.ipynb", as_version=4)
    [quiz] = [cell for cell in lesson.cells if is_quiz(cell)]
    lab.put(f"quiz_{key}.ipynb", [quiz, nbformat.v4.new_markdown_cell("The end.")])
    lab.open(page, f"quiz_{key}.ipynb")
    choices = page.locator(".jp-RenderedMarkdown details")
    choices.first.wait_for()
    written = CHOICE.findall(quiz.source)
    assert choices.count() == len(written) == 9
    for place, (label, why) in enumerate(written):
        summary, words = choices.nth(place).locator("summary"), why[:40]
        assert summary.inner_text() == label and words not in choices.nth(place).inner_text()
        if place % 3 == 0:
            summary.click()
        else:
            summary.focus()
            page.keyboard.press(key)
        page.wait_for_function("node => node.open", arg=choices.nth(place).element_handle(), timeout=5000)
        assert words in choices.nth(place).inner_text()
    page.screenshot(path=shots / "quiz.png")
    assert page.locator(".jp-MarkdownCell.jp-mod-rendered").count() == 2, "the cell is not opened for editing"

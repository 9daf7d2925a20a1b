"""What every lesson of the book promises a reader who has no network and no kernel."""

from __future__ import annotations

MOST_BYTES = 1_500_000  # of a page, beside what all pages share


def assert_page_works(page, file) -> None:
    """Formulas are drawn, every figure is drawn and named, sliders and menus move, nothing is wider than the page."""
    assert file.stat().st_size <= MOST_BYTES
    page.goto(file.as_uri())
    drawings = page.locator(".drawing").count()
    page.wait_for_function(
        "count => document.querySelectorAll('.drawing .js-plotly-plot[data-keyboard]').length === count", arg=drawings
    )
    assert page.locator(".drawing .gtitle").count() == drawings
    labels = page.locator(".drawing").evaluate_all("nodes => nodes.map(node => node.getAttribute('aria-label'))")
    assert all(len(label) > 40 for label in labels), labels
    heights = page.locator("math").evaluate_all("nodes => nodes.map(node => node.getBoundingClientRect().height)")
    assert len(heights) == page.content().count("<math") and all(height > 5 for height in heights)
    for number in range(page.locator(".drawing [data-control][role=slider]").count()):
        control = page.locator(".drawing [data-control][role=slider]").nth(number)
        last = int(control.get_attribute("aria-valuemax"))
        for key, wanted in (("Home", 0), ("End", last)):
            control.press(key)
            page.wait_for_function(
                "([node, at]) => node.getAttribute('aria-valuenow') === String(at)",
                arg=[control.element_handle(), wanted],
            )
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 1280

"""Which texts and controls of a drawing cover each other, or leave it: measured in the page."""

from __future__ import annotations

# Boxes in pixels of everything that a reader must be able to read or to press. Each is one thing: what lies inside a
# slider, a legend or a colour bar belongs to it.
BOXES = """node => {
    const PARTS = ".infolayer .colorbar, .slider-group, .updatemenu-header-group";
    const whole = node.getBoundingClientRect(), found = [];
    const add = (kind, element, name) => {
        const box = element.getBoundingClientRect(), part = element.parentElement.closest(PARTS);
        if (part) return;
        if (box.width > 1 && box.height > 1) found.push({ kind, name: name || element.textContent.slice(0, 60),
            box: [box.left - whole.left, box.top - whole.top, box.right - whole.left, box.bottom - whole.top] });
    };
    const all = (kind, selector, name) => node.querySelectorAll(selector).forEach(element => add(kind, element, name));
    all("title", ".gtitle"); all("notes", ".gtitle-subtitle");
    all("axis title", "[class$='title'][class^='x'], [class$='title'][class^='y']");
    all("tick", ".xtick text, .ytick text, [class*='x'][class$='tick'] text, [class*='y'][class$='tick'] text");
    node.querySelectorAll(".annotation").forEach(element => {
        if (getComputedStyle(element).opacity > 0) add("annotation", element.querySelector(".annotation-text-g"));
    });
    all("legend", ".legend .bg", "legend"); all("colour bar", ".infolayer .colorbar"); all("slider", ".slider-group");
    all("menu", ".updatemenu-header"); all("button", ".updatemenu-button");
    all("plotly's buttons", ".modebar-group", "modebar"); all("text", ".textpoint text, .bartext");
    all("plot", ".nsewdrag", "plot");
    return { size: [whole.width, whole.height], found };
}"""
INSIDE = ("text", "annotation")  # may stand on the plot
SLACK = 2.0  # pixels: the boxes of letters are larger than the letters


def overlaps(drawing) -> list[str]:
    """What is covered or cut off in a drawing (a locator of ``.js-plotly-plot``), in words."""
    measured = drawing.evaluate(BOXES)
    (width, height), found, wrong = measured["size"], measured["found"], []
    for place, one in enumerate(found):
        left, top, right, bottom = one["box"]
        if left < -SLACK or top < -SLACK or right > width + SLACK or bottom > height + SLACK:
            wrong.append(f"{one['kind']} {one['name']!r} leaves the picture")
        for other in found[:place]:
            kinds = {one["kind"], other["kind"]}
            if "plot" in kinds and (kinds == {"plot"} or kinds & {*INSIDE}):
                continue
            a, b = one["box"], other["box"]
            if min(a[2], b[2]) - max(a[0], b[0]) > SLACK and min(a[3], b[3]) - max(a[1], b[1]) > SLACK:
                wrong.append(f"{one['kind']} {one['name']!r} covers {other['kind']} {other['name']!r}")
    return wrong

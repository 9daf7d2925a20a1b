"""axe-core, which looks for what keeps people out of a page."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

GRAVE = ("serious", "critical")


def hindrances(page) -> list[str]:
    """The serious and critical violations on a page, one line an element."""
    found = Axe().run(page, options={"preload": False}).response["violations"]  # no second fetch of style sheets
    return [
        f"{one['impact']}: {one['id']}: {node['target']} {node['html'][:150]}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]

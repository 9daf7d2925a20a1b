"""Eight students on one machine: how long a slider takes to paint while seven other kernels run lesson 00.

In Chromium, a figure's own slider (the browser alone draws) and a slider of the word explorer (the kernel answers).
Milliseconds from key to paint, in three states: no other kernel, seven that run the lesson, seven that have run it.
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from jupyter_client.manager import start_new_kernel
from playwright.sync_api import sync_playwright

from kdviz.chromium import find_chromium
from kdviz.paths import lessons_dir
from tests.browser.fixtures import FLAGS
from tests.browser.lab import PATIENCE, Lab
from tests.browser.test_saved_figures import WATCH_PAINT

OTHERS, MOVES = 7, 20
CELLS = (
    'import kdviz as kd\nteacher = kd.load_teacher("minilm")\ntext = "the plot is thin but the acting is not bad"',
    "kd.explore.word_relations([teacher], text)",
    "kd.figures.word_relation(kd.encode([teacher], text))",
)
SLIDERS = {"figure": "[role=slider][data-control='slider 0']", "explorer": ".widget-slider .noUi-handle"}


def lesson() -> str:
    """All code of lesson 00, as one cell."""
    [path] = lessons_dir().glob("00_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def moves(page) -> dict[str, list[float]]:
    """Milliseconds from a key on a slider to the paint, for each kind of slider."""
    found = {}
    for kind, handle in SLIDERS.items():
        page.evaluate("() => { window.times = []; }")
        page.locator(handle).first.focus()
        for move in range(MOVES):
            page.keyboard.press("ArrowLeft" if move // 2 % 2 == 0 else "ArrowRight")
            page.wait_for_function("count => window.times.length === count", arg=move + 1, timeout=PATIENCE)
            page.wait_for_timeout(50)
        found[kind] = page.evaluate("window.times")
    return found


def measure() -> dict[str, float]:
    numbers = {}

    def note(state: str) -> None:
        for kind, times in moves(page).items():
            median, most = np.median(times), max(times)
            print(f"{state:8} {kind:9} {median:6.0f} ms, at most {most:6.0f} ms", flush=True)
            numbers.update({f"{state}_{kind}_ms": median, f"{state}_{kind}_most_ms": most})

    with ExitStack() as stack:
        lab = Lab(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "lab")
        stack.callback(lab.stop)
        lab.put("class.ipynb", CELLS)
        playwright = stack.enter_context(sync_playwright())
        page = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS).new_page()
        lab.run_all(page, "class.ipynb")
        page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot[data-keyboard]').length === 2")
        for plot in page.locator(".js-plotly-plot").all():
            plot.evaluate(WATCH_PAINT)
        note("alone")
        clients = []
        for _ in range(OTHERS):
            manager, client = start_new_kernel()
            stack.callback(manager.shutdown_kernel, now=True)
            clients.append(client)
        start = time.monotonic()
        asked = [client.execute(lesson()) for client in clients]
        page.wait_for_timeout(20_000)  # until all of them are past their imports
        note("busy")
        for client, one in zip(clients, asked, strict=True):
            while (answer := client.get_shell_msg(timeout=900))["parent_header"].get("msg_id") != one:
                continue
            if answer["content"]["status"] != "ok":
                raise RuntimeError(f"lesson 00 stopped: {answer['content']['ename']}: {answer['content']['evalue']}")
        numbers["lesson_in_all_s"] = time.monotonic() - start
        print(f"lesson 00 in {OTHERS} kernels at once: {numbers['lesson_in_all_s']:.0f} s")
        note("idle")
    return numbers

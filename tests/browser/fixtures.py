"""A real browser with the network cut: every request that leaves the machine, every error and every dialog is kept."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from kdviz.chromium import ADVICE, find_chromium
from tests.browser.lab import PATIENCE, Lab

BUILD = Path(__file__).resolve().parents[2] / "build"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AT_HOME = re.compile(r"^(file:|data:|blob:|about:|(http|ws)://(localhost|127\.0\.0\.1)[:/])")


class Watch:
    """What went wrong on the pages of a test."""

    def __init__(self):
        self.external_requests: list[str] = []
        self.console_errors: list[str] = []
        self.scripts_executed: list[str] = []  # of the hostile tokens: they all call alert

    def guard(self, route) -> None:
        if AT_HOME.match(route.request.url):
            route.continue_()
        else:
            self.external_requests.append(route.request.url)
            route.abort()

    def follow(self, page) -> None:
        page.on("console", lambda line: line.type == "error" and self.console_errors.append(line.text))
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        page.on("dialog", self._dialog)

    def _dialog(self, dialog) -> None:
        self.scripts_executed.append(dialog.message)
        dialog.dismiss()

    def counts(self) -> dict[str, int]:
        return {name: len(found) for name, found in self.all().items()}

    def all(self) -> dict[str, list[str]]:
        return {name: getattr(self, name) for name in ("external_requests", "console_errors", "scripts_executed")}


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    program = find_chromium()
    if program is None:
        pytest.fail(f"the browser tests need Chromium or Chrome. {ADVICE}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def measured():
    """Numbers for build/browser.json; those of other runs are kept, counts add up within this one."""
    numbers: dict[str, float] = {}
    yield numbers
    if numbers:
        BUILD.mkdir(exist_ok=True)
        file = BUILD / "browser.json"
        known = json.loads(file.read_text()) if file.is_file() else {}
        rest = file.with_suffix(f".{os.getpid()}")
        rest.write_text(json.dumps(known | numbers, indent=1, sort_keys=True))
        os.replace(rest, file)


@pytest.fixture
def watch(measured):
    """Fails the test when anything was fetched from elsewhere, went wrong in the console, or ran."""
    found = Watch()
    yield found
    for name, count in found.counts().items():
        measured[name] = measured.get(name, 0) + count
    assert found.all() == {name: [] for name in found.all()}


@pytest.fixture
def page(chromium, watch):
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(PATIENCE)  # of a busy machine
    context.route("**/*", watch.guard)
    page = context.new_page()
    watch.follow(page)
    yield page
    context.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    running = Lab(tmp_path_factory.mktemp("jupyter") / "lab")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def notebook7(tmp_path_factory):
    running = Lab(tmp_path_factory.mktemp("jupyter") / "notebook", program="notebook")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def shots():
    """Folder of the screenshots, to be looked at."""
    folder = BUILD / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder

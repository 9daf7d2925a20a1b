"""JupyterLab or Notebook 7 as a reader meets it: started from this environment, on copies of notebooks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat

from kdviz.cli.lab import EXTENSION, SETTINGS, write_extension

# every cell stays in the page, so that a test can read figures without scrolling to them
TRACKER = "@jupyterlab/notebook-extension:tracker"
WHOLE = SETTINGS | {TRACKER: SETTINGS[TRACKER] | {"windowingMode": "none"}}
PATIENCE = 300_000  # ms; a kernel that imports torch on a busy machine
MODULES = {"lab": "jupyterlab", "notebook": "notebook"}


class Lab:
    """A running server; `folder` is its root. program: lab, or notebook for Notebook 7"""

    def __init__(self, folder: Path, program: str = "lab"):
        self.folder, self.program = folder, program
        (folder / "notebooks").mkdir(parents=True)
        settings = folder / "settings"
        (settings / "labconfig").mkdir(parents=True)
        (settings / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(WHOLE))
        write_extension(settings / "share" / EXTENSION)
        environment = {
            **os.environ,
            "JUPYTER_CONFIG_PATH": str(settings),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTER_PATH": str(settings / "share"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "user"),
        }
        self.log = open(folder / "lab.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                MODULES[program],
                "--no-browser",
                "--allow-root",
                "--IdentityProvider.token=",
                "--port=0",
                "--ServerApp.password=",
                f"--ServerApp.root_dir={folder / 'notebooks'}",
                "--ServerApp.port_retries=50",
            ],
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.address = self._address()

    def _address(self, patience: float = 120) -> str:
        end = time.monotonic() + patience
        while time.monotonic() < end and self.process.poll() is None:
            for file in (self.folder / "runtime").glob("jpserver-*.json"):
                words = file.read_text()
                if words.strip():
                    return json.loads(words)["url"]
            time.sleep(0.2)
        self.stop()
        raise RuntimeError(
            f"{MODULES[self.program]} did not start; its last words:\n{(self.folder / 'lab.log').read_text()[-3000:]}"
        )

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.log.close()

    def put(self, name: str, cells: list) -> None:
        """Write a notebook of these cells (strings are code) into the folder that the lab shows."""
        cells = [nbformat.v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(
            nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec}), self.folder / "notebooks" / name
        )

    def saved(self, page, name: str) -> nbformat.NotebookNode:
        """Save by the toolbar; the notebook as it is on disk then."""
        file = self.folder / "notebooks" / name
        before = file.stat().st_mtime_ns
        page.locator('.jp-Toolbar [data-command="docmanager:save"]').click()
        end = time.monotonic() + 60
        while file.stat().st_mtime_ns == before:
            assert time.monotonic() < end, "the lab did not save"
            page.wait_for_timeout(200)  # unlike a sleep it lets the watched requests pass
        page.wait_for_timeout(1000)
        return nbformat.read(file, as_version=4)

    def open(self, page, notebook: str) -> None:
        """Open a notebook; returns when its cells are there and, in Notebook 7, its kernel has said a first word."""
        frames = []  # the lab's status bar says as much; before it, a command to run is lost
        page.on(
            "websocket", lambda one: one.on("framereceived", lambda _: "/channels" in one.url and frames.append(one))
        )
        lab = f"lab/workspaces/{Path(notebook).stem}/tree/{notebook}?reset"
        page.goto(self.address + (lab if self.program == "lab" else f"notebooks/{notebook}"))
        page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for(timeout=PATIENCE)
        end = time.monotonic() + PATIENCE / 1000
        while self.program == "notebook" and not frames:
            assert time.monotonic() < end, "the kernel said nothing"
            page.wait_for_timeout(200)

    def wait_idle(self, page) -> None:
        """The kernel's state as the lab's status bar tells it; Notebook 7 has but the notebook's own mark."""
        bar = "document.querySelector('#jp-main-statusbar').textContent.includes('| Idle')"
        mark = "document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=idle]') !== null"
        page.wait_for_function(f"() => {bar if self.program == 'lab' else mark}", timeout=PATIENCE)

    def run_all(self, page, notebook: str) -> None:
        """Open and run every cell; returns when the kernel is idle again. An error of a cell fails."""
        self.open(page, notebook)
        self.wait_idle(page)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator('[data-command="runmenu:run-all"]').click()
        wrong = '[data-mime-type="application/vnd.jupyter.stderr"], .jp-RenderedText[data-mime-type*="error"]'
        page.wait_for_function(
            """wrong => { const cells = [...document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt')];
                       return document.querySelector(wrong)
                           || cells.length && cells.every(cell => /\\[\\d+\\]/.test(cell.textContent)); }""",
            arg=wrong,
            timeout=PATIENCE,
        )
        self.wait_idle(page)
        errors = page.locator(wrong)
        assert errors.all_text_contents() == []

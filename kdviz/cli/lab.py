"""kdviz lab: JupyterLab on the first lesson, with nothing registered outside this clone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from kdviz.disk import write_json
from kdviz.paths import clone

FIRST_LESSON = "notebooks/00_start_here.ipynb"
SETTINGS = {
    # the question about news and updates would cover the first lesson, and asks the network
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # on a projector nobody can scroll a line of code to its end
    "@jupyterlab/notebook-extension:tracker": {"codeCellConfig": {"lineNumbers": False, "lineWrap": True}},
}

EXTENSION = "labextensions/kdviz-keyboard"      # below a folder of JUPYTER_PATH, or share/jupyter of an environment


def write_extension(folder: Path) -> None:
    """Put the extension that gives plotly figures a keyboard into `folder`, which ends with EXTENSION."""
    package = Path(__file__).resolve().parents[1]
    parts = ("figures/keyboard.js", "explore/borrow.js", "explore/lab_extension.js")
    (folder / "static").mkdir(parents=True, exist_ok=True)
    script = "\n".join((package / part).read_text(encoding="utf-8") for part in parts)
    (folder / "static" / "remoteEntry.js").write_text(f"(function () {{\n{script}}})();\n", encoding="utf-8")
    write_json(folder / "package.json", {
        "name": "kdviz-keyboard", "version": "0.1.0",
        "jupyterlab": {"extension": True, "_build": {"load": "static/remoteEntry.js", "extension": "./extension"}},
    })


def add_arguments(parser) -> None:
    parser.add_argument("--no-browser", action="store_true", help="only print the address (for servers)")
    parser.add_argument("--port", type=int, help="port to listen on (JupyterLab's choice by default)")
    parser.add_argument("--lesson", default=FIRST_LESSON, help=f"notebook to open (default: {FIRST_LESSON})")
    parser.add_argument("jupyter", nargs="*", metavar="-- OPTION", help="further options for JupyterLab, after --")


def command(args) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment that start JupyterLab."""
    root = clone()
    lesson = root / args.lesson
    if not lesson.is_file():
        raise SystemExit(f"kdviz: there is no lesson {args.lesson!r} in {root}; see the table in README.md")
    settings = root / "build" / "lab"
    write_json(settings / "labconfig" / "default_setting_overrides.json", SETTINGS)
    write_extension(settings / "share" / EXTENSION)
    line = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}",
            f"--LabApp.default_url=/lab/tree/{lesson.relative_to(root).as_posix()}"]
    if args.no_browser:
        line.append("--no-browser")
    if args.port:
        line.append(f"--port={args.port}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        line.append("--allow-root")  # in a container everyone is root; JupyterLab still listens on localhost only
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, [str(settings), os.environ.get("JUPYTER_CONFIG_PATH")])),
        "JUPYTER_PATH": os.pathsep.join(filter(None, [str(settings / "share"), os.environ.get("JUPYTER_PATH")])),
        "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's kernel, not one of the same name in the home folder
    }
    return [*line, *args.jupyter], environment


def run(args) -> int:
    line, environment = command(args)
    print("Starting JupyterLab on", args.lesson, flush=True)
    if os.name == "posix":
        os.execve(line[0], line, environment)  # so that Ctrl-C and kill reach JupyterLab itself
    return subprocess.call(line, env=environment)

"""kdviz lab: JupyterLab on the first lesson, with nothing registered outside the folder of the lessons.

In a clone the lessons are opened where they lie. Otherwise they are copied first, beside the reader's own files.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from kdviz.disk import file_sha256, read_json, remove, write_json, write_whole
from kdviz.paths import clone, in_clone, lessons_dir, pick

FIRST_LESSON = "00_start_here"
SETTINGS = {
    # the question about news and updates would cover the first lesson, and asks the network
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # on a projector nobody can scroll a line of code to its end
    "@jupyterlab/notebook-extension:tracker": {"codeCellConfig": {"lineNumbers": False, "lineWrap": True}},
}
EXTENSION = "labextensions/kdviz-keyboard"  # below a folder of JUPYTER_PATH, or share/jupyter of an environment


def copy_lessons(folder: Path) -> list[str]:
    """Copy the lessons into `folder`; returns the names of those that the reader has changed, which stay as they are.

    A file is the reader's own when it is neither what is shipped now nor what was copied last time.
    """
    record = folder / ".kdviz" / "copied.json"  # file name -> SHA-256 of what was copied
    try:
        copied = read_json(record, "every lesson that differs is kept as yours") if record.exists() else {}
    except (OSError, ValueError) as error:
        print(f"kdviz: {error}")
        copied = {}
        remove(record)
    changed = []
    folder.mkdir(parents=True, exist_ok=True)
    for lesson in sorted(lessons_dir().glob("*.ipynb")):
        target, shipped = folder / lesson.name, file_sha256(lesson)
        there = file_sha256(target) if target.exists() else None
        if there not in (None, shipped, copied.get(lesson.name)):
            changed.append(lesson.name)
            continue
        if there != shipped:
            write_whole(target, lesson.read_bytes())
        copied[lesson.name] = shipped
    write_json(record, copied)
    return changed


def write_extension(folder: Path) -> None:
    """Put the extension that gives plotly figures a keyboard into `folder`, which ends with EXTENSION."""
    package = Path(__file__).resolve().parents[1]
    parts = ("figures/keyboard.js", "explore/borrow.js", "explore/lab_extension.js")
    script = "\n".join((package / part).read_text(encoding="utf-8") for part in parts)
    (folder / "static").mkdir(parents=True, exist_ok=True)
    write_whole(folder / "static" / "remoteEntry.js", f"(function () {{\n{script}}})();\n".encode())
    built = {"extension": True, "_build": {"load": "static/remoteEntry.js", "extension": "./extension"}}
    write_json(folder / "package.json", {"name": "kdviz-keyboard", "version": "0.1.0", "jupyterlab": built})


def add_arguments(parser) -> None:
    words = "copy the lessons there first (outside a clone: notebooks); files that you have changed are kept"
    parser.add_argument("--into", type=Path, metavar="FOLDER", help=words)
    parser.add_argument("--no-browser", action="store_true", help="only print the address (for servers)")
    parser.add_argument("--port", type=int, help="port to listen on (JupyterLab's choice by default)")
    parser.add_argument("--lesson", default=FIRST_LESSON, help=f"part of its name, e.g. 02 (default: {FIRST_LESSON})")
    parser.add_argument("jupyter", nargs="*", metavar="-- OPTION", help="further options for JupyterLab, after --")


def lessons_of(args) -> Path:
    """The folder of the lessons to open, after they were copied there when they had to be."""
    if in_clone() and (args.into is None or args.into.resolve() == lessons_dir()):
        return lessons_dir()
    folder = (args.into or Path("notebooks")).resolve()
    try:
        changed = copy_lessons(folder)
    except OSError as error:
        fix = "name a folder that you can write to: kdviz lab --into FOLDER"
        raise SystemExit(
            f"kdviz: the lessons cannot be copied into {folder} ({error.strerror or error}); {fix}"
        ) from error
    print(f"The lessons are in {folder}.")
    if changed:
        print(f"Kept as you changed them: {', '.join(changed)} (rename one to get it fresh).")
    return folder


def command(args) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment that start JupyterLab."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise SystemExit("kdviz: JupyterLab is not installed; what else the lessons need: kdviz doctor")
    folder = lessons_of(args)
    [lesson, *_] = pick(sorted(path.stem for path in folder.glob("*.ipynb")), [Path(args.lesson).stem], "lesson")
    settings = clone() / "build" / "lab" if in_clone() else folder / ".kdviz"
    write_json(settings / "labconfig" / "default_setting_overrides.json", SETTINGS)
    write_extension(settings / "share" / EXTENSION)
    line = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder.parent}"]
    line.append(f"--LabApp.default_url=/lab/tree/{folder.name}/{lesson}.ipynb")
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
    print("Starting JupyterLab", flush=True)
    if os.name == "posix":
        os.execve(line[0], line, environment)  # so that Ctrl-C and kill reach JupyterLab itself
    return subprocess.call(line, env=environment)

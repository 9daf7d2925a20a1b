"""Where the lessons, the embedded tasks, the teachers' adapters and the recorded results are."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent  # in a clone beside data/ and notebooks/, in a wheel around copies of them


def in_clone() -> bool:
    """Whether this package lies in a clone of the repository; what was installed from a wheel does not."""
    return (PACKAGE.parent / "pyproject.toml").is_file() and (PACKAGE.parent / "notebooks").is_dir()


def clone() -> Path:
    """The folder that holds kdviz/, notebooks/ and data/. Raises SystemExit when kdviz was installed without them."""
    if not in_clone():
        raise SystemExit(
            f"kdviz: this command works in a clone of the repository, and {PACKAGE} is not in one: "
            "clone it and run `make lab` there, or install it in place with `pip install -e .`"
        )
    return PACKAGE.parent


def data_dir() -> Path:
    """The folder ``data``: that of the environment variable KDVIZ_DATA, else the clone's, else the wheel's.

    Raises FileNotFoundError, with the fix, when it is not there.
    """
    chosen = os.environ.get("KDVIZ_DATA")
    folder = Path(os.path.expanduser(chosen)) if chosen else _shipped("data")
    if not folder.is_dir():
        where = f"KDVIZ_DATA names {folder}" if chosen else f"{folder} is not there"
        fix = "correct it or unset it" if chosen else restore("data")
        raise FileNotFoundError(f"kdviz's data folder is missing: {where}; {fix}")
    return folder


def lessons_dir() -> Path:
    """The folder of the lessons as they were shipped: the clone's ``notebooks``, else the wheel's copy."""
    return _shipped("notebooks")


def cache_folder() -> Path:
    """Where caches of kdviz's own live: environment variable KDVIZ_CACHE, else kdviz in the user's cache folder.

    Where that cannot be written (no home, a locked one): a folder of this user among the temporary files.
    """
    if chosen := os.environ.get("KDVIZ_CACHE"):
        return Path(os.path.expanduser(chosen))  # Path.expanduser stops where no home is known
    folder = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "kdviz"
    exists = next((place for place in (folder, *folder.parents) if place.exists()), None)
    if not folder.is_absolute() or exists is None or not os.access(exists, os.W_OK):
        user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
        return Path(tempfile.gettempdir()) / f"kdviz-{user}"
    return folder


def restore(part: str, again: str = "") -> str:
    """The command that brings a part of what was shipped back, for messages: ``restore("data/reviews")``.

    again : the workshop's command that makes it anew, named where there is a clone
    """
    if not in_clone():
        return "pip install --force-reinstall --no-deps, and kdviz's wheel"
    return f"git checkout -- {part}" + (f" (or make it again: {again})" if again else "")


def pick(available: list[str], wanted: list[str], kind: str) -> list[str]:
    """Those of `available` that contain one of the words `wanted`; all when none is given.

    Raises SystemExit naming a word that fits nothing, and what there is.
    """
    for word in wanted:
        if not any(word in name for name in available):
            raise SystemExit(f"kdviz: no {kind} fits {word!r}; there are: {', '.join(available) or 'none'}")
    return [name for name in available if not wanted or any(word in name for word in wanted)]


def _shipped(part: str) -> Path:
    return PACKAGE.parent / part if in_clone() else PACKAGE / f"_{part}"

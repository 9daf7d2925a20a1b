"""Where the lessons, the embedded tasks, the teachers' adapters and the recorded results are."""

from __future__ import annotations

import os
from pathlib import Path


def data_dir() -> Path:
    """The folder ``data``: that of the environment variable KDVIZ_DATA, else the clone's, beside the package.

    Raises FileNotFoundError, with the fix, when it is not there.
    """
    chosen = os.environ.get("KDVIZ_DATA")
    folder = Path(chosen) if chosen else Path(__file__).resolve().parents[1] / "data"
    if not folder.is_dir():
        where = f"KDVIZ_DATA names {folder}" if chosen else f"it is expected at {folder}, in a clone of the repository"
        raise FileNotFoundError(
            f"kdviz's data folder is missing: {where}. Clone the repository and install with `pip install -e .`, "
            "or set KDVIZ_DATA to its data folder"
        )
    return folder


def clone() -> Path:
    """The folder that holds kdviz/, notebooks/ and data/. Raises SystemExit when kdviz was installed without them."""
    folder = Path(__file__).resolve().parents[1]
    if not (folder / "notebooks").is_dir():
        raise SystemExit(
            f"kdviz: no notebooks/ beside the package in {folder}. "
            "Clone the repository and install it in place: pip install -e ."
        )
    return folder


def pick(available: list[str], wanted: list[str], kind: str) -> list[str]:
    """Those of `available` that contain one of the words `wanted`; all when none is given.

    Raises SystemExit naming a word that fits nothing, and what there is.
    """
    for word in wanted:
        if not any(word in name for name in available):
            raise SystemExit(f"kdviz: no {kind} fits {word!r}; there are: {', '.join(available) or 'none'}")
    return [name for name in available if not wanted or any(word in name for word in wanted)]

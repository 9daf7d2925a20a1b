"""Where the embedded tasks, the teachers' adapters and the recorded results are."""

from __future__ import annotations

import os
from pathlib import Path


def data_dir() -> Path:
    """The folder ``data``: that of the environment variable KDVIZ_DATA, else the clone's, beside the package.

    Raises FileNotFoundError, with the fix, when it is not there.
    """
    chosen = os.environ.get("KDVIZ_DATA")
    folder = Path(chosen) if chosen else Path(__file__).resolve().parents[2] / "data"
    if not folder.is_dir():
        where = f"KDVIZ_DATA names {folder}" if chosen else f"it is expected at {folder}, in a clone of the repository"
        raise FileNotFoundError(
            f"kdviz's data folder is missing: {where}. Clone the repository and install with `pip install -e .`, "
            "or set KDVIZ_DATA to its data folder"
        )
    return folder

"""What each word of the command line does: one file a sub-command, listed in kdviz/cli.py.

Each module has ``add_arguments(parser)`` and ``run(args) -> int`` (the exit status), and keeps heavy imports inside
``run``, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


def clone() -> Path:
    """The folder that holds kdviz/, notebooks/ and data/. Raises SystemExit when kdviz was installed without them."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / "notebooks").is_dir():
        raise SystemExit(
            f"kdviz: no notebooks/ beside the package in {folder}. "
            "Clone the repository and install it in place: pip install -e ."
        )
    return folder


def write_json(path: Path, content) -> None:
    """Write JSON so that a reader of `path` sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def pick(available: list[str], wanted: list[str], kind: str) -> list[str]:
    """Those of `available` that contain one of the words `wanted`; all when none is given.

    Raises SystemExit naming a word that fits nothing, and what there is.
    """
    for word in wanted:
        if not any(word in name for name in available):
            raise SystemExit(f"kdviz: no {kind} fits {word!r}; there are: {', '.join(available) or 'none'}")
    return [name for name in available if not wanted or any(word in name for word in wanted)]

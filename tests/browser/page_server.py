"""The course's page, built once for the same sources, on a local server; and figures for build/page.json."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from kdviz.page.build import save_default
from tests.browser.fixtures import BUILD

ROOT = Path(__file__).resolve().parents[2]
MADE_FROM = ("kdviz/page/**/*", "kdviz/models/*.py", "kdviz/states.py", "data/students/**/*", "data/teachers/reviews/*")


def built() -> Path:
    """``build/page-tested/…``: a second run of the tests finds it, and two processes do not build it twice."""
    files = sorted(file for pattern in MADE_FROM for file in ROOT.glob(pattern) if file.is_file())
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files if file.suffix != ".pyc")).hexdigest()[:12]
    home = BUILD / "page-tested"
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "lock"):
        if not (home / digest).is_dir():
            for former in home.glob("?" * 12):
                shutil.rmtree(former)
            save_default(home / digest)
    return home / digest


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def served(folder: Path):
    """The address of a plain static server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def keep(**figures) -> None:
    """Write figures into build/page.json beside those that are there."""
    file = BUILD / "page.json"
    with FileLock(BUILD / "page-tested" / "figures"):
        known = json.loads(file.read_text()) if file.is_file() else {}
        rest = file.with_suffix(f".{os.getpid()}")
        rest.write_text(json.dumps(known | figures, indent=1, sort_keys=True))
        os.replace(rest, file)

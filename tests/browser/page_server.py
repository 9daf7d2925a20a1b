"""The course's page, built once for the same sources, on a local server; and figures for build/page.json."""

from __future__ import annotations

import functools
import http.server
import json
import os
import threading
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from kdviz.cli.app import Quiet
from kdviz.page.build import kept_page
from tests.browser.fixtures import BUILD

ROOT = Path(__file__).resolve().parents[2]


def built() -> Path:
    """``build/page-tested/page/…``: a second run of the tests finds it, and two processes do not build it twice."""
    return kept_page(BUILD / "page-tested" / "page")


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

"""Where a Chromium is: pictures of figures and the browser tests need one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
ADVICE = (
    "Install one (Debian, Ubuntu: apt-get install chromium; macOS: Google Chrome) "
    "or name its program in KDVIZ_CHROMIUM."
)


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome: KDVIZ_CHROMIUM when set, else the first on the PATH; None without one.

    Raises FileNotFoundError when KDVIZ_CHROMIUM names no file: a setting that is wrong must not be passed over.
    """
    named = os.environ.get("KDVIZ_CHROMIUM")
    if named:
        if not Path(named).is_file():
            raise FileNotFoundError(f"KDVIZ_CHROMIUM names {named!r}, which is no file; correct it or unset it")
        return named
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or (str(MAC) if MAC.is_file() else None)

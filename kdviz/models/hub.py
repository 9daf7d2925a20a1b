"""The hub's cache first, the network only when it answers at once."""

from __future__ import annotations

import os
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

MODEL_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
PATIENCE = 1.5  # seconds the hub has to answer


@contextmanager
def quiet():
    """Loading without the library's report and progress bar, which fill a notebook."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def hub_folder(repo: str) -> tuple[Path, str]:
    """Folder of a hub model in the local cache, downloaded when it is missing and the hub answers; and its name.

    Raises FileNotFoundError within about two seconds when it is neither cached nor reachable.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(repo, allow_patterns=list(MODEL_FILES), local_files_only=True)
    except HFValidationError as error:
        raise ValueError(f'{repo!r} is neither "minilm", nor a local folder, nor a hub id (owner/name)') from error
    except LocalEntryNotFoundError:
        require_hub(repo, f"kdviz prefetch {repo}")
        folder = download(repo)
    return Path(folder), repo.rpartition("/")[2]


def download(repo: str) -> str:
    """Fetch a hub model into the cache; returns its folder."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return snapshot_download(repo, allow_patterns=list(MODEL_FILES))
    except (HfHubHTTPError, OSError) as error:
        raise FileNotFoundError(f"{repo!r} could not be downloaded: {error}") from error


def require_hub(what: str, command: str) -> None:
    """Raise FileNotFoundError, saying what to do, unless the hub may be asked and answers within `PATIENCE`."""
    from huggingface_hub import constants

    cache = constants.HF_HUB_CACHE
    online = f"on a machine with a network run `{command}`, and copy its cache folder here if it is another machine"
    if constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "TRUE", "YES", "ON"):
        raise FileNotFoundError(f"{what!r} is not in the cache {cache} and HF_HUB_OFFLINE is set: {online}")
    if not _answers(constants.ENDPOINT):
        raise FileNotFoundError(f"{what!r} is not in the cache {cache} and the hub does not answer: {online}")


def _answers(endpoint: str) -> bool:
    """Whether the hub answers at all. In a thread, because looking up a name cannot be given a time limit."""
    import httpx

    heard = threading.Event()

    def ask():
        try:
            httpx.head(endpoint, timeout=PATIENCE)
        except httpx.HTTPError:
            return
        heard.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return heard.is_set()

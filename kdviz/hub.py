"""Models and data sets of the hub: the cache first, the network only when it answers at once."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path

MODEL_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
PATIENCE = 1.5  # seconds the hub has to answer


def cached_model(repo: str) -> Path:
    """Folder of a hub model (safetensors, settings, tokenizer) in the cache, downloaded when it is not there."""
    return cached(repo, repo, "model", MODEL_FILES)


def cached(name: str, repo: str, kind: str, patterns, there: Callable = Path.is_dir, lacks: str = "") -> Path:
    """Folder of a repository in the cache; what fits `patterns` is downloaded unless all of it is `there` already.

    Raises FileNotFoundError, with the fix, when it cannot be had, also when what was downloaded `lacks` something.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = {"repo_id": repo, "repo_type": kind, "allow_patterns": list(patterns)}
    try:
        folder = Path(snapshot_download(**wanted, local_files_only=True))
        if there(folder):
            return folder
    except HFValidationError as error:
        raise ValueError(f'{repo!r} is neither "minilm", nor a local folder, nor a hub id (owner/name)') from error
    except LocalEntryNotFoundError:
        pass  # not in the cache: ask the network below
    reason = None
    if constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "TRUE", "YES", "ON"):
        reason = "HF_HUB_OFFLINE is set"
    elif not _answers(constants.ENDPOINT):
        reason = "the hub does not answer"
    if reason is not None:
        raise FileNotFoundError(
            f"{name!r} is not in the cache {constants.HF_HUB_CACHE} and {reason}: where there is a network, run "
            f"`kdviz prefetch {name}` (and copy that cache folder here if it is another machine)"
        )
    try:
        folder = Path(snapshot_download(**wanted))
    except (HfHubHTTPError, OSError) as error:
        raise FileNotFoundError(f"{name!r} could not be downloaded: {error}") from error
    if lacks and not there(folder):
        raise FileNotFoundError(f"the hub's {repo} has no {lacks}: check the spelling")
    return folder


def _answers(endpoint: str) -> bool:
    """Whether the hub answers within `PATIENCE`. In a thread: looking up a name cannot be given a time limit."""
    import httpx

    answered = threading.Event()

    def ask():
        with suppress(httpx.HTTPError):
            httpx.head(endpoint, timeout=PATIENCE)
            answered.set()

    threading.Thread(target=ask, daemon=True).start()
    return answered.wait(PATIENCE)


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

"""Models and data sets of the hub: the cache first, the network only when it answers at once."""

from __future__ import annotations

import os
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

MODEL_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
PATIENCE = 1.5  # seconds the hub has to answer
GLUE = "nyu-mll/glue"
CIFAR10 = "uoft-cs/cifar10"


def prefetch(names) -> list[Path]:
    """Download models (``"owner/name"``) and data (``"glue/sst2"``, ``"cifar10"``) into the cache: their folders.

    What is cached already is left as it is. Raises FileNotFoundError when the hub cannot be reached.
    """
    return [
        cached_data(name) if name == "cifar10" or name.startswith("glue/") else cached_model(name) for name in names
    ]


def cached_model(repo: str) -> Path:
    """Folder of a hub model (safetensors, settings, tokenizer) in the cache, downloaded when it is not there."""
    return _cached(repo, f"kdviz prefetch {repo}", list(MODEL_FILES), repo_type="model")


def cached_data(name: str) -> Path:
    """Folder with the Parquet files of ``"glue/<name>"`` or ``"cifar10"`` in the cache, downloaded when not there."""
    repo, part = (CIFAR10, "plain_text") if name == "cifar10" else (GLUE, name.removeprefix("glue/"))
    folder = _cached(
        repo, f"kdviz prefetch {name}", [f"{part}/*.parquet"], repo_type="dataset", inside=part, shown=name
    )
    return folder / part


def _cached(repo, command, patterns, *, repo_type, inside="", shown=None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = {"repo_id": repo, "repo_type": repo_type, "allow_patterns": patterns}
    try:
        folder = Path(snapshot_download(**wanted, local_files_only=True))
        if (folder / inside).is_dir():
            return folder
    except HFValidationError as error:
        raise ValueError(f'{repo!r} is neither "minilm", nor a local folder, nor a hub id (owner/name)') from error
    except LocalEntryNotFoundError:
        pass  # not in the cache: ask the network below
    require_hub(shown or repo, command)
    try:
        folder = Path(snapshot_download(**wanted))
    except (HfHubHTTPError, OSError) as error:
        raise FileNotFoundError(f"{shown or repo!r} could not be downloaded: {error}") from error
    if not (folder / inside).is_dir():
        raise FileNotFoundError(f"the hub's {repo} has no {inside!r}: check the spelling")
    return folder


def require_hub(what: str, command: str) -> None:
    """Raise FileNotFoundError, saying what to do, unless the hub may be asked and answers within `PATIENCE`."""
    from huggingface_hub import constants

    cache = constants.HF_HUB_CACHE
    fix = f"where there is a network, run `{command}` (and copy that cache folder here if it is another machine)"
    if constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "TRUE", "YES", "ON"):
        raise FileNotFoundError(f"{what!r} is not in the cache {cache} and HF_HUB_OFFLINE is set: {fix}")
    if not _answers(constants.ENDPOINT):
        raise FileNotFoundError(f"{what!r} is not in the cache {cache} and the hub does not answer: {fix}")


def _answers(endpoint: str) -> bool:
    """Whether the hub answers at all. In a thread, because looking up a name cannot be given a time limit."""
    import httpx

    answered = threading.Event()

    def ask():
        try:
            httpx.head(endpoint, timeout=PATIENCE)
        except httpx.HTTPError:
            return
        answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return answered.is_set()


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

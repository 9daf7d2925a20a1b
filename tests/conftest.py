"""What every test stands on: one thread, no network, caches of its own."""

from __future__ import annotations

import os
import shutil
import tempfile

from tests.browser.fixtures import chromium, lab, measured, notebook7, page, shots, watch  # noqa: F401  a browser for whoever asks

# before torch, transformers or datasets are imported anywhere; sub-processes and kernels inherit them
os.environ.update(
    OMP_NUM_THREADS="1",  # tests run two at a time: more threads than cores slow each other down many times over
    TOKENIZERS_PARALLELISM="false",
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    JUPYTER_PREFER_ENV_PATH="1",
)
CACHES = ("HF_HOME", "XDG_CACHE_HOME")  # the reader's own caches are neither read nor filled


def pytest_configure(config) -> None:
    """Give one run (all its workers together) caches in a temporary folder."""
    if hasattr(config, "workerinput"):
        return  # a worker inherits the environment of the run
    config.kdviz_caches = tempfile.mkdtemp(prefix="kdviz-tests-")
    for name in CACHES:
        os.environ[name] = os.path.join(config.kdviz_caches, name.lower())


def pytest_unconfigure(config) -> None:
    if hasattr(config, "kdviz_caches"):
        shutil.rmtree(config.kdviz_caches, ignore_errors=True)

"""Teacher caches of the tests go to a folder of their own, one a test."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    folder = tmp_path / "kdviz-cache"
    monkeypatch.setenv("KDVIZ_CACHE", str(folder))
    return folder

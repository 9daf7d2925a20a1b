"""Files that are whole or not there, and whose content can be told from a damaged one."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write under a temporary name, then move into place: a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # there only when something failed


def write_json(path: Path, content) -> None:
    """Write JSON, whole, its folder made when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def check_file(path: Path, sha256: str, fix: str) -> None:
    """Raise FileNotFoundError or ValueError, with the fix, unless the file is there and has this SHA-256."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {fix}")
    if (found := file_sha256(path)) != sha256:
        raise ValueError(f"{path} is damaged: its SHA-256 is {found}, expected {sha256}; {fix}")

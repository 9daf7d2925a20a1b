"""Files that are whole or not there, and whose content can be told from a damaged one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def make_folder(path, fix: str = "name a folder that you can write to") -> Path:
    """The folder, made when it is missing. OSError with the fix when it cannot be made, or not be written to."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise OSError(error.errno, f"nothing can be written into {path} ({error.strerror}); {fix}") from error
    return path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name to write under; what is there at the end moves into place: readers see the old file or the new.

    OSError with the fix when it cannot be written; then nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        problem = f"{path} cannot be written ({error.strerror or error})"
        raise OSError(error.errno, f"{problem}; free some disk, or name another folder") from error
    finally:
        temporary.unlink(missing_ok=True)  # there only when something failed


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one."""
    with whole(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, content) -> None:
    """Write JSON, whole, its folder made when it is missing."""
    make_folder(path.parent)
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

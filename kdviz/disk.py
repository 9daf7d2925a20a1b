"""Files that are whole or not there, and whose content can be told from a damaged one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_WORDS = 400  # characters of another library's message


def make_folder(path, fix: str = "name a folder that you can write to") -> Path:
    """The folder, made when it is missing. OSError with the fix when it cannot be made, or not be written to."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise type(error)(f"nothing can be written into {path} ({error.strerror}); {fix}") from error
    return path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name to write under; what is there at the end moves into place: readers see the old file or the new.

    OSError with the fix when it cannot be written; then nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        if temporary.is_dir() and path.is_dir():  # its files join those that are there
            for file in temporary.iterdir():
                os.replace(file, path / file.name)
        else:
            os.replace(temporary, path)
    except OSError as error:
        problem = f"{path} cannot be written ({error.strerror or error})"
        raise type(error)(f"{problem}; free some disk, or name another folder") from error
    finally:
        remove(temporary)  # there only when something failed


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """`whole` for a folder: it is new, or its files join those of the former one when all of them are written."""
    path = Path(path).absolute()
    with whole(path) as temporary:
        if path.is_file():
            raise NotADirectoryError(errno.ENOTDIR, "it is a file")
        temporary.mkdir(parents=True)
        yield temporary


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one."""
    with whole(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, content) -> None:
    """Write JSON, whole, its folder made when it is missing."""
    make_folder(path.parent)
    write_whole(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def write_sealed(path: Path, content: dict) -> None:
    """Write a JSON object, whole, with a checksum of itself that `read_sealed` looks at."""
    plain = json.loads(json.dumps(content))
    write_whole(path, (json.dumps(plain | {"seal": _seal(path, plain)}, indent=1) + "\n").encode())


def read_json(path: Path, fix: str) -> dict:
    """A JSON object. FileNotFoundError or ValueError, naming the file and the fix."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {fix}")
    try:
        content = json.loads(path.read_bytes())
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path} is damaged (it is no JSON: {words(error):.80}); {fix}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged (it is no object of JSON); {fix}")
    return content


def read_sealed(path: Path, fix: str) -> dict:
    """What `write_sealed` wrote, as `read_json` reads it."""
    content = read_json(path, fix)
    if content.pop("seal", None) != _seal(path, content):
        raise ValueError(f"{path} is damaged (its checksum is missing or wrong); {fix}")
    return content


def _seal(path: Path, content: dict) -> str:
    """Of the name too: a file in another's place is not what is looked for."""
    return hashlib.sha256(f"{path.name} {json.dumps(content)}".encode()).hexdigest()


def words(error: BaseException) -> str:
    """An error of another library in one line of a length that one reads."""
    text = " ".join(str(error).split()) or repr(error)
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)[:MOST_WORDS]


def remove(path: Path) -> None:
    """Delete a file, or a folder that stands in its place; nothing when it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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

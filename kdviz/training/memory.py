"""What a run does so that its process stays small: glibc keeps freed memory unless it is told not to."""

from __future__ import annotations

import ctypes
import functools
import sys

LARGE = 1 << 19  # bytes; smaller blocks are allocated so often that mapping each anew would cost time
M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


@functools.cache
def _glibc(name: str):
    """A function of glibc, or one that does nothing where there is another C library."""
    return getattr(ctypes.CDLL(None), name, None) or (lambda *values: 0) if sys.platform == "linux" else lambda *values: 0


def keep_small() -> None:
    """Blocks of half a megabyte and more go back to the system as soon as they are freed."""
    _glibc("mallopt")(M_MMAP_THRESHOLD, LARGE)


def give_back_memory() -> None:
    """What has been freed by now goes back to the system: after a pass of the teacher a small student needs far less."""
    _glibc("malloc_trim")(0)

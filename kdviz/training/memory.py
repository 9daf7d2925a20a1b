"""What a run does so that its process stays small once the teacher has been read."""

from __future__ import annotations

import ctypes
import functools
import mmap
import sys

MADV_PAGEOUT = 21  # of Linux's mman.h


@functools.cache
def _libc(name: str):
    """A function of the C library, or one that does nothing where there is no such function."""
    return (
        getattr(ctypes.CDLL(None), name, None) or (lambda *values: 0) if sys.platform == "linux" else lambda *values: 0
    )


def give_back_memory() -> None:
    """What has been freed goes back to the system; glibc keeps it otherwise, and a small student needs far less."""
    _libc("malloc_trim")(0)


def set_aside(model) -> None:
    """Weights that were mapped from a file leave this process's memory until they are read again.

    A teacher whose answers are cached would be carried along for nothing. It is a hint: pages that were changed stay
    (or go to swap), no value is lost, and a system without the hint does nothing.
    """
    for weights in model.parameters():
        if weights.device.type == "cpu":
            start = -(-weights.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
            end = (weights.data_ptr() + weights.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
            if end > start:
                _libc("madvise")(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_PAGEOUT)

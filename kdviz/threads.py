"""Threads that wait must sleep, not spin, where others wait for the processors: spinning makes steps ten times as slow.

OpenMP's default is to spin for milliseconds after every operation, in the hope that the next one follows at once. For a
program that has the processors to itself that is right: it trains half as fast again. On a laptop where three notebooks
train, or a shared server, the threads that spin keep those from running that have work.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import threading
import time

SAID = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # whoever set one of these has decided
LOOK = 0.2  # seconds between two looks at the processors
STATE = "/proc/stat"


def let_waiting_threads_sleep() -> None:
    """Watch the processors from now on, once torch is there; nothing where a variable says how threads shall wait."""
    if any(name in os.environ for name in SAID) or importlib.util.find_spec("threadpoolctl") is None:
        return  # who has only torch and numpy, for the losses, trains no student beside others
    threading.Thread(target=_watch, name="kdviz: watches the processors", daemon=True).start()


def _watch() -> None:
    """Let GNU's OpenMP spin while this program has the processors to itself, and sleep while others wait for them."""
    while not hasattr(sys.modules.get("torch"), "get_num_threads"):
        time.sleep(LOOK)
    libraries = _openmp()
    for library in libraries:
        if hasattr(library, "kmp_set_blocktime"):  # LLVM's and Intel's
            library.kmp_set_blocktime(0)
    gnu = [library for library in libraries if hasattr(library, "GOMP_parallel")]
    teams: list[_IdleTeam] = []
    while gnu:
        if not crowded():
            while teams:
                teams.pop().end()
        elif not teams and sys.modules["torch"].get_num_threads() > 1:
            teams = [_IdleTeam(library) for library in gnu]
        time.sleep(LOOK)


def _openmp() -> list[ctypes.CDLL]:
    from threadpoolctl import threadpool_info

    return [ctypes.CDLL(one["filepath"]) for one in threadpool_info() if one["user_api"] == "openmp"]


def crowded() -> bool:
    """Whether more threads want to run than there are processors; True where the system does not tell."""
    try:
        with open(STATE, "rb") as file:
            (running,) = (int(line.split()[1]) for line in file if line.startswith(b"procs_running"))
    except (OSError, ValueError):
        return True
    return running - 1 > processors()  # the thread that asks runs, too


def processors() -> int:
    """How many processors this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _IdleTeam:
    """GNU's OpenMP has no call that stops spinning, but where a program has more threads than there are processors it
    stops by itself. So it is given some that do nothing: a team that comes together once and sleeps with its leader.
    """

    def __init__(self, openmp: ctypes.CDLL):
        self._over = threading.Event()
        nothing = ctypes.cast(openmp.omp_get_num_threads, ctypes.c_void_p)

        def lead() -> None:
            openmp.GOMP_parallel(nothing, None, ctypes.c_uint(1 + processors()), ctypes.c_uint(0))
            self._over.wait()  # the team ends with this thread

        threading.Thread(target=lead, name="kdviz: OpenMP threads that sleep", daemon=True).start()

    def end(self) -> None:
        self._over.set()

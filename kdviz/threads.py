"""Threads that wait must sleep, not spin: beside another busy program spinning makes a step ten times as slow.

OpenMP's default is to spin for milliseconds after every operation, in the hope that the next one follows at once. On a
laptop where three notebooks train, or a shared server, the threads that spin keep those from running that have work.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import threading

SAID = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # whoever set one of these has decided


def let_waiting_threads_sleep() -> None:
    """Before torch is loaded, by the environment; afterwards, by what its OpenMP library offers at run time."""
    if any(name in os.environ for name in SAID):
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # read where the library is loaded, here or in what is started from here
    torch = sys.modules.get("torch")
    if torch is None or torch.get_num_threads() == 1 or importlib.util.find_spec("threadpoolctl") is None:
        return  # who has only torch and numpy, for the losses, trains no student beside others
    from threadpoolctl import threadpool_info

    for library in threadpool_info():
        if library["user_api"] == "openmp":
            _quieten(ctypes.CDLL(library["filepath"]))


def _quieten(openmp: ctypes.CDLL) -> None:
    if hasattr(openmp, "kmp_set_blocktime"):  # LLVM's and Intel's
        openmp.kmp_set_blocktime(0)
    elif hasattr(openmp, "GOMP_parallel"):
        # GNU's has no such call, but it stops spinning by itself where a program has more threads than there are cores.
        # So it is given some that do nothing: a team that comes together once and then sleeps with its leader.
        idle = 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
        nothing = ctypes.cast(openmp.omp_get_num_threads, ctypes.c_void_p)

        def lead() -> None:
            openmp.GOMP_parallel(nothing, None, ctypes.c_uint(idle), ctypes.c_uint(0))
            threading.Event().wait()

        threading.Thread(target=lead, name="kdviz: OpenMP threads that sleep", daemon=True).start()

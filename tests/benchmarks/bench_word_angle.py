"""The triple loss against its formula written down plainly, and against what the machine could do.

B=4 sentences, L=4 layers, n=128 words, teacher 768 wide, student 312 wide; forward and backward from hidden states.
"""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from pathlib import Path

import torch

from kdviz.losses.contextual import word_angle
from kdviz.relations import word_gram

SHAPE, TEACHER, STUDENT = (4, 4, 128), 768, 312


def plain(student, teacher):
    """The formula as one would write it on the board: difference vectors, normalised, multiplied in pairs."""

    def angles(hidden):
        apart = torch.nn.functional.normalize(hidden.unsqueeze(-2) - hidden.unsqueeze(-3), dim=-1)
        apart = apart.transpose(-2, -3)  # (..., j, i, d): from the vertex j to the word i
        return apart @ apart.transpose(-1, -2)

    n = student.shape[-2]
    place = torch.arange(n)
    j, i, k = place[:, None, None], place[None, :, None], place[None, None, :]
    valid = (i != j) & (j != k) & (i != k)
    return ((angles(student) - angles(teacher).detach()).square() * valid).sum() / (
        valid.sum() * student.shape[0] * student.shape[1]
    )


def ours(student, teacher):
    mask = torch.ones(student.shape[0], student.shape[2])
    return word_angle(word_gram(student), word_gram(teacher), mask)


def windowed_loss(student_gram, teacher_gram):
    student_gram.grad = None
    mask = torch.ones(student_gram.shape[0], student_gram.shape[2])
    word_angle(student_gram, teacher_gram, mask, window=21).backward()


def inputs(n=SHAPE[2], seed=0):
    generator = torch.Generator().manual_seed(seed)
    student = torch.randn(*SHAPE[:2], n, STUDENT, generator=generator, requires_grad=True)
    return student, torch.randn(*SHAPE[:2], n, TEACHER, generator=generator)


def grams(n):
    student, teacher = inputs(n)
    return word_gram(student).detach().requires_grad_(), word_gram(teacher)


def run(loss, student, teacher):
    student.grad = None
    value = loss(student, teacher)
    value.backward()
    return value.detach()


def seconds(calls, rounds):
    """Median seconds of each call, the calls taking turns so that a noisy minute hits all of them."""
    taken = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


def peak_extra_bytes(call):
    """Peak resident bytes of a call beyond what was resident before it (Linux: the kernel's own counters)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # else the call could live in memory that a warm-up left behind

    def status(field):
        line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))
        return int(line.split()[1]) * 1024

    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = status("VmRSS")
    call()
    return status("VmHWM") - before


def measure() -> dict[str, float]:
    student, teacher = inputs()
    run(ours, *inputs(16))  # warm-up at another size, so that no buffer of the measured size is lying about
    run(plain, *inputs(16))
    memory = {
        name: peak_extra_bytes(lambda f=f: run(f, student, teacher)) for name, f in (("ours", ours), ("plain", plain))
    }

    a, b = run(ours, student, teacher), run(plain, student, teacher)
    torch.testing.assert_close(a, b, rtol=1e-5, atol=0)
    fast = seconds({"ours": lambda: run(ours, student, teacher)}, 9)["ours"]
    slow = seconds({"plain": lambda: run(plain, student, teacher)}, 3)["plain"]

    # From Gram matrices: making them is an n² product of its own, the same with and without a window.
    sizes = {n: grams(n) for n in (128, 512)}
    for pair in sizes.values():
        windowed_loss(*pair)
    windowed = seconds({n: lambda p=p: windowed_loss(*p) for n, p in sizes.items()}, 15)

    report(fast, slow, memory, windowed)
    return {
        "word_angle_speedup": slow / fast,
        "word_angle_memory_ratio": memory["plain"] / memory["ours"],
        "word_angle_window_growth": windowed[512] / windowed[128],
    }


def report(fast, slow, memory, windowed):
    b, layers, n = SHAPE
    sets = b * layers
    # half of the n³ triples with some 22 operations each, and the Grams with their backward, all in float32
    triples = sets * n**3 / 2 * 22
    products = sets * 2 * n * n * (TEACHER + 3 * STUDENT)
    square = torch.randn(1024, 1024)
    peak = 2 * 1024**3 / seconds({"gemm": lambda: square @ square}, 7)["gemm"]
    limit = (triples + products) / peak
    read_once = sets * n * (TEACHER + 2 * STUDENT) * 4
    print(f"plain {slow * 1e3:8.1f} ms  {memory['plain'] / 1e6:8.1f} MB extra")
    print(f"ours  {fast * 1e3:8.1f} ms  {memory['ours'] / 1e6:8.1f} MB extra, {torch.get_num_threads()} threads")
    print(
        f"limit {limit * 1e3:8.1f} ms for {(triples + products) / 1e9:.2f} GFLOP at the {peak / 1e9:.0f} GFLOP/s of a "
        f"large product; we take {fast / limit:.1f} times that. Hidden states and gradient are "
        f"{read_once / 1e6:.0f} MB, so memory is not the limit."
    )
    print(f"window 21: {windowed[128] * 1e3:.1f} ms at n=128, {windowed[512] * 1e3:.1f} ms at n=512")


if __name__ == "__main__":
    print(measure())

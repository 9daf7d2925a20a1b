"""Language models: texts drawn with keys and values kept against all read again, and KD from a cache against a teacher.

Writing: 16 prompts, 64 tokens each, a LLaMA of 6 layers of 128; at least 3 times as fast, and the texts are the same.
Distilling: a student of 1 layer of 64 from a teacher of 12 layers of 384 on texts of 64 tokens, of 2,048 words. A step
that reads 16 stored tokens at each position against one that runs the teacher; the cache is made before, and its
seconds are printed. At least 3 times as fast. What is gained is the teacher's own time, so it depends on how large the
teacher is: one of 4 layers of 128 is measured beside it, with no limit. By turns; a ratio is the median of the rounds'
own.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time

import torch

ROUNDS, STEPS, TOP, WORDS = 3, 4, 16, 2048
LEAST = 3.0


def measure() -> dict[str, float]:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    numbers = {"writing": writing(), "distilling": distilling(layers=12, hidden=384, heads=12)}
    for name, ratio in numbers.items():
        print(f"{name}: {ratio:.2f} times as fast, at least {LEAST}: {'kept' if ratio >= LEAST else 'MISSED'}")
    small = distilling(layers=4, hidden=128, heads=4)
    print(f"distilling from 4 layers of 128: {small:.2f} times as fast")
    return numbers | {"distilling_small_teacher": small}


def task_of(words: int, length: int, rows: int):
    import numpy as np
    import pandas as pd

    import kdviz as kd

    draw = np.random.default_rng(0).integers(0, words, (rows, length))
    names = [f"w{number}" for number in range(words)]
    every = [" ".join(names[start : start + length]) for start in range(0, words, length)]  # so that all have a token
    texts = pd.DataFrame({"text": every + [" ".join(names[word] for word in row) for row in draw]})
    return kd.load_task(train=texts, dev=texts[:8], test=texts[:8], kind="language-modelling", tokenizer="words")


def writing() -> float:
    import kdviz as kd
    from kdviz.models.writing import write

    model = kd.build_student(task_of(64, 16, 8), layers=6, hidden=128, heads=4)
    prompts, taken = [" ".join(f"w{number}" for number in range(start, start + 4)) for start in range(16)], {}
    ratios = []
    for number in range(ROUNDS + 1):
        for keep in (True, False):
            start = time.perf_counter()
            taken[keep] = write(model, prompts, 64, seed=number, keep=keep), time.perf_counter() - start
        assert taken[True][0] == taken[False][0], "both must write the same"
        if number:  # the first round warms up
            ratios.append(taken[False][1] / taken[True][1])
    print(f"16 prompts, 64 tokens: {taken[True][1]:.2f} s with keys and values kept, {taken[False][1]:.2f} s without")
    return statistics.median(ratios)


def distilling(**sizes) -> float:
    """Seconds of a step with a live teacher of these sizes over those of a step from the cache."""
    import kdviz as kd

    task = task_of(WORDS, 64, 256)
    teacher = kd.build_student(task, **sizes, seed=1)
    student = kd.build_student(task, layers=1, hidden=64, heads=2)
    how = {"epochs": 1, "batch_size": 16, "progress": "off", "score": ()}

    def seconds(steps: int, **more) -> float:
        return kd.distill(student, teacher, task, kd.KD(temperature=1.0), steps_per_epoch=steps, **how, **more).info[
            "seconds"
        ]

    with tempfile.TemporaryDirectory() as folder:
        os.environ["KDVIZ_CACHE"] = folder
        sides = {"cached": {"cache_top": TOP}, "live": {"cache": False}}
        start = time.perf_counter()
        for more in sides.values():  # the cache is made, and all is warm
            seconds(1, **more)
        print(f"the cache, once: {time.perf_counter() - start:.1f} s with both warm-ups")
        ratios = []
        for _ in range(ROUNDS):
            # what a run costs beside its steps is in both of its lengths
            step = {name: (seconds(2 * STEPS, **more) - seconds(STEPS, **more)) / STEPS for name, more in sides.items()}
            ratios.append(step["live"] / step["cached"])
        print(f"a step of 16 texts: {1000 * step['cached']:.0f} ms from the cache, {1000 * step['live']:.0f} ms live")
    return statistics.median(ratios)

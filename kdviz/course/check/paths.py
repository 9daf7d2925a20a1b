"""Exercises of lesson 08: following a teacher's checkpoints, after Rezagholizadeh et al. 2022 as we read them."""

from __future__ import annotations

import torch

from kdviz.course.check import exercise


def _path(g: torch.Generator) -> tuple:
    checkpoints = int(torch.randint(3, 6, (), generator=g))
    steps = 4 * checkpoints
    step = int(torch.randint(checkpoints, steps - checkpoints, (), generator=g))
    return 2 * torch.randn(checkpoints, 4, 5, generator=g), step, steps


def _stage(logits, step, steps):
    return step * len(logits) // steps


@exercise(
    "pro-target",
    inputs=_path,
    mistakes={
        "this is the finished teacher at every step; on the path, checkpoint j has its own share of the steps.":
            lambda logits, step, steps: logits[-1],
        "right checkpoint, wrong loudness: when annealed, checkpoint j of n is scaled by φ = j/n, counted from 1.":
            lambda logits, step, steps: logits[_stage(logits, step, steps)],
        "you counted from 0: the first checkpoint would be silent and the last never at its own loudness. φ = j/n with j from 1.":
            lambda logits, step, steps: _stage(logits, step, steps) / len(logits) * logits[_stage(logits, step, steps)],
        "the finished teacher made quiet: that is Annealing-KD. Here the checkpoint changes as well.":
            lambda logits, step, steps: (_stage(logits, step, steps) + 1) / len(logits) * logits[-1],
        "you walk the path backwards: the first checkpoint, the least trained one, comes first.":
            lambda logits, step, steps: (_stage(logits, step, steps) + 1) / len(logits) * logits[-1 - _stage(logits, step, steps)],
    },
    praise="younger teachers first, each at its share of the final loudness: that is the corner called B.",
)
def pro_target(checkpoint_logits, step, steps):
    j = _stage(checkpoint_logits, step, steps)
    return (j + 1) / len(checkpoint_logits) * checkpoint_logits[j]


def _scores(g: torch.Generator) -> tuple:
    dev, test = (torch.rand(3, 6, generator=g, dtype=torch.float64) for _ in range(2))
    dev[:, 2] += 0.4
    dev[0, 0], dev[1:, 0] = 1.5, 0.0  # one lucky seed
    test[:, 4] += 1.0
    return dev, test


@exercise(
    "checkpoint-choice",
    inputs=_scores,
    mistakes={
        "you chose where the *test* score is highest. A choice is made on dev; test only tells what came of it.":
            lambda dev, test: test.mean(0).max(),
        "this is the dev score of the chosen checkpoint, and it flatters: it was the highest of several.":
            lambda dev, test: dev.mean(0).max(),
        "one checkpoint is chosen for all seeds, by the mean over them; you let every seed choose its own.":
            lambda dev, test: test.gather(1, dev.argmax(1, keepdim=True)).mean(),
        "the highest single dev score is the luck of one seed. Take the mean over seeds first.":
            lambda dev, test: test[:, dev.max(0).values.argmax()].mean(),
        "this is the last checkpoint. Search among all of them.":
            lambda dev, test: test[:, -1].mean(),
    },
    praise="that is what a search for the best checkpoint costs: one student for every column, to read one number.",
)
def checkpoint_choice(dev, test):
    return test[:, dev.mean(0).argmax()].mean()

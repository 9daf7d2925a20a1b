"""The teacher of handwritten digits in lessons and trials, and its path: trained anew wherever it is needed.

Two seconds of one processor, the same weights on the same machine.
"""

from __future__ import annotations

import copy
import functools

from kdviz.data.load import load_task
from kdviz.methods.kd import LabelsOnly
from kdviz.models.convnet import conv_net
from kdviz.training.distill import distill

STOPS = (1, 2, 4, 8)  # epochs after which the teacher is kept; the last one is the finished teacher
SEED = 100


class _Filmed(LabelsOnly):
    """Cross-entropy on labels; keeps a copy of the network after some epochs."""

    def setup(self, ctx):
        self.path = []

    def after_step(self, ctx):
        if ctx.at.last_of_epoch and ctx.at.epoch + 1 in STOPS:
            self.path.append(copy.deepcopy(ctx.student))


@functools.cache
def teacher_path() -> tuple:
    """Models of a convolutional teacher after 1, 2, 4 and 8 epochs on 1,000 labelled digits; see lesson 08."""
    return learned(load_task("digits"))


def learned(task) -> tuple:
    """The same of a teacher that learns from the labels of `task`, digits of which some may be wrong or missing."""
    film = _Filmed()
    start = conv_net(task, (24, 48), role="teacher", seed=SEED)
    about = {"epochs": STOPS[-1], "batch_size": 64, "lr": 5e-3, "seed": SEED, "progress": "off", "score": ()}
    distill(start, None, task, film, **about)
    return tuple(film.path)

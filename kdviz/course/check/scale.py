"""Exercises of lesson 17: what a larger model, a larger task and several processes cost."""

from __future__ import annotations

import torch

from kdviz.course.check import exercise


def _cached(g: torch.Generator) -> tuple:
    return torch.randint(4, 60, (12,), generator=g), int(torch.randint(2, 8, (), generator=g)), 2


@exercise(
    "cache-bytes",
    inputs=_cached,
    mistakes={
        "you padded every text to the longest. The cache keeps rows without padding, n × n each with its own n.":
            lambda lengths, layers, size: len(lengths) * layers * int(lengths.max()) ** 2 * size,
        "the square of the mean length is less than the mean of the squares: long texts cost more than short ones save.":
            lambda lengths, layers, size: layers * size * len(lengths) * lengths.double().mean() ** 2,
        "one layer only: there is a matrix for each of the matched hidden states.":
            lambda lengths, layers, size: size * int((lengths**2).sum()),
        "these are numbers, not bytes: a number of float16 has two.":
            lambda lengths, layers, size: layers * int((lengths**2).sum()),
        "n numbers a text are a vector; relations are n × n.":
            lambda lengths, layers, size: layers * size * int(lengths.sum()),
    },
    praise="the square is why long texts decide what fits on your disk.",
)
def cache_bytes(lengths, layers, size):
    return layers * size * int((lengths**2).sum())


def _shape(g: torch.Generator) -> tuple:
    draw = lambda low, high: int(torch.randint(low, high, (), generator=g))  # noqa: E731
    width = 64 * draw(1, 12)
    return draw(2, 13), width, 4 * width


@exercise(
    "bert-weights",
    inputs=_shape,
    mistakes={
        "the biases are missing: one number for each output of the six matrices.":
            lambda layers, d, f: layers * (4 * d * d + 2 * d * f + 4 * d),
        "the two LayerNorms are missing: each has a scale and a shift per number of the state.":
            lambda layers, d, f: layers * (4 * d * d + 4 * d + 2 * d * f + f + d),
        "attention has four matrices of d × d: query, key, value, and the output after them.":
            lambda layers, d, f: layers * (3 * d * d + 3 * d + 2 * d * f + f + d + 4 * d),
        "the feed-forward part has two matrices, d × f there and f × d back.":
            lambda layers, d, f: layers * (4 * d * d + 4 * d + d * f + f + 4 * d),
        "this is one layer; multiply by their number.":
            lambda layers, d, f: 4 * d * d + 4 * d + 2 * d * f + f + d + 4 * d,
    },
    praise="heads do not occur in it: they only cut the width into pieces.",
)
def bert_weights(layers, d, f):
    return layers * (4 * (d * d + d) + (d * f + f) + (f * d + d) + 2 * 2 * d)


def _processes(g: torch.Generator) -> tuple:
    return torch.rand(7, generator=g) + 0.5, int(torch.randint(3, (), generator=g)), 3


@exercise(
    "process-loss",
    inputs=_processes,
    learns=0,
    mistakes={
        "the mean of the own rows: where the rows do not divide evenly, those of the smaller process weigh more.":
            lambda losses, rank, world: losses[rank::world].mean(),
        "the average over processes divides by their number once more: multiply by it here.":
            lambda losses, rank, world: losses[rank::world].sum() / len(losses),
        "you divided by the rows and by the processes: the gradient is then too small by the square of their number.":
            lambda losses, rank, world: losses[rank::world].sum() / len(losses) / world,
        "every process trains on all rows here; it should take every world-th row, from its rank on.":
            lambda losses, rank, world: losses.mean(),
        "the sum grows with the batch; asked is what averages to the mean over rows.":
            lambda losses, rank, world: losses[rank::world].sum(),
    },
    praise="the same batch, the same gradient, on one process or on three.",
)
def process_loss(losses, rank, world):
    return losses[rank::world].sum() * world / len(losses)

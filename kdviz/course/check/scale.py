"""Exercises of lesson 17: what a larger model, a larger task and several processes cost."""

from __future__ import annotations

from kdviz.course.check import exercise


@exercise(lambda draw: (draw.integer(4, 8) * (1 + draw.classes(12, 7)), draw.integer(3, 7), 2))
def cache_bytes(lengths, layers, size):
    """The square is why long texts decide what fits on your disk."""
    total, rows, mean, longest = int((lengths**2).sum()), len(lengths), lengths.double().mean(), int(lengths.max())
    each = layers * size
    right, even = each * total, each * rows * mean**2
    return right, {
        "you padded every text to the longest. The cache keeps n × n each with its own n.": each * rows * longest**2,
        "the square of the mean length is less than the mean of the squares: long texts cost more.": even,
        "square every length, then add: texts are not compared with one another.": each * int(lengths.sum()) ** 2,
        "one layer only: there is a matrix for each of the matched hidden states.": size * total,
        "these are numbers, not bytes: a number of float16 has two.": layers * total,
        "these are bits; a byte has eight.": 8 * right,
        "n numbers a text are a vector; relations are n × n.": each * int(lengths.sum()),
        "these are the bytes of every text; asked are those of all.": each * lengths**2,
        "this is the mean over texts; asked are the bytes of all.": right / rows,
    }


@exercise(lambda draw: (draw.integer(2, 12), 64 * draw.integer(1, 11), 64 * draw.integer(12, 48)))
def bert_weights(layers, d, f):
    """Heads do not occur in it: they only cut the width into pieces."""
    attention, feed, norms = 4 * d * d + 4 * d, 2 * d * f + f + d, 4 * d

    def missing(*numbers):
        return [layers * (attention + feed + norms - number) for number in numbers]

    one_less = missing(d * d + d, d * d)
    return layers * (attention + feed + norms), {
        "the biases are missing: one number for each output of the six matrices.": missing(5 * d + f),
        "the two LayerNorms are missing (or as many biases): each has a scale and a shift per number.": missing(norms),
        "there are two LayerNorms, of a scale and a shift each.": missing(2 * d),
        "attention has four matrices of d × d: query, key, value, and the output after them.": one_less,
        "the feed-forward part has two matrices, d × f there and f × d back.": missing(d * f, d * f + d, d * f + f),
        "the two biases of the feed-forward part are missing.": missing(f + d),
        "a bias has as many numbers as its matrix has outputs: f there and d back.": missing(f - d, d - f, f, d),
        "f is given: it need not be 4·d.": layers * (12 * d * d + 13 * d),
        "this is one layer; multiply by their number.": attention + feed + norms,
    }


@exercise(lambda draw: (draw.uniform(7, low=0.5, high=1.5), draw.seed % 3, 3), learns=0)
def process_loss(losses, rank, world):
    """The same batch, the same gradient, on one process or on three."""
    own, next_, piece = losses[rank::world], losses[rank + 1 :: world], losses.tensor_split(world)[rank]
    rows, part = len(losses), world / len(losses)
    every = [losses.mean(), losses.sum() * part]
    return own.sum() * part, {
        "the mean of the own rows: where rows do not divide evenly, those of a smaller process weigh more.": own.mean(),
        "the average over processes divides by their number once more: multiply by it here.": own.sum() / rows,
        "you divided by the rows and by the processes: the gradient is far too small.": own.sum() / rows / world,
        "every process trains on all rows here; it takes every world-th, from its rank on.": every,
        "the sum grows with the batch; asked is what averages to the mean over rows.": [own.sum(), own.sum() * world],
        "the mean of the own rows, times world: the average would be a sum.": own.mean() * world,
        "these rows stand in one piece; take every world-th.": [piece.sum() * part, piece.mean(), piece.sum() / rows],
        "ranks count from 0: the first process starts at row 0.": [next_.sum() * part, next_.mean()],
        "this is one row; a process has several.": losses[rank],
    }

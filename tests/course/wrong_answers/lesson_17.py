"""Lesson 17: what larger models, larger tasks and several processes cost."""

import torch

from tests.course.wrong_answers import right, wrong

right("cache-bytes", lambda n, layers, size: sum(layers * k * k * size for k in n.tolist()))
right("cache-bytes", lambda n, layers, size: int(n @ n) * layers * size)
right("cache-bytes", lambda n, layers, size: (n.double() ** 2).mean() * len(n) * layers * size)
wrong("cache-bytes", "padded every text", lambda n, layers, size: len(n) * layers * n.max() ** 2 * size)
wrong("cache-bytes", "square of the mean", lambda n, layers, size: len(n) * layers * n.float().mean() ** 2 * size)
wrong("cache-bytes", "square every length", lambda n, layers, size: n.sum() ** 2 * layers * size)
wrong("cache-bytes", "one layer only", lambda n, layers, size: (n * n).sum() * size)
wrong("cache-bytes", "numbers, not bytes", lambda n, layers, size: (n * n).sum() * layers)
wrong("cache-bytes", "these are bits", lambda n, layers, size: 8 * (n * n).sum() * layers * size)
wrong("cache-bytes", "n numbers a text", lambda n, layers, size: n.sum() * layers * size)
wrong("cache-bytes", "bytes of every text", lambda n, layers, size: n * n * layers * size)
wrong("cache-bytes", "mean over texts", lambda n, layers, size: (n * n).double().mean() * layers * size)
wrong("cache-bytes", "the right number is", lambda n, layers, size: (n * (n - 1) // 2).sum() * layers * size)


def weights(layers, d, f, matrices=4, biases=4, feed=2, feed_biases=1, norms=2):
    layer = matrices * d * d + biases * d + feed * d * f + feed_biases * (f + d) + norms * 2 * d
    return layers * layer


right("bert-weights", weights)
right(
    "bert-weights",
    lambda layers, d, f: (
        layers * sum(p.numel() for p in torch.nn.TransformerEncoderLayer(d, 1, f, device="meta").parameters())
    ),
)
wrong("bert-weights", "the biases are missing", lambda n, d, f: weights(n, d, f, biases=0, feed_biases=0))
wrong("bert-weights", "two LayerNorms are missing", lambda n, d, f: weights(n, d, f, norms=0))
wrong("bert-weights", "(or as many biases)", lambda n, d, f: weights(n, d, f, biases=0))
wrong("bert-weights", "of a scale and a shift each", lambda n, d, f: weights(n, d, f, norms=1))
wrong("bert-weights", "four matrices", lambda n, d, f: weights(n, d, f, matrices=3, biases=3))
wrong("bert-weights", "two matrices, d × f", lambda n, d, f: weights(n, d, f, feed=1))
wrong("bert-weights", "two biases of the feed-forward", lambda n, d, f: weights(n, d, f, feed_biases=0))
wrong("bert-weights", "f there and d back", lambda n, d, f: weights(n, d, f, feed_biases=0) + n * 2 * f)
wrong("bert-weights", "need not be 4·d", lambda n, d, f: weights(n, d, 4 * d))
wrong("bert-weights", "this is one layer", lambda n, d, f: weights(1, d, f))
wrong("bert-weights", "With layers = ", lambda n, d, f: weights(n, d, f, matrices=1))

right("process-loss", lambda x, rank, world: x[rank::world].sum() / (len(x) / world))
right("process-loss", lambda x, rank, world: (x * (torch.arange(len(x)) % world == rank)).mean() * world)
wrong("process-loss", "the mean of the own rows: where", lambda x, rank, world: x[rank::world].mean())
wrong("process-loss", "multiply by it here", lambda x, rank, world: x[rank::world].sum() / len(x))
wrong("process-loss", "far too small", lambda x, rank, world: x[rank::world].sum() / len(x) / world)
wrong("process-loss", "all rows here", lambda x, rank, world: x.mean())
wrong("process-loss", "the sum grows", lambda x, rank, world: x[rank::world].sum())
wrong("process-loss", "would be a sum", lambda x, rank, world: x[rank::world].mean() * world)
wrong("process-loss", "in one piece", lambda x, rank, world: x.tensor_split(world)[rank].mean())
wrong("process-loss", "ranks count from 0", lambda x, rank, world: x[rank + 1 :: world].sum() * world / len(x))
wrong("process-loss", "this is one row", lambda x, rank, world: x[rank])
wrong("process-loss", "no gradient", lambda x, rank, world: float(x[rank::world].sum() * world / len(x)))

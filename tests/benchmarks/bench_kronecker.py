"""Kronecker products against the dense matrices they replace: forward time at equal batch, weights, FLOPs.

MiniLM's shapes (6 layers, width 384), random token ids, 32 texts of 32 tokens and one text of 32 tokens.
"""

from __future__ import annotations

import statistics
import time
from functools import partial

import torch
from torch import nn
from transformers import BertConfig

from kdviz.models import kronecker
from kdviz.models.kronecker import KroneckerLinear, KroneckerTransformer
from kdviz.models.transformer import Transformer

CONFIG = {
    "model_type": "bert",
    "vocab_size": 30522,
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}
TEXTS, TOKENS = 32, 32
ROUNDS = 11


def network(factor):
    dense = Transformer.from_settings({"classifies": False, "config": CONFIG})
    if factor is None:
        return dense.eval()
    factors = kronecker.factors_for(dense.encoder.config, factor)
    return KroneckerTransformer(dense.encoder, factors, start="random").eval()


@torch.no_grad()
def seconds(calls):
    """Median seconds of each call, taking turns so that a noisy minute hits all of them."""
    taken = {name: [] for name in calls}
    for turn in range(ROUNDS + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:  # the first round warms up
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


def whole(texts):
    networks = {name: network(factor) for name, factor in (("dense", None), ("x8", 8), ("x21", 21))}
    ids = torch.randint(1000, 30000, (texts, TOKENS), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    want = frozenset({"hidden"})
    times = seconds({name: lambda n=n: n(ids, mask, None, None, want) for name, n in networks.items()})
    config = BertConfig(**{key: value for key, value in CONFIG.items() if key != "model_type"})
    for name, factor in (("dense", None), ("x8", 8), ("x21", 21)):
        report = kronecker.cost(config, factor, tokens=TOKENS)
        rate = texts * report.total_flops / times[name] / 1e9
        print(
            f"{texts:>3} texts  {name:<6}{times[name] * 1e3:8.1f} ms  {report.total / 1e6:6.2f} M weights"
            f"{texts * report.total_flops / 1e9:8.2f} GFLOP {rate:7.1f} GFLOP/s"
        )
    return times


def one_matrix():
    """A single layer on the same vectors: which shapes gain time, and which only weights."""
    x = torch.randn(TEXTS * TOKENS, 384)
    shapes = {
        "attention x8": ((192, 192), 384),
        "attention x21": ((192, 24), 384),
        "widen x8": ((8, 2), 1536),
        "widen x21": ((16, 2), 1536),
    }
    for name, (a, out) in shapes.items():
        dense, small = nn.Linear(384, out), KroneckerLinear(384, out, a)
        times = seconds({"dense": partial(dense, x), "small": partial(small, x)})
        weights = small.a.numel() + small.b.numel()
        print(
            f"{name:<14} A {a[0]}×{a[1]}: dense {times['dense'] * 1e3:6.2f} ms, "
            f"product {times['small'] * 1e3:6.2f} ms, "
            f"{dense.weight.numel() / weights:6.1f} times fewer weights"
        )


def measure() -> dict[str, float]:
    print(f"{torch.get_num_threads()} threads")
    one_matrix()
    many, one = whole(TEXTS), whole(1)
    return {
        "kronecker_x8_speedup_batch": many["dense"] / many["x8"],
        "kronecker_x21_speedup_batch": many["dense"] / many["x21"],
        "kronecker_x8_speedup_single": one["dense"] / one["x8"],
        "kronecker_x21_speedup_single": one["dense"] / one["x21"],
    }


if __name__ == "__main__":
    print(measure())

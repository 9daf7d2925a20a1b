"""RW-KD against vanilla KD: one training step of a text student, weights by forward mode and by the naive look-ahead.

A 2 × 128 BERT, 32 texts of 24 tokens, all with labels; one thread; medians of steps that take turns. Aim: at most 2.2
times a KD step with RWKD's default held-out batch. One of 16 texts, and one as large as the batch, stand beside it.

Counted in forward passes of the batch, a KD step costs 3 (forward 1, backward 2). ∇J costs 3·m/B for m held-out texts
in a batch of B. The forward derivative costs 3: each product W·x becomes three (W·x, Ẇ·x, W·ẋ). So the sum is 2 + m/B
KD steps: 2.2 can be reached with m ≤ B/5 and no more, 2.5 is the floor for m = 16 and 3 for m = B. Optimiser and
dropout belong to the KD step alone and win a little back; starting operations for a small batch loses it again.
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from types import SimpleNamespace

import torch
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

import kdviz as kd
from kdviz.losses import logits
from kdviz.methods.rw_kd import gains, teacher_share

TEXTS, TOKENS, HELD_OUT, ROUNDS = 32, 24, (kd.RWKD().meta_size, 16, 32), 25
LIMIT = 2.2


def batch(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1000, 30000, (rows, TOKENS), generator=generator)
    labels = torch.randint(0, 5, (rows,), generator=generator)
    return SimpleNamespace(input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=0 * ids, labels=labels)


def measure() -> dict[str, float]:
    torch.set_num_threads(1)
    student = kd.build_student(kd.load_task("reviews"), layers=2, hidden=128, heads=4)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-4, fused=True)
    rows, held_out, teacher = batch(TEXTS, 0), {size: batch(size, 1) for size in HELD_OUT}, torch.randn(TEXTS, 5)

    def terms(answer):
        out = answer(rows)
        return (
            logits.cross_entropy(out, rows.labels, reduction="none"),
            logits.soft_kl(out, teacher, 4.0, reduction="none"),
        )

    def meta_loss(answer, size):
        return logits.cross_entropy(answer(held_out[size]), held_out[size].labels)

    def by_jvp(size):
        student.eval()
        share = teacher_share(*gains(student, partial(meta_loss, size=size), terms), 1e-8)
        student.train()
        return share

    def by_look_ahead(size):
        weights = dict(student.named_parameters())

        def answer_with(values):
            return lambda b: functional_call(student, values, (b.input_ids, b.attention_mask, b.token_type_ids)).logits

        with sdpa_kernel(SDPBackend.MATH):
            eps = torch.zeros(2, TEXTS, requires_grad=True)
            inner = sum((e * term).sum() for e, term in zip(eps, terms(answer_with(weights))))
            steps = torch.autograd.grad(inner, list(weights.values()), create_graph=True, allow_unused=True)
            ahead = {n: w if s is None else w - 0.1 * s for (n, w), s in zip(weights.items(), steps)}
            return teacher_share(*-torch.autograd.grad(meta_loss(answer_with(ahead), size), eps)[0], 1e-8)

    def step(share):
        weight = share() if share else torch.full((TEXTS,), 0.5)
        hard, soft = terms(lambda b: student(b.input_ids, b.attention_mask, b.token_type_ids).logits)
        optimizer.zero_grad()
        ((1 - weight) * hard + weight * soft).mean().backward()
        optimizer.step()

    kinds = {"vanilla KD": None, f"look-ahead, {HELD_OUT[0]}": partial(by_look_ahead, HELD_OUT[0])}
    kinds |= {f"forward mode, {size}": partial(by_jvp, size) for size in HELD_OUT}
    taken = {name: [] for name in kinds}
    for turn in range(ROUNDS + 2):
        for name, share in kinds.items():
            began = time.perf_counter()
            step(share)
            if turn > 1:
                taken[name].append(time.perf_counter() - began)
    middle = {name: statistics.median(times) for name, times in taken.items()}
    ratios = {name: seconds / middle["vanilla KD"] for name, seconds in middle.items()}
    for name, seconds in middle.items():
        print(f"{name:<22}{seconds * 1e3:8.1f} ms a step  {ratios[name]:5.2f} × vanilla KD (aim: {LIMIT})")
    cost = {f"rw_kd_cost_{size}": ratios[f"forward mode, {size}"] for size in HELD_OUT[1:]}
    default = {
        "rw_kd_cost": ratios[f"forward mode, {HELD_OUT[0]}"],
        "rw_kd_look_ahead_cost": ratios[f"look-ahead, {HELD_OUT[0]}"],
    }
    return default | cost


if __name__ == "__main__":
    print(measure())

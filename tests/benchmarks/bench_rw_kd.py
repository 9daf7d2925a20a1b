"""RW-KD against vanilla KD: one training step of a text student, with weights by forward mode and by the naive look-ahead.

A 2 × 128 BERT, 32 texts of 24 tokens, a held-out batch of RWKD's default size; one thread; medians of steps that take
turns. Aim: at most 2.2 times a KD step.
"""

from __future__ import annotations

import statistics
import time
from types import SimpleNamespace

import torch
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

import kdviz as kd
from kdviz.losses import logits
from kdviz.methods.rw_kd import gains, teacher_share

TEXTS, TOKENS, HELD_OUT, ROUNDS = 32, 24, kd.RWKD().meta_size, 25
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
    rows, held_out, teacher = batch(TEXTS, 0), batch(HELD_OUT, 1), torch.randn(TEXTS, 5)

    def terms(answer):
        out = answer(rows)
        return (logits.cross_entropy(out, rows.labels, reduction="none"),
                logits.soft_kl(out, teacher, 4.0, reduction="none"))

    def meta_loss(answer):
        return logits.cross_entropy(answer(held_out), held_out.labels)

    def by_jvp():
        student.eval()
        share = teacher_share(*gains(student, meta_loss, terms), 1e-8)
        student.train()
        return share

    def by_look_ahead():
        weights = dict(student.named_parameters())

        def answer_with(values):
            return lambda b: functional_call(student, values, (b.input_ids, b.attention_mask, b.token_type_ids)).logits

        with sdpa_kernel(SDPBackend.MATH):
            eps = torch.zeros(2, TEXTS, requires_grad=True)
            inner = sum((e * term).sum() for e, term in zip(eps, terms(answer_with(weights))))
            steps = torch.autograd.grad(inner, list(weights.values()), create_graph=True, allow_unused=True)
            ahead = {n: w if s is None else w - 0.1 * s for (n, w), s in zip(weights.items(), steps)}
            return teacher_share(*-torch.autograd.grad(meta_loss(answer_with(ahead)), eps)[0], 1e-8)

    def step(share):
        weight = share() if share else torch.full((TEXTS,), 0.5)
        hard, soft = terms(lambda b: student(b.input_ids, b.attention_mask, b.token_type_ids).logits)
        optimizer.zero_grad()
        ((1 - weight) * hard + weight * soft).mean().backward()
        optimizer.step()

    kinds = {"vanilla KD": None, "RW-KD, forward mode": by_jvp, "RW-KD, look-ahead": by_look_ahead}
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
    return {"rw_kd_cost": ratios["RW-KD, forward mode"], "rw_kd_look_ahead_cost": ratios["RW-KD, look-ahead"]}


if __name__ == "__main__":
    print(measure())

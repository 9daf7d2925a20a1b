"""Losses between language models with a large vocabulary: kdviz beside the formula written down plainly.

512 positions, 49,152 words, float32; value and gradient with respect to the student's logits, which exist already.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.losses import language
from tests.benchmarks.bench_word_angle import peak_extra_bytes, seconds

SHAPE = (1, 512, 49_152)
BETA = 0.5


def plain_forward(student, teacher):
    return F.kl_div(student.log_softmax(-1), teacher.log_softmax(-1), reduction="none", log_target=True).sum(-1).mean()


def plain_jsd(student, teacher):
    """As public trainers compute it: everything at once."""
    log_q, log_p = student.log_softmax(-1), teacher.log_softmax(-1)
    log_m = torch.logsumexp(torch.stack([log_q + torch.tensor(1 - BETA).log(), log_p + torch.tensor(BETA).log()]), 0)
    to_m = lambda log_x: F.kl_div(log_m, log_x, reduction="none", log_target=True)
    return (BETA * to_m(log_p) + (1 - BETA) * to_m(log_q)).sum(-1).mean()


PAIRS = {
    "forward_kl": (language.forward_kl, plain_forward),
    "generalized_jsd": (lambda s, t: language.generalized_jsd(s, t, beta=BETA), plain_jsd),
}


def inputs(positions=SHAPE[1]):
    generator = torch.Generator().manual_seed(0)
    shape = (1, positions, SHAPE[2])
    return torch.randn(shape, generator=generator, requires_grad=True), torch.randn(shape, generator=generator)


def run(loss, student, *teacher):
    student.grad = None
    value = loss(student, *teacher)
    value.backward()
    return value.detach()


def measure() -> dict[str, float]:
    student, teacher = inputs()
    ids, log_probs = (x.contiguous() for x in teacher.log_softmax(-1).topk(64)[::-1])
    small = inputs(4)
    numbers = {}
    for name, (ours, plain) in PAIRS.items():
        for loss in (ours, plain):
            run(loss, *small)  # warm-up at another size
        memory = [peak_extra_bytes(lambda f=f: run(f, student, teacher)) for f in (ours, plain)]
        torch.testing.assert_close(run(ours, student, teacher), run(plain, student, teacher), rtol=1e-4, atol=0)
        calls = {kind: lambda f=f: run(f, student, teacher) for kind, f in (("ours", ours), ("plain", plain))}
        times = seconds(calls, 5)
        print(f"{name}: ours {times['ours'] * 1e3:.0f} ms, {memory[0] / 1e6:.0f} MB extra; plain", end=" ")
        print(f"{times['plain'] * 1e3:.0f} ms, {memory[1] / 1e6:.0f} MB; {torch.get_num_threads()} threads")
        numbers[f"{name}_speedup"] = ratio = times["plain"] / times["ours"]
        kept = ratio >= 1 and memory[0] < memory[1]
        print(f"as fast as the plain form at least, in less memory: {'kept' if kept else 'MISSED'} ({ratio:.2f} times)")
        numbers[f"{name}_extra_mb"] = memory[0] / 1e6
        numbers[f"{name}_memory_ratio"] = memory[1] / memory[0]
    run(language.sparse_kl, small[0], ids[:, :4], log_probs[:, :4])
    extra = peak_extra_bytes(lambda: run(language.sparse_kl, student, ids, log_probs)) / 1e6
    took = seconds({"sparse": lambda: run(language.sparse_kl, student, ids, log_probs)}, 5)["sparse"]
    gradient = student.numel() * 4 / 1e6
    print(f"sparse_kl, 64 stored of {SHAPE[2]:,}: {took * 1e3:.0f} ms, {extra:.0f} MB extra")
    print(f"the gradient that every loss must leave behind is {gradient:.0f} MB of each")
    return numbers | {"sparse_kl_extra_mb": extra}


if __name__ == "__main__":
    print(measure())

"""What the seam of kinds costs: a step of classification through `Model` and the task's kind, against plain torch.

Both steps read the same batches of 32 with a student of 2 layers of 128, and clip, and take an AdamW step. One asks
the model for logits and the kind for the loss; the other calls the network and torch's cross-entropy. By turns; the
ratio is the median of the rounds' own ratios, at most 1.02.
"""

from __future__ import annotations

import copy
import os
import statistics
import time

import torch
from torch.nn import functional as F

ROUNDS, STEPS, TEXTS = 21, 10, 640
LIMIT = 1.02


def measure() -> dict[str, float]:
    import kdviz as kd
    from kdviz.data.batches import batches, encode_split

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    task = kd.load_task("reviews").subset(TEXTS)
    student = kd.build_student(task)
    rows = encode_split(task["train"], student.tokenizer, kind=task.kind)
    drawn = list(batches(rows, 32, seed=0))[:STEPS]
    want = frozenset({"logits"})

    def through_the_kind(model, batch):
        logits = model(batch.input_ids, batch.attention_mask, batch.token_type_ids, want=want).logits
        return task.kind.hard(logits, batch.labels)

    def plain(model, batch):
        ids = model.rows[batch.input_ids]
        logits = model.network(ids, batch.attention_mask, batch.token_type_ids, None, want).logits
        return F.cross_entropy(logits.float(), batch.labels, ignore_index=-100)

    sides = {}
    for name, loss in (("kind", through_the_kind), ("plain", plain)):
        model = copy.deepcopy(student).train()
        sides[name] = (model, loss, torch.optim.AdamW(model.parameters(), lr=5e-4, fused=True))
    taken = {name: [] for name in sides}
    for number in range(ROUNDS + 1):
        for name in list(sides)[:: 1 if number % 2 else -1]:
            model, loss, optimizer = sides[name]
            torch.manual_seed(number)
            start = time.perf_counter()
            for batch in drawn:
                optimizer.zero_grad()
                loss(model, batch).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            if number:  # the first round warms up
                taken[name].append((time.perf_counter() - start) / STEPS)
    one, other = (sides[name][0].state_dict() for name in sides)
    assert all(torch.equal(one[key], other[key]) for key in one), "both sides must take the same steps"
    ratio = statistics.median(a / b for a, b in zip(taken["kind"], taken["plain"], strict=True))
    print(f"plain {1000 * statistics.median(taken['plain']):.1f} ms a step; {ratio:.3f} times that through the kind")
    print(f"at most {LIMIT}: {'yes' if ratio <= LIMIT else 'NO'}")
    return {"kind_step_over_plain_step": ratio}


if __name__ == "__main__":
    measure()

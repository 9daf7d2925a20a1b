"""Lesson 08: following a teacher's checkpoints."""

import torch

from tests.course.wrong_answers import right, wrong

right("pro-target", lambda z, step, steps: (j := int(step / (steps / len(z)))) * z[j] / len(z) + z[j] / len(z))
right(
    "pro-target",
    lambda z, step, steps: (z * (torch.arange(len(z)) + 1)[:, None, None] / len(z))[step // (steps // len(z))],
)
wrong("pro-target", "finished teacher at every step", lambda z, step, steps: z[-1])
wrong("pro-target", "wrong loudness", lambda z, step, steps: z[step // (steps // len(z))])
wrong("pro-target", "counted from 0", lambda z, step, steps: (j := step * len(z) // steps) / len(z) * z[j])
wrong("pro-target", "made quiet", lambda z, step, steps: (step * len(z) // steps + 1) / len(z) * z[-1])
wrong(
    "pro-target", "backwards", lambda z, step, steps: ((j := step * len(z) // steps) + 1) / len(z) * z[len(z) - 1 - j]
)
wrong(
    "pro-target", "half a share", lambda z, step, steps: ((j := round(step / steps * (len(z) - 1))) + 1) / len(z) * z[j]
)
wrong("pro-target", "take turns", lambda z, step, steps: ((j := step % len(z)) + 1) / len(z) * z[j])
wrong("pro-target", "grows with every step", lambda z, step, steps: (step + 1) / steps * z[step * len(z) // steps])
wrong(
    "pro-target", "as a temperature would", lambda z, step, steps: z[(j := step * len(z) // steps)] / ((j + 1) / len(z))
)
wrong(
    "pro-target",
    "made of logits",
    lambda z, step, steps: (((j := step * len(z) // steps) + 1) / len(z) * z[j]).softmax(-1),
)
wrong("pro-target", "mean of all checkpoints", lambda z, step, steps: z[: step * len(z) // steps + 1].mean(0))
wrong("pro-target", "IndexError", lambda z, step, steps: ((j := step * len(z) // steps + 1) + 1) / len(z) * z[j])
wrong(
    "pro-target", "another one in every case", lambda z, step, steps: z[(j := step * len(z) // steps)] * (j + 1) / steps
)

right("checkpoint-choice", lambda dev, test: test.mean(0)[dev.mean(dim=0).argmax()])
right("checkpoint-choice", lambda dev, test: test.mean(0)[dev.sum(0).max(0).indices].item())
wrong("checkpoint-choice", "*test* score is highest", lambda dev, test: test.mean(0).max())
wrong("checkpoint-choice", "it flatters", lambda dev, test: dev.mean(0).max())
wrong("checkpoint-choice", "every seed choose its own", lambda dev, test: test[torch.arange(3), dev.argmax(1)].mean())
wrong("checkpoint-choice", "luck of one seed", lambda dev, test: test[:, dev.max(0).values.argmax()].mean())
wrong("checkpoint-choice", "the median", lambda dev, test: test[:, dev.median(0).values.argmax()].mean())
wrong("checkpoint-choice", "the last checkpoint", lambda dev, test: test[:, -1].mean())
wrong("checkpoint-choice", "the worst checkpoint", lambda dev, test: test[:, dev.mean(0).argmin()].mean())
wrong("checkpoint-choice", "the place of the chosen", lambda dev, test: dev.mean(0).argmax())
wrong("checkpoint-choice", "all checkpoints", lambda dev, test: test.mean())
wrong("checkpoint-choice", "rows and columns", lambda dev, test: test[dev.mean(1).argmax()].mean())
wrong("checkpoint-choice", "asked is its mean", lambda dev, test: test[:, dev.mean(0).argmax()])

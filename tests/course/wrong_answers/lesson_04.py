"""Lesson 04: the whole of CKD, and what must be kept of the teacher."""

import torch

from tests.course.wrong_answers import right, wrong


def ckd(t, alpha, beta, wr, ltr):
    return (1 - alpha) * t[0] + alpha * t[1] + beta * (t[2] + wr * t[3] + t[4] + ltr * t[5])


right("ckd-total", ckd)
right("ckd-total", lambda t, a, b, w, v: t @ torch.tensor([1 - a, a, b, b * w, b, b * v]))
wrong("ckd-total", "α sits on the wrong term", lambda t, a, b, w, v: ckd(t, 1 - a, b, w, v))
wrong("ckd-total", "labels keep their full weight", lambda t, a, b, w, v: ckd(t, a, b, w, v) + a * t[0])
wrong("ckd-total", "teacher's logits keep", lambda t, a, b, w, v: ckd(t, a, b, w, v) + (1 - a) * t[1])
wrong("ckd-total", "α weighs the context", lambda t, a, b, w, v: ckd(t, a, a * b, w, v))
wrong(
    "ckd-total",
    "only the word relations",
    lambda t, a, b, w, v: (1 - a) * t[0] + a * t[1] + b * (t[2] + w * t[3]) + t[4] + v * t[5],
)
wrong(
    "ckd-total",
    "β reaches only the pairs",
    lambda t, a, b, w, v: (1 - a) * t[0] + a * t[1] + b * t[2] + w * t[3] + b * t[4] + v * t[5],
)
wrong("ckd-total", "β is missing", lambda t, a, b, w, v: ckd(t, a, 1, w, v))
wrong(
    "ckd-total",
    "λ weighs the triples",
    lambda t, a, b, w, v: (1 - a) * t[0] + a * t[1] + b * (w * (t[2] + t[3]) + v * (t[4] + t[5])),
)
wrong("ckd-total", "λ weighs the triples", lambda t, a, b, w, v: ckd(t[[0, 1, 3, 2, 5, 4]], a, b, w, v))
wrong("ckd-total", "the two λ are swapped", lambda t, a, b, w, v: ckd(t, a, b, v, w))
wrong("ckd-total", "both λ are left at 1", lambda t, a, b, w, v: ckd(t, a, b, 1, 1))
wrong("ckd-total", "λ_LTR is left at 1", lambda t, a, b, w, v: ckd(t, a, b, w, 1))
wrong("ckd-total", "λ_WR is left at 1", lambda t, a, b, w, v: ckd(t, a, b, 1, v))
wrong("ckd-total", "the sign", lambda t, a, b, w, v: ckd(t, a, -b, w, v))
wrong("ckd-total", "labels are not used", lambda t, a, b, w, v: ckd(t, a, b, w, v) - (1 - a) * t[0])

right("ckd-kept", lambda n, m, c: sum([n**2] * m) + sum([m**2] * n) + c)
right("ckd-kept", lambda n, m, c: torch.zeros(m, n, n).numel() + torch.zeros(n, m, m).numel() + c)
wrong("ckd-kept", "logits are missing", lambda n, m, c: n * m * (n + m))
wrong("ckd-kept", "not of every word", lambda n, m, c: n * m * (n + m) + n * c)
wrong("ckd-kept", "layer Grams are missing", lambda n, m, c: m * n**2 + c)
wrong("ckd-kept", "word Grams are missing", lambda n, m, c: n * m**2 + c)
wrong("ckd-kept", "one layer Gram is not enough", lambda n, m, c: m * n**2 + m**2 + c)
wrong("ckd-kept", "one word Gram is not enough", lambda n, m, c: n**2 + n * m**2 + c)
wrong("ckd-kept", "one of each is not enough", lambda n, m, c: n**2 + m**2 + c)
wrong("ckd-kept", "halves of the matrices", lambda n, m, c: m * n * (n - 1) // 2 + n * m * (m - 1) // 2 + c)
wrong("ckd-kept", "halves of the matrices", lambda n, m, c: m * n * (n + 1) // 2 + n * m * (m + 1) // 2 + c)
wrong("ckd-kept", "words of different layers", lambda n, m, c: (n * m) ** 2 + c)
wrong("ckd-kept", "With n = ", lambda n, m, c: n + m + c)

"""Lesson 11: weight averaging and curvature."""

import torch

from tests.course.wrong_answers import right, wrong

right("swa-update", lambda mean, weight, n: mean + (weight - mean) / (n + 1))
right("swa-update", lambda mean, weight, n: torch.stack([mean] * n + [weight]).mean(0))
right("swa-update", lambda mean, weight, n: torch.lerp(mean, weight, 1 / (n + 1)))
wrong("swa-update", "n times as much", lambda mean, weight, n: (mean + weight) / 2)
wrong("swa-update", "multiply the former mean", lambda mean, weight, n: (mean + weight) / (n + 1))
wrong("swa-update", "divide by n + 1", lambda mean, weight, n: mean + (weight - mean) / n)
wrong("swa-update", "roles are swapped", lambda mean, weight, n: weight + (mean - weight) / (n + 1))
wrong("swa-update", "sum of all students", lambda mean, weight, n: n * mean + weight)
wrong("swa-update", "new student is missing", lambda mean, weight, n: mean)
wrong("swa-update", "only the new student", lambda mean, weight, n: weight)
wrong("swa-update", "divide the whole sum", lambda mean, weight, n: n * mean + weight / (n + 1))
wrong("swa-update", "forgets old students", lambda mean, weight, n: 0.9 * mean + 0.1 * weight)


def iterate(h, v, steps=100, normalise=True):
    for _ in range(steps):
        v = h @ v
        v = v / v.norm() if normalise else v
    return v


right("power-iteration", lambda h, v: (x := torch.linalg.eigvalsh(h))[x.abs().argmax()])
right("power-iteration", lambda h, v: (x := iterate(h, v, 99)) @ (h @ x) / (x @ x))
right("power-iteration", lambda h, v: torch.dot(h @ (x := iterate(h, v)), x))
wrong("power-iteration", "never negative", lambda h, v: (h @ iterate(h, v)).norm())
wrong("power-iteration", "only one step", lambda h, v: (x := iterate(h, v, 1)) @ h @ x)
wrong("power-iteration", "grew without end", lambda h, v: (x := iterate(h, v, 100, False)) @ h @ x / (x @ x))
wrong("power-iteration", "this is the eigenvector", lambda h, v: iterate(h, v))
wrong("power-iteration", "this is the trace", lambda h, v: torch.trace(h))
wrong("power-iteration", "of largest magnitude", lambda h, v: torch.linalg.eigvalsh(h).max())
wrong("power-iteration", "of largest magnitude", lambda h, v: torch.linalg.eigvalsh(h).min())
wrong("power-iteration", "multiply by the vector once more", lambda h, v: h @ iterate(h, v))
wrong("power-iteration", "one H", lambda h, v: (h @ iterate(h, v)).square().sum())
wrong("power-iteration", "right one", lambda h, v: torch.linalg.eigvalsh(h))
wrong("power-iteration", "the right number is", lambda h, v: (x := iterate(h, v, 2)) @ h @ x)

"""Lesson 06: Annealing-KD."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong


def parts(sizes):
    return torch.cat([torch.full((size,), (part + 1) / len(sizes)) for part, size in enumerate(sizes)])


right("annealing-phi", lambda e, tau: parts([len(part) for part in np.array_split(np.arange(e), tau)]))
right("annealing-phi", lambda e, tau: torch.tensor([math.ceil((epoch + 1) * tau / e) / tau for epoch in range(e)]))
right("annealing-phi", lambda e, tau: parts([e // tau + (part >= tau - e % tau) for part in range(tau)]))
right("annealing-phi", lambda e, tau: [(epoch * tau // e + 1) / tau for epoch in range(e)])
wrong("annealing-phi", "runs past 1", lambda e, tau: (torch.arange(e) // (e // tau) + 1) / tau)
wrong("annealing-phi", "starts at 0", lambda e, tau: torch.tensor([int(epoch / e * tau) / tau for epoch in range(e)]))
wrong("annealing-phi", "grows with every epoch", lambda e, tau: torch.arange(1, e + 1) / e)
wrong("annealing-phi", "grows with every epoch", lambda e, tau: torch.linspace(0, 1, e))
wrong(
    "annealing-phi",
    "your Φ falls",
    lambda e, tau: (
        parts([len(part) for part in np.array_split(range(e), tau)]).flip(0).contiguous()
        if e % tau == 0
        else 1 - torch.arange(e) * tau // e / tau
    ),
)
wrong("annealing-phi", "this is T", lambda e, tau: tau - torch.arange(e) * tau // e)
wrong("annealing-phi", "not 1/T", lambda e, tau: 1 / (tau - torch.arange(e) * tau // e))
wrong("annealing-phi", "too long", lambda e, tau: (torch.arange(e) // math.ceil(e / tau) + 1) / tau)
wrong("annealing-phi", "share them", lambda e, tau: parts([e // tau] * (tau - 1) + [e - e // tau * (tau - 1)]))
wrong("annealing-phi", "one Φ for each part", lambda e, tau: torch.arange(1, tau + 1) / tau)
wrong(
    "annealing-phi", "NumPy array", lambda e, tau: parts([len(part) for part in np.array_split(range(e), tau)]).numpy()
)

right("annealing-loss", lambda s, t, phi: ((phi * t - s) ** 2).sum() / s.numel())
right("annealing-loss", lambda s, t, phi: (s - phi * t).pow(2).mean(-1).mean())
wrong("annealing-loss", "Φ is missing", lambda s, t, phi: F.mse_loss(s, t))
wrong("annealing-loss", "sits on the student", lambda s, t, phi: F.mse_loss(s * phi, t))
wrong("annealing-loss", "outside the square", lambda s, t, phi: phi * (s - t).pow(2).mean())
wrong("annealing-loss", "on both sides", lambda s, t, phi: F.mse_loss(s * phi, t * phi))
wrong("annealing-loss", "Φ is squared", lambda s, t, phi: F.mse_loss(s, phi**2 * t))
wrong("annealing-loss", "would shrink", lambda s, t, phi: F.mse_loss(s, (1 - phi) * t))
wrong("annealing-loss", "no softmax", lambda s, t, phi: F.mse_loss(F.softmax(s, -1), F.softmax(phi * t, -1)))
wrong("annealing-loss", "as a temperature would", lambda s, t, phi: F.mse_loss(s, t / phi))
wrong("annealing-loss", "summed over the classes", lambda s, t, phi: (s - phi * t).pow(2).sum(-1).mean())
wrong("annealing-loss", "sum over batch and classes", lambda s, t, phi: F.mse_loss(s, phi * t, reduction="sum"))
wrong("annealing-loss", "absolute differences", lambda s, t, phi: F.l1_loss(s, phi * t))
wrong("annealing-loss", "the right number is", lambda s, t, phi: F.mse_loss(s, phi + t))  # no false factor
wrong("annealing-loss", "asked is its mean", lambda s, t, phi: (s - phi * t) ** 2)

"""What exercises are made of: random arguments, and small functions that several exercises need."""

from __future__ import annotations

import torch
from torch.nn import functional as F


class Draw:
    """Random arguments of one case. Equal seeds draw equal numbers, in the order in which they are asked for."""

    def __init__(self, seed: int):
        self.seed = seed
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> torch.Tensor:
        """Normal numbers, of standard deviation `scale`."""
        return scale * torch.randn(shape, generator=self._generator)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """Numbers between `low` and `high`."""
        return low + (high - low) * torch.rand(shape, generator=self._generator)

    def share(self, low: float = 0.1, high: float = 0.45) -> float:
        """A plain number between `low` and `high`, never so near ½ that it could be mixed up with 1 minus itself."""
        return self.uniform(low=low, high=high).item()

    def integer(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both of them included."""
        return int(torch.randint(low, high + 1, (), generator=self._generator))

    def classes(self, rows: int, count: int) -> torch.Tensor:
        """(rows,) labels from 0 to count - 1."""
        return torch.randint(count, (rows,), generator=self._generator)

    def gram(self, *shape: int) -> torch.Tensor:
        """Gram matrices (…, n, n) of vectors (…, n, d)."""
        hidden = self.normal(*shape)
        return hidden @ hidden.mT

    def mask(self, n: int, *real: int) -> torch.Tensor:
        """(B, n) bool, True for that many real words in each text; padding stands left in every other case."""
        mask = torch.arange(n) < torch.tensor(real)[:, None]
        return mask.flip(-1) if self.seed % 2 else mask


def off_diagonal(n: int) -> torch.Tensor:
    """(n, n) bool, False on the diagonal."""
    return ~torch.eye(n, dtype=torch.bool)


def normalise(gram: torch.Tensor) -> torch.Tensor:
    """Gram matrices (…, n, n) -> cosines."""
    length = gram.diagonal(dim1=-2, dim2=-1).clamp_min(1e-12).sqrt()
    return gram / (length.unsqueeze(-1) * length.unsqueeze(-2))


def divergence(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """KL(teacher ‖ student) of logits (…, C), the teacher first -> (…)."""
    return F.kl_div(student.log_softmax(-1), teacher.softmax(-1), reduction="none").sum(-1)


def soft_cross_entropy(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Of logits (…, C) -> (…): KL(teacher ‖ student) and the teacher's entropy."""
    return -(teacher.softmax(-1) * student.log_softmax(-1)).sum(-1)


def one_hot(scores: torch.Tensor) -> torch.Tensor:
    """1 at the largest score of the last axis, 0 elsewhere."""
    return F.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)

"""Kronecker products in place of dense matrices: the nearest ones, and layers made of them.

With ``W = A ⊗ B``, A (m1, n1) and B (m2, n2), the matrix W (m1·m2, n1·n2) is never built: a vector x is read row by
row as X (n1, n2), and ``W x = A X Bᵀ``. A sum of r such products has more freedom.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

Shape = tuple[int, int]


def other_shape(name: str, shape: Shape, a: Shape, rank: int = 1) -> Shape:
    """Shape of B. Raises ValueError when A's does not divide the matrix's, or allows no `rank` different products."""
    if min(a) < 1 or shape[0] % a[0] or shape[1] % a[1]:
        raise ValueError(f"{name}: A of {a[0]}×{a[1]} does not divide a matrix of {shape[0]}×{shape[1]}: take divisors")
    b = shape[0] // a[0], shape[1] // a[1]
    most = min(math.prod(a), math.prod(b))
    if not 1 <= rank <= most:
        raise ValueError(f"{name}: rank={rank}, but A {a[0]}×{a[1]} and B {b[0]}×{b[1]} make at most {most} products")
    return b


def rearrange(weight: Tensor, a: Shape) -> Tensor:
    """R with R[(i1,j1), (i2,j2)] = W[i1·m2+i2, j1·n2+j2]: a row per entry of A, a column per entry of B.

    weight (m1·m2, n1·n2), a = (m1, n1) -> (m1·n1, m2·n2). Kronecker products become matrices of rank 1, and
    distances stay (Van Loan and Pitsianis 1993).
    """
    b = other_shape("weight", weight.shape, a)
    return weight.reshape(a[0], b[0], a[1], b[1]).transpose(1, 2).reshape(math.prod(a), math.prod(b))


def product(a: Tensor, b: Tensor) -> Tensor:
    """Σ_r A_r ⊗ B_r. a (r, m1, n1), b (r, m2, n2) -> (m1·m2, n1·n2)."""
    return torch.einsum("rij,rkl->ikjl", a, b).reshape(a.shape[1] * b.shape[1], a.shape[2] * b.shape[2])


def nearest(weight: Tensor, a: Shape, rank: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """The sum of `rank` Kronecker products that lies nearest to `weight`, both factors of a product equally long.

    Returns A (r, m1, n1), B (r, m2, n2) and all singular values σ of the rearranged matrix, largest first:
    the squared distance that is left is Σ_{k>r} σ_k².
    """
    b = other_shape("weight", weight.shape, a, rank)
    rows = rearrange(weight.detach().double(), a)
    tall = rows if rows.shape[0] >= rows.shape[1] else rows.T
    # by the small Gram matrix: the singular vectors of a whole vocabulary's table would be as large as the table
    squares, short = torch.linalg.eigh(tall.T @ tall)
    sigma, short = squares.clamp(min=0).sqrt().flip(0), short.flip(1)[:, :rank]
    length = sigma[:rank].sqrt()
    long = tall @ short / length.clamp(min=torch.finfo(length.dtype).tiny)  # a matrix of zeros has no direction
    first, second = (long, short * length) if tall is rows else (short * length, long)
    first, second = first.T.reshape(rank, *a), second.T.reshape(rank, *b)
    return first.to(weight.dtype), second.to(weight.dtype), sigma


def relative_error(sigma: Tensor, rank: int = 1) -> float:
    """‖W - Σ A⊗B‖ / ‖W‖ of the nearest sum of `rank` products, from the singular values alone."""
    squares = sigma.square()
    return float((squares[rank:].sum() / squares.sum()).sqrt())


def shapes(weight: Tensor, sides=None, rank: int = 1) -> list[dict]:
    """What every shape of A would cost and lose for one matrix, smallest first: the rows of `figures.factor_shapes`.

    sides : the shapes (m1, n1) to try, None for all divisors except the two that are the matrix itself
    Returns dicts a, b, parameters, flops (one vector), error (relative, Frobenius) and sigma (all singular values).
    """
    if sides is None:
        rows, columns = ([k for k in range(1, side + 1) if side % k == 0] for side in weight.shape)
        sides = [(m, n) for m in rows for n in columns if (m, n) not in ((1, 1), tuple(weight.shape))]
    table = []
    for a in sides:
        parameters, flops = linear_cost(weight.shape, a, rank)
        sigma = torch.linalg.svdvals(rearrange(weight.detach().double(), a))
        row = {"a": tuple(a), "b": other_shape("weight", weight.shape, a), "parameters": parameters, "flops": flops}
        table.append(row | {"error": relative_error(sigma, rank), "sigma": sigma})
    return sorted(table, key=lambda row: row["parameters"])


def linear_cost(shape: Shape, a: Shape, rank: int) -> tuple[int, int]:
    """(weights without bias, FLOPs of one vector) of a matrix made of `rank` products."""
    b = other_shape("matrix", shape, a, rank)
    return rank * (math.prod(a) + math.prod(b)), min(_flops(*a, *b, rank))


def _flops(m1, n1, m2, n2, rank) -> tuple[int, int]:
    """FLOPs of one vector, with A applied first and with B applied first."""
    return 2 * rank * m1 * n2 * (n1 + m2), 2 * rank * n1 * m2 * (n2 + m1)


class KroneckerLinear(nn.Module):
    """x (…, n1·n2) -> x Wᵀ + bias (…, m1·m2) with W = Σ_r A_r ⊗ B_r, which is never built.

    a         : (m1, n1), the shape of A; B's follows, see `other_shape`
    deviation : of the entries of W at the random start, by default BERT's
    """

    def __init__(self, in_features: int, out_features: int, a: Shape, rank=1, bias=True, deviation=0.02):
        super().__init__()
        b = other_shape("KroneckerLinear", (out_features, in_features), a, rank)
        size = math.sqrt(deviation) / rank**0.25  # of factors whose products, summed over r, have this deviation
        self.a = nn.Parameter(size * torch.randn(rank, *a))
        self.b = nn.Parameter(size * torch.randn(rank, *b))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None

    @classmethod
    @torch.no_grad()
    def of(cls, linear: nn.Linear, a: Shape, rank: int = 1, start: str = "nearest", deviation=0.02) -> KroneckerLinear:
        """In place of a dense layer: `start` "nearest" to its matrix, or "random"; its bias is kept."""
        sizes = linear.in_features, linear.out_features
        layer = cls(*sizes, a, rank, linear.bias is not None, deviation).to(linear.weight)
        if start == "nearest":
            first, second, _ = nearest(linear.weight, a, rank)
            layer.a.copy_(first)
            layer.b.copy_(second)
        if linear.bias is not None:
            layer.bias.copy_(linear.bias)
        return layer

    @property
    def weight(self) -> Tensor:
        """The dense matrix (out_features, in_features), for looking at; the forward pass does without."""
        return product(self.a, self.b)

    def forward(self, x: Tensor) -> Tensor:
        (rank, m1, n1), (_, m2, n2) = self.a.shape, self.b.shape
        grid = x.unflatten(-1, (n1, n2))
        a_first, b_first = _flops(m1, n1, m2, n2, rank)
        # All r products at once: the factor applied first is stacked over r, the second contracts (r, its side).
        if a_first <= b_first:
            half = grid.transpose(-1, -2) @ self.a.reshape(rank * m1, n1).T  # (…, n2, r·m1)
            half = half.unflatten(-1, (rank, m1)).movedim(-1, -3).transpose(-1, -2).flatten(-2)  # (…, m1, r·n2)
            y = half @ self.b.transpose(1, 2).reshape(rank * n2, m2)
        else:
            half = grid @ self.b.reshape(rank * m2, n2).T  # (…, n1, r·m2)
            half = half.unflatten(-1, (rank, m2)).movedim(-1, -3).transpose(-1, -2).flatten(-2)  # (…, m2, r·n1)
            y = (half @ self.a.transpose(1, 2).reshape(rank * n1, m1)).transpose(-1, -2)
        y = y.flatten(-2)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        (rank, *a), (_, *b) = self.a.shape, self.b.shape
        return f"{rank} × A {a[0]}×{a[1]} ⊗ B {b[0]}×{b[1]}, bias={self.bias is not None}"


class KroneckerEmbedding(nn.Module):
    """Word vectors a ⊗ b: a row of d/n numbers of its own and one row b of n numbers for all words. O(d) a word.

    ids (…) -> (…, d)
    """

    def __init__(self, words: int, width: int, n: int, padding_idx: int | None = None, deviation: float = 0.02):
        super().__init__()
        if n < 1 or width % n:
            raise ValueError(f"embedding={n} does not divide the width {width}: choose a divisor")
        self.num_embeddings, self.embedding_dim, self.padding_idx = words, width, padding_idx
        self.a = nn.Parameter(math.sqrt(deviation) * torch.randn(words, width // n))
        self.b = nn.Parameter(math.sqrt(deviation) * torch.randn(1, n))

    @classmethod
    @torch.no_grad()
    def of(cls, embedding: nn.Embedding, n: int, start: str = "nearest", deviation=0.02) -> KroneckerEmbedding:
        """In place of a dense table: `start` "nearest" to it, or "random"."""
        words, width = embedding.weight.shape
        table = cls(words, width, n, embedding.padding_idx, deviation).to(embedding.weight)
        if start == "nearest":
            first, second, _ = nearest(embedding.weight, (words, width // n))
            table.a.copy_(first[0])
            table.b.copy_(second[0])
        return table

    @property
    def weight(self) -> Tensor:
        """The dense table (words, d)."""
        return self._vectors(self.a)

    def forward(self, ids: Tensor) -> Tensor:
        return self._vectors(nn.functional.embedding(ids, self.a))

    def _vectors(self, rows: Tensor) -> Tensor:
        return (rows.unsqueeze(-1) * self.b[0]).flatten(-2)

"""KroneckerBERT: every large matrix of a BERT as a Kronecker product of two small ones (Tahaei et al., NAACL 2022).

>>> small = kd.compress(teacher, factor=8)      # starts as close to the teacher as products can be
>>> kronecker.cost(config, factor=8)            # weights and FLOPs, from the config alone

With ``W = A ⊗ B``, A (m1, n1) and B (m2, n2), the matrix W (m1·m2, n1·n2) is never built: a vector x is read row by
row as X (n1, n2), and ``W x = A X Bᵀ``. A sum of r such products has more freedom.
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from kdviz.models.model import Model
from kdviz.models.transformer import Transformer

# the square matrices of a BERT layer, and the two of its feed-forward part
SQUARE = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
WIDEN, NARROW = "intermediate.dense", "output.dense"


@dataclass(frozen=True)
class Factors:
    """How a BERT of width d and feed-forward width f is factorised.

    attention : shape of A for query, key, value and output, all heads together (d × d)
    ffn       : shape of A for the widening matrix (f × d); the narrowing one (d × f) takes it with its sides swapped
    embedding : n; a word keeps d/n numbers, and one row b of n numbers is shared by all words
    rank      : how many products each matrix is the sum of (the embedding is always one)
    """

    attention: tuple[int, int]
    ffn: tuple[int, int]
    embedding: int
    rank: int = 1


def factors_for(config, factor: int | Factors, rank: int = 1) -> Factors:
    """The paper's two settings for a BERT of any width: 8 (×7.7 there) and 21; a `Factors` is passed through.

    At width 768: 8 is attention A 384×384, B 2×2, widening A 8×2, B 384×384, n = 8; 21 is A 384×48, B 2×16,
    A 16×2, B 192×384, n = 16. Other widths take the same shares of theirs [ours].
    Raises ValueError when `factor` is unknown or a shape does not divide the model's.
    """
    d, f = config.hidden_size, config.intermediate_size
    if isinstance(factor, Factors):
        chosen = factor
    elif factor == 8:
        chosen = Factors((d // 2, d // 2), (8, 2), 8, rank)
    elif factor == 21:
        chosen = Factors((d // 2, d // 16), (16, 2), 16, rank)
    else:
        raise ValueError(f"factor={factor!r}: choose 8 or 21 (the paper's), or give Factors(attention=…, ffn=…, embedding=…)")
    for name, shape, a in (("attention", (d, d), chosen.attention), ("ffn", (f, d), chosen.ffn)):
        _check(name, shape, a, chosen.rank)
    if chosen.embedding < 1 or d % chosen.embedding:
        raise ValueError(f"embedding={chosen.embedding} does not divide the width {d}: choose a divisor")
    return chosen


def _check(name: str, shape, a, rank: int) -> tuple[int, int]:
    """Shape of B, when A's divides the matrix's."""
    if min(a) < 1 or shape[0] % a[0] or shape[1] % a[1]:
        raise ValueError(f"{name}: A of {a[0]}×{a[1]} does not divide a matrix of {shape[0]}×{shape[1]}: choose divisors")
    b = shape[0] // a[0], shape[1] // a[1]
    most = min(math.prod(a), math.prod(b))
    if not 1 <= rank <= most:
        raise ValueError(f"{name}: rank={rank}, but A {a[0]}×{a[1]} and B {b[0]}×{b[1]} make at most {most} products")
    return b


# ---- the nearest product -------------------------------------------------------------------------------------------


def rearrange(weight: Tensor, a: tuple[int, int]) -> Tensor:
    """R with R[(i1,j1), (i2,j2)] = W[i1·m2+i2, j1·n2+j2]: a row per entry of A, a column per entry of B.

    weight (m1·m2, n1·n2), a = (m1, n1) -> (m1·n1, m2·n2). Kronecker products become matrices of rank 1, and
    distances stay (Van Loan and Pitsianis 1993).
    """
    b = _check("weight", weight.shape, a, 1)
    return weight.reshape(a[0], b[0], a[1], b[1]).transpose(1, 2).reshape(math.prod(a), math.prod(b))


def product(a: Tensor, b: Tensor) -> Tensor:
    """Σ_r A_r ⊗ B_r. a (r, m1, n1), b (r, m2, n2) -> (m1·m2, n1·n2)."""
    return torch.einsum("rij,rkl->ikjl", a, b).reshape(a.shape[1] * b.shape[1], a.shape[2] * b.shape[2])


def nearest(weight: Tensor, a: tuple[int, int], rank: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """The sum of `rank` Kronecker products that lies nearest to `weight`, both factors of a product equally long.

    Returns A (r, m1, n1), B (r, m2, n2) and all singular values σ of the rearranged matrix, largest first:
    the squared distance that is left is Σ_{k>r} σ_k².
    """
    b = _check("weight", weight.shape, a, rank)
    left, sigma, right = torch.linalg.svd(rearrange(weight.detach().double(), a), full_matrices=False)
    length = sigma[:rank].sqrt()
    first = (left[:, :rank] * length).T.reshape(rank, *a)
    second = (right[:rank] * length[:, None]).reshape(rank, *b)
    return first.to(weight.dtype), second.to(weight.dtype), sigma


def relative_error(sigma: Tensor, rank: int = 1) -> float:
    """‖W - Σ A⊗B‖ / ‖W‖ of the nearest sum of `rank` products, from the singular values alone."""
    squares = sigma.square()
    return float((squares[rank:].sum() / squares.sum()).sqrt())


# ---- layers --------------------------------------------------------------------------------------------------------


class KroneckerLinear(nn.Module):
    """x (…, n1·n2) -> x Wᵀ + bias (…, m1·m2) with W = Σ_r A_r ⊗ B_r, which is never built.

    a         : (m1, n1), the shape of A; B's follows. Raises ValueError when it does not divide (out_features, in_features)
    deviation : of the entries of W at a random start, by default BERT's
    """

    def __init__(
        self, in_features: int, out_features: int, a: tuple[int, int], rank: int = 1, bias: bool = True, deviation: float = 0.02
    ):
        super().__init__()
        b = _check("KroneckerLinear", (out_features, in_features), a, rank)
        self.in_features, self.out_features = in_features, out_features
        size = math.sqrt(deviation) / rank**0.25  # of factors whose products, summed over r, have this deviation
        self.a = nn.Parameter(size * torch.randn(rank, *a))
        self.b = nn.Parameter(size * torch.randn(rank, *b))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None

    @classmethod
    def of(cls, linear: nn.Linear, a: tuple[int, int], rank: int = 1) -> KroneckerLinear:
        """The layer nearest to a dense one; its bias is kept."""
        layer = cls(linear.in_features, linear.out_features, a, rank, linear.bias is not None).to(linear.weight)
        with torch.no_grad():
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
        flops_a, flops_b = _order_flops(m1, n1, m2, n2, rank)
        # All r products at once: the factor applied first is stacked over r, the second contracts (r, its side).
        if flops_a <= flops_b:
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


def _order_flops(m1, n1, m2, n2, rank) -> tuple[int, int]:
    """FLOPs of one vector, with A applied first and with B applied first."""
    return 2 * rank * m1 * n2 * (n1 + m2), 2 * rank * n1 * m2 * (n2 + m1)


class KroneckerEmbedding(nn.Module):
    """Word vectors a ⊗ b: a row of d/n numbers of its own and one row b of n numbers for all words. O(d) a word.

    ids (…) -> (…, d)
    """

    def __init__(self, words: int, width: int, n: int, padding_idx: int | None = None, deviation: float = 0.02):
        super().__init__()
        if width % n:
            raise ValueError(f"n={n} does not divide the width {width}: choose a divisor")
        self.num_embeddings, self.embedding_dim, self.padding_idx = words, width, padding_idx
        size = math.sqrt(deviation)
        self.a = nn.Parameter(size * torch.randn(words, width // n))
        self.b = nn.Parameter(size * torch.randn(1, n))

    @classmethod
    def of(cls, embedding: nn.Embedding, n: int) -> KroneckerEmbedding:
        """The table nearest to a dense one."""
        words, width = embedding.weight.shape
        table = cls(words, width, n, embedding.padding_idx).to(embedding.weight)
        with torch.no_grad():
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


# ---- a whole BERT --------------------------------------------------------------------------------------------------


class KroneckerTransformer(Transformer):
    """A BERT whose word embedding, attention and feed-forward matrices are Kronecker products."""

    kind = "kronecker"

    def __init__(self, encoder, factors: Factors, start: str = "nearest"):
        """Factorises `encoder` in place. start: "nearest" to its matrices, or "random"."""
        super().__init__(encoder)
        if encoder.config.model_type != "bert":
            raise ValueError(f"only a BERT can be factorised, this is {encoder.config.model_type}")
        if start not in ("nearest", "random"):
            raise ValueError(f'start={start!r}: choose "nearest" or "random"')
        self.factors = factors_for(encoder.config, factors)
        base, table = encoder.base_model, self.embedding
        if not isinstance(table, nn.Embedding):
            raise ValueError("this model is factorised already: compress the dense one it came from")
        n, sides, deviation = self.factors.embedding, self.factors.ffn, encoder.config.initializer_range
        base.set_input_embeddings(
            KroneckerEmbedding.of(table, n) if start == "nearest"
            else KroneckerEmbedding(*table.weight.shape, n, table.padding_idx, deviation)
        )  # fmt: skip
        shapes = dict.fromkeys(SQUARE, self.factors.attention) | {WIDEN: sides, NARROW: sides[::-1]}
        for layer in base.encoder.layer:
            for name, a in shapes.items():
                dense = layer.get_submodule(name)
                if start == "nearest":
                    factored = KroneckerLinear.of(dense, a, self.factors.rank)
                else:
                    sizes = dense.in_features, dense.out_features
                    factored = KroneckerLinear(*sizes, a, self.factors.rank, deviation=deviation)
                layer.set_submodule(name, factored)

    @property
    def description(self) -> str:
        return f"Kronecker {super().description}"

    def settings(self) -> dict:
        return super().settings() | {"factors": asdict(self.factors)}

    @classmethod
    def from_settings(cls, settings, seed: int = 0) -> KroneckerTransformer:
        told = settings["factors"]
        factors = Factors(tuple(told["attention"]), tuple(told["ffn"]), told["embedding"], told["rank"])
        dense = Transformer.from_settings({key: settings[key] for key in ("classifies", "config")}, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(dense.encoder, factors, start="random")


def compress(
    model: Model, factor: int | Factors = 8, *, rank: int = 1, start: str = "nearest", seed: int = 0
) -> Model:
    """A student with the model's layers, width, heads and vocabulary, whose matrices are Kronecker products.

    factor : 8, 21 or a `Factors`, see `factors_for`
    rank   : products a matrix is the sum of
    start  : "nearest" to the model's matrices (the paper), or "random". Positions, biases, LayerNorms, pooler and
             classifier are copied either way.
    seed   : of a random start
    Raises ValueError when the model is no BERT, or a shape does not divide its own.
    """
    encoder = getattr(model.network, "encoder", None)
    if encoder is None:
        raise ValueError(f"only a BERT can be factorised; {model.name!r} is {model.network.description}")
    factors = factors_for(encoder.config, factor, rank) if encoder.config.model_type == "bert" else factor
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = KroneckerTransformer(copy.deepcopy(encoder), factors, start)
    student = Model(
        network, model.tokenizer, name="student", role="student", labels=model.labels,
        vocabulary=model.vocabulary, notes=model.notes,
    )  # fmt: skip
    before, after = (sum(p.numel() for p in one.parameters()) for one in (model, student))
    student.notes = (*student.notes, f"Kronecker products: {after:,} of {before:,} weights ({before / after:.1f} times fewer)")
    return student.eval().requires_grad_(True)


# ---- what it costs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """Weights by part, and the FLOPs of the matrix products of one text's forward pass by part."""

    parameters: dict[str, int]
    flops: dict[str, int]
    tokens: int

    total = property(lambda self: sum(self.parameters.values()), doc="All weights.")
    total_flops = property(lambda self: sum(self.flops.values()), doc="All FLOPs (a multiplication and an addition are 2).")

    def __repr__(self) -> str:
        rows = [f"{'part':<12}{'weights':>14}{f'MFLOP, {self.tokens} tokens':>22}"]
        names = list(dict.fromkeys([*self.parameters, *self.flops]))
        rows += [f"{name:<12}{self.parameters.get(name, 0):>14,}{self.flops.get(name, 0) / 1e6:>22,.1f}" for name in names]
        return "\n".join([*rows, f"{'total':<12}{self.total:>14,}{self.total_flops / 1e6:>22,.1f}"])


def cost(config, factor: int | Factors | None = None, *, rank: int = 1, tokens: int = 128, labels: int = 0) -> Cost:
    """Exact numbers of weights and FLOPs of a BERT, dense (factor None) or factorised, from its config alone.

    config : hidden_size d, intermediate_size f, num_hidden_layers, vocab_size, max_position_embeddings, type_vocab_size
    tokens : n, length of the text whose FLOPs are counted   labels : classes of a classifier, 0 for none
    FLOPs are those of every position in every layer, as in training; a model asked for logits alone does with fewer.
    """
    d, f, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    if factor is None:
        words, square, wide = config.vocab_size * d, (d * d, 2 * d * d), (f * d, 2 * f * d)
        narrow = wide
    else:
        chosen = factors_for(config, factor, rank)
        words = config.vocab_size * (d // chosen.embedding) + chosen.embedding
        square = _linear_cost((d, d), chosen.attention, chosen.rank)
        wide = _linear_cost((f, d), chosen.ffn, chosen.rank)
        narrow = _linear_cost((d, f), chosen.ffn[::-1], chosen.rank)
    parameters = {
        "words": words,
        "positions": (config.max_position_embeddings + config.type_vocab_size) * d + 2 * d,
        "attention": layers * (4 * (square[0] + d) + 2 * d),
        "feed-forward": layers * (wide[0] + f + narrow[0] + d + 2 * d),
        "pooler": d * d + d,
        "classifier": labels * (d + 1),
    }
    flops = {
        "attention": layers * tokens * 4 * square[1],
        "scores": layers * 4 * tokens**2 * d,  # QKᵀ, and the mixing of the values
        "feed-forward": layers * tokens * (wide[1] + narrow[1]),
        "pooler": 2 * d * d,
        "classifier": 2 * labels * d,
    }
    return Cost(parameters, flops, tokens)


def _linear_cost(shape, a, rank) -> tuple[int, int]:
    """(weights without bias, FLOPs of one vector) of a factorised matrix."""
    b = _check("matrix", shape, a, rank)
    return rank * (math.prod(a) + math.prod(b)), min(_order_flops(*a, *b, rank))


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
        b = _check("weight", weight.shape, a, rank)
        sigma = torch.linalg.svdvals(rearrange(weight.detach().double(), a))
        size, flops = _linear_cost(weight.shape, a, rank)
        table.append(
            {"a": tuple(a), "b": b, "parameters": size, "flops": flops,
             "error": relative_error(sigma, rank), "sigma": sigma}
        )  # fmt: skip
    return sorted(table, key=lambda row: row["parameters"])

"""KroneckerBERT: every large matrix of a BERT as a Kronecker product of two small ones (Tahaei et al., NAACL 2022).

>>> small = kd.compress(teacher, factor=8)  # starts as close to the teacher as products can be
>>> kronecker.cost(config, factor=8)        # weights and FLOPs, from the config alone
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass

from torch import nn

from kdviz.models.model import Model
from kdviz.models.network import seeded
from kdviz.models.products import (
    KroneckerEmbedding,
    KroneckerLinear,
    linear_cost,
    nearest as nearest,
    other_shape,
    product as product,
    shapes as shapes,
)
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
        own = "Factors(attention=…, ffn=…, embedding=…)"
        raise ValueError(f"factor={factor!r}: choose 8 or 21 (the paper's), or give {own}")
    other_shape("attention", (d, d), chosen.attention, chosen.rank)
    other_shape("ffn", (f, d), chosen.ffn, chosen.rank)
    if chosen.embedding < 1 or d % chosen.embedding:
        raise ValueError(f"embedding={chosen.embedding} does not divide the width {d}: choose a divisor")
    return chosen


class KroneckerTransformer(Transformer):
    """A BERT whose word embedding, attention and feed-forward matrices are Kronecker products."""

    kind = "kronecker"

    def __init__(self, encoder, factors: Factors, start: str = "nearest"):
        """Factorises `encoder` in place. start: "nearest" to its matrices, or "random"."""
        super().__init__(encoder)
        config = encoder.config
        if config.model_type != "bert":
            raise ValueError(f"only a BERT can be factorised, this is {config.model_type}")
        if start not in ("nearest", "random"):
            raise ValueError(f'start={start!r}: choose "nearest" or "random"')
        if not isinstance(self.embedding, nn.Embedding):
            raise ValueError("this model is factorised already: compress the dense one it came from")
        self.factors = factors_for(config, factors)
        how, sides = {"start": start, "deviation": config.initializer_range}, self.factors.ffn
        encoder.base_model.set_input_embeddings(KroneckerEmbedding.of(self.embedding, self.factors.embedding, **how))
        places = dict.fromkeys(SQUARE, self.factors.attention) | {WIDEN: sides, NARROW: sides[::-1]}
        for layer in encoder.base_model.encoder.layer:
            for name, a in places.items():
                layer.set_submodule(name, KroneckerLinear.of(layer.get_submodule(name), a, self.factors.rank, **how))

    @property
    def description(self) -> str:
        return f"Kronecker {super().description}"

    def settings(self) -> dict:
        return super().settings() | {"factors": asdict(self.factors)}

    @classmethod
    def from_settings(cls, settings, seed: int = 0) -> KroneckerTransformer:
        stored = {key: tuple(value) if isinstance(value, list) else value for key, value in settings["factors"].items()}
        dense = Transformer.from_settings({key: settings[key] for key in settings if key != "factors"}, seed)
        with seeded(seed):
            return cls(dense.encoder, Factors(**stored), start="random")


def compress(model: Model, factor: int | Factors = 8, *, rank: int = 1, start: str = "nearest", seed: int = 0) -> Model:
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
    with seeded(seed):
        network = KroneckerTransformer(copy.deepcopy(encoder), factors, start)
    before, after = (sum(p.numel() for p in one.parameters()) for one in (model, network))
    note = f"Kronecker products: {after:,} of {before:,} weights ({before / after:.1f} times fewer)"
    about = {name: getattr(model, name) for name in ("labels", "vocabulary", "task_kind", "threshold")}
    about["notes"] = (*model.notes, note)
    return Model(network, model.tokenizer, name="student", role="student", **about).eval().requires_grad_(True)


@dataclass(frozen=True)
class Cost:
    """Weights by part, and the FLOPs of the matrix products of one text's forward pass by part."""

    parameters: dict[str, int]
    flops: dict[str, int]
    tokens: int

    @property
    def total(self) -> int:
        """All weights."""
        return sum(self.parameters.values())

    @property
    def total_flops(self) -> int:
        """All FLOPs (a multiplication and an addition are 2)."""
        return sum(self.flops.values())

    def __repr__(self) -> str:
        rows = [(name, self.parameters.get(name, 0), self.flops.get(name, 0)) for name in self.parameters | self.flops]
        rows.append(("total", self.total, self.total_flops))
        lines = [f"{name:<12}{weights:>14,}{flops / 1e6:>22,.1f}" for name, weights, flops in rows]
        return "\n".join([f"{'part':<12}{'weights':>14}{f'MFLOP, {self.tokens} tokens':>22}", *lines])


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
        square = linear_cost((d, d), chosen.attention, chosen.rank)
        wide = linear_cost((f, d), chosen.ffn, chosen.rank)
        narrow = linear_cost((d, f), chosen.ffn[::-1], chosen.rank)
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

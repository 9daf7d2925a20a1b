"""Kronecker products: layers equal dense ones, the nearest product is the nearest, reports equal what is counted."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig

import kdviz as kd
from kdviz.models import kronecker, products
from kdviz.models.kronecker import Factors
from kdviz.models.model import Model
from kdviz.models.products import KroneckerEmbedding, KroneckerLinear
from tests.unit.models.conftest import save_tiny
from tests.unit.models.test_model import batch

# A first, B first, a vector as factor, several products
SHAPES = [((4, 2), (3, 5), 1), ((2, 6), (6, 1), 1), ((1, 6), (12, 1), 1), ((4, 3), (2, 4), 3), ((2, 2), (6, 6), 2)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def layer(a, b, rank, dtype=torch.double):
    torch.manual_seed(0)
    made = KroneckerLinear(a[1] * b[1], a[0] * b[0], a, rank).to(dtype)
    nn.init.normal_(made.bias)
    return made


@pytest.mark.parametrize("a, b, rank", SHAPES)
def test_the_product_is_applied_as_the_dense_matrix_would_be(a, b, rank):
    made = layer(a, b, rank)
    dense = sum(torch.kron(first, second) for first, second in zip(made.a, made.b))
    x = torch.randn(3, 2, a[1] * b[1], generator=generator(), dtype=torch.double)
    assert_close(made.weight, dense)
    assert_close(made(x), x @ dense.T + made.bias)


@pytest.mark.parametrize("a, b, rank", SHAPES)
def test_gradients(a, b, rank):
    made = layer(a, b, rank)
    x = torch.randn(2, a[1] * b[1], generator=generator(), dtype=torch.double, requires_grad=True)
    forward = lambda x, *weights: torch.func.functional_call(made, dict(zip(("a", "b", "bias"), weights)), (x,))  # noqa: E731
    assert torch.autograd.gradcheck(forward, (x, made.a, made.b, made.bias))


@pytest.mark.parametrize("a, rank", [((4, 6), 1), ((4, 6), 3), ((2, 3), 2), ((12, 1), 1), ((8, 12), 2)])
def test_the_nearest_product_leaves_the_other_singular_values(a, rank):
    """‖W - Σ A⊗B‖² = Σ_{k>r} σ_k², and no gradient is left: nothing in the neighbourhood is nearer."""
    weight = torch.randn(24, 36, generator=generator(1), dtype=torch.double)
    first, second, sigma = products.nearest(weight, a, rank)
    first.requires_grad_(), second.requires_grad_()
    left = (weight - products.product(first, second)).square().sum()
    assert_close(left, sigma[rank:].square().sum())
    assert_close(torch.tensor(products.relative_error(sigma, rank)), (left.sqrt() / weight.norm()).float().detach())
    for gradient in torch.autograd.grad(left, (first, second)):
        assert_close(gradient, torch.zeros_like(gradient), atol=1e-9, rtol=0)
    for one, other in zip(first, second):
        assert_close(one.norm(), other.norm())


def test_all_products_give_the_matrix_back_and_a_product_is_found():
    weight = torch.randn(6, 8, generator=generator(), dtype=torch.double)
    first, second, _ = products.nearest(weight, (3, 2), rank=6)
    assert_close(products.product(first, second), weight)
    made = torch.kron(torch.randn(4, 3, generator=generator(2)), torch.randn(2, 5, generator=generator(3)))
    first, second, sigma = products.nearest(made, (4, 3))
    assert_close(torch.kron(first[0], second[0]), made, atol=1e-6, rtol=1e-5)
    assert products.relative_error(sigma) < 1e-6
    for factor in products.nearest(torch.zeros(4, 6), (2, 3))[:2]:
        assert not factor.any()


def test_the_rearrangement_is_the_one_that_is_written_down():
    weight = torch.arange(24.0).reshape(4, 6)
    (m1, n1), (m2, n2) = (2, 3), (2, 2)
    found = products.rearrange(weight, (m1, n1))
    for i1, j1, i2, j2 in torch.cartesian_prod(*map(torch.arange, (m1, n1, m2, n2))).tolist():
        assert found[i1 * n1 + j1, i2 * n2 + j2] == weight[i1 * m2 + i2, j1 * n2 + j2]


def test_embedding_equals_its_table_and_keeps_one_row_for_all_words():
    dense = nn.Embedding(11, 8, padding_idx=0)
    table = KroneckerEmbedding.of(dense, 4)
    ids = torch.tensor([[3, 0, 10], [1, 3, 2]])
    assert_close(table(ids), table.weight[ids])
    assert_close(table.weight, torch.kron(table.a, table.b))
    assert table.a.shape == (11, 2) and table.b.shape == (1, 4)
    other = KroneckerEmbedding(11, 8, 4)
    assert (dense.weight - table.weight).norm() < min((dense.weight - other.weight).norm(), dense.weight.norm())


# ---- a whole BERT --------------------------------------------------------------------------------------------------

BERT_BASE = BertConfig()


@pytest.mark.parametrize(
    "factor, labels, expected", [(None, 0, 109_482_240), (8, 0, 14_654_216), (21, 0, 5_228_272), (None, 3, 109_484_547)]
)
def test_bert_base_is_counted_from_its_config(factor, labels, expected):
    """Dense: what the library builds (109.48 M). Factorised: the paper's 14.65 M and 5.23 M."""
    assert kronecker.cost(BERT_BASE, factor, labels=labels).total == expected


def bert(task, **changes):
    return kd.build_student(task, **({"layers": 2, "hidden": 32, "heads": 4, "intermediate": 128} | changes))


CHOICES = [8, 21, Factors((16, 4), (32, 4), 4, 2), Factors((2, 32), (128, 1), 2)]


@pytest.mark.parametrize("factor", CHOICES)
@torch.no_grad()
def test_the_report_equals_what_the_model_holds_and_computes(task, factor):
    for model, told in ((bert(task), None), (kd.compress(bert(task), factor), factor)):
        config = model.network.encoder.config
        n = 9
        report = kronecker.cost(config, told, tokens=n, labels=len(task.labels))
        assert report.total == sum(p.numel() for p in model.parameters())
        model.network.encoder.set_attn_implementation("eager")
        with FlopCounterMode(display=False) as counter:
            model(torch.full((1, n), 5), torch.ones(1, n), want={"logits", "hidden"})  # logits alone take fewer
        assert report.total_flops == counter.get_total_flops()
    assert str(report.total) in repr(report).replace(",", "")


@torch.no_grad()
def test_a_full_sum_of_products_computes_what_the_dense_model_does(task):
    """Rank 4 of 2×2 blocks is the matrix itself; the embedding is put back, since it is one product only."""
    dense = bert(task)
    small = kd.compress(dense, Factors((16, 16), (64, 16), 1, rank=4))
    inputs, want = batch(dense), {"logits", "hidden", "attentions", "scores", "qkv", "ffn"}
    a, b = dense(**inputs, want=want), small(**inputs, want=want)
    for field, value in vars(a).items():
        assert_close(value, getattr(b, field), atol=1e-5, rtol=1e-4)


def test_compressing_copies_the_rest_and_leaves_the_model_alone(task):
    dense = bert(task)
    before = dense.fingerprint()
    small = kd.compress(dense, 8)
    assert dense.fingerprint() == before
    own, theirs = small.state_dict(), dense.state_dict()
    kept = [name for name in own if name in theirs]
    for part in ("position", "query.bias", "intermediate.dense.bias", "LayerNorm", "pooler", "classifier"):
        assert any(part in name for name in kept)
    for name in kept:
        assert torch.equal(own[name], theirs[name])
    assert (small.layers, small.width, small.heads, small.vocabulary) == (2, 32, 4, dense.vocabulary)
    assert (small.role, small.name) == ("student", "student") and small.device.type == "cpu"
    assert "times fewer" in small.notes[-1]
    small(**batch(small)).logits.sum().backward()
    assert all(p.grad is not None for p in small.parameters())


def test_a_random_start_keeps_no_matrix_and_is_decided_by_its_seed(task):
    dense = bert(task)
    state = torch.get_rng_state()
    one, same, other = (kd.compress(dense, 8, start="random", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()

    def block(model):
        return model.network.encoder.base_model.encoder.layer[0].attention.self.query.weight

    assert abs(block(one).std() / block(dense).std() - 1) < 0.3, "as large as BERT's initial weights"
    assert (block(one) - block(dense)).norm() > (block(kd.compress(dense, 8)) - block(dense)).norm()


@pytest.mark.parametrize("factor", [8, Factors((16, 4), (32, 4), 4, 2)])
def test_saved_and_loaded_it_is_the_same(task, tmp_path, factor):
    small = kd.compress(bert(task), factor)
    found = Model.load(small.save(tmp_path))
    assert found.fingerprint() == small.fingerprint()
    assert_close(found(**batch(small)).logits, small(**batch(small)).logits)
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".safetensors", ".json"]


def test_one_hot_reaches_a_factorised_embedding(task):
    small = kd.compress(bert(task), 8)
    inputs = batch(small)
    weights = nn.functional.one_hot(inputs["input_ids"], len(small.tokenizer)).float().requires_grad_()
    mixed = small(None, inputs["attention_mask"], inputs["token_type_ids"], one_hot=weights).logits
    assert_close(mixed, small(**inputs).logits)
    mixed.sum().backward()
    assert weights.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "factor, message",
    [
        (3, "factor=3: choose 8 or 21"),
        (Factors((5, 4), (8, 2), 8), "attention: A of 5×4 does not divide a matrix of 32×32"),
        (Factors((16, 16), (8, 3), 8), "ffn: A of 8×3 does not divide a matrix of 128×32"),
        (Factors((16, 16), (8, 2), 5), "embedding=5 does not divide the width 32"),
        (Factors((16, 16), (8, 2), 8, rank=5), "attention: rank=5, but A 16×16 and B 2×2 make at most 4"),
    ],
)
def test_impossible_factors_are_refused(task, factor, message):
    with pytest.raises(ValueError, match=message):
        kd.compress(bert(task), factor)


def test_only_a_dense_bert_is_compressed(task, tmp_path):
    with pytest.raises(ValueError, match="factorised already"):
        kd.compress(kd.compress(bert(task), 8), 8)
    with pytest.raises(ValueError, match="only a BERT can be factorised, this is roberta"):
        kd.compress(kd.load_teacher(save_tiny(tmp_path, "roberta")), 8)
    with pytest.raises(ValueError, match="start='zero'"):
        kd.compress(bert(task), 8, start="zero")


def test_the_table_of_shapes():
    weight = torch.randn(6, 4, generator=generator())
    table = products.shapes(weight)
    assert len(table) == 4 * 3 - 2
    assert [row["parameters"] for row in table] == sorted(row["parameters"] for row in table)
    for row in table:
        first, second, sigma = products.nearest(weight, row["a"])
        left = (weight - products.product(first, second)).norm() / weight.norm()
        assert row["error"] == pytest.approx(left.item(), rel=1e-4)
        assert row["parameters"] == first.numel() + second.numel() and row["b"] == tuple(second.shape[1:])
        assert_close(row["sigma"], sigma)

"""Speculative decoding: the texts are the large model's, and a place is accepted as often as the two agree."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import kdviz as kd
from kdviz.data.symbols import symbol_tokenizer
from kdviz.models.drafts import _write, write_with_draft
from kdviz.models.writing import write
from tests.unit.data import sums
from tests.unit.training import tiny


def model_of(seed: int, layers: int = 1):
    made = kd.build_student(sums.task(), layers=layers, hidden=16, heads=2, seed=seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(2.5)
    return made.train()


@pytest.fixture(scope="module")
def models():
    return model_of(0, layers=2), model_of(1)


class Chain(SimpleNamespace):
    """A language model of which the next token follows from the last alone, by a table of probabilities (V, V)."""

    def __call__(self, ids, mask, want):
        return SimpleNamespace(logits=self.table[ids].log())

    def eval(self):
        return self

    def train(self, mode):
        return self


def test_tokens_are_distributed_as_the_large_models():
    tokenizer = symbol_tokenizer(["ab"])
    about = {"tokenizer": tokenizer, "tokenizer_sha256": "", "task_kind": "language-modelling", "training": False}
    words = len(tokenizer)
    tables = np.random.default_rng(0).dirichlet(np.full(words, 0.7), (2, words))
    large, draft = (Chain(table=torch.from_numpy(one), max_length=99, device="cpu", name="", **about) for one in tables)
    count, (end,) = 4000, [tokenizer.eos_token_id]
    made = [_write(large, draft, [1], 2, 2, 1.0, np.random.default_rng(n), []) for n in range(count)]
    for first in range(words):
        for second in range(words):
            pair = tables[0][1][first] * (tables[0][first][second] if first != end else 1.0)
            seen = sum(text == ([first] if first == end else [first, second]) for text in made) / count
            assert abs(seen - pair) < 5 * (pair * (1 - pair) / count) ** 0.5 + 1e-3, (first, second)
    drafted = tables[1][1][:, None] * tables[1]
    assert np.abs(drafted - tables[0][1][:, None] * tables[0]).max() > 0.1, "the draft's are others"


def test_a_place_is_accepted_as_often_as_both_agree(models):
    made = write_with_draft(*models, ["3+", "", "12+4=", "9"] * 5, 24, ahead=3, seed=2)
    looked_at = ~np.isnan(made.accepted)
    assert (looked_at == ~np.isnan(made.expected)).all() and looked_at[:, 0].all()
    assert abs(made.accepted[looked_at].mean() - made.expected[looked_at].mean()) < 4 / looked_at.sum() ** 0.5 / 2
    assert 0.05 < made.expected[looked_at].mean() < 0.95
    assert (made.written <= 4).all() and (made.written >= 1).all()
    refused = made.accepted == 0
    assert (refused.sum(1) <= 1).all() and np.isnan(made.accepted[:, 1:][refused[:, :-1]]).all()


def test_a_draft_that_is_the_model_itself_is_always_right(models):
    made = write_with_draft(models[0], models[0], ["3+4=", "1"], 20, ahead=4)
    assert np.nanmin(made.accepted) == 1 and np.nanmin(made.expected) == pytest.approx(1, abs=1e-4)


def test_the_likeliest_text_and_seeds(models):
    prompts = ["3+4=", "", "12+"]
    greedy = write_with_draft(*models, prompts, 20, temperature=0)
    assert greedy.texts == write(models[0], prompts, 20, temperature=0)
    assert set(np.unique(greedy.accepted[~np.isnan(greedy.accepted)])) <= {0.0, 1.0}
    again = [write_with_draft(*models, some, 20, seed=3).texts for some in (prompts, prompts[:1])]
    assert again[1] == again[0][:1]


def test_what_is_no_draft_is_refused(models):
    other = kd.build_student(tiny.task(), layers=1, hidden=16, heads=2)
    with pytest.raises(ValueError, match="has another tokenizer than 'student'"):
        write_with_draft(models[0], other, ["3"])
    with pytest.raises(ValueError, match="ahead=0"):
        write_with_draft(*models, ["3"], ahead=0)
    with pytest.raises(ValueError, match="a prompt of 2 tokens and 600 to write"):
        write_with_draft(*models, ["3"], 600)

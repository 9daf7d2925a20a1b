from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import kdviz as kd
from kdviz.data.kinds import CLASSIFICATION
from kdviz.methods import KroneckerBERT
from kdviz.methods.base import At
from kdviz.models.kronecker import Factors
from tests.unit.training import tiny


def student():
    return kd.compress(tiny.teacher(), Factors((12, 12), (8, 2), 4))


def at(phase):
    return At(phase, 0, 0, 1, 0, 0, 1, 1)


def fields(generator, n=5, layers=3, width=4, heads=2):
    def random(*shape):
        return torch.randn(2, *shape, generator=generator)

    return {
        "hidden": random(layers + 1, n, width),
        "scores": random(layers, heads, n, n),
        "ffn": random(layers, n, width),
        "logits": random(3),
    }


class Batch:
    attention_mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    labels = torch.tensor([2, -100])


def test_the_terms_are_those_of_the_paper():
    """Written out with loops over layers; a batch of two, the second padded and without a label."""
    g = torch.Generator().manual_seed(0)
    s, t = fields(g), fields(g)
    found = KroneckerBERT(temperature=2.0).loss(s, t, Batch, here(at("task")))
    words = [(0, slice(0, 5)), (1, slice(0, 3))]
    flat = lambda x: torch.cat([x[b, w].flatten() for b, w in words])  # noqa: E731
    square = lambda x: torch.cat([x[b][:, w, w].flatten() for b, w in words])  # noqa: E731
    assert_close(found["embedding"], F.mse_loss(flat(s["hidden"][:, 0]), flat(t["hidden"][:, 0])))
    assert_close(found["ffn"], sum(F.mse_loss(flat(s["ffn"][:, k]), flat(t["ffn"][:, k])) for k in range(3)))
    assert_close(
        found["scores"], sum(F.mse_loss(square(s["scores"][:, k]), square(t["scores"][:, k])) for k in range(3))
    )
    log_s, p_t = (s["logits"] / 2).log_softmax(-1), (t["logits"] / 2).softmax(-1)
    assert_close(found["logits"], 4 * F.kl_div(log_s, p_t, reduction="batchmean"))
    assert_close(found["labels"], F.cross_entropy(s["logits"][:1], torch.tensor([2])))
    general = KroneckerBERT(general_epochs=1).loss(s, t, Batch, here(at("general")))
    assert set(general) == {"embedding", "scores", "ffn"}
    assert set(KroneckerBERT(inner=False).loss(s, t, Batch, here(at("task")))) == {"logits", "labels"}


def test_the_teacher_compared_with_itself_costs_nothing():
    s = fields(torch.Generator().manual_seed(0))
    terms = KroneckerBERT().loss(s, s, Batch, here(at("task")))
    assert all(float(terms[name]) == 0 for name in ("embedding", "scores", "ffn", "logits"))


def test_two_stages_bring_the_inner_states_closer():
    run = tiny.distill(KroneckerBERT(general_epochs=4), epochs=5, student=student(), lr=2e-3)
    general, task = (run.history[run.history.phase == phase] for phase in ("general", "task"))
    assert general[["logits", "labels"]].isna().all().all()
    assert task[["embedding", "scores", "ffn", "logits", "labels"]].notna().all().all()
    first, last = general.iloc[:3], general.iloc[-3:]
    for term in ("embedding", "ffn", "scores"):
        assert last[term].mean() < first[term].mean()
    assert len(run.student.network.factors.attention) == 2, "the trained student is still made of products"


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="teacher has 4 layers, the student 2.*kd.compress"):
        tiny.distill(KroneckerBERT())
    with pytest.raises(ValueError, match="2 of 2 epochs for 'general' leave 0"):
        KroneckerBERT(general_epochs=2).phases(2)
    with pytest.raises(ValueError, match="temperature=0"):
        KroneckerBERT(temperature=0)


def here(at):
    """What a loss sees of its run."""
    return SimpleNamespace(at=at, kind=CLASSIFICATION, record=lambda name, value: None)

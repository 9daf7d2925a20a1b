"""The one predictor: logits in row order, whatever rows there are, and a model that stays as it was."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

import kdviz as kd
from kdviz.data.batches import Rows, encode_split
from kdviz.models.predict import BATCH, accuracy, predict
from tests.unit.training import tiny

SENTENCES = tiny.sentences(0, 1)["text"]


@pytest.fixture
def model():
    """The tiny student with dropout, as training leaves it at any moment."""
    return tiny.student(dropout=0.5)


def rows_of(model, texts) -> Rows:
    return encode_split(texts, model.tokenizer)


@torch.no_grad()
def test_logits_come_in_row_order_and_without_dropout(model):
    texts = SENTENCES[::-1]
    assert len(texts) > BATCH and len({len(text.split()) for text in texts}) > 2, "sorted by length, more than a batch"
    model.train()
    found = predict(model, rows_of(model, texts))
    model.eval()
    for place in (0, 1, BATCH - 1, BATCH, len(texts) - 1):
        alone = rows_of(model, texts[place]).batch([0])
        logits = model(alone.input_ids, alone.attention_mask, alone.token_type_ids).logits
        assert_close(found[place], logits[0], atol=1e-6, rtol=1e-5)
    assert found.std(0).min() > 1e-4, "texts differ"


@pytest.mark.parametrize("training", [True, False])
def test_the_model_keeps_its_mode_and_gets_no_gradient(model, training):
    model.train(training)
    found = predict(model, rows_of(model, SENTENCES[:3]))
    assert model.training is training and all(module.training is training for module in model.modules())
    assert not found.requires_grad and found.device.type == "cpu"
    model.eval()


def test_rows_need_no_label(model):
    unlabelled = tiny.task()["transfer"]
    assert set(unlabelled["label"]) == {-100}
    found = predict(model, encode_split(unlabelled, model.tokenizer))
    assert_close(found, predict(model, encode_split(unlabelled.remove_columns("label"), model.tokenizer)))
    with pytest.raises(ValueError, match=f"none of these {len(unlabelled)} rows has a label"):
        accuracy(model, unlabelled)
    mixed = tiny.task()["test"].add_item({"text": "the song is warm", "label": -100})
    known = list(tiny.task()["test"]["label"])
    right = predict(model, encode_split(mixed, model.tokenizer)).argmax(-1)[:-1] == torch.tensor(known)
    assert accuracy(model, mixed) == right.double().mean().item()


def test_one_text_a_pair_and_no_text(model):
    assert predict(model, rows_of(model, "the film is fine")).shape == (1, 2)
    one, other = (predict(model, rows_of(model, [pair])) for pair in (("the film", "is fine"), ("the film is", "fine")))
    assert one.shape == (1, 2) and not torch.equal(one, other)
    with pytest.raises(ValueError, match="no rows to predict: add a split or texts first"):
        predict(model, Rows(model.tokenizer))
    with pytest.raises(ValueError, match="no text: pass a list with at least one"):
        rows_of(model, [])


@pytest.mark.parametrize("texts", [SENTENCES[:1], SENTENCES[:5]])
def test_several_processes_share_the_rows_even_when_some_have_none(model, texts):
    """Each process fills its own rows; their sum is what one process would have found."""
    rows, shares = rows_of(model, texts), []
    for rank in range(3):
        process = SimpleNamespace(process_index=rank, num_processes=3, reduce=lambda logits, how: logits)
        shares.append(predict(model, rows, process))
    assert_close(sum(shares), predict(model, rows), atol=1e-6, rtol=1e-5)
    assert all(torch.equal((share != 0).any(1), share.abs().sum(1) > 0) for share in shares)
    filled = sum((share != 0).any(1).long() for share in shares)
    assert filled.tolist() == [1] * len(texts), "no row is computed twice"
    assert kd.encode(model, texts[0]).logits.shape == (1, 2)

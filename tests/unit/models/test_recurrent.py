"""BiLSTM and gated CNN: padding changes nothing, they save and load, they read what a BERT student reads."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

import kdviz as kd
from kdviz.models.model import Model
from tests.unit.models.conftest import tiny_task
from tests.unit.models.test_model import batch

KINDS = ("bilstm", "cnn")
each_kind = pytest.mark.parametrize("kind", KINDS)


def build(kind, **changes):
    return kd.build_student(tiny_task(), **({"layers": 3, "hidden": 8, "architecture": kind} | changes))


@each_kind
@torch.no_grad()
def test_a_text_is_read_alike_alone_and_padded(kind):
    model = build(kind)
    both, alone = batch(model), batch(model, ["bad"])
    n = alone["input_ids"].shape[1]
    together, single = model(**both, want={"logits", "hidden"}), model(**alone, want={"logits", "hidden"})
    assert together.hidden.shape == (2, 4, both["input_ids"].shape[1], 8)
    assert_close(together.logits[1:], single.logits)
    assert_close(together.hidden[1:, :, :n], single.hidden)
    assert (together.hidden[1, :, n:] == 0).all()


@each_kind
@torch.no_grad()
def test_words_to_both_sides_are_seen(kind):
    """Changing a word changes the state of its neighbours, before and after it, in every layer."""
    model = build(kind)
    one, other = (model(**batch(model, [text]), want={"hidden"}).hidden[0] for text in ("a good film", "a bad film"))
    same = (one - other).abs().amax(-1) < 1e-7
    assert same[0].tolist() == [True, True, False, True, True]
    assert not same[1, 1:4].any() and not same[2:].any()


@torch.no_grad()
def test_layers_are_the_formulas():
    model = build("cnn", layers=1)
    state, layer = torch.randn(1, 4, 8), model.network.stack[0]
    found = model.network.step(layer, state, torch.ones(1, 4, dtype=torch.bool))
    padded = torch.nn.functional.pad(state[0], (0, 0, 1, 1))
    for i in range(4):
        both = torch.einsum("oiw,wi->o", layer.weight, padded[i : i + 3]) + layer.bias
        assert_close(found[0, i], state[0, i] + both[:8] * both[8:].sigmoid())
    model = build("bilstm", layers=1)
    layer = model.network.stack[0]
    forward = torch.nn.LSTM(8, 4, batch_first=True)
    forward.load_state_dict({name: value for name, value in layer.state_dict().items() if not name.endswith("reverse")})
    found = model.network.step(layer, state, torch.ones(1, 4, dtype=torch.bool))
    assert_close(found[..., :4], forward(state)[0])


@each_kind
def test_save_load_seed_and_one_hot(kind, tmp_path):
    model = build(kind, seed=3)
    assert model.fingerprint() == build(kind, seed=3).fingerprint() != build(kind, seed=4).fingerprint()
    loaded = Model.load(model.save(tmp_path))
    inputs = batch(model)
    assert_close(loaded(**inputs).logits, model(**inputs).logits)
    weights = torch.nn.functional.one_hot(inputs["input_ids"], len(model.tokenizer)).float().requires_grad_()
    mixed = model(None, inputs["attention_mask"], inputs["token_type_ids"], one_hot=weights).logits
    assert_close(mixed, model(**inputs).logits)
    mixed.sum().backward()
    assert weights.grad.abs().sum() > 0
    assert (model.layers, model.width, model.heads, model.role) == (3, 8, None, "student")


@each_kind
def test_states_for_pictures_and_what_it_does_not_have(kind):
    model = build(kind)
    states = kd.encode(model, "a good film")
    assert states.hidden.shape[1] == 4 and states.attentions is None
    with pytest.raises(ValueError, match="has no attentions; it offers hidden, logits"):
        model(**batch(model), want={"attentions"})


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="architecture=.rnn.: choose bert, gpt2, llama, bilstm or cnn"):
        build("rnn")
    with pytest.raises(ValueError, match="hidden=7: a BiLSTM needs an even width"):
        build("bilstm", hidden=7)
    with pytest.raises(ValueError, match="nothing of a BERT's to copy"):
        build("cnn", intermediate=16)
    model = build("bilstm")
    with pytest.raises(ValueError, match="pad on the right"):
        model(torch.ones(1, 3, dtype=torch.long), torch.tensor([[0, 1, 1]]))

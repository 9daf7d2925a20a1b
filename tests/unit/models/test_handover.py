"""What another trainer gets: plain transformers finds the same numbers in it as kdviz, and its student comes back."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer

import kdviz as kd
from kdviz.models.handover import hand_over

ROWS = pd.DataFrame({"prompt": ["12+7=", "5+5=", "90+9="] * 4, "completion": ["19", "10", "99"] * 4})


def task_of(**more):
    how = {"kind": "language-modelling", "tokenizer": "characters"} | more
    transfer = pd.DataFrame({"prompt": ["1+1="]})
    return kd.load_task(train=ROWS, dev=ROWS[:3], test=ROWS[3:6], transfer=transfer, **how)


def test_there_and_back(tmp_path):
    task = task_of()
    teacher, student = (kd.build_student(task, layers=1, hidden=16, heads=2, seed=seed) for seed in (1, 2))
    folder = hand_over(tmp_path / "handed", teacher, student, task, max_length=8)
    assert sorted(path.name for path in folder.glob("*.parquet")) == ["dev.parquet", "test.parquet", "train.parquet"]
    rows = Dataset.from_parquet(str(folder / "test.parquet"), cache_dir=str(tmp_path / "cache"))
    assert rows["prompt"][:] == ROWS["prompt"][3:6].tolist() and rows["completion"][:] == ["19", "10", "99"]
    own = AutoModelForCausalLM.from_pretrained(folder / "student").eval()
    tokenizer, total, count = AutoTokenizer.from_pretrained(folder / "student"), 0.0, 0
    for row in rows:
        ids, counts = torch.tensor([row["input_ids"]]), torch.tensor([row["completion_mask"]])
        assert len(row["input_ids"]) == len(row["attention_mask"]) <= 8 and all(row["attention_mask"])
        said = tokenizer.decode(ids[counts.bool()], skip_special_tokens=True)
        assert row["completion"].startswith(said.replace(" ", "")) and said
        with torch.no_grad():
            log_q = own(ids).logits.log_softmax(-1)[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
        total, count = total + (log_q * counts[:, 1:]).sum().item(), count + counts[:, 1:].sum().item()
    how = {"epochs": 1, "steps_per_epoch": 1, "lr": 1e-12, "max_length": 8, "progress": "off"}
    run = kd.distill(student, None, task, kd.LabelsOnly(), **how)
    assert total / count == pytest.approx(run.test["log_likelihood"], abs=1e-5)
    back = kd.load_teacher(folder / "student", task)
    assert back.role == "teacher" and back.tokenizer_sha256 == student.tokenizer_sha256
    assert all(one.equal(other) for one, other in zip(back.parameters(), student.parameters(), strict=True))


def test_what_cannot_be_handed_over(tmp_path):
    task = task_of()
    one = kd.build_student(task, layers=1, hidden=16, heads=2)
    words = task_of(tokenizer="words")
    other = kd.build_student(words, layers=1, hidden=16, heads=2)
    with pytest.raises(ValueError, match="different tokenizers"):
        hand_over(tmp_path / "handed", one, other, task)
    with pytest.raises(ValueError, match="one of classification"):
        hand_over(tmp_path / "handed", one, one, kd.load_task("reviews").subset(5))
    assert not (tmp_path / "handed").exists()

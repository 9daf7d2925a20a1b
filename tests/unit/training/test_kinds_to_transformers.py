"""What a user does with a task that asks for no class: distil at the command line, export, read with transformers.

Once on the embedded task and once on files of one's own.
"""

from __future__ import annotations

import json

import pytest
import torch
import transformers
from torch.testing import assert_close
from transformers import AutoTokenizer

import kdviz as kd
from kdviz import cli

COMMANDS = {"answers": ["ckd"], "endings": ["glitter", "--set", "pool=2", "k=1"], "scores": ["kd"]}
HEADS = {"answers": "QuestionAnswering", "endings": "MultipleChoice", "scores": "SequenceClassification"}
SHORT = ["--student", "1x32x2", "--epochs", "1", "--steps-per-epoch", "2", "--batch-size", "8", "--no-cache"]


def own_file(split, path):
    """Rows of an embedded task as a user would write them, JSON line by line; returns the path."""
    lines = []
    for row in split:
        if "answers" in row:
            found = {"answer": "".join(row["answers"]), "answer_start": row["label"][0]}
            row = {"question": row["text"], "context": row["text_b"]} | found
        lines.append(json.dumps({name: value for name, value in row.items() if name not in ("id", "rules")}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def told_by_transformers(folder, head, rows):
    """(rows, …) what transformers' class of this head puts out."""
    reader = AutoTokenizer.from_pretrained(folder)
    network = getattr(transformers, f"AutoModelFor{head}").from_pretrained(folder).eval()
    how = {"padding": True, "return_tensors": "pt"}
    with torch.no_grad():
        if head == "MultipleChoice":
            pairs = [(row["text"], ending) for row in rows for ending in row["endings"]]
            flat = reader(*map(list, zip(*pairs, strict=True)), **how)
            return network(**{name: ids.unflatten(0, (len(rows), -1)) for name, ids in flat.items()}).logits
        found = network(**reader([row["text"] for row in rows], [row["text_b"] for row in rows], **how))
    return torch.stack([found.start_logits, found.end_logits], -1) if head == "QuestionAnswering" else found.logits


@pytest.mark.parametrize("whose", ["embedded", "own"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_student_of_each_kind_leaves_for_transformers(name, whose, tmp_path, capsys):
    task, out = kd.load_task(name), tmp_path / "run"
    data = ["--task", name]
    if whose == "own":
        data = ["--kind", task.kind.name, "--teacher", "minilm"]
        for split, count in (("train", 24), ("dev", 8), ("test", 8)):
            data += [f"--{split}", own_file(task[split].select(range(count)), tmp_path / f"{split}.jsonl")]
    words = [*data, "--method", *COMMANDS[name], *SHORT, "--out", str(out), "--progress", "off"]
    assert cli.main(["distill", *words]) == 0
    run = kd.Run.load(out)
    assert len(run.history) == 2 and run.history["loss"].notna().all()
    told, primary = capsys.readouterr().out, task.kind.primary
    assert f"; {primary} " in told and f"test {run.test[primary]:.3f}" in told
    assert cli.main(["export", str(out), str(tmp_path / "for-transformers")]) == 0

    rows = [task["test"][place] for place in range(6)]
    found = told_by_transformers(tmp_path / "for-transformers", HEADS[name], rows)
    asked = [(row["text"], row["endings"] if name == "endings" else row["text_b"]) for row in rows]
    if name == "answers":
        own = kd.encode(run.student, asked).logits
        inside = own > own.amax((1, 2), keepdim=True) - 100  # what is no word of the context is far below
        assert 12 < inside.sum() < inside.numel()
        assert_close(found[inside], own[inside], atol=1e-5, rtol=0)
    elif name == "endings":
        own = run.student.predict(asked).filter(like="p(")
        assert_close(found.softmax(-1).numpy(), own.to_numpy(), atol=1e-5, rtol=0)
    else:
        own = run.student.predict(asked).select_dtypes("number")
        assert own.shape == (6, 1)
        assert_close(found.numpy(), own.to_numpy(), atol=1e-5, rtol=0, check_dtype=False)

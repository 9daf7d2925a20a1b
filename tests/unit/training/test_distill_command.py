"""`kdviz distill` and `kdviz cache`: scripts, several processes, a model of the hub's layout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

import kdviz as kd
from kdviz import cli
from kdviz.cli.distill import method_of
from kdviz.models.tokenizers import load_tokenizer
from kdviz.training.cache import entries
from tests.unit.training import tiny


@pytest.fixture
def files(tmp_path):
    """The tiny task as files of a user's own."""
    paths = {}
    for split in ("train", "transfer", "dev", "test"):
        rows = tiny.task()[split]
        names = [tiny.task().labels[label] if label >= 0 else "" for label in rows["label"]]
        lines = [json.dumps({"text": text, "label": name}) for text, name in zip(rows["text"], names, strict=True)]
        paths[split] = tmp_path / f"{split}.jsonl"
        paths[split].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [word for split, path in paths.items() for word in (f"--{split}", str(path))]


@pytest.fixture
def hub_folder(tmp_path):
    """A fine-tuned BERT as the hub lays it out: config.json, model.safetensors, the tokenizer's files."""
    torch.manual_seed(0)
    tokenizer = load_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=24, num_hidden_layers=4, num_attention_heads=4, intermediate_size=48,
        id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1},
    )  # fmt: skip
    folder = tmp_path / "bert-stand-in"
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def command(*words, processes: int = 1):
    launch = [sys.executable, "-m"]
    if processes > 1:
        launch += [
            "accelerate.commands.launch",
            "--multi_gpu",
            "--num_processes",
            str(processes),
            "--num_machines",
            "1",
        ]
        launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "-m"]
    done = subprocess.run(
        [*launch, "kdviz.cli", "distill", *words], env=os.environ | {"CI": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    return done.stdout


def test_the_recipe_for_glue_runs_with_a_stand_in_from_the_hub(files, hub_folder, tmp_path, capsys):
    words = [
        *files, "--teacher", str(hub_folder), "--student", "2x24x4", "--vocabulary", "full", "--method", "ckd",
        "--set", "beta=10", "temperature=4", "--epochs", "2", "--lr", "4e-5", "--batch-size", "8",
        "--cache-dtype", "float16", "--out", str(tmp_path / "run"), "--progress", "plain",
    ]  # fmt: skip
    assert cli.main(["distill", *words]) == 0
    told = capsys.readouterr().out
    assert "teacher cache: layer_gram, logits, word_gram of bert-stand-in" in told
    assert re.search(r"CKD: distil epoch 2/2, step \d+/\d+, loss [\d.]+, dev accuracy [\d.]+", told)
    run = kd.Run.load(tmp_path / "run")
    assert run.settings["method"]["beta"] == 10 and run.settings["lr"] == 4e-5 and 0 <= run.test["accuracy"] <= 1
    assert cli.main(["distill", *words]) == 0
    assert "finished before" in capsys.readouterr().out


def test_two_processes_give_the_single_process_result(files, hub_folder, tmp_path, monkeypatch):
    student = tiny.student(dropout=0.0)
    for module in student.modules():
        if hasattr(module, "config"):
            module.config.hidden_dropout_prob = module.config.attention_probs_dropout_prob = 0.0
    student.save(tmp_path / "student")
    words = [
        *files, "--teacher", str(hub_folder), "--student", str(tmp_path / "student"), "--method", "kd",
        "--set", "alpha=1",
        "--epochs", "2", "--batch-size", "10",
    ]  # fmt: skip
    command(*words, "--out", str(tmp_path / "one"))
    command(*words, "--out", str(tmp_path / "two"), processes=2)
    one, two = kd.Run.load(tmp_path / "one"), kd.Run.load(tmp_path / "two")
    assert (one.info["processes"], two.info["processes"]) == (1, 2)
    assert len(one.history) == len(two.history)
    torch.testing.assert_close(
        torch.tensor(two.history["loss"].to_numpy()), torch.tensor(one.history["loss"].to_numpy()), rtol=1e-4, atol=1e-6
    )
    for name, weight in one.student.state_dict().items():
        torch.testing.assert_close(two.student.state_dict()[name], weight, rtol=1e-3, atol=2e-5, msg=name)


@pytest.mark.parametrize(
    "words, told",
    [
        (["--task", "nonsense"], "no task 'nonsense'"),
        (["--method", "magic"], "no method 'magic'; choose among"),
        (["--set", "beta"], "write NAME=VALUE"),
        (["--set", "gamma=1"], "gamma"),
        (["--student", "2x128"], "write LAYERSxWIDTHxHEADS"),
        (["--student", "nowhere"], "nowhere"),
    ],
)
def test_wrong_words_are_explained(files, words, told, tmp_path, capsys):
    given = words if words[0] == "--task" else [*files, *words]
    assert cli.main(["distill", *given, "--teacher", "none", "--out", str(tmp_path / "run")]) == 1
    assert told in capsys.readouterr().err


def test_methods_by_name_with_settings():
    assert method_of("CKD", ["wr=pair", "ltr=null", "beta=2.5"]) == kd.CKD(wr="pair", ltr=None, beta=2.5)
    assert method_of("labelsonly") == kd.LabelsOnly()


def test_caches_are_listed_and_removed(capsys):
    tiny.distill(epochs=1)
    assert cli.main(["cache", "ls"]) == 0
    listed = capsys.readouterr().out
    assert "1 teacher caches" in listed and "tiny teacher, 46 texts: logits" in listed
    assert cli.main(["cache", "rm"]) == 2
    assert cli.main(["cache", "rm", "nothing"]) == 1
    assert "no teacher cache begins with 'nothing'" in capsys.readouterr().err
    assert cli.main(["cache", "rm", entries()[0]["key"][:8]]) == 0
    assert not entries()
    assert cli.main(["cache", "rm", "--all"]) == 0

"""`kdviz distill` and `kdviz cache`: scripts, several processes, a model of the hub's layout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pandas as pd
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

import kdviz as kd
from kdviz import cli
from kdviz.cli.distill import method_of
from kdviz.cli.settings import Settings
from kdviz.data.kinds import KINDS
from kdviz.models.tokenizers import load_tokenizer
from kdviz.training.cache import entries
from tests.unit.data import asked, sums
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
        vocab_size=len(tokenizer),
        hidden_size=24,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=48,
        id2label={0: "bad", 1: "good"},
        label2id={"bad": 0, "good": 1},
    )
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
        *files,
        "--teacher",
        str(hub_folder),
        "--student",
        "2x24x4",
        "--vocabulary",
        "full",
        "--method",
        "ckd",
        "--set",
        "beta=10",
        "temperature=4",
        "--epochs",
        "2",
        "--lr",
        "4e-5",
        "--batch-size",
        "8",
        "--cache-dtype",
        "float16",
        "--out",
        str(tmp_path / "run"),
        "--progress",
        "plain",
    ]
    assert cli.main(["distill", *words]) == 0
    told = capsys.readouterr().out
    assert "teacher cache: layer_gram, logits, word_gram of bert-stand-in" in told
    assert re.search(r"CKD: distil epoch 2/2, step \d+/\d+, loss [\d.]+, dev accuracy [\d.]+", told)
    run = kd.Run.load(tmp_path / "run")
    assert run.settings["method"]["beta"] == 10 and run.settings["lr"] == 4e-5 and 0 <= run.test["accuracy"] <= 1
    assert cli.main(["distill", *words]) == 0
    assert "finished before" in capsys.readouterr().out


def test_rows_say_what_kind_they_are_of(tmp_path, capsys):
    """A file of questions, read as such, and its student taken to ONNX and compared on the same file."""
    for split, count in (("train", 24), ("dev", 12), ("test", 12)):
        asked.rows(count).to_csv(tmp_path / f"{split}.csv", index=False)
    rows = [word for split in ("train", "dev", "test") for word in (f"--{split}", str(tmp_path / f"{split}.csv"))]
    words = [*rows, "--teacher", "none", "--method", "labelsonly", "--student", "1x16x2", "--epochs", "1"]
    words += ["--out", str(tmp_path / "run"), "--progress", "off"]
    assert cli.main(["distill", *words, "--kind", "question-answering"]) == 0
    run = kd.Run.load(tmp_path / "run")
    assert run.student.task_kind == "question-answering" and 0 <= run.test["f1"] <= 1
    export = ["export", str(tmp_path / "run"), str(tmp_path / "out"), "--onnx", "--texts", str(tmp_path / "dev.csv")]
    capsys.readouterr()
    assert cli.main(export) == 0
    assert re.search(r"answers at most [\de.-]+ from the model's on 12 texts", capsys.readouterr().out)


def test_the_kinds_are_named_in_the_help(capsys):
    with pytest.raises(SystemExit):
        cli.main(["distill", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert f"what is asked of your own rows: {', '.join(KINDS)}".replace(",", " (the default),", 1) in said


def test_two_processes_give_the_single_process_result(files, hub_folder, tmp_path, monkeypatch):
    student = tiny.student(dropout=0.0)
    for module in student.modules():
        if hasattr(module, "config"):
            module.config.hidden_dropout_prob = module.config.attention_probs_dropout_prob = 0.0
    student.save(tmp_path / "student")
    words = [
        *files,
        "--teacher",
        str(hub_folder),
        "--student",
        str(tmp_path / "student"),
        "--method",
        "kd",
        "--set",
        "alpha=1",
        "--epochs",
        "2",
        "--batch-size",
        "10",
    ]
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


@pytest.mark.parametrize("method", ["kd --set temperature=1.0", "gkd --set tokens=5", "seqkd --set tokens=5"])
def test_two_processes_write_and_learn_what_one_does(method, tmp_path):
    task = sums.task()
    for split in ("train", "dev", "test"):
        rows = {"prompt": task[split]["text"][:], "completion": task[split]["label"][:]}
        pd.DataFrame(rows).to_csv(tmp_path / f"{split}.csv", index=False)
    for name, layers, seed in (("teacher", 2, 3), ("student", 1, 0)):
        model = kd.build_student(task, layers=layers, hidden=16, heads=2, seed=seed)
        for parameter in model.parameters() if name == "teacher" else ():
            parameter.data *= 3
        model.save(tmp_path / name)
    words = [word for split in ("train", "dev", "test") for word in (f"--{split}", str(tmp_path / f"{split}.csv"))]
    words += ["--kind", "language-modelling", "--method", *method.split(), "--epochs", "2", "--batch-size", "5"]
    words += [word for name in ("teacher", "student") for word in (f"--{name}", str(tmp_path / name))]
    one, two = (tmp_path / name for name in ("one", "two"))
    command(*words, "--out", str(one))
    command(*words, "--out", str(two), processes=2)
    one, two = kd.Run.load(one), kd.Run.load(two)
    assert (one.info["processes"], two.info["processes"]) == (1, 2) and two.primary == "log_likelihood"
    losses = [torch.tensor(run.history["loss"].to_numpy()) for run in (one, two)]
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-4, atol=1e-6)
    for name, weight in one.student.state_dict().items():
        torch.testing.assert_close(two.student.state_dict()[name], weight, rtol=1e-3, atol=2e-5, msg=name)


@pytest.mark.parametrize(
    "words, told",
    [
        (["--task", "nonsense"], "no task 'nonsense'"),
        (["--kind", "guess"], "command line: kind: no kind of task 'guess': choose among classification, regression"),
        (["--kind", "regression"], "train.jsonl, row 1, column 'label': the label 'good' is no number"),
        (
            ["--task", "reviews", "--kind", "regression"],
            "kind= and tokenizer= are for data of yours; 'reviews' has its own",
        ),
        (["--method", "magic"], "no method 'magic'; choose among"),
        (["--set", "beta"], "write NAME=VALUE"),
        (["--set", "gamma=1"], "gamma"),
        (
            ["--set", "temperature=high"],
            "--set temperature=high: method.settings.temperature: 'high', but it must be float",
        ),
        (["--student", "2x128"], "write LAYERSxWIDTHxHEADS"),
        (["--student", "nowhere"], "nowhere"),
    ],
)
def test_wrong_words_are_explained(files, words, told, tmp_path, capsys):
    given = words if words[0] == "--task" else [*files, *words]
    assert cli.main(["distill", *given, "--teacher", "none", "--out", str(tmp_path / "run")]) == 1
    assert told in capsys.readouterr().err


def test_methods_by_name_with_settings():
    def named(name, *options):
        settings = Settings()
        settings.put(name, "command line", "method")
        return method_of(settings, options)

    assert named("CKD", "wr=pair", "ltr=null", "beta=2.5") == kd.CKD(wr="pair", ltr=None, beta=2.5)
    assert named("labelsonly") == kd.LabelsOnly()
    assert method_of(Settings(), ["temperature=2"]) == kd.KD(temperature=2.0)


# ---- a file of settings ----------------------------------------------------------------------------------------------


@pytest.fixture
def written(files, tmp_path):
    """Write a file of settings over the tiny task; returns its path."""

    def write(text: str, data: bool = True):
        rows = dict(zip((word.removeprefix("--") for word in files[::2]), files[1::2], strict=True))
        lines = [f"{split}: {path}" for split, path in rows.items()] if data else []
        path = tmp_path / "run.yaml"
        path.write_text("\n".join([*lines, text]), encoding="utf-8")
        return str(path)

    return write


FILE = """teacher: {teacher}
columns: {{text: text}}
student: {{layers: 1, hidden: 24, heads: 2, vocabulary: full}}
method:
  name: ckd
  settings: {{beta: 2, wr: pair, window: null}}
epochs: 1
lr: 5e-4           # YAML 1.1 reads it as text
batch_size: 8
weight_decay: 0
cache: no
folder: {folder}
"""


def test_a_file_gives_the_run_of_the_python_call(written, files, hub_folder, tmp_path, capsys):
    path = written(FILE.format(teacher=hub_folder, folder=tmp_path / "run"))
    assert cli.main(["distill", "--config", path, "--progress", "off"]) == 0
    task = kd.load_task(**dict(zip((word.removeprefix("--") for word in files[::2]), files[1::2], strict=True)))
    teacher = kd.load_teacher(hub_folder, task)
    student = kd.build_student(task, layers=1, hidden=24, heads=2, vocabulary="full", tokenizer=teacher.tokenizer)
    method = kd.CKD(beta=2.0, wr="pair", window=None)
    how = {"epochs": 1, "lr": 5e-4, "batch_size": 8, "weight_decay": 0.0, "cache": False, "progress": "off"}
    expected = kd.distill(student, teacher, task, method, **how)
    run = kd.Run.load(tmp_path / "run")
    assert run.settings == json.loads(json.dumps(expected.settings))
    assert run.scores == expected.scores
    # options overrule the file
    words = ["--seed", "3", "--method", "kd", "--set", "alpha=0.25", "--student", "1x16x2", "--progress", "off"]
    assert cli.main(["distill", "--config", path, *words, "--out", str(tmp_path / "two")]) == 0
    other = kd.Run.load(tmp_path / "two")
    assert other.settings["method"] == {"method": "KD", "alpha": 0.25, "rows": "all", "temperature": 4.0}
    assert (other.settings["seed"], other.settings["lr"], other.student.width) == (3, 5e-4, 16)
    assert cli.main(["distill", "--config", path, "--set", "beta=5", "--out", str(tmp_path / "three")]) == 0
    settings = kd.Run.load(tmp_path / "three").settings["method"]
    assert (settings["beta"], settings["wr"]) == (5.0, "pair")


@pytest.mark.parametrize(
    "text, told",
    [
        ("epoch: 3", ": epoch: no such setting; there are task, with_labels, teacher, student, method, train"),
        ("epochs: many", ": epochs: 'many', but it must be int"),
        ("epochs: true", ": epochs: True, but it must be int"),
        ("epochs: -1", ": epochs: epochs=-1: must be 0 or more"),
        ("lr: fast", ": lr: 'fast', but it must be float"),
        ("mixed_precision: 3", ": mixed_precision: 3, but it must be str | null"),
        ("seed: 1\nseed: 2", ": seed stands twice"),
        ("folder: x\nmethod: magic", ": method: no method 'magic'; choose among"),
        ("folder: x\nmethod: {name: kd, setting: 3}", ": method.setting: no such setting; there are name, settings"),
        ("folder: x\nmethod: {name: kd, settings: {beta: 1}}", "settings.beta: no such setting; there are alpha"),
        ("folder: x\nmethod: {name: kd, settings: {alpha: high}}", ".alpha: 'high', but it must be float"),
        ("folder: x\nmethod: {name: kd, settings: 3}", ": method.settings is 3; write alpha, temperature, rows"),
        ("folder: x\nmethod: {name: kd, settings: {alpha: 3}}", ": method: alpha=3"),
        ("folder: x\nteacher: null\nstudent: {depth: 3}", ": student.depth: no such setting; there are layers"),
        ("folder: x\nteacher: null\nstudent: {layers: [1]}", ": student.layers: [1], but it must be int"),
        ("folder: x\nteacher: null\nstudent: {heads: 3}", ": student: layers=2, hidden=128, heads=3"),
        ("folder: x\nteacher: nowhere", ": teacher: "),
        ("folder: [", ": "),
        ("folder: !!python/object:os.system x", ": "),
    ],
)
def test_a_wrong_file_is_one_line_with_file_line_and_key(written, text, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = written(text)
    assert cli.main(["distill", "--config", path]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"kdviz: {path}, line ") and told in error and error.count("\n") == 1
    assert int(re.search(r"line (\d+)", error)[1]) == 4 + len(text.splitlines())  # its last
    assert not (tmp_path / "x" / "run.json").exists()


def test_what_the_file_does_not_say(written, files, tmp_path, capsys):
    assert cli.main(["distill", "--config", written("epochs: 1")]) == 1
    assert "Say --out FOLDER, or folder: in the file" in capsys.readouterr().err
    assert cli.main(["distill", "--config", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml: No such file or directory; name a file of settings in YAML" in capsys.readouterr().err
    assert cli.main(["distill", "--config", str(tmp_path)]) == 1
    assert f"{tmp_path}: Is a directory; name a file of settings in YAML" in capsys.readouterr().err
    for content, told in (
        (b"\x89PNG\xff", "is no YAML ('utf-8' codec"),
        (b"epochs: \x00", "is no YAML (unacceptable character"),
        (b"[" * 2000, "is no YAML ("),
        (b"seed: 2026-13-45", "line 1: seed: month must be in 1..12; write it in quotes"),
    ):
        (tmp_path / "odd.yaml").write_bytes(content)
        assert cli.main(["distill", "--config", str(tmp_path / "odd.yaml")]) == 1
        error = capsys.readouterr().err
        assert f"{tmp_path / 'odd.yaml'}" in error and told in error and error.count("\n") == 1
    assert cli.main(["distill", "--config", written("task: reviews\nfolder: x", data=False), "--task", "nonsense"]) == 1
    assert "command line: task: no task 'nonsense'" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert cli.main(["distill", *files, "--out", str(tmp_path / "file")]) == 1
    error = capsys.readouterr().err
    assert "command line: folder:" in error and str(tmp_path / "file") in error and error.count("\n") == 1
    assert cli.main(["distill", *files, "--out", str(tmp_path / "file" / "run")]) == 1
    error = capsys.readouterr().err
    assert "Errno" not in error
    assert f"{tmp_path / 'file' / 'run'} (Not a directory); name a folder that you can write to" in error


def test_no_error_of_the_command_line_is_a_traceback(monkeypatch, capsys):
    monkeypatch.setattr("kdviz.cli.cache_ls.run", lambda args: 1 // 0)
    assert cli.main(["cache", "ls"]) == 1
    assert capsys.readouterr().err == "kdviz: integer division or modulo by zero\n"

    def broken(args):
        raise RuntimeError("a bug\nof two lines")

    monkeypatch.setattr("kdviz.cli.cache_ls.run", broken)
    assert cli.main(["cache", "ls"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "RuntimeError('a bug" in error and "KDVIZ_DEBUG=1" in error
    monkeypatch.setenv("KDVIZ_DEBUG", "1")
    with pytest.raises(RuntimeError):
        cli.main(["cache", "ls"])


def test_a_name_that_a_terminal_cannot_write_stops_nothing(files, tmp_path):
    words = [*files, "--teacher", "none", "--method", "labelsonly", "--epochs", "0", "--out", str(tmp_path / "läufe")]
    done = subprocess.run(
        [sys.executable, "-m", "kdviz.cli", "distill", *words],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "kept in" in done.stdout and r"l\xe4ufe" in done.stdout


def test_a_cache_that_is_a_file_is_not_passed_over(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        monkeypatch.setenv("KDVIZ_CACHE", str(tmp_path / place))
        for words in (["ls"], ["rm", "--all"]):
            assert cli.main(["cache", *words]) == 1
            assert "set KDVIZ_CACHE to another folder" in capsys.readouterr().err


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

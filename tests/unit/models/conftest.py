"""Small stand-ins: a task of a few sentences, a cached teacher, and a hub cache with a tiny model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import datasets
import pytest
import torch

import kdviz as kd
from kdviz.data.kinds import CLASSIFICATION


class TinyTask(SimpleNamespace):
    def __getitem__(self, split):
        return self.splits[split]


def tiny_task(**changes):
    def split(texts, label):
        return datasets.Dataset.from_dict({"text": texts, "label": [label] * len(texts)})

    facts = {
        "name": "tiny",
        "labels": ("bad", "good"),
        "pair": False,
        "folder": None,
        "tokenizer": None,
        "kind": CLASSIFICATION,
        "splits": {
            "train": split(["a good film", "a bad film"], 0),
            "transfer": split(["the plot is thin"], -100),
            "dev": split(["good fun is rare"], 1),
        },
    }
    return TinyTask(**(facts | changes))


@pytest.fixture
def task():
    return tiny_task()


@pytest.fixture(scope="session")
def minilm():
    return kd.load_teacher("minilm")


@pytest.fixture
def student(task):
    return kd.build_student(task, layers=2, hidden=16, heads=2)


def save_tiny(folder: Path, kind: str = "bert", labels=("bad", "good"), **settings) -> Path:
    """A tiny model of a given architecture, saved as transformers saves it, with MiniLM's tokenizer."""
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    from kdviz.models.tokenizers import load_tokenizer

    tokenizer = load_tokenizer()
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    if kind == "distilbert":
        sizes = {"vocab_size": len(tokenizer), "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
    else:
        sizes["intermediate_size"] = 32
    if kind == "roberta":
        sizes |= {"pad_token_id": 0, "max_position_embeddings": 64, "type_vocab_size": 1}
    config = AutoConfig.for_model(kind, **(sizes | settings))
    build = AutoModel
    if labels:
        config.id2label = dict(enumerate(labels))
        build = AutoModelForSequenceClassification
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub cache; `add(repo)` puts a tiny model in it with the hub's own layout."""
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))

    def add(repo, **options):
        home = cache / ("models--" + repo.replace("/", "--"))
        commit = "0" * 40
        (home / "refs").mkdir(parents=True)
        (home / "refs" / "main").write_text(commit)
        return save_tiny(home / "snapshots" / commit, **options)

    return SimpleNamespace(cache=cache, add=add)

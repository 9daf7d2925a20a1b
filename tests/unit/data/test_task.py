from __future__ import annotations

import shutil
from collections import Counter

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

import kdviz as kd
from kdviz.paths import data_dir


@pytest.fixture(scope="module")
def reviews():
    return kd.load_task("reviews")


@pytest.mark.parametrize("name, pair, labels", [("reviews", False, 5), ("entail", True, 3)])
def test_embedded_tasks(name, pair, labels):
    task = kd.load_task(name)
    assert (task.name, task.pair, len(task.labels)) == (name, pair, labels)
    assert task.folder == data_dir() / name
    for split, data in task.splits.items():
        expected = {-100} if split == "transfer" else set(range(labels))
        assert set(data["label"]) == expected
    assert repr(task).startswith(f"{name}: {'pairs of texts' if pair else 'texts'}, labels")


def test_an_unknown_name_or_split_says_what_there_is(reviews):
    with pytest.raises(
        ValueError,
        match="no task 'review': choose reviews, entail, scores, endings, answers, tweets, news, digits, cifar10,",
    ):
        kd.load_task("review")
    with pytest.raises(KeyError, match="no split 'validation'; it has train, transfer, dev"):
        reviews["validation"]
    with pytest.raises(ValueError, match="pass a name.*or files"):
        kd.load_task()
    with pytest.raises(ValueError, match="pass a name.*or files"):
        kd.load_task("reviews", train="a.csv")
    with pytest.raises(ValueError, match="none to train on: pass train="):
        kd.load_task(test="a.csv")


def test_a_damaged_or_missing_split_is_refused_with_the_command_that_restores_it(tmp_path, monkeypatch):
    shutil.copytree(data_dir() / "reviews", tmp_path / "reviews")
    monkeypatch.setenv("KDVIZ_DATA", str(tmp_path))
    assert kd.load_task("reviews").folder == tmp_path / "reviews"
    path = tmp_path / "reviews" / "dev.parquet"
    good = path.read_bytes()
    for spot in (len(good) - 30, len(good) // 3):  # in the footer, and in the text: pages carry checksums
        path.write_bytes(good[:spot] + bytes([good[spot] ^ 1]) + good[spot + 1 :])
        with pytest.raises(ValueError, match=r"dev\.parquet: damaged.*git checkout -- data/reviews"):
            kd.load_task("reviews")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"dev\.parquet is missing.*git checkout -- data/reviews"):
        kd.load_task("reviews")
    monkeypatch.setenv("KDVIZ_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="KDVIZ_DATA names .*nowhere"):
        kd.load_task("reviews")


def test_with_labels_moves_the_rest_to_transfer_without_their_labels(reviews):
    few = reviews.with_labels(0.05, seed=1)
    assert Counter(few["train"]["label"]) == dict.fromkeys(range(5), 20)
    assert len(few["transfer"]) == len(reviews["transfer"]) + 1900
    assert set(few["transfer"]["label"]) == {-100}
    assert sorted(few["train"]["text"][:] + few["transfer"]["text"][:]) == sorted(
        reviews["train"]["text"][:] + reviews["transfer"]["text"][:]
    )
    assert few["dev"] is reviews["dev"] and few.folder == reviews.folder
    assert "100 of 2,000 training rows keep their label (seed 1)" in repr(few)


def test_with_labels_is_fixed_by_its_seed(reviews):
    assert reviews.with_labels(0.1, seed=1).fingerprint == reviews.with_labels(0.1, seed=1).fingerprint
    assert reviews.with_labels(0.1, seed=1).fingerprint != reviews.with_labels(0.1, seed=2).fingerprint
    assert reviews.with_labels(1.0) is reviews
    assert Counter(reviews.with_labels(1e-9)["train"]["label"]) == dict.fromkeys(range(5), 1)
    for wrong in (0, -1, 1.5):
        with pytest.raises(ValueError, match=f"fraction={wrong}"):
            reviews.with_labels(wrong)


def test_with_labels_makes_a_transfer_split_when_there_is_none(reviews):
    bare = kd.Task("bare", reviews.labels, {"train": reviews["train"]})
    assert len(bare.with_labels(0.5)["transfer"]) == 1000


def test_subset(reviews):
    small = reviews.subset(50)
    assert all(len(split) == 50 for name, split in small.splits.items() if name != "adversarial")
    assert Counter(small["train"]["label"]) == dict.fromkeys(range(5), 10)
    assert len(small["adversarial"]) == pytest.approx(50, abs=3)
    assert set(small["train"]["text"]) < set(reviews["train"]["text"])
    assert small.fingerprint == reviews.subset(50).fingerprint != reviews.fingerprint
    with pytest.raises(ValueError, match="rows=3.*5 labels"):
        reviews.subset(3)


def test_fingerprint_sees_texts_labels_and_names(reviews):
    def built(**changes):
        columns = {"text": ["a", "b"], "label": [0, 1]} | changes
        return kd.Task("x", ("no", "yes"), {"train": datasets.Dataset.from_dict(columns)})

    same = built().fingerprint
    assert built().fingerprint == same
    assert built(text=["a", "c"]).fingerprint != same
    assert built(label=[1, 0]).fingerprint != same
    assert kd.Task("x", ("yes", "no"), built().splits).fingerprint != same


GLUE_FILES = {
    "sst2": {"sentence": ["fine", "poor"], "idx": [0, 1]},
    "qnli": {"question": ["who?", "why?"], "sentence": ["me", "so"], "idx": [0, 1]},
    "mnli": {"premise": ["a", "b"], "hypothesis": ["c", "d"], "idx": [0, 1]},
}


@pytest.fixture
def glue(tmp_path, monkeypatch):
    """A cache with the layout that the hub's GLUE has on disk: one folder a task, Parquet shards, class names."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    home = tmp_path / "datasets--nyu-mll--glue"
    commit = "1" * 40
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(commit)
    for name, columns in GLUE_FILES.items():
        folder = home / "snapshots" / commit / name
        folder.mkdir(parents=True)
        names = ["not", "yes"] if name != "mnli" else ["entailment", "neutral"]
        base = datasets.Features({key: datasets.Value("int32" if key == "idx" else "string") for key in columns})
        features = datasets.Features({**base, "label": datasets.ClassLabel(names=names)})
        rows = {key: value * 20 for key, value in columns.items()} | {"label": [0, 1] * 20}
        ends = ["train", "validation"] if name != "mnli" else ["train", "validation_matched", "validation_mismatched"]
        for split in ends:
            shards = 2 if split == "train" else 1
            whole = datasets.Dataset.from_dict(rows, features=features)
            for shard in range(shards):
                part = whole.shard(shards, shard, contiguous=True)
                part.to_parquet(folder / f"{split}-{shard:05}-of-{shards:05}.parquet")
    return home


@pytest.mark.parametrize("name, first", [("sst2", ("fine", None)), ("qnli", ("who?", "me")), ("mnli", ("a", "c"))])
def test_glue_from_the_cache(glue, name, first, capsys):
    task = kd.load_task(f"glue/{name}")
    assert task.labels == (("entailment", "neutral") if name == "mnli" else ("not", "yes"))
    row = task["test"][0]
    assert (row["text"], row.get("text_b"), row["label"]) == (*first, 0)
    assert task.pair == (first[1] is not None)
    assert (len(task["train"]), len(task["dev"]), len(task["test"])) == (36, 4, 40)
    assert ("test_mismatched" in task.splits) == (name == "mnli")
    assert "4 of 40 training rows became dev" in capsys.readouterr().out
    assert "validation split is our test" in repr(task)
    assert "idx" not in task["train"].column_names


def test_glue_by_name_is_glue_as_a_dict_and_as_files(glue, tmp_path):
    named = kd.load_task("glue/qnli")
    folder, columns = next(glue.rglob("qnli")), {"text": "question", "text_b": "sentence"}
    shards = sorted(folder.glob("train-*.parquet"))
    train = datasets.concatenate_datasets([datasets.Dataset(pq.read_table(path)) for path in shards])
    matched = folder / "validation-00000-of-00001.parquet"
    secret = train.map(lambda row: {"label": -1})
    whole = datasets.DatasetDict(
        {"train": train, "validation": datasets.Dataset(pq.read_table(matched)), "test": secret}
    )
    frame = train.to_pandas().assign(label=[named.labels[place] for place in train["label"]])
    frame.to_csv(tmp_path / "train.csv", index=False)
    for task in (
        kd.load_task(whole, columns=columns),
        kd.load_task(train=train, test=matched, columns=columns),
        kd.load_task(train=tmp_path / "train.csv", test=matched, columns=columns),
    ):
        assert task.fingerprint == named.fingerprint and list(task.splits) == list(named.splits)


def test_glue_that_is_not_cached_is_refused_offline(glue):
    with pytest.raises(
        FileNotFoundError, match=r"'glue/rte' is not in the cache .* HF_HUB_OFFLINE.*kdviz prefetch glue/rte"
    ):
        kd.load_task("glue/rte")
    with pytest.raises(ValueError, match="no task 'glue/ax': choose glue/cola"):
        kd.load_task("glue/ax")


def test_stsb_is_regression(glue):
    folder = next(glue.rglob("sst2")).with_name("stsb")
    folder.mkdir()
    for split, count in (("train", 40), ("validation", 20), ("test", 10)):
        scores = [-1.0] * count if split == "test" else [place % 21 / 4 for place in range(count)]
        texts = {name: [f"{name} {place}" for place in range(count)] for name in ("sentence1", "sentence2")}
        whole = datasets.Dataset.from_dict(texts | {"label": scores, "idx": list(range(count))})
        whole.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    task = kd.load_task("glue/stsb")
    assert (task.kind.name, task.labels, task.pair) == ("regression", ("score",), True)
    assert (len(task["test"]), max(task["test"]["label"])) == (20, 4.75)
    assert kd.load_task("glue/stsb", kind="regression").fingerprint == task.fingerprint


def test_a_damaged_glue_file_is_refused_by_name(glue):
    [path] = glue.rglob("sst2/validation-*.parquet")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"validation-00000-of-00001\.parquet: damaged.*kdviz prefetch glue/sst2"):
        kd.load_task("glue/sst2")


def test_stratified_keeps_shares():
    from kdviz.data.task import stratified

    labels = [0] * 90 + [1] * 10
    chosen = stratified(labels, 20, seed=0)
    assert Counter(np.asarray(labels)[chosen]) == {0: 18, 1: 2}
    assert list(chosen) == sorted(set(chosen))


def test_class_names_are_those_of_the_grammars():
    from data.make.grammar import entail, reviews
    from kdviz.data.load import EMBEDDED

    assert EMBEDDED == {"reviews": reviews.LABELS, "entail": entail.LABELS}

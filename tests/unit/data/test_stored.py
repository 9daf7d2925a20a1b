"""Data sets of the hub: stand-ins in the layouts that it has, loaded by name, or refused by their kind."""

from __future__ import annotations

import fnmatch
import json
import shutil

import datasets
import pytest
from datasets import ClassLabel, Value
from huggingface_hub.errors import LocalEntryNotFoundError

import kdviz as kd
from kdviz.data import stored

COMMIT = "2" * 40
STARS = ClassLabel(names=["neg", "pos"])
NLI = ClassLabel(names=["entailment", "neutral", "contradiction"])


@pytest.fixture
def add(tmp_path, monkeypatch):
    """Put a data set into an empty cache of the hub: path in the repository -> rows, as Parquet or as text."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    def add(repo: str, files: dict, card: str | None = None, **features):
        home = tmp_path / f"datasets--{repo.replace('/', '--')}"
        folder = home / "snapshots" / COMMIT
        (home / "refs").mkdir(parents=True)
        (home / "refs" / "main").write_text(COMMIT)
        folder.mkdir(parents=True)
        if card is not None:
            (folder / "README.md").write_text(f"---\n{card}---\n# A data set\n")
        for name, rows in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(rows, str):
                path.write_text(rows)
            else:
                datasets.Dataset.from_dict(rows, features=datasets.Features(features)).to_parquet(path)
        return folder

    return add


def rows(count: int, labels, text: str = "text", label: str = "label", **more) -> dict:
    return {text: [f"{text} {n}" for n in range(count)], label: [labels[n % len(labels)] for n in range(count)]} | {
        key: [f"{key} {n}" for n in range(count)] for key in more
    }


def configs(**patterns) -> str:
    """A card's YAML: configuration -> split -> pattern."""
    listed = [
        {"config_name": name, "data_files": [{"split": split, "path": path} for split, path in files.items()]}
        for name, files in patterns.items()
    ]
    return f"configs: {json.dumps(listed)}\n"


def sizes(task) -> dict[str, int]:
    return {split: len(part) for split, part in task.splits.items()}


IMDB = {
    "plain_text/train-00000-of-00001.parquet": rows(40, [0, 1]),
    "plain_text/test-00000-of-00001.parquet": rows(20, [0, 1]),
    "plain_text/unsupervised-00000-of-00001.parquet": rows(30, [-1]),
}
PLAIN = configs(plain_text={split: f"plain_text/{split}-*" for split in ("train", "test", "unsupervised")})


@pytest.mark.parametrize("name", ["imdb", "stanfordnlp/imdb", "datasets/stanfordnlp/imdb", "imdb/plain_text"])
@pytest.mark.parametrize("card", [None, PLAIN])
def test_imdb_with_and_without_its_owner_configuration_and_card(add, name, card, capsys):
    add("stanfordnlp/imdb", IMDB, card, text=Value("string"), label=STARS)
    task = kd.load_task(name)
    assert (task.name, task.labels, task.pair) == (name, ("neg", "pos"), False)
    assert sizes(task) == {"train": 36, "transfer": 30, "dev": 4, "test": 20}
    assert task["test"][3] == {"text": "text 3", "label": 1}
    assert "4 of 40 training rows became dev" in capsys.readouterr().out


def test_files_called_by_their_split_alone_and_in_a_folder_of_data(add):
    flat = {f"{split}.parquet": rows(size, [0, 1]) for split, size in (("train", 30), ("validation", 8), ("test", 9))}
    add("cornell-movie-review-data/rotten_tomatoes", flat, text=Value("string"), label=STARS)
    assert sizes(kd.load_task("rotten_tomatoes")) == {"train": 30, "dev": 8, "test": 9}
    files = {f"data/{split}-00000-of-00001.parquet": rows(20, [0, 1, 2]) for split in ("train", "test")}
    card = configs(default={"train": "**train*.parquet", "test": "**/test-*"})
    add("fancyzhx/ag_news", files, card, text=Value("string"), label=NLI)
    for name in ("ag_news", "fancyzhx/ag_news"):
        assert sizes(kd.load_task(name)) == {"train": 17, "dev": 3, "test": 20}


def test_one_of_several_configurations_is_the_default_or_has_to_be_said(add):
    files = {f"split/{split}-00000-of-00001.parquet": rows(20, [0, 1]) for split in ("train", "validation", "test")}
    files["unsplit/train-00000-of-00001.parquet"] = rows(60, [0, 1])
    patterns = {
        "split": {s: f"split/{s}-*" for s in ("train", "validation", "test")},
        "unsplit": {"train": "unsplit/*"},
    }
    card = configs(**patterns)
    folder = add("dair-ai/emotion", files, card, text=Value("string"), label=STARS)
    told = r"'emotion' has the configurations split, unsplit: say one, as in dair-ai/emotion/split"
    with pytest.raises(ValueError, match=told):
        kd.load_task("emotion")
    marked = card.replace('"config_name": "split"', '"config_name": "split", "default": true')
    (folder / "README.md").write_text(f"---\n{marked}---\n")
    assert sizes(kd.load_task("emotion")) == {"train": 20, "dev": 20, "test": 20}
    assert sizes(kd.load_task("dair-ai/emotion/unsplit")) == {"train": 48, "dev": 6, "test": 6}, "all made of train"
    with pytest.raises(ValueError, match="has the configurations split, unsplit"):
        kd.load_task("emotion/joined")
    (folder / "README.md").unlink()
    with pytest.raises(ValueError, match="has the configurations split, unsplit: say one"):
        kd.load_task("emotion")


def test_a_pair_whose_test_labels_are_secret_asks_for_its_columns(add, capsys):
    pair = {"premise": Value("string"), "hypothesis": Value("string"), "label": NLI}
    files = {
        f"rte/{split}-00000-of-00001.parquet": rows(count, labels, "premise", hypothesis=True)
        for split, count, labels in (("train", 40, [0, 1]), ("validation", 6, [0, 1]), ("test", 5, [-1]))
    }
    add("aps/super_glue", files, **pair)
    with pytest.raises(ValueError, match=r"columns=\{'text': 'premise', 'text_b': 'hypothesis'\}"):
        kd.load_task("super_glue/rte")
    task = kd.load_task("super_glue/rte", columns={"text": "premise", "text_b": "hypothesis"})
    assert task.pair and sizes(task) == {"train": 36, "dev": 4, "test": 6}
    assert "its validation split is our test" in capsys.readouterr().out and "secret" in repr(task)


def test_splits_of_other_names_keep_them_and_rows_without_a_label_are_left_out_and_counted(add, capsys):
    columns = {"text": "premise", "text_b": "hypothesis"}
    pair = {"premise": Value("string"), "hypothesis": Value("string"), "label": NLI}
    files = {
        f"data/{split}-00000-of-00001.parquet": rows(count, [0, 1, 2, -1], "premise", hypothesis=True)
        for split, count in (("train", 40), ("validation_matched", 8), ("validation_mismatched", 12))
    }
    add("nyu-mll/multi_nli", files, **pair)
    task = kd.load_task("nyu-mll/multi_nli", columns=columns)
    assert sizes(task) == {"train": 27, "dev": 6, "test": 3, "dev_mismatched": 9}
    assert set(task["train"]["label"]) == {0, 1, 2}
    assert "10 of 40 rows of train have no label (-1) and are left out" in capsys.readouterr().out


def test_columns_are_called_as_the_data_call_them(add):
    features = {"content": Value("string"), "coarse_label": STARS, "fine_label": NLI}
    made = rows(30, [0, 1], "content", "coarse_label") | {"fine_label": [0, 1, 2] * 10}
    add("someone/trec", {"train.parquet": made}, **features)
    fine = kd.load_task("someone/trec", columns={"text": "content", "label": "fine_label"})
    assert fine.labels == tuple(NLI.names) and sizes(fine) == {"train": 24, "dev": 3, "test": 3}
    coarse = kd.load_task(
        "someone/trec", columns={"text": "content", "label": "coarse_label"}, labels={"neg": "bad", "pos": "good"}
    )
    assert coarse.labels == ("bad", "good")
    with pytest.raises(ValueError, match=r"column 'text': .*there are: content, coarse_label.*\{'text': 'content'\}"):
        kd.load_task("someone/trec")


def test_csv_and_json_lines_take_class_names_from_the_card(add):
    info = {
        "features": [
            {"name": "text", "dtype": "string"},
            {"name": "label", "dtype": {"class_label": {"names": {"0": "ham", "1": "spam"}}}},
        ],
        "splits": [{"name": "train", "num_examples": 20}],
    }
    lines = "\n".join(json.dumps({"text": f"t {n}", "label": n % 2}) for n in range(20))
    folder = add("someone/mail", {"train.jsonl": lines}, f"dataset_info: {json.dumps(info)}\n")
    assert kd.load_task("someone/mail").labels == ("ham", "spam")
    (folder / "train.jsonl").write_text("\n".join(lines.splitlines()[:-1]))
    with pytest.raises(ValueError, match="19 rows, but the data set's card says 20.*kdviz prefetch someone/mail"):
        kd.load_task("someone/mail")
    add("someone/table", {"my_train.csv": "text,label\n" + "a,x\nb,y\n" * 10, "notes.csv": "x\n1\n"})
    assert kd.load_task("someone/table").labels == ("x", "y")


def test_a_part_that_is_missing_is_not_passed_over(add):
    files = {f"data/train-0000{part}-of-00002.parquet": rows(20, [0, 1]) for part in (0, 1)}
    folder = add("someone/parts", files, text=Value("string"), label=STARS)
    assert sizes(kd.load_task("someone/parts")) == {"train": 32, "dev": 4, "test": 4}
    (folder / "data" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(
        FileNotFoundError, match="'datasets/someone/parts' is not in the cache .*kdviz prefetch datasets/"
    ):
        kd.load_task("someone/parts")


@pytest.mark.parametrize(
    "features, made, kind",
    [
        ({"score": Value("float64")}, rows(9, [0.5, 1.0], label="score"), "regression"),
        ({"labels": datasets.List(STARS)}, rows(9, [[0], [0, 1]], label="labels"), "multi-label"),
        (
            {"question": Value("string"), "context": Value("string"), "answers": Value("string")},
            None,
            "question answering",
        ),
        ({"image": Value("binary"), "label": STARS}, None, "images"),
        ({"translation": Value("string")}, None, "writing"),
        (
            {"tokens": datasets.List(Value("string")), "ner_tags": datasets.List(Value("int64"))},
            None,
            "a tag for each token",
        ),
    ],
)
def test_data_of_another_kind_are_refused_by_it_and_where_the_card_tells_before_they_are_fetched(
    add, monkeypatch, features, made, kind
):
    if made is None:
        empty = {"binary": b"x", "string": "x"}
        made = {key: [empty.get(getattr(one, "dtype", ""), [])] * 3 for key, one in features.items()}
        if "label" in made:
            made["label"] = [0, 1, 0]
        info = {"features": [{"name": key, "dtype": "string"} for key in features]}
        add("someone/known", {}, f"dataset_info: {json.dumps(info)}\n")
        with pytest.raises(ValueError, match=f"someone/known: .*{kind}"):
            kd.load_task("someone/known")
    else:
        features = {"text": Value("string")} | features
    add("someone/other", {"train.parquet": made}, **features)
    with pytest.raises(ValueError, match=kind):
        kd.load_task("someone/other")


def test_what_has_no_train_split_and_what_is_no_name_is_refused(add, tmp_path):
    add("someone/rounds", {"train_r1-00000-of-00001.parquet": rows(9, [0, 1])}, text=Value("string"), label=STARS)
    with pytest.raises(ValueError, match="'someone/rounds' has no split to train on, only train_r1: pass data sets"):
        kd.load_task("someone/rounds")
    with pytest.raises(ValueError, match=r"no task 'imbd': choose .*a data set of the hub \(\"owner/name\"\)"):
        kd.load_task("imbd")
    with pytest.raises(ValueError, match="'a b/c' is neither"):
        kd.load_task("a b/c")
    for path in ("data/rows.csv", str(tmp_path)):
        with pytest.raises(ValueError, match=r"no task '.*pass data of yours \(train="):
            kd.load_task(path)


@pytest.mark.parametrize(
    "card",
    [
        "configs: 3\n",
        "configs: [3]\n",
        "configs: [{}]\n",
        "configs: [\n",
        "dataset_info: [3]\n",
        "- a list\n",
        configs(default={"train": "../../../../secret.parquet"}),
        configs(default={"train": "/etc/passwd"}),
        configs(default={"train": "https://elsewhere.example/train.parquet"}),
        configs(default={"train": [3]}),
        configs(default={"train": "train**"}),
        "dataset_info: {splits: [{name: train, num_examples: many}]}\n",
        "dataset_info: {features: [{name: label, dtype: {class_label: {names: {a: b}}}}]}\n",
        "x: \x00\n",
    ],
)
def test_a_card_that_describes_no_data_set_or_leads_elsewhere_is_refused_in_one_line(add, card):
    add("someone/odd", {"train.parquet": rows(30, [0, 1])}, card, text=Value("string"), label=STARS)
    with pytest.raises(ValueError, match=r"README\.md does not describe a data set") as refused:
        kd.load_task("someone/odd")
    assert str(refused.value).isprintable()


def test_every_short_name_is_a_repository_of_its_own():
    assert len(stored.SHORT) == len(set(stored.SHORT.values())) > 9
    assert all(full.count("/") == 1 and full.endswith(f"/{short}") for short, full in stored.SHORT.items())
    assert [stored.is_data(name) for name in ("imdb", "glue/rte", "datasets/a/b", "a/b")] == [True, True, True, False]


def test_a_cache_that_lost_files_is_not_passed_over(add):
    folder = add("stanfordnlp/imdb", IMDB, PLAIN, text=Value("string"), label=STARS)
    (folder / "plain_text" / "test-00000-of-00001.parquet").unlink()
    with pytest.raises(FileNotFoundError, match="'imdb' is not in the cache .*kdviz prefetch imdb"):
        kd.load_task("imdb")


def test_only_the_card_and_the_files_of_a_configuration_are_fetched(add, monkeypatch, tmp_path):
    """A hub that is played by a folder: what is asked for is copied into the cache."""
    files = IMDB | {"other/train-00000-of-00001.parquet": rows(40, [0, 1])}
    card = configs(plain_text={"train": "plain_text/train-*", "test": "plain_text/test-*"}, other={"train": "other/*"})
    hub = add("a/hub", files, card, text=Value("string"), label=STARS)
    here, asked = tmp_path / "here", []

    def snapshot_download(repo_id, repo_type, allow_patterns, local_files_only=False):
        if local_files_only and not here.exists():
            raise LocalEntryNotFoundError("nothing is there")
        for path in [] if local_files_only else hub.rglob("*"):
            name = path.relative_to(hub).as_posix()
            if path.is_file() and any(fnmatch.fnmatch(name, one) for one in allow_patterns):
                (here / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, here / name)
        asked.append((repo_id, repo_type, local_files_only))
        return str(here)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("kdviz.hub._answers", lambda endpoint: True)
    assert sizes(kd.load_task("stanfordnlp/imdb/plain_text")) == {"train": 36, "dev": 4, "test": 20}
    fetched = sorted(path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file())
    assert fetched == ["README.md", *sorted(name for name in IMDB if "unsupervised" not in name)]
    assert asked[0] == ("stanfordnlp/imdb", "dataset", False)
    asked.clear()
    kd.load_task("stanfordnlp/imdb/plain_text")
    assert all(local for *_, local in asked), "what is there is not asked for again"
    with pytest.raises(ValueError, match="configurations plain_text, other: say one"):
        kd.load_task("stanfordnlp/imdb")
    (hub / "other" / "train-00000-of-00001.parquet").unlink()
    with pytest.raises(FileNotFoundError, match="the hub's stanfordnlp/imdb has no rows of 'other'"):
        kd.load_task("imdb/other")


@pytest.mark.parametrize("name", ["hellaswag", "Rowan/hellaswag"])
def test_hellaswag_is_multiple_choice_by_its_name(add, capsys, name):
    features = {"ctx": Value("string"), "endings": datasets.List(Value("string")), "label": Value("string")}

    def some(count, label):
        return {
            "ctx": [f"a man {n}" for n in range(count)],
            "endings": [[f"does {k} {n}" for k in range(4)] for n in range(count)],
            "label": [label if label == "" else str(n % 4) for n in range(count)],
        }

    files = {
        f"data/{split}-00000-of-00001.parquet": some(count, label)
        for split, count, label in (("train", 40, "0"), ("validation", 12, "0"), ("test", 8, ""))
    }
    card = configs(default={split: f"data/{split}-*" for split in ("train", "validation", "test")})
    add("Rowan/hellaswag", files, card, **features)
    task = kd.load_task(name)
    assert task.kind.name == "multiple-choice" and len(task.labels) == 4
    assert sizes(task) == {"train": 36, "dev": 4, "test": 12} and "secret" in repr(task)
    assert task["test"][5] == {"text": "a man 5", "endings": [f"does {k} 5" for k in range(4)], "label": 1}

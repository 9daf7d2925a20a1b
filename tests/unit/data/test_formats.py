"""The same rows mean the same in CSV, JSONL, Parquet, a DataFrame and a Dataset; other kinds are called by name."""

from __future__ import annotations

import json
import random

import datasets
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import kdviz as kd
from kdviz.data.labels import NoClass, class_name
from tests.unit.data.fuzz_files import POOLS, SEPARATORS, expected, fuzz, load, quoted, read_back, sources
from tests.unit.models.test_teachers import save_tiny

FORMS = ("csv", "jsonl", "parquet", "frame", "dataset")
ROWS = [{"text": f"text {number}", "label": "no" if number % 2 else "yes"} for number in range(40)]

text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30).filter(str.strip)
word = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Nd"], exclude_characters="[({"), min_size=1, max_size=8
).filter(str.strip)
columns_of_labels = st.one_of(
    st.lists(word, min_size=2, max_size=8),
    st.lists(st.integers(0, 30), min_size=2, max_size=8),
    st.lists(st.integers(0, 30).map(float), min_size=2, max_size=8),
    st.lists(st.integers(0, 30).map(lambda n: f"{n}.0"), min_size=2, max_size=8),
    st.lists(st.booleans(), min_size=2, max_size=8),
    st.sampled_from(list(POOLS.values())).flatmap(lambda pool: st.lists(st.sampled_from(pool), min_size=2, max_size=8)),
)


@given(columns_of_labels, st.lists(text, min_size=8, max_size=8), st.integers(0, 9))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_are_the_same_in_every_form(tmp_path, labels, texts, seed):
    rows = [{"text": one, "label": label} for one, label in zip(texts, labels)]
    right = expected(labels)
    for form, source in sources(tmp_path, rows, random.Random(seed)).items():
        found = load(train=source, dev=source, test=source)
        if right is None:
            assert isinstance(found, ValueError) and str(found).isprintable(), (form, found)
        else:
            assert read_back(found) == (texts[: len(rows)], *right), form


@given(st.lists(word, min_size=2, max_size=6, unique_by=str.strip))
@settings(max_examples=30, deadline=None)
def test_names_that_differ_stay_different(names):
    if expected(names) is not None:
        rows = pd.DataFrame({"text": "a text", "label": names})
        task = load(train=rows, dev=rows, test=rows)
        assert len(set(task["train"]["label"])) == len(task.labels) == len({name.strip() for name in names})
        assert [task.labels[place] for place in task["train"]["label"]] == [name.strip() for name in names]


@pytest.mark.parametrize(
    "values, name",
    [
        (("10.0", "10", 10.0, 10, " 10 ", "1e1", "+10", "010"), "10"),
        ((True, "true"), "true"),
        (("0", 0, 0.0, "-0", -0.0), "0"),
        (("A b", " A b\t"), "A b"),
        (("[UNK]",), "[UNK]"),
        (("(0, 10]",), "(0, 10]"),
        (("１０",), "１０"),
        (("1_0",), "1_0"),
        (("nan",), "nan"),
        (("None",), "None"),
    ],
)
def test_what_a_label_says(values, name):
    assert {class_name(value) for value in values} == {name}


@pytest.mark.parametrize(
    "values, problem",
    [
        ((2.5, "2.5", ".5", "1e-1", -0.5), "fraction.*regression"),
        ((-1, "-1", "-100", -3.0), "negative"),
        (([0, 1], (0,), "[0, 1]", "[1]", "['a', 'b']", "[]", "[0 1]", "{'a', 'b'}"), "multi-label"),
        ((None, "", " \n", float("nan")), "empty"),
        ((float("inf"), "1e99", b"a", 3j, "9" * 40), "no class"),
        (("a\x00b",), "NUL"),
        (("a\ud800",), "half a surrogate pair"),
    ],
)
def test_what_is_no_class_is_refused_by_its_kind(values, problem):
    for value in values:
        with pytest.raises(NoClass, match=problem):
            class_name(value)


def test_an_error_is_one_line_whatever_the_names_hold():
    frame = pd.DataFrame({"te\nxt": ["a"], "la\u2028bel": ["b\rc"]})
    with pytest.raises(ValueError, match=r"there are: te\\nxt, la\\u2028bel") as refused:
        kd.load_task(train=frame)
    assert str(refused.value).isprintable()


def test_a_number_that_is_written_in_two_ways_is_no_guess(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,01\nb,1\nc,2\n")
    with pytest.raises(ValueError, match=r"row 2, column 'label': the label '1' is the same number as '01' in row 1"):
        kd.load_task(train=path)
    path.write_text("text,label\n" + "a,01\nb,02\n" * 10)
    assert kd.load_task(train=path).labels == ("1", "2")


@pytest.mark.parametrize("separator", list(SEPARATORS))
def test_a_separator_inside_of_a_cell_is_a_character_like_any_other(tmp_path, separator):
    texts = [f"one{separator}two", f"{separator}three", f"four{separator * 2}"] * 10
    bare = texts if separator not in "\n\r" else map(quoted, texts)
    (tmp_path / "one.csv").write_bytes("\r\n".join(["text", *bare]).encode())
    (tmp_path / "two.csv").write_bytes(
        "\n".join(["text,label", *(f"{quoted(one)},c{n % 2}" for n, one in enumerate(texts))]).encode()
    )
    lines = [json.dumps({"text": one, "label": f"c{n % 2}"}, ensure_ascii=False) for n, one in enumerate(texts)]
    (tmp_path / "three.jsonl").write_bytes("\n".join(lines).encode())
    task = kd.load_task(
        train=tmp_path / "two.csv",
        dev=tmp_path / "three.jsonl",
        test=tmp_path / "two.csv",
        transfer=tmp_path / "one.csv",
    )
    assert all(task[split]["text"][:] == texts for split in ("train", "dev", "test", "transfer"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_an_error_names_the_row_and_below_a_cell_of_many_lines_the_line_too(tmp_path, end):
    path = tmp_path / "a.csv"
    rows = ["text,label", f'"two{end}lines",a', "fine,b", ",a"]
    path.write_bytes(end.join(rows).encode())
    with pytest.raises(ValueError, match=r"a\.csv, row 3 \(line 5\), column 'text': the text is empty"):
        kd.load_task(train=path)
    path.write_bytes(end.join([*rows[:3], "a,b,c"]).encode())
    with pytest.raises(ValueError, match=r"a\.csv, row 3 \(line 5\): 3 cells, but the header has 2"):
        kd.load_task(train=path)
    path.write_bytes(end.join([*rows[:3], '"open,b', "more"]).encode())
    with pytest.raises(ValueError, match=r"a\.csv, row 3 \(line 5\): not valid CSV"):
        kd.load_task(train=path)


def test_a_cell_may_be_long_and_a_key_may_not_be_repeated(tmp_path):
    rows = "".join(f"{'long ' * 40_000},{label}\n" for label in "ab" * 10)
    (tmp_path / "a.csv").write_text("text,label\n" + rows)
    assert len(kd.load_task(train=tmp_path / "a.csv")["test"]["text"][0]) == 200_000
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": 0, "text": "b"}')
    with pytest.raises(ValueError, match=r"a\.jsonl, row 1: not JSON \(the key 'text' is repeated\)"):
        kd.load_task(train=tmp_path / "a.jsonl")


# columns and names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_columns_say_what_the_data_call_them(tmp_path, form):
    rows = [{"id": n, "sentence1": f"a {n}", "sentence2": f"b {n}", "gold": n % 3} for n in range(60)]
    names = {"text": "sentence1", "text_b": "sentence2", "label": "gold"}
    source = sources(tmp_path, rows, random.Random(0))[form]
    task = kd.load_task(train=source, test=source, columns=names, labels=("no", "perhaps", "yes"))
    assert (task.pair, task.labels, task["test"].column_names) == (
        True,
        ("no", "perhaps", "yes"),
        ["text", "text_b", "label"],
    )
    assert task["test"][4] == {"text": "a 4", "text_b": "b 4", "label": 1}
    with pytest.raises(
        ValueError,
        match=r"column 'golden': the column is missing; there are: id, sentence1, .* Correct columns\['label'\]",
    ):
        kd.load_task(train=source, columns=names | {"label": "golden"})
    with pytest.raises(
        ValueError,
        match=r"column 'text': the column is missing.*columns=\{'text': 'sentence1', 'text_b': 'sentence2'\}",
    ):
        kd.load_task(train=source)
    rows[7]["sentence2"] = "  "
    source = sources(tmp_path, rows, random.Random(0))[form]
    with pytest.raises(ValueError, match=r"row 8, column 'sentence2': the text is empty"):
        kd.load_task(train=source, columns=names)


def test_labels_name_the_numbers_or_say_what_each_label_means():
    rows = pd.DataFrame({"text": "a text", "label": [1, 0, 1, 0]})
    task = load(train=rows, dev=rows, test=rows, labels=("neg", "pos"))
    assert (task.labels, task["test"]["label"][:]) == (("neg", "pos"), [1, 0, 1, 0])
    stars = pd.DataFrame({"text": "a text", "label": ["1", "2", "4", "5"]})
    task = load(train=stars, dev=stars, test=stars, labels={1: "bad", 2: "bad", "4.0": "good", 5: "good"})
    assert (task.labels, task["test"]["label"][:]) == (("bad", "good"), [0, 0, 1, 1])
    words = pd.DataFrame({"text": "a text", "label": ["pos", "neg"]})
    assert load(train=words, dev=words, test=words, labels=("pos", "neg"))["test"]["label"][:] == [0, 1]
    for labels, message in (
        (("neg", "pos"), r"row 3, column 'label': the label '4' does not occur in labels=, which has: neg, pos, 0, 1"),
        (("pos", "pos"), r"labels=\('pos', 'pos'\): give two different names"),
        ({0.5: "a", 1: "b"}, r"labels=: the label 0\.5 is a fraction.*regression"),
    ):
        with pytest.raises(ValueError, match=message):
            kd.load_task(train=stars.iloc[[0, 0, 2]] if "4" in message else stars, labels=labels)
    with pytest.raises(ValueError, match="columns= has the key 'title': choose among text, text_b, label"):
        kd.load_task(train=rows, columns={"title": "text"})
    with pytest.raises(
        ValueError, match="columns=, labels=, kind= and tokenizer= are for data of yours; 'reviews' has its own"
    ):
        kd.load_task("reviews", labels=("a", "b"))


def test_numbers_against_the_names_of_a_teacher_the_error_names_the_remedy(tmp_path):
    folder = save_tiny(tmp_path / "teacher", labels=("GOOD", "BAD"))
    rows = pd.DataFrame({"text": "a text", "label": [1, 0, 1, 0]})
    with pytest.raises(ValueError, match=r"task 'data' has \('0', '1'\).*load it with labels=\('GOOD', 'BAD'\)"):
        kd.load_teacher(folder, load(train=rows, dev=rows, test=rows))
    task = load(train=rows, dev=rows, test=rows, labels=("GOOD", "BAD"))
    assert kd.load_teacher(folder, task).labels == task.labels == ("GOOD", "BAD")


def test_a_dataset_brings_its_class_names_and_a_dict_its_splits(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["pos", "neg", "10"])}
    )
    made = datasets.Dataset.from_dict(
        {"text": [f"t {n}" for n in range(30)], "label": [0, 1, 2] * 10}, features=features
    )
    task = kd.load_task(datasets.DatasetDict({"train": made, "validation": made, "test": made, "other": made}))
    assert task.labels == ("pos", "neg", "10") and list(task.splits) == ["train", "dev", "test", "other"]
    made.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "test.csv").write_text("text,label\nt,10\nu,pos\n")
    task = kd.load_task(train=tmp_path / "a.parquet", dev=made.with_format("torch"), test=tmp_path / "test.csv")
    assert task["train"]["label"][:3] == task["dev"]["label"][:3] == [0, 1, 2] and task["test"]["label"][:] == [2, 0]
    turned = made.cast_column("label", datasets.Value("int64")).cast_column(
        "label", datasets.ClassLabel(names=["neg", "10", "pos"])
    )
    assert kd.load_task(train=made, dev=turned, test=made)["dev"]["label"][:3] == [1, 2, 0], "by name, not by number"
    hidden = made.map(lambda row: {"label": -1})
    with pytest.raises(
        ValueError, match=r"test \(Dataset\), row 1, column 'label': the label -1 is negative.*transfer="
    ):
        kd.load_task(train=made, test=hidden)
    assert set(kd.load_task(train=made, test=made, transfer=hidden)["transfer"]["label"]) == {-100}


def test_unlabelled_rows_need_no_column_of_labels_whatever_it_is_called():
    rows = pd.DataFrame({"line": ["a", "b"], "gold": ["x", "y"]})
    names = {"text": "line", "label": "gold"}
    task = kd.load_task(train=rows, dev=rows, test=rows, transfer=rows[["line"]], columns=names)
    assert task["transfer"][:] == {"text": ["a", "b"], "label": [-100, -100]}


def test_class_names_belong_to_their_own_column():
    names = datasets.ClassLabel(names=["neg", "pos"])
    features = datasets.Features({"text": datasets.Value("string"), "label": names, "gold": datasets.Value("int64")})
    rows = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0], "gold": [0, 1]}, features=features)
    assert kd.load_task(train=rows, dev=rows, test=rows).labels == ("neg", "pos")
    task = kd.load_task(train=rows, dev=rows, test=rows, columns={"label": "gold"})
    assert (task.labels, task["test"]["label"][:]) == (("0", "1"), [0, 1])


def test_where_the_labels_of_test_are_secret_validation_is_test_as_for_glue(capsys):
    names = datasets.ClassLabel(names=["neg", "pos"])
    features = datasets.Features({"sentence": datasets.Value("string"), "label": names, "idx": datasets.Value("int32")})

    def split(labels):
        rows = {"sentence": [f"s {n}" for n in range(len(labels))], "label": labels, "idx": list(range(len(labels)))}
        return datasets.Dataset.from_dict(rows, features=features)

    glue = datasets.DatasetDict({"train": split([0, 1] * 20), "validation": split([1, 0]), "test": split([-1] * 3)})
    task = kd.load_task(glue, columns={"text": "sentence"})
    assert {name: len(rows) for name, rows in task.splits.items()} == {"train": 36, "dev": 4, "test": 2}
    assert (task["test"][0], task.labels) == ({"text": "s 0", "label": 1}, ("neg", "pos"))
    films = datasets.DatasetDict(
        {"train": split([0, 1]), "validation": split([1, 0]), "test": split([0, 1]), "unsupervised": split([-1])}
    )
    assert list(kd.load_task(films, columns={"text": "sentence"}).splits) == ["train", "transfer", "dev", "test"]


def test_what_is_no_source_is_refused_by_its_type(tmp_path):
    with pytest.raises(TypeError, match="train= is of type list: pass the path of a file, a pandas DataFrame"):
        kd.load_task(train=[1])
    for source in (pd.DataFrame(ROWS), datasets.Dataset.from_list(ROWS), tmp_path):
        with pytest.raises(TypeError, match=f"a {type(source).__name__} is no name of a task: pass it as train="):
            kd.load_task(source)
    with pytest.raises(FileNotFoundError, match="is a folder: pass a file"):
        kd.load_task(train=tmp_path)
    with pytest.raises(ValueError, match=r"train \(DataFrame\): the header repeats a column"):
        kd.load_task(train=pd.DataFrame([["a", "b"]], columns=["text", "text"]))
    with pytest.raises(ValueError, match=r"train \(DataFrame\), row 2, column 'label': the label is empty"):
        kd.load_task(train=pd.DataFrame({"text": ["a", "b"], "label": [1, None]}))
    with pytest.raises(ValueError, match="data for test but none to train on"):
        kd.load_task(datasets.DatasetDict({"test": datasets.Dataset.from_dict({"text": ["a"]})}))


# other kinds --------------------------------------------------------------------------------------------------------

OTHER_KINDS = {
    "regression ": [
        {"sentence1": "a", "sentence2": "b", "label": 5.0},
        {"sentence1": "c", "sentence2": "d", "label": 2.5},
    ],
    "multi-label  ": [{"text": "a", "labels": [3, 5], "id": "x"}],
    "regression": [{"sentence1": "a", "sentence2": "b", "score": 2.5}],
    "question answering": [
        {"id": "1", "context": "c", "question": "q", "answers": {"text": ["a"], "answer_start": [0]}}
    ],
    "multiple choice": [{"startphrase": "s", "ending0": "a", "ending1": "b", "label": 0}],
    "multiple choice ": [{"context": "s", "endings": ["a", "b"], "label": 0}],
    "a tag for each token": [{"tokens": ["a", "b"], "ner_tags": [0, 1]}],
    "multi-label": [{"text": "a", "label": [0, 2]}, {"text": "b", "label": [1]}],
    "multi-label ": [{"text": "a", "toxic": 0, "threat": 1}, {"text": "b", "toxic": 1, "threat": 0}],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_data_of_another_kind_is_called_by_its_name(tmp_path, kind, form):
    source = sources(tmp_path, OTHER_KINDS[kind] * 3, random.Random(0))[form]
    with pytest.raises(ValueError, match=kind.strip()) as refused:
        kd.load_task(train=source)
    assert str(refused.value).isprintable() and any(
        word in str(refused.value) for word in ("Write", "Pass", "Keep", "Name")
    )


def test_scores_are_refused_at_the_first_fraction(tmp_path):
    path = tmp_path / "stsb.csv"
    path.write_text("text,text_b,label\na,b,5.0\nc,d,3.800\n")
    with pytest.raises(ValueError, match=r"row 2, column 'label': the label 3\.800 is a fraction.*regression"):
        kd.load_task(train=path)


# rare classes -------------------------------------------------------------------------------------------------------


def test_classes_too_rare_to_be_split_stay_in_train_and_it_is_said(capsys):
    rows = pd.DataFrame({"text": [f"t {n}" for n in range(65)], "label": ["many"] * 60 + list("abcde")})
    task = kd.load_task(train=rows)
    assert task.labels == ("a", "b", "c", "d", "e", "many") and set(task["train"]["label"]) == set(range(6))
    assert set(task["dev"]["label"]) == set(task["test"]["label"]) == {5}
    printed = capsys.readouterr().out
    for split in ("dev", "test"):
        note = f"{split} has no row of 5 of 6 classes: a, b, c, d, e"
        assert note in printed and note in repr(task)
    assert sorted(sum((split["text"][:] for split in task.splits.values()), [])) == sorted(rows["text"])


def test_a_split_of_yours_that_lacks_a_class_says_so(capsys):
    rows = pd.DataFrame(ROWS)
    task = kd.load_task(train=rows, dev=rows[rows["label"] == "yes"], test=rows, labels=("no", "yes", "never"))
    assert "dev has no row of 2 of 3 classes: no, never" in capsys.readouterr().out
    assert "train has no row of 1 of 3 classes: never" in repr(task)


def test_made_files_and_texts_are_read_rightly_or_refused_with_one_line():
    found, wrong = fuzz(seed=7, files=60, texts=100)
    assert wrong == [] and found["files read"] > 10 < found["files refused"] and found["texts read"] > 60

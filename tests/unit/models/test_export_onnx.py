"""Students leave torch: onnxruntime gives the logits of every network, and nothing half-written is left behind."""

from __future__ import annotations

import json
import shutil
import sys
from functools import cache

import pytest
import torch
from torch.testing import assert_close
from transformers import AutoModelForQuestionAnswering

import kdviz as kd
from kdviz import cli
from kdviz.data.kinds import REGRESSION
from kdviz.data.questions import AWAY
from kdviz.models import onnx
from kdviz.models.convnet import conv_net
from kdviz.models.onnx import Exported
from kdviz.models.predict import predict
from kdviz.models.recurrent import GatedCNN
from tests.unit.data import asked
from tests.unit.models.conftest import tiny_task
from tests.unit.models.families import FAMILIES, save_family

TEXTS = ["a good film", "zebra [MASK] the plot is thin, unbelievably so", "fun"]
OWN = ("task", "full", "kronecker", "bilstm", "cnn", "conv")


@cache
def build(kind: str):
    """A tiny model of a kind, its weights large enough that texts matter."""
    if kind == "conv":
        return conv_net(kd.load_task("digits"), (16, 32))
    shape = {"layers": 2, "hidden": 32, "heads": 2}
    if kind == "kronecker":
        return kd.compress(kd.build_student(tiny_task(), **shape), 8)
    how = {"vocabulary": kind} if kind in ("task", "full") else {"architecture": kind}
    return kd.build_student(tiny_task(), **shape, **how)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """kind -> what its export gives, each written once."""
    made = {}

    def of(kind):
        if kind not in made:
            made[kind] = build(kind).export(tmp_path_factory.mktemp(kind) / "out")
        return made[kind]

    return of


def batch(model, rows: int, length: int, seed: int = 0):
    """ids, mask and types; the first row is whole, each next one has one word less."""
    random = torch.Generator().manual_seed(seed)
    if model.tokenizer is None:
        shape = (rows, model.max_length)
        return (torch.randint(0, 17, shape, generator=random), *(torch.ones(shape, dtype=torch.long),) * 2)
    ids = torch.randint(0, len(model.tokenizer), (rows, length), generator=random)
    mask = (torch.arange(length) < (length - torch.arange(rows)).clamp(min=1)[:, None]).long()
    types = torch.randint(0, 2, (rows, length), generator=random)
    return ids.masked_fill(mask == 0, model.tokenizer.pad_token_id), mask, types


@torch.no_grad()
def agree(model, exported):
    """Padded, alone, one word, and as long as the model reads."""
    found = []
    for seed, (rows, length) in enumerate([(4, 9), (1, 6), (3, 1), (2, model.max_length)]):
        given = batch(model, rows, length, seed)
        found.append(model(*given).logits)
        assert_close(exported(*given).logits, found[-1], atol=1e-5, rtol=1e-4)
    assert torch.cat(found).std(0).max() > 1e-3, "what is read matters"


@pytest.mark.parametrize("kind", OWN)
def test_own_networks_give_the_same_logits(exported, kind):
    agree(build(kind), exported(kind))


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind != "longformer"])
def test_every_family_of_transformers_gives_the_same_logits(tmp_path, kind):
    depth = {"distilbert": "n_layers", "gpt2": "n_layer"}.get(kind, "num_hidden_layers")
    model = kd.load_teacher(save_family(tmp_path / "teacher", kind, **{depth: 2}))
    agree(model, model.export(tmp_path / "out"))


@pytest.mark.parametrize("kind", ["full", "task", "kronecker", "bilstm"])
def test_a_reader_of_questions_gives_two_outputs_and_the_same_answers(tmp_path, kind):
    task, shape = asked.task(), {"layers": 2, "hidden": 32, "heads": 2, "seed": 1}
    how = {"architecture": kind} if kind == "bilstm" else {"vocabulary": "full" if kind == "full" else "task"}
    model = kd.build_student(task, **shape, **how)
    model = kd.compress(model, 8) if kind == "kronecker" else model
    model.threshold = 0.5
    pairs = list(zip(task["dev"]["text"][:], task["dev"]["text_b"][:]))
    found = model.export(tmp_path / "out", texts=pairs)
    assert [one.name for one in found.session.get_outputs()] == ["start_logits", "end_logits"]
    assert found.threshold == 0.5 and found.texts == len(pairs) and found.gap < 1e-5
    rows = onnx.encode_split(task["dev"], model.tokenizer, kind=task.kind)
    given = rows.batch(range(len(rows)))
    given = given.input_ids, given.attention_mask, given.token_type_ids
    with torch.no_grad():
        wanted = model(*given).logits
    assert_close(found(*given).logits, wanted, atol=1e-5, rtol=1e-4)
    assert (wanted > AWAY / 2).any() and (wanted < AWAY / 2).any() and wanted[:, 0].std() > 1e-4
    measured = kd.measure({"torch": model, "ONNX": found}, task["dev"], task, repeats=1)
    assert measured["f1"]["torch"] == measured["f1"]["ONNX"]
    if kind != "full":
        return
    network = AutoModelForQuestionAnswering.from_pretrained(model.save_pretrained(tmp_path / "folder")).eval()
    with torch.no_grad():
        theirs = network(**dict(zip(onnx.INPUTS, given)))
    ours = found.session.run(
        ["start_logits", "end_logits"], {name: one.numpy() for name, one in zip(onnx.INPUTS, given)}
    )
    for own, name in zip(ours, ("start_logits", "end_logits")):
        assert_close(torch.from_numpy(own), theirs[name], atol=1e-5, rtol=1e-4)  # outside of the context too


def test_what_cannot_be_exported_is_said_and_leaves_nothing(tmp_path, minilm):
    longformer = kd.load_teacher(save_family(tmp_path / "teacher", "longformer"))
    with pytest.raises(ValueError, match=r"\(longformer, with a classifier\) cannot be exported to ONNX") as error:
        longformer.export(tmp_path / "out")
    assert "\n" not in str(error.value) and str(error.value).endswith("writes the transformers folder")
    with pytest.raises(ValueError, match="'minilm' has no classifier, so nothing to export"):
        minilm.export(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["teacher"]


def test_a_folder_holds_what_is_needed_and_nothing_of_this_machine(exported):
    folder = exported("task").folder
    files = {path.name for path in folder.iterdir()}
    assert files == {"model.onnx", "kdviz.json", "tokenizer.json", "tokenizer_config.json"}
    about = json.loads((folder / "kdviz.json").read_text())
    assert about["labels"] == ["bad", "good"] and about["max_length"] == 512
    assert list(about["inputs"]) == [one.name for one in exported("task").session.get_inputs()]
    stored = (folder / "model.onnx").read_bytes()
    assert b"site-packages" not in stored and str(folder.parent).encode() not in stored and b".py" not in stored
    assert {path.name for path in exported("conv").folder.iterdir()} == {"model.onnx", "kdviz.json"}
    assert [one.name for one in exported("conv").session.get_inputs()] == ["input_ids"]


@pytest.mark.parametrize("kind", [kind for kind in OWN if kind != "full"])
def test_int8_is_smaller_and_says_how_far_probabilities_move(tmp_path, kind, exported):
    model = build(kind)
    texts = kd.load_task("digits")["dev"].select(range(50)) if kind == "conv" else TEXTS * 5
    found = model.export(tmp_path / "out", int8=True, texts=texts)
    assert found.int8 and found.bytes < found.bytes_float32 == exported(kind).bytes
    rows = onnx.encode_split(texts, model.tokenizer)
    gap = (predict(model, rows).softmax(-1) - predict(found, rows).softmax(-1)).abs().max().item()
    assert found.gap == pytest.approx(gap) and 0 < gap < 0.05
    said = repr(found)
    assert f"{found.bytes / 1e6:,.2f} MB in int8 ({found.bytes_float32 / 1e6:,.2f} before)" in said
    assert f"answers at most {gap:.2g} from the model's on {len(texts)} texts" in said
    assert repr(Exported(found.folder)) == said


def test_without_texts_nothing_is_claimed_of_int8(tmp_path):
    found = build("cnn").export(tmp_path / "out", int8=True)
    assert found.gap is None and "give texts=… to learn how far int8 moves its answers" in repr(found)


def test_pairs_are_compared_as_pairs(tmp_path):
    model = build("bilstm")
    found = model.export(tmp_path / "out", texts=[("a good film", "fun"), ("the plot", "is thin")])
    assert found.texts == 2 and found.gap < 1e-6
    assert "answers at most" in repr(found) and "int8" not in repr(found)


def test_a_regression_is_compared_in_its_numbers(tmp_path):
    model = kd.build_student(tiny_task(labels=("score",), kind=REGRESSION), layers=1, hidden=8, architecture="cnn")
    assert model.task_kind == "regression"
    found = model.export(tmp_path / "out", int8=True, texts=TEXTS)
    ours, theirs = (predict(one, onnx.encode_split(TEXTS, model.tokenizer)) for one in (model, found))
    assert found.gap == pytest.approx((ours - theirs).abs().max().item()) and found.gap > 0
    assert json.loads((found.folder / "kdviz.json").read_text())["kind"] == "regression"


def test_the_model_stays_as_it_was(tmp_path):
    model = build("bilstm").train()
    before, random = model.fingerprint(), torch.random.get_rng_state()
    model.export(tmp_path / "out")
    assert model.training and model.fingerprint() == before and torch.equal(random, torch.random.get_rng_state())
    model.eval()


def test_a_network_that_knows_one_size_only_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(GatedCNN, "step", staticmethod(lambda layer, state, real: state[torch.arange(len(state))]))
    with pytest.raises(
        ValueError, match=r"cannot be exported to ONNX \(its graph reads nothing but sizes \[2, 2, 2\]\)"
    ):
        build("cnn").export(tmp_path / "out")


# ---- what can go wrong ---------------------------------------------------------------------------------------------


def test_a_file_that_computes_something_else_is_refused(tmp_path, monkeypatch):
    right = Exported.forward

    def wrong(self, *given, **options):
        out = right(self, *given, **options)
        out.logits[-1] += torch.tensor([0.01, 0.0])
        return out

    monkeypatch.setattr(Exported, "forward", wrong)
    with pytest.raises(ValueError, match=r"the exported 'student' gives answers that are off by 0\.00\d+, more"):
        build("cnn").export(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "broken, error", [("save_tokenizer", FULL), ("_quantise", KeyboardInterrupt()), ("_gaps", KeyboardInterrupt())]
)
def test_an_interruption_leaves_no_folder_or_the_former_one(tmp_path, monkeypatch, exported, broken, error):
    def stop(*_):
        raise error

    shutil.copytree(exported("cnn").folder, tmp_path / "former")
    monkeypatch.setattr(onnx, broken, stop)
    before = {path.name: path.read_bytes() for path in (tmp_path / "former").iterdir()}
    for name in ("new", "former"):
        with pytest.raises(type(error)) as raised:
            build("cnn").export(tmp_path / name, int8=True)
        if isinstance(error, OSError):
            said = str(raised.value)
            assert said.endswith(
                f"{name} cannot be written (No space left on device); free some disk, or name another folder"
            )
    assert [path.name for path in tmp_path.iterdir()] == ["former"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "former").iterdir()} == before


@pytest.mark.parametrize("missing", onnx.NEEDS)
def test_a_missing_extra_is_one_line(tmp_path, monkeypatch, capsys, missing):
    build("cnn").save(tmp_path / "model")
    monkeypatch.setitem(sys.modules, missing, None)
    assert cli.main(["export", str(tmp_path / "model"), str(tmp_path / "out"), "--onnx"]) == 1
    said = f'kdviz: {missing} is not installed, and ONNX needs it: pip install "kdviz[export]"\n'
    assert capsys.readouterr().err == said


def test_a_folder_without_an_export_and_a_damaged_one_are_named(tmp_path, exported):
    with pytest.raises(FileNotFoundError, match=r"kdviz\.json is missing: no exported model in .*out; write it again"):
        Exported(tmp_path / "out")
    for name, content in (("kdviz.json", b"{"), ("kdviz.json", b"{}"), ("model.onnx", b"cut off")):
        folder = shutil.copytree(exported("cnn").folder, tmp_path / "damaged", dirs_exist_ok=True)
        (folder / name).write_bytes(content)
        with pytest.raises(ValueError, match=r"the exported model in .*damaged is damaged \(.*write it again"):
            Exported(folder)
    with pytest.raises(ValueError, match="no hidden; it offers logits"):
        exported("cnn")(*batch(build("cnn"), 1, 3), want={"hidden", "logits"})


# ---- measured, and from the command line ---------------------------------------------------------------------------


def test_measure_takes_exports_beside_models(exported):
    task = kd.load_task("digits")
    models = {"torch": build("conv"), "ONNX": exported("conv")}
    found = kd.measure(models, task["dev"], task, repeats=1)
    assert found.weights["ONNX"] == found.weights["torch"]
    assert found.megabytes["ONNX"] * 1e6 == (exported("conv").folder / "model.onnx").stat().st_size
    assert found.accuracy["ONNX"] == found.accuracy["torch"] and (found.ms_32 > 0).all()


@pytest.fixture
def saved(tmp_path):
    return build("task").save(tmp_path / "model")


def command(*words) -> int:
    return cli.main(["export", *map(str, words)])


def test_the_command_writes_what_the_model_would(saved, tmp_path, capsys):
    (tmp_path / "texts.csv").write_text("text\n" + "\n".join(f'"{text}"' for text in TEXTS))
    assert command(saved, tmp_path / "onnx", "--int8", "--texts", tmp_path / "texts.csv") == 0
    found = Exported(tmp_path / "onnx")
    assert found.int8 and found.texts == len(TEXTS) and capsys.readouterr().out == f"{found!r}\n"
    run = tmp_path / "run"
    shutil.copytree(saved, run / "student")
    (run / "run.json").write_text("{}")
    assert command(run, tmp_path / "folder") == 0
    assert capsys.readouterr().out == f"student for transformers: {tmp_path / 'folder'}\n"
    again = kd.load_teacher(tmp_path / "folder")
    assert_close(kd.encode(again, TEXTS).logits, kd.encode(build("task"), TEXTS).logits, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "words, said",
    [
        (["{home}/none", "{home}/out"], "none holds no finished run (run.json) and no saved model (model.json): pass"),
        (["{home}/model", "{home}/model"], "model is what is read: name another folder to write"),
        (
            ["{home}/model", "{home}/out", "--texts", "a.csv"],
            "--texts a.csv compares ONNX with the student: say --onnx",
        ),
        (["{home}/model", "{home}/out", "--onnx", "--texts", "{home}/a.csv"], "a.csv: no such file. Check the path"),
        (["{home}/model", "{home}/rows.csv", "--onnx"], "rows.csv cannot be written (it is a file)"),
        (["{home}/model", "{home}/rows.csv"], "rows.csv cannot be written (it is a file)"),
        (
            ["{home}/model", "{home}/o", "--onnx", "--texts", "{home}/rows.csv"],
            "the column is missing; there are: label",
        ),
    ],
)
def test_wrong_words_are_answered_in_one_line(saved, tmp_path, capsys, words, said):
    (tmp_path / "rows.csv").write_text("label\nx\n")
    before = sorted(tmp_path.rglob("*"))
    assert command(*(word.format(home=tmp_path) for word in words)) == 1
    error = capsys.readouterr().err
    assert said in error and error.startswith("kdviz: ") and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before

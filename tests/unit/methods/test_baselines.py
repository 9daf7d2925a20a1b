"""Vanilla KD, CKD and the methods of others: their objectives, phases and refusals, on a tiny task."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

import kdviz as kd
from kdviz.data.kinds import CLASSIFICATION
from kdviz.fields import FIELDS
from kdviz.losses import contextual, features, logits
from kdviz.methods.base import At, Phase
from kdviz.methods.pd import mask_words
from kdviz.training.context import Context
from kdviz.training.distill import _accelerator
from kdviz.training.state import Settings
from tests.unit.training import tiny

HERE = At(phase="distil", index=0, epoch=0, epochs=1, step=0, phase_step=0, phase_steps=1, steps=1)
RELATIONS = ("word_pair", "word_triple", "layer_pair", "layer_triple")


@pytest.fixture
def training():
    """A Training of the tiny models with its method not yet set up."""

    def make(method, **settings):
        student = settings.pop("student", tiny.student())
        return Context(student, tiny.teacher(), tiny.task(), method, Settings(**settings), _accelerator(None))

    return make


def terms_of(training, method, at=HERE, needs=FIELDS):
    run = training(method, cache=False)
    run.student.eval()
    run.at = at
    if method.setup:
        method.setup(run)
    batch = run.rows(range(12, 28))  # labelled and unlabelled rows
    student, teacher = run.student_fields(batch, needs), run.teacher_fields(batch, needs)
    return method.loss(student, teacher, batch, here(at)), student, teacher, batch


def test_kd_mixes_labels_and_soft_targets(training):
    terms, student, teacher, batch = terms_of(training, kd.KD(alpha=0.3, temperature=2.0))
    torch.testing.assert_close(terms["labels"], 0.7 * logits.cross_entropy(student["logits"], batch.labels))
    torch.testing.assert_close(terms["logits"], 0.3 * logits.soft_kl(student["logits"], teacher["logits"], 2.0))
    assert list(terms_of(training, kd.KD(alpha=1))[0]) == ["logits"]
    assert list(terms_of(training, kd.KD(alpha=0))[0]) == ["labels"]


def test_unlabelled_rows_have_no_cross_entropy(training):
    terms, student, _, batch = terms_of(training, kd.KD(alpha=0.0))
    known = batch.labels != -100
    assert known.any() and not known.all()
    torch.testing.assert_close(terms["labels"], logits.cross_entropy(student["logits"][known], batch.labels[known]))


def test_ckd_without_relations_is_kd_step_for_step():
    one, other = tiny.distill(kd.KD()), tiny.distill(kd.CKD(beta=0.0))
    assert one.history.equals(other.history)


@pytest.mark.parametrize("student", [tiny.student(), tiny.student(hidden=20, heads=5)], ids=["16x2", "20x5"])
def test_ckd_weighs_its_four_relations(training, student):
    method = kd.CKD(beta=3.0, lambda_wr=5.0, lambda_ltr=7.0, ltr_weight=0.5, window=5)
    run = training(method, student=student, cache=False)
    student.eval()
    batch = run.rows(range(10))
    own, its = run.student_fields(batch, method.needs), run.teacher_fields(batch, method.needs)
    terms, mask = method.loss(own, its, batch, here(HERE)), batch.attention_mask
    words, layers = (own["word_gram"], its["word_gram"], mask), (own["layer_gram"], its["layer_gram"], mask)
    expected = {
        "word_pair": 3 * contextual.word_pair(*words),
        "word_triple": 15 * contextual.word_angle(*words, window=5),
        "layer_pair": 1.5 * contextual.layer_pair(*layers),
        "layer_triple": 10.5 * contextual.layer_angle(*layers),
    }
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)
        assert value > 0


def test_the_weights_of_the_release_can_be_reached(training):
    """SST-2: KL without τ² + 100 pairs + 1000 triples of words + pairs and triples of layers; all times τ²."""
    run = training(kd.CKD(), cache=False)
    run.student.eval()
    lengths = run.table.lengths[:12]
    same = [row for row in range(12) if lengths[row] == lengths[0]]
    batch, fields = run.rows(same), frozenset({"logits", "word_gram", "layer_gram"})
    own, its = run.student_fields(batch, fields), run.teacher_fields(batch, fields)
    n, depth = int(lengths[0]), own["word_gram"].shape[1]
    method = kd.CKD(
        alpha=1,
        temperature=4,
        window=None,
        beta=1600 / n,
        lambda_wr=10 * (n - 1) * (n - 2) / n,
        ltr_weight=n / (100 * depth),
        lambda_ltr=(depth - 1) * (depth - 2) / depth,
    )
    found = method.loss(own, its, batch, here(HERE))
    words, layers = ((own[name], its[name], batch.attention_mask) for name in ("word_gram", "layer_gram"))
    release = {"normalization": "release"}
    expected = {
        "logits": logits.soft_kl(own["logits"] / 4, its["logits"] / 4),
        "word_pair": 100 * contextual.word_pair(*words, **release),
        "word_triple": 1000 * contextual.word_angle(*words, **release),
        "layer_pair": contextual.layer_pair(*layers, **release),
        "layer_triple": contextual.layer_angle(*layers, **release),
    }
    torch.testing.assert_close(found, {name: 16 * value for name, value in expected.items()}, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("wr", [None, "pair", "triple", "both"])
@pytest.mark.parametrize("ltr", [None, "pair", "triple", "both"])
def test_ckd_asks_for_what_its_parts_read_and_no_more(wr, ltr, training):
    method = kd.CKD(wr=wr, ltr=ltr)
    assert method.needs == {"logits"} | ({"word_gram"} if wr else set()) | ({"layer_gram"} if ltr else set())
    terms, *_ = terms_of(training, method, needs=method.needs)
    parts = {None: [], "pair": ["pair"], "triple": ["triple"], "both": ["pair", "triple"]}
    expected = [f"word_{part}" for part in parts[wr]] + [f"layer_{part}" for part in parts[ltr]]
    assert [name for name in terms if name in RELATIONS] == expected


def test_the_relation_stage_reads_neither_labels_nor_logits():
    run = tiny.distill(kd.CKD(beta=0, relation_epochs=1), epochs=2)
    first, second = (run.history[run.history["phase"] == phase] for phase in ("relations", "distil"))
    assert first[list(RELATIONS)].notna().all(axis=None) and first[["labels", "logits"]].isna().all(axis=None)
    assert second[list(RELATIONS)].isna().all(axis=None) and second[["labels", "logits"]].notna().all(axis=None)
    stage, main = kd.CKD(beta=0, relation_epochs=1).phases(2)
    assert stage.needs == stage.student_needs == {"word_gram", "layer_gram"} and stage.rows == "all"


def test_relations_alone_draw_the_student_to_the_teacher():
    run = tiny.distill(kd.CKD(relation_epochs=20), epochs=21, lr=3e-3, student=tiny.student(dropout=0.0))
    first = run.history[run.history["phase"] == "relations"]
    assert first["loss"].tail(5).mean() < 0.7 * first["loss"].head(5).mean()


@pytest.mark.parametrize(
    "settings, told",
    [
        ({"wr": "all"}, "wr='all'"),
        ({"window": 4}, "window=4"),
        ({"beta": -1}, "beta=-1"),
        ({"ltr_weight": -1}, "ltr_weight=-1"),
        ({"alpha": 2}, "alpha=2"),
        ({"wr": None, "ltr": None, "relation_epochs": 1}, "nothing to train"),
        ({"temperature": 0}, "temperature=0"),
    ],
)
def test_ckd_names_an_impossible_setting(settings, told):
    with pytest.raises(ValueError, match=told):
        kd.CKD(**settings)


def test_phases_name_an_impossible_setting():
    with pytest.raises(ValueError, match="3 of 3 epochs for 'relations' leave 0: .* as with epochs=4"):
        kd.CKD(relation_epochs=3).phases(3)
    with pytest.raises(ValueError, match="rows='some'"):
        Phase("a", 1, rows="some")
    with pytest.raises(ValueError, match="passes=0, must be 1 or more"):
        Phase("a", 1, passes=0)
    with pytest.raises(ValueError, match="needs gram"):
        Phase("a", 1, needs=frozenset({"gram"}))


@pytest.mark.parametrize(
    "method, epochs, phases",
    [
        (kd.LabelsOnly(), 2, ["labels"]),
        (kd.PKD(), 2, ["distil"]),
        (kd.RKD(), 2, ["distil"]),
        (kd.DistilBERT(), 2, ["distil"]),
        (kd.TinyBERT(heads="mean"), 3, ["layers", "logits"]),
        (kd.MobileBERT(heads="mean"), 3, ["layer 1", "layer 2", "distil"]),
        (kd.MiniLM(), 2, ["relations", "labels"]),
        (kd.MiniLM(then="KD"), 2, ["relations", "distil"]),
        (kd.HardKD(), 2, ["distil"]),
        (kd.PD(), 2, ["reading", "soft labels"]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_every_method_trains_through_its_phases(method, epochs, phases):
    run = tiny.distill(method, epochs=epochs)
    assert list(dict.fromkeys(run.history["phase"])) == phases
    assert run.history["loss"].notna().all()
    moved = [not torch.equal(a, b) for a, b in zip(run.student.parameters(), tiny.student().parameters(), strict=True)]
    assert sum(moved) > len(moved) / 2
    assert method.describe()["method"] == run.settings["method"]["method"] == type(method).__name__


def test_equal_heads_serve_the_papers_forms():
    four = tiny.student(hidden=16, heads=4)
    for method in (kd.TinyBERT(), kd.MobileBERT(), kd.MiniLM(version=1)):
        assert tiny.distill(method, epochs=3, student=four).history["loss"].notna().all()


@pytest.mark.parametrize("method", [kd.TinyBERT(), kd.MobileBERT(), kd.MiniLM(version=1)], ids=lambda m: m.name)
def test_unequal_heads_are_refused_with_both_numbers(method):
    with pytest.raises(ValueError, match="2.*4"):
        tiny.distill(method, epochs=3)


def test_pkd_maps_inner_layers_as_the_paper():
    assert kd.PKD().layer_map(12, 6) == ((2, 4, 6, 8, 10), (1, 2, 3, 4, 5))
    assert kd.PKD(mapping="last").layer_map(12, 6) == ((7, 8, 9, 10, 11), (1, 2, 3, 4, 5))
    with pytest.raises(ValueError, match="1 student layers on 4"):
        kd.PKD().layer_map(4, 1)


def test_objectives_are_zero_at_the_teacher_and_weighted_as_printed(training):
    method = kd.DistilBERT()
    terms, student, teacher, batch = terms_of(training, method)
    torch.testing.assert_close(terms["logits"], 5 * logits.soft_kl(student["logits"], teacher["logits"], 2.0))
    torch.testing.assert_close(terms["labels"], 2 * logits.cross_entropy(student["logits"], batch.labels))
    terms, student, teacher, batch = terms_of(training, kd.RKD(beta=4.0))
    torch.testing.assert_close(terms["angle"], 8 * features.rkd_angle(student["sentence"], teacher["sentence"]))
    for kind in (kd.RKD(), kd.MiniLM(), kd.TinyBERT(heads="mean"), kd.CKD()):
        run = training(kind, student=tiny.teacher(), cache=False)
        run.student.eval()
        kind.setup(run)
        batch = run.rows(range(8))
        fields = run.teacher_fields(batch, FIELDS)
        place = At(**(vars(HERE) | {"phase": "relations" if isinstance(kind, kd.MiniLM) else "layers"}))
        zero = [name for name in kind.loss(fields, fields, batch, here(place)) if name not in ("labels",)]
        assert zero
        for name in zero:
            assert abs(kind.loss(fields, fields, batch, here(place))[name].item()) < 1e-4, (kind.name, name)


def test_masked_words_leave_special_tokens_and_hide_at_least_one(training):
    run = training(kd.PD())
    torch.manual_seed(0)
    for _ in range(20):
        batch = run.rows(range(3))
        shown, hidden = mask_words(batch, run.student.tokenizer)
        assert hidden.any() and not hidden[batch.attention_mask == 0].any()
        special = torch.isin(batch.input_ids, torch.tensor(run.student.tokenizer.all_special_ids))
        assert not hidden[special].any()
        assert torch.equal(shown[~hidden], batch.input_ids[~hidden])


def test_an_assistant_stands_between_teacher_and_student(tmp_path):
    assistant = kd.build_student(tiny.task(), layers=3, hidden=20, heads=4, seed=5)
    run = tiny.distill(kd.TAKD(assistant=assistant), epochs=1, folder=tmp_path / "run")
    taught = kd.Run.load(tmp_path / "run" / "assistant").student
    direct = tiny.distill(kd.KD(), epochs=1, teacher=taught)
    assert run.history["logits"].tolist() == direct.history["logits"].tolist()
    with pytest.raises(ValueError, match="assistant"):
        kd.TAKD()


def here(at):
    """What a loss sees of its run."""
    return SimpleNamespace(at=at, kind=CLASSIFICATION, record=lambda name, value: None)

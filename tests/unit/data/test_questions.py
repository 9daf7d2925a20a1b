"""Question answering: windows, spans, scores and thresholds against values worked out by hand; the losses in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from kdviz.data import questions
from kdviz.data.batches import encode_split
from kdviz.data.kinds import QUESTION_ANSWERING
from kdviz.data.questions import AWAY, Found, Question
from kdviz.models.tokenizers import load_tokenizer
from tests.unit.data import asked

CONTEXT = "Ana bought a red lamp. Ben found two books, and Omar sold a mirror to the nurse."


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer()


def cut(tokenizer, answer: str, max_length: int):
    one = Question("What did Ben find?", CONTEXT, (answer,))
    start = CONTEXT.index(answer)
    return one, questions.windows(tokenizer, [one], np.array([[start, start + len(answer)]]), max_length)


# ---- windows ---------------------------------------------------------------------------------------------------------
def test_a_label_is_the_tokens_that_cover_the_answer(tokenizer):
    one, (ids, types, labels, made) = cut(tokenizer, "two books", 128)
    (start, end), window = labels[0], made[0]
    assert tokenizer.decode(ids[0][start : end + 1]) == "two books" and len(ids) == 1 and window.question is one
    assert types[0][: window.first].sum() == 0 and types[0][window.first : -1].all()
    begin, stop = window.offsets[start - window.first][0], window.offsets[end - window.first][1]
    assert CONTEXT[begin:stop] == "two books"
    within = CONTEXT.index("wo boo")
    _, _, labels, _ = questions.windows(tokenizer, [one], np.array([[within, within + 6]]), 128)
    assert labels.tolist() == [[start, end]], "part of a word stands for the whole token"


def test_a_long_context_is_read_in_windows_that_overlap(tokenizer):
    _, (ids, _, labels, made) = cut(tokenizer, "red lamp", 24)
    assert len(ids) > 1 and all(len(row) <= 24 for row in ids)
    for before, after in zip(made, made[1:]):
        shared = {*map(tuple, before.offsets.tolist())} & {*map(tuple, after.offsets.tolist())}
        assert len(shared) == 24 // questions.OVERLAP
    covered = sorted({tuple(pair) for window in made for pair in window.offsets.tolist()})
    assert "".join(CONTEXT[a:b] for a, b in covered) == CONTEXT.replace(" ", ""), "no word is passed over"
    holding = [row for row, window in enumerate(made) if "red lamp" in CONTEXT[slice(*window.offsets[[0, -1], [0, 1]])]]
    assert [row for row in range(len(ids)) if labels[row].any()] == holding and len(holding) < len(ids)


def test_a_question_without_room_for_its_context_is_named(tokenizer):
    with pytest.raises(ValueError, match="the question 'What did Ben find.' has 5 tokens.*max_length=10.*larger"):
        cut(tokenizer, "two books", 10)


# ---- spans -----------------------------------------------------------------------------------------------------------
def brute(logits: np.ndarray):
    """The best span by trying all."""
    tokens = range(1, len(logits))
    sums = {(i, j): logits[i, 0] + logits[j, 1] for i in tokens for j in tokens if i <= j < i + questions.LONGEST}
    return max(sums.values()), max(sums, key=sums.get)


def test_the_best_span_is_the_best_of_all():
    logits = torch.randn(20, 50, 2, generator=torch.Generator().manual_seed(0))
    logits[0, 3, 0], logits[0, 45, 1], logits[1, 40, 0], logits[1, 2, 1] = 50, 50, 50, 50  # too long; end before start
    best, spans, none = questions.best_spans(logits)
    for row in range(20):
        value, span = brute(logits[row].double().numpy())
        assert (float(best[row]), tuple(spans[row].tolist())) == (pytest.approx(value), span)
    assert_close(none, logits[:, 0].double().sum(-1))


def test_windows_of_a_question_are_put_together(tokenizer):
    _, (ids, _, labels, made) = cut(tokenizer, "a mirror", 24)
    logits = torch.zeros(len(ids), 24, 2)
    where = int(np.flatnonzero(labels.any(1))[0])
    start, end = labels[where]
    logits[where, start, 0] = logits[where, end, 1] = 5.0
    logits[0, 0] = 4.0  # one window knows no answer: another's counts
    found = questions.answers(logits, made)
    assert found.texts() == ["a mirror"] and found.gap[0] == pytest.approx(0 - 10)
    shares = logits[where].double().softmax(0)
    assert found.scores[0] == pytest.approx(float(shares[start, 0] * shares[end, 1]))
    logits[:, 0] = 6.0
    assert questions.answers(logits, made).texts(0.0) == [""] and questions.answers(logits, made).texts(3) == [
        "a mirror"
    ]


def test_what_is_outside_of_the_context_is_no_answer(tokenizer):
    rows = encode_split([("Who sold it?", "Omar sold it."), ("Who?", "Ana.")], tokenizer, 32, QUESTION_ANSWERING)
    batch = rows.batch([0, 1])
    logits = torch.zeros(*batch.input_ids.shape, 2)
    kept = questions.inside(logits, batch.input_ids, batch.attention_mask, batch.token_type_ids, tokenizer)
    words = [tokenizer.convert_ids_to_tokens(ids[row[:, 0] > AWAY].tolist()) for ids, row in zip(batch.input_ids, kept)]
    assert words == [["[CLS]", "omar", "sold", "it", "."], ["[CLS]", "ana", "."]]


# ---- scores ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "right", "f1", "exact"),
    [
        ("The red lamp!", ["a red lamp"], 1, 1),  # articles, case and punctuation do not count
        ("red lamp today", ["red lamp"], 0.8, 0),  # 2 of 3 and 2 of 2
        ("lamp", ["two books", "a red lamp"], 2 / 3, 0),  # the best of the answers
        ("red red", ["red red lamp"], 0.8, 0),  # each word as often as both have it
        ("", [], 1, 1),
        ("lamp", [], 0, 0),
        ("", ["lamp"], 0, 0),
        ("the", ["lamp"], 0, 0),
        ("the", [], 1, 1),  # nothing is left of it
        ("", ["the", "lamp"], 0, 0),  # an answer of which nothing is left does not count
    ],
)
def test_scores_are_those_of_squad(said, right, f1, exact):
    found = questions.measured([said], [Question("?", "…", tuple(right))])
    assert [part[0] for part in found] == [pytest.approx(f1), exact]


def found(gaps, answers, said):
    """What a model says of questions whose contexts are what it says."""
    asked_ = [Question("?", text, tuple(some)) for text, some in zip(said, answers)]
    spans, zeros = np.array([(0, len(text)) for text in said]), np.zeros(len(said))
    return Found(asked_, spans, zeros, np.array(gaps, float), zeros)


def test_a_threshold_is_the_best_on_these_questions():
    one = found([-5, 1, 3, 6], [["a1"], ["b1"], [], []], ["a1", "b1", "c1", "d1"])
    chosen = questions.threshold(one)
    assert 1 <= chosen < 3 and questions.measured(one.texts(chosen), one.questions)[1].tolist() == [1, 1, 1, 1]
    draw = np.random.default_rng(0)
    for _ in range(20):
        answers = [[text] if draw.random() < 0.6 else [] for text in "abcdefgh"]
        some = found(draw.normal(size=8), answers, ["x y" if draw.random() < 0.3 else text for text in "abcdefgh"])
        mean = lambda at: questions.measured(some.texts(at), some.questions)[0].mean()  # noqa: B023, E731
        assert mean(questions.threshold(some)) == pytest.approx(max(mean(at) for at in [-9, 0, 9, *(some.gap + 1e-6)]))
    answered = found([-1, 4], [["a"], ["b"]], ["a", "x"])
    assert answered.texts(questions.threshold(answered)) == ["a", "x"], "all have an answer: none is never said"
    assert questions.threshold(found([-1, 4], [["a"], []], ["a", "b"])) == 0, "of equal ones the one nearest to 0"


# ---- losses ----------------------------------------------------------------------------------------------------------
def pair():
    draw = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(3, 7, 2, generator=draw, dtype=torch.float64) for _ in range(2))
    real = torch.tensor([[1, 0, 1, 1, 1, 1, 1], [1, 0, 0, 1, 1, 0, 0], [1, 0, 1, 1, 0, 0, 0]]).bool()
    student = student.masked_fill(~real[..., None], AWAY)
    return student.requires_grad_(), teacher.masked_fill(~real[..., None], 0), real.numpy()  # 0 as a cache pads


def softmax(z):
    z = np.exp(z - z.max())
    return z / z.sum()


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_soft_loss_is_numpys_in_value_and_gradient(temperature):
    student, teacher, real = pair()
    rows = QUESTION_ANSWERING.soft(student, teacher, temperature, reduction="none")
    QUESTION_ANSWERING.soft(student, teacher, temperature).backward()
    wanted, slope = np.zeros(3), np.zeros(student.shape)
    for row in range(3):
        for side in (0, 1):
            z_s, z_t = (x.detach().numpy()[row, real[row], side] / temperature for x in (student, teacher))
            p, q = softmax(z_t), softmax(z_s)
            wanted[row] += temperature**2 * (p * np.log(p / q)).sum() / 2
            slope[row, real[row], side] = temperature * (q - p) / 6
    assert_close(rows.detach().numpy(), wanted, rtol=1e-5, atol=1e-6)
    assert_close(student.grad.numpy(), slope, rtol=1e-4, atol=1e-6)


def test_the_squared_loss_looks_at_the_context_alone():
    student, teacher, real = pair()
    rows = QUESTION_ANSWERING.squared(student, teacher, reduction="none").detach().numpy()
    gaps = (student - teacher).detach().numpy()
    assert_close(rows, np.array([np.square(gaps[row, real[row]]).mean() for row in range(3)]), rtol=1e-5, atol=1e-6)


def test_the_hard_loss_is_the_mean_of_two_cross_entropies_and_passes_over_rows_without_a_label():
    student, _, _ = pair()
    labels = torch.tensor([[2, 4], [-100, -100], [0, 0]])
    rows = QUESTION_ANSWERING.hard(student, labels, reduction="none")
    logs = student.log_softmax(1)
    assert_close(rows[0], -(logs[0, 2, 0] + logs[0, 4, 1]) / 2, check_dtype=False)
    assert_close(rows[2], -logs[2, 0].sum() / 2, check_dtype=False)
    assert float(rows[1]) == 0
    assert_close(QUESTION_ANSWERING.hard(student, labels), (rows[0] + rows[2]) / 2)


def test_a_split_is_judged_by_questions(tokenizer):
    task = asked.task()
    rows = encode_split(task["test"], tokenizer, 16, task.kind)
    assert len(rows) > 12 == task.kind.counted(rows)
    logits = torch.zeros(len(rows), int(rows.lengths.max()), 2)
    for row, (start, end) in enumerate(rows.labels):
        logits[row, start, 0] = logits[row, end, 1] = 9.0 if end else 1.0
    right = task.kind.judged(logits, rows)
    assert (right["f1"], right["exact"]) == (1, 1) and list(right) == ["f1", "exact", "loss"]
    spans = task.kind.given(logits, rows).numpy()
    assert spans.tolist() == task["test"]["label"][:], "characters, as in the table"

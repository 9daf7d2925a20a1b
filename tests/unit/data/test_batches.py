from __future__ import annotations

import datasets
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import kdviz as kd
from kdviz.data.batches import Rows, batch_rows, batches, encode_split
from kdviz.models.tokenizers import load_tokenizer

lengths = st.lists(st.integers(2, 40), min_size=1, max_size=300)


@given(lengths, st.integers(1, 9), st.one_of(st.none(), st.integers(0, 5)), st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_every_row_once_in_full_batches(lengths, size, seed, epoch):
    plan = batch_rows(lengths, size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(plan)) == list(range(len(lengths)))
    assert sorted(map(len, plan), reverse=True)[:-1] == [size] * (len(plan) - 1)
    again = batch_rows(lengths, size, seed=seed, epoch=epoch)
    assert all(np.array_equal(a, b) for a, b in zip(plan, again, strict=True))


def test_seed_and_epoch_change_the_order_and_nothing_else_does():
    lengths = np.arange(500) % 30
    torch.manual_seed(0)
    orders = {tuple(np.concatenate(batch_rows(lengths, 8, seed=s, epoch=e))) for s in (0, 1) for e in (0, 1)}
    assert len(orders) == 4
    np.random.seed(9)
    torch.manual_seed(9)
    assert tuple(np.concatenate(batch_rows(lengths, 8, seed=0, epoch=0))) in orders


def test_buckets_save_padding():
    lengths = np.random.default_rng(0).integers(3, 100, 3200)

    def padded(plan):
        return sum(len(rows) * lengths[rows].max() for rows in plan)

    plain = np.array_split(np.random.default_rng(0).permutation(3200), 100)
    bucketed = batch_rows(lengths, 32, seed=0, epoch=0)
    assert padded(bucketed) < 1.1 * lengths.sum() < 1.6 * lengths.sum() < padded(plain)


def test_batches_are_shuffled_over_the_epoch():
    lengths = np.random.default_rng(0).integers(3, 100, 1600)
    means = [lengths[rows].mean() for rows in batch_rows(lengths, 32, seed=0, epoch=0)]
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.5


@pytest.fixture(scope="module")
def encoded():
    rows = {"text": ["good", "a good film with [MASK] </script>", "word " * 300], "label": [1, -100, 0]}
    return encode_split(datasets.Dataset.from_dict(rows), load_tokenizer(), max_length=20)


def test_encoding_agrees_with_encode(encoded):
    tokenizer, teacher = load_tokenizer(), kd.load_teacher("minilm")
    for row, text in enumerate(["good", "a good film with [MASK] </script>", "word " * 300]):
        [tokens] = kd.encode(teacher, text, max_length=20).tokens
        assert tuple(tokenizer.convert_ids_to_tokens(encoded.input_ids[row].tolist())) == tokens
    assert encoded.lengths.tolist() == [3, len(encoded.input_ids[1]), 20]
    assert encoded.labels.tolist() == [1, -100, 0]


def test_pairs_have_two_segments():
    rows = datasets.Dataset.from_dict({"text": ["a b"], "text_b": ["c"], "label": [0]})
    assert encode_split(rows, load_tokenizer()).token_type_ids[0].tolist() == [0, 0, 0, 0, 1, 1]


def test_a_batch_is_padded_to_its_longest_row(encoded):
    batch = encoded.batch(np.array([1, 0]))
    n = encoded.lengths[1]
    assert batch.input_ids.shape == batch.token_type_ids.shape == (2, n)
    assert batch.attention_mask.sum(1).tolist() == [n, 3]
    assert batch.input_ids[1, 3:].tolist() == [0] * (n - 3)
    assert (batch.labels.tolist(), batch.index.tolist()) == ([-100, 1], [1, 0])
    assert {value.dtype for value in vars(batch).values()} == {torch.int64}


def test_an_epoch_visits_its_rows_in_the_order_of_seed_and_epoch():
    rows = datasets.Dataset.from_dict({"text": ["word " * (i % 7 + 1) for i in range(50)], "label": [0] * 50})
    encoded = encode_split(rows, load_tokenizer())
    plan = batch_rows(encoded.lengths, 4, seed=3, epoch=2)
    for batch, index in zip(batches(encoded, 4, seed=3, epoch=2), plan, strict=True):
        assert batch.index.tolist() == index.tolist()
        assert batch.attention_mask.sum(1).tolist() == encoded.lengths[index].tolist()


def test_splits_are_appended_and_rows_without_a_label_column_have_none():
    rows = Rows(load_tokenizer(), max_length=20)
    first = rows.add(datasets.Dataset.from_dict({"text": ["a b", "c"], "label": [1, 0]}))
    second = rows.add(datasets.Dataset.from_dict({"text": ["d e f"]}))
    assert (list(first), list(second), len(rows)) == ([0, 1], [2], 3)
    assert rows.labels.tolist() == [1, 0, -100] and rows.lengths.tolist() == [4, 3, 5]
    assert rows.members("unlabelled").tolist() == [2] and rows.members("labelled", first=2).tolist() == [0, 1]
    with pytest.raises(ValueError, match='trains on the rows "labelled", but of 0 rows none is labelled'):
        Rows(load_tokenizer()).members("labelled")


def test_a_batch_size_below_one_is_refused(encoded):
    with pytest.raises(ValueError, match="batch_size=0"):
        next(batches(encoded, 0, seed=0))

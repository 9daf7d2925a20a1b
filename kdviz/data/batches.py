"""Texts to ids, and ids to padded batches whose order follows from (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

POOL = 50  # batches that are sorted by length together: little padding, and still well mixed


@dataclass(frozen=True)
class Encoded:
    """A split as ids. input_ids and token_type_ids: one int64 array per row; labels, lengths: (rows,)."""

    input_ids: list[np.ndarray]
    token_type_ids: list[np.ndarray]
    labels: np.ndarray
    lengths: np.ndarray
    pad_id: int

    def __len__(self) -> int:
        return len(self.input_ids)


@dataclass(frozen=True)
class Batch:
    """input_ids, attention_mask, token_type_ids: (B, n), padded to the longest row; labels, index: (B,)."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    token_type_ids: torch.Tensor
    labels: torch.Tensor
    index: torch.Tensor

    def to(self, device) -> Batch:
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


def encode_split(dataset, tokenizer, max_length: int = 128) -> Encoded:
    """Ids of every row of a split (text, or text and text_b), cut to max_length. Text is data: see `kd.encode`."""
    pairs = dataset["text_b"][:] if "text_b" in dataset.column_names else None
    encoding = tokenizer(
        dataset["text"][:],
        pairs,
        truncation=True,
        max_length=max_length,
        split_special_tokens=True,
        return_attention_mask=False,
        verbose=False,
    )
    ids = [np.asarray(row, dtype=np.int64) for row in encoding["input_ids"]]
    kinds = encoding.get("token_type_ids")
    kinds = [np.zeros_like(row) for row in ids] if kinds is None else [np.asarray(row, dtype=np.int64) for row in kinds]
    lengths = np.array([len(row) for row in ids])
    return Encoded(ids, kinds, np.asarray(dataset["label"][:], dtype=np.int64), lengths, tokenizer.pad_token_id)


def batch_rows(lengths, batch_size: int, *, seed: int | None, epoch: int, buckets: bool = True) -> list[np.ndarray]:
    """Row numbers of every batch of an epoch: each row once, the same for the same seed and epoch.

    With `buckets`, rows of similar length share a batch. seed=None sorts all rows by length, for evaluation.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: choose at least 1")
    lengths = np.asarray(lengths)
    if seed is None:
        return _cut(np.argsort(lengths, kind="stable"), batch_size)
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    if not buckets:
        return _cut(order, batch_size)
    rows = []
    for pool in _cut(order, batch_size * POOL):
        rows += _cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)
    return [rows[i] for i in random.permutation(len(rows))]


def batches(
    encoded: Encoded, batch_size: int, *, seed: int | None, epoch: int = 0, buckets: bool = True, start: int = 0
) -> Iterator[Batch]:
    """Padded batches of one epoch, in the order of `batch_rows`, from batch number `start` on (to resume)."""
    for rows in batch_rows(encoded.lengths, batch_size, seed=seed, epoch=epoch, buckets=buckets)[start:]:
        yield collate(encoded, rows)


def collate(encoded: Encoded, rows) -> Batch:
    """The given rows as one batch, padded to the longest of them."""
    longest = int(encoded.lengths[rows].max())
    ids = np.full((len(rows), longest), encoded.pad_id, dtype=np.int64)
    kinds = np.zeros_like(ids)
    for place, row in enumerate(rows):
        length = encoded.lengths[row]
        ids[place, :length] = encoded.input_ids[row]
        kinds[place, :length] = encoded.token_type_ids[row]
    mask = np.arange(longest) < encoded.lengths[rows][:, None]
    arrays = (ids, mask.astype(np.int64), kinds, encoded.labels[rows], np.asarray(rows))
    return Batch(*map(torch.from_numpy, arrays))


def _cut(order: np.ndarray, size: int) -> list[np.ndarray]:
    return [order[start : start + size] for start in range(0, len(order), size)]

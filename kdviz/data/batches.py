"""Rows as token ids, padded batches of them, and an order of batches that follows from (seed, epoch) alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import datasets
import numpy as np
import torch

from kdviz.data.kinds import CLASSIFICATION, Kind
from kdviz.states import text_to_ids

POOL = 50  # batches that are sorted by length together: little padding, and still well mixed
MOST_PHASES = 64  # of one run: keeps the shuffles of (seed, phase) apart


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


class Rows:
    """The rows of one or more splits as ids, addressed by row number.

    Texts are encoded with `tokenizer`, cut to `max_length` tokens; a column input_ids (pixels) is taken as it is.

    Attributes
    ----------
    input_ids, token_type_ids : list of (n,) integer arrays, one per row
    labels : (N,) as the task's kind has them
    lengths : (N,) numbers of tokens
    """

    def __init__(self, tokenizer, max_length: int = 128, kind: Kind = CLASSIFICATION):
        self.tokenizer, self.max_length, self.kind = tokenizer, max_length, kind
        self.pad_id = getattr(tokenizer, "pad_token_id", None) or 0
        self.input_ids: list[np.ndarray] = []
        self.token_type_ids: list[np.ndarray] = []
        self.labels, self.lengths = kind.unlabelled(0), np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.input_ids)

    def add(self, dataset) -> range:
        """Append a dataset's rows (columns text[, text_b][, label], or input_ids) and return their numbers."""
        names, start = dataset.column_names, len(self)
        if "input_ids" in names:
            ids = list(dataset.with_format("numpy")["input_ids"][:])  # in their own type: the pixels of images are many
            types = [np.broadcast_to(np.zeros((), row.dtype), row.shape) for row in ids]  # zeros that take no memory
        else:
            pairs = dataset["text_b"][:] if "text_b" in names else None
            options = {"truncation": True, "max_length": self.max_length, "return_attention_mask": False}
            encoding = text_to_ids(self.tokenizer, dataset["text"][:], pairs, **options)
            ids = [np.asarray(row, np.int64) for row in encoding["input_ids"]]
            types = [np.asarray(row, np.int64) for row in encoding.get("token_type_ids", map(np.zeros_like, ids))]
        labels = dataset["label"][:] if "label" in names else self.kind.unlabelled(len(ids))
        self.input_ids += ids
        self.token_type_ids += types
        self.labels = np.concatenate([self.labels, np.asarray(labels, self.labels.dtype)])
        self.lengths = np.concatenate([self.lengths, np.array([len(row) for row in ids], np.int64)])
        return range(start, len(self))

    def batch(self, index, device=None) -> Batch:
        """Rows by number, padded to the longest of them."""
        index = np.asarray(index, np.int64)
        lengths = self.lengths[index]
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(mask.shape, self.pad_id, np.int64)
        types = np.zeros_like(ids)
        for place, (row, length) in enumerate(zip(index, lengths)):
            ids[place, :length] = self.input_ids[row]
            types[place, :length] = self.token_type_ids[row]
        batch = Batch(*map(torch.from_numpy, (ids, mask.astype(np.int64), types, self.labels[index], index)))
        return batch if device is None or device.type == "cpu" else batch.to(device)

    def members(self, which: str, first: int | None = None) -> np.ndarray:
        """Which of the first rows are "all", "labelled" or "unlabelled". Raises ValueError when there are none."""
        labelled = self.kind.known(self.labels[:first])
        chosen = {"all": np.ones_like(labelled), "labelled": labelled, "unlabelled": ~labelled}[which]
        if not chosen.any():
            raise ValueError(
                f'a phase trains on the rows "{which}", but of {len(labelled):,} rows none is {which}: '
                "give the task such rows, or choose other rows for the method"
            )
        return np.flatnonzero(chosen)

    def digests(self) -> list[bytes]:
        """Per row, 16 bytes that stand for what a model reads: equal for equal texts."""
        pairs = zip(self.input_ids, self.token_type_ids)
        return [hashlib.blake2b(ids.tobytes() + types.tobytes(), digest_size=16).digest() for ids, types in pairs]

    def fingerprint(self) -> str:
        """SHA-256 of ids and labels, in order: two runs with the same one saw the same data."""
        return hashlib.sha256(b"".join(self.digests()) + self.labels.tobytes()).hexdigest()


def encode_split(dataset, tokenizer, max_length: int = 128, kind: Kind = CLASSIFICATION) -> Rows:
    """One split (columns text[, text_b][, label], or input_ids) as `Rows`; or a list of texts, or of pairs of texts.

    Texts are cut to max_length tokens. Raises ValueError for an empty list.
    """
    if not hasattr(dataset, "column_names"):
        texts = [dataset] if isinstance(dataset, str) else list(dataset)
        if not texts:
            raise ValueError("no text: pass a list with at least one")
        columns = [texts] if isinstance(texts[0], str) else map(list, zip(*texts))
        dataset = datasets.Dataset.from_dict(dict(zip(("text", "text_b"), columns)))
    rows = Rows(tokenizer, max_length, kind)
    rows.add(dataset)
    return rows


def batches(rows: Rows, batch_size: int, *, seed: int | None, epoch: int = 0) -> Iterator[Batch]:
    """Padded batches of one epoch, in the order of `batch_rows`."""
    for index in batch_rows(rows.lengths, batch_size, seed=seed, epoch=epoch):
        yield rows.batch(index)


def batch_rows(lengths, batch_size: int, *, seed: int | None, epoch: int = 0) -> list[np.ndarray]:
    """Row numbers of every batch of an epoch: each row once, rows of similar length together.

    The same for the same seed and epoch; seed=None sorts all rows by length, for evaluation.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: choose at least 1")
    lengths = np.asarray(lengths)
    if seed is None:
        return _cut(np.argsort(lengths, kind="stable"), batch_size)
    random = np.random.default_rng([seed, epoch])
    rows = []
    for pool in _cut(random.permutation(len(lengths)), batch_size * POOL):
        rows += _cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)
    return [rows[i] for i in random.permutation(len(rows))]


def _cut(order: np.ndarray, size: int) -> list[np.ndarray]:
    return [order[start : start + size] for start in range(0, len(order), size)]


class BatchSampler:
    """Which rows each step of a phase trains on: pass after pass over `members`, shuffled by `batch_rows`.

    A function of (seed, phase, step) alone, so that a run can go on from any step.
    """

    def __init__(self, members, lengths, batch_size: int, seed: int, phase: int):
        self.members, self.lengths = members, lengths[members]
        self.batch_size, self.seed = batch_size, seed * MOST_PHASES + phase
        self.per_pass = -(-len(members) // batch_size)
        self._pass, self._batches = -1, []

    def __getitem__(self, step: int) -> np.ndarray:
        which, place = divmod(step, self.per_pass)
        if which != self._pass:
            rows = batch_rows(self.lengths, self.batch_size, seed=self.seed, epoch=which)
            self._pass, self._batches = which, [self.members[one] for one in rows]
        return self._batches[place]

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
    """input_ids, attention_mask, token_type_ids: (B, n), padded to the longest row; labels, index: (B,).

    Of multiple choice (B·K, n): the K texts of a row follow each other. Labels are (B, C) of several labels, and (B, n)
    of language modelling. An index below 0 is of a row that stands in no table: the teacher reads it as it comes.
    """

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
    choices : K, texts of a row: 1, or the number of its endings
    input_ids, token_type_ids : list of N·K integer arrays (n,), one per text, row by row
    labels : (N, …) as the task's kind has them
    about : of question answering the `Window` of each row, else empty
    lengths, text_lengths : (N,) and (N·K,) numbers of tokens, of a row those of its longest text
    """

    def __init__(self, tokenizer, max_length: int = 128, kind: Kind = CLASSIFICATION, choices: int = 1):
        self.tokenizer, self.max_length, self.kind, self.choices = tokenizer, max_length, kind, choices
        self.pad_id = getattr(tokenizer, "pad_token_id", None) or 0
        self.input_ids: list[np.ndarray] = []
        self.token_type_ids: list[np.ndarray] = []
        self.about: list = []
        self.labels, self.text_lengths = kind.unlabelled(0), np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.input_ids) // self.choices

    @property
    def lengths(self) -> np.ndarray:
        return self.text_lengths.reshape(-1, self.choices).max(1) if self.choices > 1 else self.text_lengths

    def texts(self, index) -> np.ndarray:
        """(B·K,) numbers of the texts of these rows (B,)."""
        return (np.asarray(index, np.int64)[:, None] * self.choices + np.arange(self.choices)).ravel()

    def add(self, dataset) -> range:
        """Append a dataset's rows (columns text[, text_b or endings][, label], or input_ids); returns their numbers."""
        names, start = dataset.column_names, len(self)
        if self.kind.tokens:
            ids, types, labels, about = self.kind.encode(dataset, self.tokenizer, self.max_length)
            self.about += about
        elif "input_ids" in names:
            ids = list(dataset.with_format("numpy")["input_ids"][:])  # in their own type: the pixels of images are many
            types = [np.broadcast_to(np.zeros((), row.dtype), row.shape) for row in ids]  # zeros that take no memory
        else:
            texts, pairs = dataset["text"][:], dataset["text_b"][:] if "text_b" in names else None
            if "endings" in names:
                self.choices = self.choices if start else len(dataset["endings"][0])
                texts = [text for text in texts for _ in range(self.choices)]
                pairs = [ending for endings in dataset["endings"][:] for ending in endings]
                if len(texts) != len(pairs):
                    counts = sorted({self.choices, *map(len, dataset["endings"][:])})
                    raise ValueError(f"rows have {' and '.join(map(str, counts))} endings: give all rows equally many")
            options = {"truncation": True, "max_length": self.max_length, "return_attention_mask": False}
            encoding = text_to_ids(self.tokenizer, texts, pairs, **options)
            ids = [np.asarray(row, np.int64) for row in encoding["input_ids"]]
            types = [np.asarray(row, np.int64) for row in encoding.get("token_type_ids", map(np.zeros_like, ids))]
        if not self.kind.tokens:
            shape = self.labels.shape[1:] if start else ()
            unlabelled = self.kind.unlabelled(len(ids) // self.choices, shape)
            labels = np.asarray(dataset["label"][:] if "label" in names else unlabelled, self.labels.dtype)
        return self.append(ids, types, labels)

    def append(self, ids: list[np.ndarray], types: list[np.ndarray], labels: np.ndarray) -> range:
        """Append rows that are ids already; returns their numbers."""
        start = len(self)
        self.input_ids += ids
        self.token_type_ids += types
        self.labels = np.concatenate([self.labels, labels]) if start else labels
        self.text_lengths = np.concatenate([self.text_lengths, np.array([len(row) for row in ids], np.int64)])
        return range(start, len(self))

    def batch(self, index, device=None) -> Batch:
        """Rows by number, padded to the longest of them."""
        index = np.asarray(index, np.int64)
        texts = self.texts(index)
        lengths = self.text_lengths[texts]
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(mask.shape, self.pad_id, np.int64)
        types = np.zeros_like(ids)
        ids[mask] = np.concatenate([self.input_ids[text] for text in texts])
        types[mask] = np.concatenate([self.token_type_ids[text] for text in texts])
        mask = mask.astype(np.int64)
        labels = self.kind.targets(self.labels[index], ids, mask)
        batch = Batch(*map(torch.from_numpy, (ids, mask, types, labels, index)))
        return batch if device is None or device.type == "cpu" else batch.to(device)

    def members(self, which: str, first: int | None = None) -> np.ndarray:
        """Which of the first rows are "all", "labelled", "unlabelled" or "prompts". ValueError when there are none.

        Of language modelling "all" have a completion, for without one there is no position to compare at; "prompts" are
        all the others, too, and what writes completions can use them.
        """
        labelled = self.kind.known(self.labels[:first])
        every = np.ones_like(labelled)
        chosen = {"all": labelled if self.kind.writes else every, "labelled": labelled, "unlabelled": ~labelled}
        chosen = (chosen | {"prompts": every})[which]
        if not chosen.any():
            raise ValueError(
                f'a phase trains on the rows "{which}", but of {len(labelled):,} rows none is {which}: '
                "give the task such rows, or choose other rows for the method"
            )
        return np.flatnonzero(chosen)

    def digests(self) -> list[bytes]:
        """Per row, 16 bytes that stand for what a model reads: equal for equal texts."""
        read = [ids.tobytes() + types.tobytes() for ids, types in zip(self.input_ids, self.token_type_ids)]
        rows = (b"".join(read[start : start + self.choices]) for start in range(0, len(read), self.choices))
        return [hashlib.blake2b(row, digest_size=16).digest() for row in rows]

    def fingerprint(self) -> str:
        """SHA-256 of ids and labels, in order: two runs with the same one saw the same data."""
        return hashlib.sha256(b"".join(self.digests()) + self.labels.tobytes()).hexdigest()


def encode_split(dataset, tokenizer, max_length: int = 128, kind: Kind = CLASSIFICATION) -> Rows:
    """One split (columns text[, text_b or endings][, label], or input_ids) as `Rows`; or a list of texts, of pairs of
    texts, or of (text, list of endings).

    Texts are cut to max_length tokens. Raises ValueError for an empty list.
    """
    if not hasattr(dataset, "column_names"):
        texts = [dataset] if isinstance(dataset, str) else list(dataset)
        if not texts:
            raise ValueError("no text: pass a list with at least one")
        columns = [texts] if isinstance(texts[0], str) else list(map(list, zip(*texts)))
        second = "text_b" if len(columns) == 1 or isinstance(columns[1][0], str) else "endings"
        dataset = datasets.Dataset.from_dict(dict(zip(("text", second), columns)))
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

"""The texts of a run as one table of token ids, and the order in which they are visited."""

from __future__ import annotations

import hashlib

import numpy as np

from kdviz.data.batches import Batch, Encoded, batch_rows, collate, encode_split

UNLABELLED = -100
MOST_PHASES = 64  # of one run: keeps the shuffles of (seed, phase) apart


class Rows:
    """Encoded texts of one or more splits, addressed by row number.

    A dataset with a column input_ids (pixels, say) is taken as it is; texts are encoded with `tokenizer`.
    """

    def __init__(self, tokenizer, max_length: int):
        self.tokenizer, self.max_length = tokenizer, max_length
        nothing = np.zeros(0, np.int64)
        self.encoded = Encoded([], [], nothing, nothing, getattr(tokenizer, "pad_token_id", None) or 0)

    labels = property(lambda self: self.encoded.labels, doc="(N,) class indices, -100 for no label.")
    lengths = property(lambda self: self.encoded.lengths, doc="(N,) numbers of tokens.")

    def __len__(self) -> int:
        return len(self.encoded)

    def add(self, dataset) -> range:
        """Append a dataset's rows (columns text[, text_b][, label], or input_ids) and return their numbers."""
        if "label" not in dataset.column_names:
            dataset = dataset.add_column("label", np.full(len(dataset), UNLABELLED))
        if "input_ids" in dataset.column_names:
            ids = list(
                dataset.with_format("numpy")["input_ids"][:]
            )  # in the type that they are kept in: images are many
            types = [np.broadcast_to(np.zeros((), row.dtype), row.shape) for row in ids]  # zeros that take no memory
            labels = np.asarray(dataset["label"][:], np.int64)
            new = Encoded(ids, types, labels, np.array([len(row) for row in ids], np.int64), 0)
        else:
            new = encode_split(dataset, self.tokenizer, max_length=self.max_length)
        start, old = len(self), self.encoded
        self.encoded = Encoded(
            [*old.input_ids, *new.input_ids],
            [*old.token_type_ids, *new.token_type_ids],
            np.concatenate([old.labels, new.labels]),
            np.concatenate([old.lengths, new.lengths]),
            new.pad_id,
        )
        return range(start, len(self))

    def batch(self, index, device=None) -> Batch:
        """Rows by number, padded to the longest of them."""
        batch = collate(self.encoded, np.asarray(index, np.int64))
        return batch if device is None or device.type == "cpu" else batch.to(device)

    def members(self, which: str, first: int | None = None) -> np.ndarray:
        """Which of the first rows are "all", "labelled" or "unlabelled". Raises ValueError when there are none."""
        labelled = self.labels[:first] != UNLABELLED
        chosen = {"all": np.ones_like(labelled), "labelled": labelled, "unlabelled": ~labelled}[which]
        if not chosen.any():
            raise ValueError(
                f'a phase trains on the rows "{which}", but of {len(labelled):,} rows none is {which}: '
                "give the task such rows, or choose other rows for the method"
            )
        return np.flatnonzero(chosen)

    def digests(self) -> list[bytes]:
        """Per row, 16 bytes that stand for what a model reads: equal for equal texts."""
        pairs = zip(self.encoded.input_ids, self.encoded.token_type_ids, strict=True)
        return [hashlib.blake2b(ids.tobytes() + types.tobytes(), digest_size=16).digest() for ids, types in pairs]

    def fingerprint(self) -> str:
        """SHA-256 of ids and labels, in order: two runs with the same one saw the same data."""
        return hashlib.sha256(b"".join(self.digests()) + self.labels.tobytes()).hexdigest()


class Order:
    """Which rows each step of a phase trains on: pass after pass over `members`, shuffled, similar lengths together.

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

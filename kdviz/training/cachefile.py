"""One file of a teacher cache: a field of many texts, in Arrow, described and checked by a JSON file beside it.

A row holds one text without padding. Files open with ``datasets.Dataset.from_file`` as well.
"""

from __future__ import annotations

import math
import mmap
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from kdviz.disk import file_sha256, read_sealed, remove, write_sealed
from kdviz.fields import FIELDS

TYPES = {"float32": np.float32, "float16": np.float16}
MOST_MAPPED = 4_000_000  # bytes read of a file before its pages are let go


def file_name(field: str, layers: tuple[int, ...], top: int | None = None) -> str:
    """A field that depends on the matched layers carries them in its name; logits, how many are kept of all."""
    if field == "logits" and top is not None:
        return f"{field}-top{top}.arrow"
    return f"{field}-{'.'.join(map(str, layers))}.arrow" if FIELDS[field].layered else f"{field}.arrow"


def description(path: Path) -> dict:
    """What a file of a cache holds, from the JSON beside it. FileNotFoundError or ValueError when that is damaged."""
    return read_sealed(
        path.with_suffix(".json"), f"remove {path.parent.name}, as in `kdviz cache rm {path.parent.name}`"
    )


@dataclass
class FieldFile:
    """A file of a cache, memory-mapped: `parts` are flat views of its record batches in `memory`."""

    memory: mmap.mmap
    parts: list[np.ndarray]
    starts: np.ndarray  # place -> where its numbers begin in their part
    part_of: np.ndarray  # place -> part
    shape: tuple[int | None, ...]  # of one text; None for the number of tokens
    read: int = 0  # bytes since the mapped pages were last let go

    @classmethod
    def open(cls, path: Path, say) -> FieldFile | None:
        """None when the file is not there, not whole, or not what its description says (it is then removed)."""
        if not path.with_suffix(".json").exists():
            return None
        try:
            about = description(path)
            if file_sha256(path) != about["sha256"]:
                raise ValueError("its checksum is wrong")
        except (OSError, ValueError) as error:
            say(f"teacher cache: {path.name} is damaged and made again ({error})")
            remove(path.with_suffix(".json"))
            remove(path)
            return None
        with open(path, "rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        batches = pa.ipc.open_stream(pa.BufferReader(pa.py_buffer(memory))).read_all().to_batches()
        columns = [batch.column("values") for batch in batches]
        return cls(
            memory=memory,
            parts=[column.values.to_numpy(zero_copy_only=True) for column in columns],
            starts=np.concatenate([column.offsets.to_numpy()[:-1] for column in columns]),
            part_of=np.repeat(np.arange(len(columns)), [len(column) for column in columns]),
            shape=tuple(about["shape"]),
        )

    def gather(self, places: list[int], lengths: list[int]) -> np.ndarray:
        """Texts by their places, padded with 0 to the longest: (B, …) float32."""
        longest = max(lengths)
        padded = [longest if size is None else size for size in self.shape]
        out = np.zeros((len(places), *padded), np.float32)
        tokens = [axis for axis, size in enumerate(self.shape) if size is None]
        window: list = [slice(None)] * len(self.shape)
        size = list(self.shape)
        starts, part_of = self.starts[places].tolist(), self.part_of[places].tolist()
        for row, n in enumerate(lengths):
            for axis in tokens:
                window[axis], size[axis] = slice(n), n
            begin = starts[row]
            flat = self.parts[part_of[row]][begin : begin + math.prod(size)]
            out[(row, *window)] = flat.reshape(size)
            self.read += flat.nbytes
        if self.read > MOST_MAPPED and hasattr(self.memory, "madvise"):
            # pages that were read count as this process's memory until told otherwise; the system keeps them at hand
            self.memory.madvise(mmap.MADV_DONTNEED)
            self.read = 0
        return out


class FieldWriter:
    """Writes a file of a cache under a temporary name; `finish` moves it into place, `drop` leaves nothing behind."""

    def __init__(self, path: Path, field: str, example: np.ndarray, dtype: str, axes: tuple[int, ...] | None = None):
        """axes: where the tokens are in the field of one text; None for what `FIELDS` says."""
        self.path, self.field, self.type = path, field, TYPES[dtype]
        axes = FIELDS[field].axes if axes is None else axes
        self.shape = [None if axis in axes else size for axis, size in enumerate(example.shape[1:])]
        self.temporary = path.with_name(f"{path.name}.tmp")
        columns = [("length", pa.int32()), ("values", pa.large_list(pa.from_numpy_dtype(self.type)))]
        self.schema = pa.schema(columns)
        self.stream = pa.ipc.new_stream(str(self.temporary), self.schema)

    def bytes_of(self, n: int) -> int:
        """Size of a text of n tokens."""
        return np.dtype(self.type).itemsize * math.prod(n if size is None else size for size in self.shape)

    def add(self, array: np.ndarray, lengths: np.ndarray) -> None:
        """A batch (B, …), padded. Raises ValueError for numbers that the type cannot hold, and for NaN."""
        flat = []
        for row, n in enumerate(lengths):
            text = array[row][tuple(slice(n) if size is None else slice(None) for size in self.shape)].ravel()
            with np.errstate(over="ignore"):
                flat.append(text.astype(self.type))
            if not np.isfinite(flat[-1]).all():
                raise ValueError(self._not_finite(text))
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in flat])])
        values = pa.LargeListArray.from_arrays(offsets.astype(np.int64), np.concatenate(flat))
        self.stream.write_batch(pa.record_batch([lengths.astype(np.int32), values], schema=self.schema))

    def _not_finite(self, text: np.ndarray) -> str:
        if np.isfinite(text).all():
            most = np.finfo(self.type).max
            return (
                f"the teacher's {self.field} reaches {np.abs(text).max():,.0f}, and float16 ends at {most:,.0f}: "
                'pass cache_dtype="float32"'
            )
        count = int((~np.isfinite(text)).sum())
        return f"the teacher puts out {count} numbers of {self.field} that are NaN or infinite: look at its weights"

    def finish(self, layers: tuple[int, ...], teacher: str, texts: int, started: float) -> None:
        """Move the file into place, then its description."""
        self.stream.close()
        about = {
            "field": self.field,
            "layers": list(layers),
            "shape": self.shape,
            "texts": texts,
            "dtype": np.dtype(self.type).name,
            "teacher": teacher,
            "bytes": self.temporary.stat().st_size,
            "sha256": file_sha256(self.temporary),
            "made": time.strftime("%Y-%m-%d %H:%M:%S"),
            "seconds": round(time.perf_counter() - started, 1),
        }
        os.replace(self.temporary, self.path)
        write_sealed(self.path.with_suffix(".json"), about)  # comes last: a file without one does not count

    def drop(self) -> None:
        """Leave nothing half made behind; a file that was finished stays."""
        if self.temporary.exists():
            self.stream.close()
            self.temporary.unlink()

"""The teacher's outputs on disk: the teacher reads every text once, students train without it.

One folder per (teacher's weights and tokenizer, set of texts, number type); in it one Arrow file per field and
matched layers, so that methods share what they have in common, whatever the order or the labels of the texts.
A row holds one text without padding. Files open with ``datasets.Dataset.from_file`` as well.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from filelock import FileLock

from kdviz import fields
from kdviz.data.batches import Rows
from kdviz.fields import FIELDS, compute, wanted

LAYOUT = 2  # of the files; a change makes new caches
TYPES = {"float32": np.float32, "float16": np.float16}
TEACHER_BATCH = 16
MOST_MAPPED = 4_000_000  # bytes read of a file before its pages are let go


def cache_folder() -> Path:
    """Where caches live: environment variable KDVIZ_CACHE, else kdviz in the user's cache folder."""
    if chosen := os.environ.get("KDVIZ_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kdviz"


def fingerprint(model) -> str:
    """SHA-256 of what a model computes; for a network that has no `fingerprint`, of its shape and weights."""
    if hasattr(model, "fingerprint"):
        return model.fingerprint()
    digest = hashlib.sha256(repr(model).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def name_of(model) -> str:
    return getattr(model, "name", type(model).__name__)


class TeacherCache:
    """A teacher's fields for the rows of a run. Make one with `TeacherCache.open`."""

    def __init__(self, folder: Path, fields: dict[str, _Field], position: np.ndarray, lengths: np.ndarray):
        self.folder, self.fields = folder, fields
        self.position, self.lengths = position, lengths  # row -> place in the files; row -> tokens

    @classmethod
    def open(
        cls,
        teacher,
        rows: Rows,
        needs,
        layers: tuple[int, ...],
        *,
        dtype: str = "float32",
        device=None,
        say: Callable[[str], None] = print,
    ) -> TeacherCache:
        """Open the cache of these fields; what is missing or damaged is computed first, in one pass of the teacher.

        layers : hidden states to keep, 0 is the embedding
        dtype  : "float32", or "float16" for half the disk and about three digits
        Two processes that need the same cache wait for each other; an interrupted pass leaves no half-made file.
        """
        fields.check(needs, "this cache")
        if dtype not in TYPES:
            raise ValueError(f"dtype={dtype!r}: choose among {', '.join(TYPES)}")
        digests = rows.digests()
        first = {digest: row for row, digest in enumerate(digests)}
        # longest first: later batches fit into the memory that earlier ones gave back
        ordered = sorted(first, key=lambda digest: (-rows.lengths[first[digest]], digest))
        place = {digest: number for number, digest in enumerate(ordered)}
        # a fingerprint covers weights, architecture and tokenizer; a digest covers the ids that a text became
        identity = f"{LAYOUT} {dtype} {fingerprint(teacher)}".encode()
        key = hashlib.sha256(identity + b"".join(ordered)).hexdigest()[:20]
        folder = cache_folder() / "teachers" / key
        folder.mkdir(parents=True, exist_ok=True)
        texts = np.array([first[digest] for digest in ordered])
        names = {field: _name(field, layers) for field in sorted(needs)}
        with FileLock(folder / ".lock"):
            opened = {field: _Field.open(folder / name, say) for field, name in names.items()}
            if missing := [field for field, found in opened.items() if found is None]:
                _write(folder, {f: names[f] for f in missing}, teacher, rows, texts, layers, dtype, device, say)
                opened |= {field: _Field.open(folder / names[field], say) for field in missing}
            os.utime(folder)
        position = np.array([place[digest] for digest in digests])
        return cls(folder, opened, position, rows.lengths)

    def batch(self, index, needs, device=None) -> dict[str, torch.Tensor]:
        """Fields of these rows (their numbers), padded with 0 to the longest: name -> (B, …) float32."""
        index = np.asarray(index)
        places, lengths = self.position[index].tolist(), self.lengths[index].tolist()
        made = {name: torch.from_numpy(self.fields[name].gather(places, lengths)) for name in sorted(needs)}
        return {name: tensor.to(device, non_blocking=True) for name, tensor in made.items()}


@dataclass
class _Field:
    """One Arrow file, memory-mapped: `parts` are flat views of its record batches in `memory`."""

    memory: mmap.mmap
    parts: list[np.ndarray]
    starts: np.ndarray  # place -> where its numbers begin in their part
    part_of: np.ndarray  # place -> part
    shape: tuple[int | None, ...]  # of one text; None for the number of tokens
    read: int = 0  # bytes since the mapped pages were last let go

    @classmethod
    def open(cls, path: Path, say) -> _Field | None:
        """None when the file is not there, not whole, or not what its description says (it is then removed)."""
        about_path = path.with_suffix(".json")
        if not about_path.exists():
            return None
        trouble = None
        try:
            about = json.loads(about_path.read_text())
            with open(path, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != about["sha256"]:
                    trouble = "its checksum is wrong"
        except (OSError, ValueError, KeyError) as error:
            trouble = f"it cannot be read ({error!r:.80})"
        if trouble:
            say(f"teacher cache: {path.name} is damaged, {trouble}; it is made again")
            about_path.unlink()
            path.unlink(missing_ok=True)
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


def _name(field: str, layers: tuple[int, ...]) -> str:
    return f"{field}.arrow" if not FIELDS[field].layered else f"{field}-{'.'.join(map(str, layers))}.arrow"


def _write(folder, names, teacher, rows, texts, layers, dtype, device, say):
    """One pass of the teacher over `texts` (row numbers, longest first) for all fields in `names`, then rename."""
    for orphan in folder.glob("*.tmp"):
        orphan.unlink()
    needs, want = frozenset(names), wanted(names)
    was_training = teacher.training
    teacher.eval()

    @torch.inference_mode()
    def run(index):
        batch = rows.batch(index, device)
        outputs = teacher(batch.input_ids, batch.attention_mask, batch.token_type_ids, want=want)
        return {k: v.cpu().numpy() for k, v in compute(outputs, needs, layers, batch.attention_mask).items()}

    middle = texts[len(texts) // 2 :][:TEACHER_BATCH]
    run(middle[:1])  # the first pass of a process also sets things up, which is not to be counted
    started = time.perf_counter()
    trial = run(middle)
    seconds = (time.perf_counter() - started) * len(texts) / len(middle)
    shapes = {name: _shape(name, array) for name, array in trial.items()}
    width = np.dtype(TYPES[dtype]).itemsize
    total = sum(
        width * np.prod([np.asarray(n) if s is None else s for s in shape])
        for shape in shapes.values()
        for n in rows.lengths[texts].tolist()
    )
    say(
        f"teacher cache: {', '.join(sorted(needs))} of {name_of(teacher)} for {len(texts):,} texts, "
        f"{total / 1e6:,.1f} MB in {folder}, about {seconds:,.0f} s, once"
    )
    paths = {name: folder / f"{file}.tmp" for name, file in names.items()}
    schema = pa.schema([("length", pa.int32()), ("values", pa.large_list(pa.from_numpy_dtype(TYPES[dtype])))])
    writers = {name: pa.ipc.new_stream(str(path), schema) for name, path in paths.items()}
    try:
        for start in range(0, len(texts), TEACHER_BATCH):
            index = texts[start : start + TEACHER_BATCH]
            lengths = rows.lengths[index]
            for name, array in run(index).items():
                flat = [_cut(array[row], name, n).astype(TYPES[dtype]).ravel() for row, n in enumerate(lengths)]
                offsets = np.concatenate([[0], np.cumsum([len(one) for one in flat])])
                values = pa.LargeListArray.from_arrays(offsets.astype(np.int64), np.concatenate(flat))
                writers[name].write_batch(pa.record_batch([lengths.astype(np.int32), values], schema=schema))
    finally:
        for writer in writers.values():
            writer.close()
        teacher.train(was_training)
    for name, path in paths.items():
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        about = {
            "field": name,
            "layers": list(layers),
            "shape": shapes[name],
            "texts": len(texts),
            "dtype": dtype,
            "teacher": name_of(teacher),
            "bytes": path.stat().st_size,
            "sha256": digest,
            "made": time.strftime("%Y-%m-%d %H:%M:%S"),
            "seconds": round(time.perf_counter() - started, 1),
        }
        final = folder / names[name]
        os.replace(path, final)
        # the description comes last: a file without one does not count
        description = final.with_suffix(".json.tmp")
        description.write_text(json.dumps(about))
        os.replace(description, final.with_suffix(".json"))


def _shape(field: str, array: np.ndarray) -> list[int | None]:
    return [None if axis in FIELDS[field].axes else size for axis, size in enumerate(array.shape[1:])]


def _cut(one: np.ndarray, field: str, n: int) -> np.ndarray:
    return one[tuple(slice(n) if axis in FIELDS[field].axes else slice(None) for axis in range(one.ndim))]


def entries() -> list[dict]:
    """What is stored: one dict per cache with key, teacher, texts, fields, bytes and when it was last used."""
    found = []
    for folder in sorted((cache_folder() / "teachers").glob("*")):
        abouts = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
        found.append(
            {
                "key": folder.name,
                "teacher": abouts[0]["teacher"] if abouts else "(unfinished)",
                "texts": abouts[0]["texts"] if abouts else 0,
                "fields": sorted({about["field"] for about in abouts}),
                "bytes": sum(path.stat().st_size for path in folder.iterdir() if path.is_file()),
                "used": folder.stat().st_mtime,
            }
        )
    return found


def remove(key: str) -> int:
    """Delete the caches whose key begins with `key`; returns the bytes freed. KeyError when there is none."""
    chosen = [entry for entry in entries() if entry["key"].startswith(key)]
    if not chosen:
        raise KeyError(f"no teacher cache begins with {key!r}: see `kdviz cache ls`")
    for entry in chosen:
        folder = cache_folder() / "teachers" / entry["key"]
        with FileLock(folder / ".lock"):
            shutil.rmtree(folder)
    return sum(entry["bytes"] for entry in chosen)

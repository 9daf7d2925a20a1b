"""The teacher's outputs on disk: the teacher reads every text once, students train without it.

One folder per (teacher's weights and tokenizer, set of texts, number type); in it one file per field and matched layers
(`kdviz.training.cachefile`), so that methods share what they have in common, whatever the order or labels of the texts.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from kdviz import fields
from kdviz.data.batches import Rows
from kdviz.data.language import Stored
from kdviz.disk import make_folder
from kdviz.paths import cache_folder
from kdviz.training.cachefile import TYPES, FieldFile, FieldWriter, description, file_name

OF_ROWS = ("logits",)  # a row has one, of how many texts it may consist; of all else every text has its own
LAYOUT = 2  # of the files; a change makes new caches
TEACHER_BATCH = 16


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

    def __init__(self, folder: Path, files: dict[str, FieldFile], position: np.ndarray, rows: Rows, top=None):
        self.folder, self.files, self.position, self.top = folder, files, position, top  # row -> place in the files
        self.choices, self.texts = rows.choices, rows.texts
        self.lengths, self.row_lengths = rows.text_lengths, rows.lengths

    @classmethod
    def open(
        cls,
        teacher,
        rows: Rows,
        needs,
        layers: tuple[int, ...],
        *,
        dtype: str = "float32",
        top: int | None = None,
        device=None,
        say: Callable[[str], None] = print,
    ) -> TeacherCache:
        """Open the cache of these fields; what is missing or damaged is computed first, in one pass of the teacher.

        layers : hidden states to keep, 0 is the embedding
        dtype  : "float32", or "float16" for half the disk and about three digits
        top    : keep of the logits at each position those of so many tokens, the likeliest ones, as
                 `kdviz.data.language.Stored`, whatever the dtype; None keeps all
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
        make_folder(folder, "set KDVIZ_CACHE to a folder that you can write to, or pass cache=False")
        texts = np.array([first[digest] for digest in ordered])
        names = {field: file_name(field, layers, top) for field in sorted(needs)}
        with FileLock(folder / ".lock"):
            opened = {field: FieldFile.open(folder / name, say) for field, name in names.items()}
            if missing := [field for field, found in opened.items() if found is None]:
                _write(folder, {f: names[f] for f in missing}, teacher, rows, texts, layers, dtype, top, device, say)
                opened |= {field: FieldFile.open(folder / names[field], say) for field in missing}
            os.utime(folder)
        position = np.array([place[digest] for digest in digests])
        return cls(folder, opened, position, rows, top)

    def batch(self, index, needs, device=None) -> dict[str, torch.Tensor]:
        """Fields of these rows (their numbers), padded with 0 to the longest: name -> (B, …) float32, or `Stored`."""
        index = np.asarray(index)
        rows = self.position[index]
        texts = (rows[:, None] * self.choices + np.arange(self.choices)).ravel()  # a row's texts lie side by side
        lengths = self.lengths[self.texts(index)].tolist()
        of = {
            name: (rows, self.row_lengths[index].tolist()) if name in OF_ROWS else (texts, lengths)
            for name in sorted(needs)
        }
        made = {name: torch.from_numpy(self.files[name].gather(at.tolist(), long)) for name, (at, long) in of.items()}
        made = {name: tensor.to(device, non_blocking=True) for name, tensor in made.items()}
        if self.top is not None and "logits" in made:
            log_probs, ids = made["logits"].chunk(2, -1)
            made["logits"] = Stored(ids.long(), log_probs)
        return made


def _write(folder, names, teacher, rows, texts, layers, dtype, top, device, say):
    """One pass of the teacher over `texts` (row numbers, longest first) for all fields in `names`."""
    for orphan in folder.glob("*.tmp"):
        orphan.unlink()
    needs, want = frozenset(names), fields.wanted(names)
    was_training = teacher.training
    teacher.eval()

    @torch.inference_mode()
    def run(index):
        batch = rows.batch(index, device)
        outputs = teacher(batch.input_ids, batch.attention_mask, batch.token_type_ids, want=want)
        made = fields.compute(outputs, needs, layers, batch.attention_mask)
        if top is not None and "logits" in made:
            made["logits"] = _likeliest(made["logits"], top)
        return {name: tensor.cpu().numpy() for name, tensor in made.items()}

    middle = texts[len(texts) // 2 :][:TEACHER_BATCH]
    run(middle[:1])  # the first pass of a process also sets things up, which is not to be counted
    started = time.perf_counter()
    trial = run(middle)
    seconds = (time.perf_counter() - started) * len(texts) / len(middle)
    writers = {}
    try:
        for name, example in trial.items():
            axes = (0,) if name == "logits" and rows.kind.tokens else None
            exact = "float32" if name == "logits" and top is not None else dtype  # half precision ends ids at 2,048
            writers[name] = FieldWriter(folder / names[name], name, example, exact, axes)
        lengths = {name: rows.text_lengths[rows.texts(texts)] for name in names}
        lengths |= {name: rows.lengths[texts] for name in OF_ROWS if name in names}
        total = sum(writers[name].bytes_of(n) for name, some in lengths.items() for n in some.tolist())
        say(
            f"teacher cache: {', '.join(sorted(needs))} of {name_of(teacher)} for {len(texts):,} texts, "
            f"{total / 1e6:,.1f} MB in {folder}, about {seconds:,.0f} s, once"
        )
        for start in range(0, len(texts), TEACHER_BATCH):
            index = texts[start : start + TEACHER_BATCH]
            for name, array in run(index).items():
                writers[name].add(
                    array, rows.lengths[index] if name in OF_ROWS else rows.text_lengths[rows.texts(index)]
                )
        for writer in writers.values():
            writer.finish(layers, name_of(teacher), len(texts), started)
    except OSError as error:
        fix = "free some disk, set KDVIZ_CACHE to another folder, or pass cache=False"
        problem = f"the teacher cache in {folder} cannot be written: {error.strerror or error}"
        raise OSError(error.errno, f"{problem}; {fix}") from error
    finally:
        for writer in writers.values():
            writer.drop()
        teacher.train(was_training)
        _give_back_memory()


def _likeliest(logits: torch.Tensor, top: int) -> torch.Tensor:
    """(B, n, V) -> (B, n, 2k): log probabilities of the k likeliest tokens, then their ids, exact up to 2²⁴."""
    kept = logits.topk(min(top, logits.shape[-1]))
    return torch.cat([kept.values - logits.logsumexp(-1, keepdim=True), kept.indices.float()], -1)


def _give_back_memory() -> None:
    """Freed memory goes back to the system; glibc keeps it otherwise, 30 MB of the 870 that a run takes at most."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def entries() -> list[dict]:
    """What is stored: one dict per cache with key, teacher, texts, fields, bytes and when it was last used."""
    found, home = [], cache_folder() / "teachers"
    if next(place for place in (home, *home.parents) if place.exists()).is_file():
        raise NotADirectoryError(
            f"{home} cannot be a folder, as a part of it is a file: set KDVIZ_CACHE to another folder"
        )
    for folder in sorted(path for path in home.glob("*") if path.is_dir()):
        abouts, damaged = [], []
        for path in sorted(folder.glob("*.json")):
            try:
                abouts.append(description(path))
            except (OSError, ValueError):
                damaged.append(path.stem)
        found.append(
            {
                "key": folder.name,
                "teacher": abouts[0]["teacher"] if abouts else "(unfinished)",
                "texts": abouts[0]["texts"] if abouts else 0,
                "fields": sorted({about["field"] for about in abouts} | {f"{name} (damaged)" for name in damaged}),
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

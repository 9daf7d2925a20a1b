"""Nested state (weights, optimiser, history, …) in one safetensors file, replaced in one move. No pickles."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from kdviz.disk import make_folder, whole

FORMAT = "kdviz-2"


def save(path: Path, state: Any) -> None:
    """Write dicts, lists, tensors, numbers and strings, nested at will. A reader sees the old file or the new one."""
    tensors: dict[str, torch.Tensor] = {}
    tree = _take_tensors(state, "state", tensors)
    path = Path(path)
    make_folder(path.parent)
    with whole(path) as temporary:
        try:
            about = {"format": FORMAT, "tree": json.dumps(tree)}
            save_file(tensors, temporary, metadata=about | {"sha256": _digest(about["tree"], tensors)})
        except SafetensorError as error:  # a full disk, in its words
            raise OSError(error) from error


def load(path: Path) -> Any:
    """Read what `save` wrote, tensors on the CPU.

    Raises FileNotFoundError when there is no file, ValueError when it is not one of ours or is damaged.
    """
    fix = "remove its folder to run again"
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} is missing; {fix}")
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is damaged ({error}); {fix}") from error
    if about.get("format") != FORMAT:
        found = f"format {about.get('format')!r:.20}, expected {FORMAT}"
        raise ValueError(f"{path} is damaged, or of another version ({found}); {fix}")
    if about.get("sha256") != _digest(about.get("tree", ""), tensors):
        raise ValueError(f"{path} is damaged (its checksum is wrong); {fix}")
    return _put_tensors(json.loads(about["tree"]), tensors)


def _digest(tree: str, tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 of a checkpoint's content: safetensors keeps none itself."""
    digest = hashlib.sha256(tree.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _take_tensors(value, name, tensors):
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if _plain(value):
        return {"value": value}
    if isinstance(value, dict):
        # pairs, because JSON would turn the whole-number keys of an optimiser's state into text
        return {"dict": [[key, _take_tensors(item, f"{name}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_take_tensors(item, f"{name}.{number}", tensors) for number, item in enumerate(value)]}
    raise TypeError(f"{name} is a {type(value).__name__}: a checkpoint holds dicts, lists, tensors, numbers and text")


def _plain(value) -> bool:
    """Whether JSON gives it back as it is."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_plain, value))
    return value is None or isinstance(value, (str, int, float, bool))


def _put_tensors(tree, tensors):
    ((kind, value),) = tree.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: _put_tensors(item, tensors) for key, item in value}
    if kind == "list":
        return [_put_tensors(item, tensors) for item in value]
    return value

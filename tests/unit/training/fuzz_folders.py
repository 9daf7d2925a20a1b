"""Damages what kdviz keeps on disk: caches of a teacher, runs, checkpoints, models of its own and of transformers.

What is damaged is read rightly all the same (a cache is made again), or refused with one line that names it and says
what to do: never with an error of another kind, and never with other numbers. Only what carries no checksum, a
foreign model's weights and settings, may come out changed; its answers are numbers then.

    python -m tests.unit.training.fuzz_folders --seed 1 --count 2000
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import torch

import kdviz as kd
from kdviz import cli
from tests.unit.models.families import save_family
from tests.unit.training import tiny

PATIENCE = 60  # seconds that reading a damaged folder may take
MOST_MEMORY = 12 * 2**30  # bytes of address space, of the script
OTHER = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"PK\x03\x04\x14\0",
    b"\x80\x04\x95]\x94.",
    b"<html>",
    b"version https://git-lfs",
    b"null",
)
VALUES = (
    None,
    True,
    False,
    -1,
    0,
    3,
    10**6,
    2**31,
    2**63,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\ud800",
    [],
    {},
    [[]],
)
REMEDIES = (
    "again",
    "remove",
    "write",
    "restore",
    "download",
    "delete",
    "repeat",
    "save",
    "pick",
    "set ",
    "pass ",
    "look at",
    "it runs",
)


class Killed(Exception):
    """A run that ends before its time."""


class Slow(Exception):
    """What took too long."""


def learn(folder=None, method=None, **more):
    return tiny.distill(
        method or kd.CKD(relation_epochs=0), folder=folder, student=learner(), teacher=guide(), epochs=2,
        steps_per_epoch=2, checkpoint_every=1, resume=folder is not None, snapshots=["the film is great"], **more,
    )  # fmt: skip


@cache
def learner():
    return kd.build_student(tiny.task(), layers=1, hidden=16, heads=2, seed=0)


@cache
def guide():
    model = kd.build_student(tiny.task(), layers=2, hidden=16, heads=2, seed=7)
    model.name = "tiny teacher"
    return model


def told(run) -> list:
    """All that a run says, seconds apart."""
    weights = [weight.tolist() for weight in run.student.state_dict().values()]
    frames = [states.hidden.tolist() for states in run.snapshots.states]
    logits = [kd.encode(run.student, "a great song").logits.tolist()]
    return [
        run.label,
        run.settings,
        run.scores,
        run.history.to_dict("list"),
        weights,
        frames,
        logits,
        run.student.labels,
    ]


def same(one, other, near: float) -> bool:
    """Whether two answers agree; numbers may differ by `near`: a cache made again asks its teacher for fewer fields."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key], near) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(*pair, near) for pair in zip(one, other))
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=near, abs_tol=near) or (math.isnan(one) and math.isnan(other))
    return one == other


def make_cache(folder: Path) -> None:
    os.environ["KDVIZ_CACHE"] = str(folder)
    learn()


def use_cache(folder: Path, rng: random.Random):
    os.environ["KDVIZ_CACHE"] = str(folder)
    for words in rng.choice([[], [["ls"]], [["ls"], ["rm", "--all"], ["ls"]]]):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = cli.main(["cache", *words])
        if status:
            raise OSError(err.getvalue().removeprefix("kdviz: ").rstrip("\n"))
    return told(learn())


def make_run(folder: Path) -> None:
    learn(folder)


def use_run(folder: Path, rng: random.Random):
    return told(kd.Run.load(folder) if rng.random() < 0.5 else learn(folder))


def make_checkpoint(folder: Path) -> None:
    class Mortal(kd.CKD):
        def after_step(self, ctx):
            if ctx.at.step == 2:
                raise Killed

    mortal = Mortal(relation_epochs=0)
    Mortal.__name__, mortal.describe = "CKD", kd.CKD(relation_epochs=0).describe
    with contextlib.suppress(Killed):
        learn(folder, mortal)
    assert (folder / "checkpoint.safetensors").exists()


def use_checkpoint(folder: Path, rng: random.Random):
    return told(learn(folder))


def make_model(folder: Path) -> None:
    guide().save(folder)


def make_foreign_tokenizer(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        kd.load_teacher(save_family(Path(place), "bert"), tiny.task()).save(folder)


def make_foreign(folder: Path) -> None:
    save_family(folder, "bert", num_hidden_layers=1)


def use_model(folder: Path, rng: random.Random):
    model = kd.load_teacher(folder, tiny.task())
    states = kd.encode(model, ["a good film", "the plot"])
    if not (torch.isfinite(states.logits).all() and torch.isfinite(states.hidden).all()):
        raise ArithmeticError("what the model says is no number")
    return [model.labels, states.logits.tolist(), states.hidden.tolist()]


# name -> (make, use, whether every file carries a checksum)
SCENES = {
    "cache": (make_cache, use_cache, True),
    "run": (make_run, use_run, True),
    "checkpoint": (make_checkpoint, use_checkpoint, True),
    "model": (make_model, use_model, True),
    "model with tokenizer": (make_foreign_tokenizer, use_model, True),
    "transformers": (make_foreign, use_model, False),
}


def flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(min(len(data), rng.choice([200, 2000, len(data)])))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(data))


def cut(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def grow(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes() + rng.choice([b"\0" * 8, b"}", b"oops"]))


def empty(path: Path, rng: random.Random) -> None:
    path.write_bytes(b"")


def replace(path: Path, rng: random.Random) -> None:
    path.write_bytes(rng.choice(OTHER) + rng.randbytes(rng.choice([0, 50])))


def remove(path: Path, rng: random.Random) -> None:
    path.unlink()


def folder_instead(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def swap(path: Path, rng: random.Random) -> None:
    """The content of another file of the folder."""
    others = [one for one in files(path.parent) if one != path] or [path]
    path.write_bytes(rng.choice(others).read_bytes())


def recode(path: Path, rng: random.Random) -> None:
    text = path.read_text(encoding="utf-8") if path.suffix == ".json" else "é"
    path.write_bytes(rng.choice([text.encode("utf-16"), text.encode("latin-1", "replace") + b"\xe9", b"[" * 100_000]))


def reshape(path: Path, rng: random.Random) -> None:
    """JSON of another shape: a list for an object, a key less, a value of another type or size."""
    if path.suffix != ".json":
        return cut(path, rng)
    content = json.loads(path.read_text(encoding="utf-8"))
    places = []

    def walk(node):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(content)
    node, key = rng.choice(places[: rng.choice([40, len(places)])])
    match rng.choice(["value", "value", "delete", "root"]):
        case "value":
            node[key] = rng.choice(VALUES)
        case "delete":
            del node[key]
        case "root":
            content = rng.choice([[content], [], {}, 3, "x", None])
    path.write_text(json.dumps(content), encoding="utf-8")


LOST = (cut, grow, empty, replace, remove, folder_instead, swap, recode)  # never right, whatever the file is
DAMAGES = (*[flip] * 3, *[reshape] * 5, *LOST)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def fault(error: BaseException, folder: Path, damaged: Path) -> str:
    """What is wrong with an error; nothing is best."""
    words = str(error)
    if not isinstance(error, ValueError | OSError) or isinstance(error, UnicodeError):
        return f"{type(error).__name__} is no error for a reader"
    if not words.isprintable() or not 20 < len(words) < 1000:
        return "is not one line of a length that one reads"
    if not any(name in words for name in (damaged.name, str(folder), repr(folder.name))):
        return f"names neither {damaged.name} nor its folder"
    if not any(word in words for word in REMEDIES):
        return "has no remedy"
    return ""


def case(pristine: Path, scene: str, expected, number: int, seed: int) -> tuple[str, str]:
    """How a damaged copy of a folder is read, and what is wrong with it."""
    rng = random.Random(f"{seed} {scene} {number}")
    use, checked = SCENES[scene][1:]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "it"
        shutil.copytree(pristine, folder)
        path = rng.choice(files(folder))
        how = rng.choice(DAMAGES)
        before = path.read_bytes()
        how(path, rng)
        if path.is_file() and path.read_bytes() == before:
            return "untouched", ""
        about = f"{scene}, {number}: {how.__name__} of {path.relative_to(folder)}"
        signal.alarm(PATIENCE)
        try:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = use(folder, rng)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a panic of compiled code is no Exception
            wrong = fault(error, folder, path)
            where = "".join(traceback.format_tb(error.__traceback__)[-2:]) if os.environ.get("FUZZ_TRACE") else ""
            return "refused", f"{about}: {wrong}: {type(error).__name__}: {str(error):.300}\n{where}" if wrong else ""
        finally:
            signal.alarm(0)
        if same(found, expected, near=1e-4 if scene == "cache" else 0):
            return "right", ""
        if checked or how in LOST:
            return "changed", f"{about}: other numbers, without a word"
        return "changed, where nothing tells", ""


def fuzz(seed: int, count: int, scenes=tuple(SCENES)) -> tuple[Counter, list[str]]:
    """How often damaged folders ended in which way, and all that is wrong."""

    def late(*_):
        raise Slow(f"no end after {PATIENCE} s")

    found, wrong = Counter(), []
    former = signal.signal(signal.SIGALRM, late)
    kept = os.environ.get("KDVIZ_CACHE")
    try:
        with tempfile.TemporaryDirectory() as place:
            os.environ["KDVIZ_CACHE"] = str(Path(place) / "other caches")
            for scene in scenes:
                pristine = Path(place) / scene
                with contextlib.redirect_stdout(io.StringIO()):
                    SCENES[scene][0](pristine)
                    copy = shutil.copytree(pristine, Path(place) / "copy")
                    expected = SCENES[scene][1](copy, random.Random(0))
                    shutil.rmtree(copy)
                for number in range(count // len(scenes)):
                    end, fault = case(pristine, scene, expected, number, seed)
                    found[f"{scene} {end}"] += 1
                    wrong += [fault] if fault else []
    finally:
        signal.signal(signal.SIGALRM, former)
        if kept is not None:
            os.environ["KDVIZ_CACHE"] = kept
    return found, wrong


def main() -> None:
    import resource

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), choices=list(SCENES))
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    found, wrong = fuzz(**vars(arguments))
    print(f"seed {arguments.seed}:", ", ".join(f"{count:,} {end}" for end, count in sorted(found.items())))
    print(*wrong[:80], sep="\n")
    print(f"{len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

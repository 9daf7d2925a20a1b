"""Teachers: the packaged MiniLM, with or without the adapter of a task, and any model of the hub or a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from kdviz.disk import check_file, file_sha256
from kdviz.hub import cached_model, quiet
from kdviz.models import smollm2
from kdviz.models.load import AGAIN, SAFE, load_folder, other_labels
from kdviz.models.model import Model
from kdviz.models.network import seeded
from kdviz.models.tokenizers import WEIGHTS_SHA256, load_tokenizer, verified_folder
from kdviz.models.transformer import Transformer, auto_class
from kdviz.paths import data_dir, restore

if TYPE_CHECKING:
    from kdviz.data.task import Task


WRITER = "reviewer"  # the language model that comes with kdviz


def load_teacher(
    source: str | Path = "minilm", task: Task | None = None, *, checkpoint: int | None = None, device_map=None
) -> Model:
    """A pretrained transformer, ready to teach.

    source : ``"minilm"`` (packaged, offline); ``"reviewer"``, a small language model that writes reviews on order
             (`kdviz.course.orders`, offline); ``"smollm2"``, a larger one that `kdviz prefetch smollm2` brings; a
             local folder; or a hub id such as ``"google-bert/bert-base-uncased"`` (safetensors only, never remote
             code; taken from the cache when it is there)
    task   : gives the model a classifier over the task's labels. For the embedded tasks ``"minilm"`` comes adapted
             (``data/teachers/<task>``); otherwise the model's own classifier is kept when it has the task's labels,
             and a new, untrained one (with a warning) is put on when it has not.
    checkpoint : epoch of the adapter's trajectory, 0 (underfit) to the last; None is the final teacher
    device_map : of a transformers folder, where its parts shall lie, as `from_pretrained` takes it: ``"auto"``, or part
             -> device, "cpu" or "disk". One that is laid over several places stays there while it teaches
    Raises FileNotFoundError or ValueError naming the file and the command that restores it.
    """
    if checkpoint is not None and (source != "minilm" or task is None):
        raise ValueError('checkpoint= needs load_teacher("minilm", task): only adapters of embedded tasks have epochs')
    if device_map is not None and source == "minilm":
        raise ValueError(f"device_map={device_map!r}: the packaged MiniLM is small and lies in one place; leave it out")
    if source == "minilm":
        folder, name = verified_folder(), "minilm"
        if task is not None and task.folder is not None:
            return _adapted(folder, task, checkpoint)
        if checkpoint is not None:
            raise ValueError(f"task {task.name!r} is not embedded, so it has no trajectory; leave checkpoint out")
    else:
        where = {"smollm2": smollm2.folder, WRITER: _writer_folder}.get(str(source), cached_model)
        folder = Path(source) if Path(source).is_dir() else where(str(source))
        name = Path(source).name
        if (folder / "model.json").is_file() and not (folder / "config.json").is_file():
            if device_map is not None:
                raise ValueError(f"{folder} is kdviz's own and lies in one place: leave device_map out")
            model = Model.load(folder)  # of kdviz: a teacher of an assistant, say
            if task is not None and model.labels != task.labels:
                raise other_labels(model.labels, task, model.name)
            model.role = "teacher"
            return model
    _check_safetensors(folder, source)
    return load_folder(folder, name, task, device_map)


def _writer_folder(name: str) -> Path:
    """Where the language model is that comes with kdviz. Raises FileNotFoundError, with the fix, when it is missing."""
    folder = data_dir() / "teachers" / name
    if not (folder / "model.json").is_file():
        fix = restore(f"data/teachers/{name}", f"python -m data.make.{name}")
        raise FileNotFoundError(f"{folder / 'model.json'} is missing; restore it with: {fix}")
    return folder


def load_student(task: Task) -> Model:
    """The distilled student that comes with a task (``data/students/<task>``): two layers of 128, CKD, all texts.

    Its log tells how it was made. Raises FileNotFoundError for a task that comes with none.
    """
    home = data_dir() / "students"
    known = sorted(path.parent.name for path in home.glob("*/log.json"))
    if task.name not in known:
        raise FileNotFoundError(
            f"no student comes with the task {task.name!r}, only with {', '.join(known) or 'none'}: "
            f"distil one with kd.distill, or restore those of kdviz with: {restore('data/students')}"
        )
    return Model.load(home / task.name)


def _check_safetensors(folder: Path, source) -> None:
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no model: config.json is missing; {AGAIN}")
    if not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(
            f"{source} has no safetensors weights in {folder} and kdviz reads nothing else (a pickle can run code); "
            "convert them with model.save_pretrained(folder), or pick a model that has model.safetensors"
        )


def adapter_folder(task: Task, checkpoint: int | None = None) -> Path:
    """Where the adapter of an embedded task is kept, or one epoch of its trajectory."""
    folder = task.folder.parent / "teachers" / task.name
    return folder if checkpoint is None else folder / "trajectory" / f"epoch-{checkpoint}"


def data_file(task: Task) -> Path:
    """The file whose SHA-256 says on which data an adapter was made: train, or a package's fingerprint."""
    train = task.folder / "train.parquet"
    return train if train.is_file() else task.folder / "splits.json"


def _adapted(folder: Path, task: Task, checkpoint: int | None) -> Model:
    """The packaged MiniLM with the task's LoRA adapter and classifier merged in."""
    home, place = adapter_folder(task), adapter_folder(task, checkpoint)
    make = f"python -m data.make.adapt {task.name}"
    fix = f"restore it with: {restore(f'data/teachers/{task.name}', make)}"
    if checkpoint is not None:
        known = sorted(path.name for path in (home / "trajectory").glob("epoch-*"))
        fix += f"; the trajectory has {', '.join(known) or 'no epochs'}"
    made = checked_adapter([place / "adapter_config.json", place / "adapter_model.safetensors"], home / "log.json", fix)
    train = data_file(task)
    if (found := file_sha256(train)) != made.get("data_sha256"):
        raise ValueError(
            f"{place} was made on other data: {train} has SHA-256 {found}, the adapter saw {made.get('data_sha256')}; "
            f"restore the data with: {restore(f'data/{task.name}')} (or adapt again: {make})"
        )
    return merge(classifier(folder, task), place, task)


def checked_adapter(files, log: Path, fix: str) -> dict:
    """What the log tells of these adapter files, once they and the packaged weights are those that it names.

    Raises FileNotFoundError or ValueError naming the file, with the fix.
    """
    for path in (*files, log):
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; {fix}")
    try:
        made = json.loads(log.read_text(encoding="utf-8"))
        known = {path: made["sha256"][path.relative_to(log.parent).as_posix()] for path in files}
        base = made["base_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{log} is damaged ({error!r}); {fix}") from error
    for path, sha256 in known.items():
        check_file(path, sha256, fix)
    if base != WEIGHTS_SHA256:
        raise ValueError(f"{log.parent} was made for weights {base}, the packaged ones are {WEIGHTS_SHA256}; {fix}")
    return made


def classifier(folder: Path, task: Task):
    """The packaged MiniLM with a new, seeded head for the task: what an adapter is trained on and put on."""
    from transformers import BertConfig

    outputs = task.kind.outputs(task.labels)
    config = BertConfig.from_pretrained(str(folder), local_files_only=True, num_labels=len(outputs))
    config.id2label = dict(enumerate(outputs))
    head = auto_class(task.kind.head, config)
    with quiet(), seeded(0):
        return head.from_pretrained(str(folder), config=config, dtype=torch.float32, **SAFE)


def merge(network, place: Path, task: Task) -> Model:
    """Add the adapter in `place` to the weights, for good: the result costs what the plain model costs."""
    from peft import PeftModel

    with quiet():
        merged = PeftModel.from_pretrained(network, str(place), local_files_only=True).merge_and_unload().float()
    about = {"labels": task.labels, "task_kind": task.kind.name}
    model = Model(Transformer(merged), load_tokenizer(), name="minilm", role="teacher", **about)
    return model.requires_grad_(True).eval()

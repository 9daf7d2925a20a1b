"""`distill`: one call from a student, a teacher and a task to a finished `Run`."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from kdviz import fields
from kdviz.analysis import of_score
from kdviz.data.batches import Rows
from kdviz.data.kinds import KINDS
from kdviz.disk import make_folder
from kdviz.methods.base import Method
from kdviz.methods.kd import KD
from kdviz.training import checkpoint
from kdviz.training.cache import fingerprint
from kdviz.training.context import Context
from kdviz.training.loop import train
from kdviz.training.metrics import evaluate
from kdviz.training.phases import schedule_phases
from kdviz.training.progress import Progress
from kdviz.training.run import Run, history_table, read_description
from kdviz.training.snapshots import Snapshots
from kdviz.training.state import Settings

SPLITS_OF_TRAINING = ("train", "transfer", "dev")
FRAMES = 24  # of a time-lapse, unless snapshot_every says otherwise


def distill(
    student,
    teacher,
    task,
    method: Method | None = None,
    *,
    folder=None,
    resume: bool = False,
    checkpoint_every: int = 200,
    snapshots: list | None = None,
    snapshot_every: int | None = None,
    score: tuple[str, ...] | None = None,
    progress: str = "auto",
    log_with: str | None = None,
    **settings,
) -> Run:
    """Distil `teacher` into a copy of `student` on `task`; best dev epoch kept, test splits scored once at the end.

    The student of the result is the best on dev of all phases' epochs, so that no phase can ruin it; `Run.chosen` says
    which and holds its dev scores. A method may say otherwise (SWA).

    Parameters
    ----------
    student, teacher : Models; the teacher may be None for a method that needs none
    method           : a `kdviz.methods.Method`; None is vanilla KD
    epochs, steps_per_epoch : an epoch is one pass over the phase's rows, or exactly so many steps, whatever the
                       number of rows: this is how runs with few labels are compared at equal compute
    seed             : of the order of rows and of dropout. Equal seed, equal run, bit for bit on a CPU
    batch_size       : of all processes together
    lr, warmup, weight_decay, clip : AdamW; `warmup` is the share of steps that warm up; `clip` the gradient's norm
    max_length       : tokens of a text, special ones included; what is longer is cut
    cache            : read the teacher's fields from disk (written first when needed); False runs it at each step
    cache_dtype      : "float32", or "float16" for half the disk
    cache_top        : of language modelling, how many of the teacher's likeliest next tokens the cache keeps at each
                       position, with their log probabilities, 8 bytes a token; None keeps the logits of all
    mixed_precision  : "no", "bf16" or "fp16"; None takes what `accelerate launch` was told
    folder           : where checkpoints and the finished run go; None keeps nothing on disk
    resume           : go on where a killed run in `folder` stopped (every `checkpoint_every` steps and each epoch),
                       start when there is nothing yet, load when it is finished
    snapshots        : texts whose hidden states are kept every `snapshot_every` steps, for the time-lapse
    score            : splits to score at the end, None for all that are not trained on
    progress         : "auto", "notebook", "terminal", "plain" or "off"
    log_with         : "tensorboard" or another tracker of accelerate: the history goes there too, at each epoch and
                       checkpoint; event files lie in `folder`/log

    Returns
    -------
    Run

    Raises
    ------
    ValueError : for settings that cannot be, and when `folder` holds another run
    TypeError  : for a setting that there is not
    """
    if unknown := sorted(set(settings) - set(NAMES)):
        raise TypeError(f"distill has no setting {', '.join(unknown)}; it has {', '.join(NAMES)}")
    if resume and folder is None:
        raise ValueError("resume=True needs folder=…: that is where checkpoints are")
    if log_with is not None and folder is None:
        raise ValueError(f"log_with={log_with!r} needs folder=…: that is where its files go")
    method, settings = KD() if method is None else method, Settings(**settings)
    _check(student, teacher, task, method)
    if settings.cache_top is not None and not task.kind.writes:
        raise ValueError(
            f"cache_top={settings.cache_top} is for language modelling, not for {task.kind.name}: leave out"
        )
    score = _scored(task, score)
    if folder is not None:
        folder = make_folder(folder)
    accelerator = _accelerator(settings.mixed_precision, log_with, folder)
    reporter = Progress(progress if accelerator.is_main_process else "off", method.name)
    tokenizer = getattr(student, "tokenizer", None)
    student = copy.deepcopy(student, {id(tokenizer): tokenizer})
    # the teacher is only read, but MATE-like methods send gradients through it: to its input, not to its weights
    # (one on disk is a placeholder, which accelerate replaces whenever it is read)
    frozen = [] if teacher is None else [p for p in teacher.parameters() if p.requires_grad and not p.is_meta]
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        for parameter in frozen:
            parameter.requires_grad_(False)
        try:
            held = student, teacher, task, method, settings, accelerator, folder, reporter, checkpoint_every
            run = Context(*held, nested=distill)
            return _distill(run, resume, snapshots, snapshot_every, score)
        finally:
            for parameter in frozen:
                parameter.requires_grad_(True)
            for tracker in accelerator.trackers:  # accelerate's end_training would also part the processes
                tracker.finish()


NAMES = tuple(field.name for field in dataclasses.fields(Settings))
_signature_of_call = inspect.signature(distill)
distill.__signature__ = _signature_of_call.replace(  # so that editors offer the settings, whose defaults stand once
    parameters=[
        *[p for p in _signature_of_call.parameters.values() if p.kind is not p.VAR_KEYWORD],
        *inspect.signature(Settings).replace(return_annotation=Run).parameters.values(),
    ]
)


def _distill(run: Context, resume, snapshots, snapshot_every, score) -> Run:
    method, settings, started = run.method, run.settings, time.perf_counter()
    signature = _signature(run)
    finished, state = _former(run, signature, resume)
    if finished is not None:
        run.progress.say(f"{method.name}: finished before, loaded from {run.folder}")
        return finished
    torch.manual_seed(settings.seed)  # for modules that a method makes in setup
    method.setup(run)
    scheduled = schedule_phases(run, method.phases(settings.epochs))
    if snapshots:
        total = sum(one.steps for one in scheduled)
        every = snapshot_every or max(1, -(-total // FRAMES))
        run.snapshots = Snapshots(snapshots, run.run_teacher, every, settings.max_length)

    if run.accelerator.log_with:
        plain = {f"method.{name}": value for name, value in signature["method"].items()}
        run.accelerator.init_trackers("log", plain | {k: v for k, v in signature.items() if k != "method"})
    tracked = 0 if state is None else len(state["run"]["history"])

    def save(position):
        nonlocal tracked
        if run.accelerator.trackers:
            for row in run.history.rows()[tracked:]:
                numbers = {name: value for name, value in row.items() if name not in ("step", "phase")}
                run.accelerator.log(numbers, step=row["step"])
            tracked = len(run.history)
        if run.folder is not None and run.accelerator.is_main_process:
            state = position | {"run": run.state(), "signature": signature}
            checkpoint.save(run.folder / "checkpoint.safetensors", state)

    chosen = train(run, scheduled, state, save)
    run.student.eval()
    if run.snapshots is not None:
        run.snapshots.take(run.student, len(run.history))
    scores, predictions = _score(run, score)
    run.student.layer_map = _matched(run)
    result = Run(
        label=method.name,
        student=run.student,
        history=history_table(run.history.rows()),
        chosen=chosen,
        scores=scores,
        predictions=predictions,
        records=run.records,
        snapshots=run.snapshots,
        settings=signature,
        info={
            "seconds": round(time.perf_counter() - started, 2),
            "processes": run.accelerator.num_processes,
            "device": str(run.device),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
    )
    if run.folder is not None and run.accelerator.is_main_process:
        result.save(run.folder)
        (run.folder / "checkpoint.safetensors").unlink(missing_ok=True)
    run.accelerator.wait_for_everyone()
    run.progress.close(repr(result), result.plot() if run.progress.mode == "notebook" and len(result.history) else None)
    return result


def _matched(run: Context):
    """(teacher's layers, student's) that the method compared, for pictures; None when it compares no layers."""
    needs = [phase.needs for phase in run.method.phases(run.settings.epochs) if phase.needs is not None]
    if run.run_teacher is None or not fields.layered(frozenset(run.method.needs).union(*needs)):
        return None
    return tuple(map(tuple, run.method.layer_map(run.run_teacher.layers, run.student.layers)))


def _scored(task, splits) -> list[str]:
    """The splits to score. Before anything is trained: KeyError or ValueError for one that is missing or unlabelled."""
    chosen = [name for name in task.splits if name not in SPLITS_OF_TRAINING] if splits is None else list(splits)
    for name in chosen:
        if not task.kind.known(np.asarray(task[name]["label"][:])).any():
            raise ValueError(f"split {name!r} of task {task.name!r} has no labels to score: leave it out of score=")
    return chosen


def _score(run: Context, splits: list[str]):
    """The one look at the test splits."""
    scores, predictions = {}, {}
    for name in splits:
        rows = Rows(run.table.tokenizer, run.settings.max_length, run.task.kind)
        rows.add(run.task[name])
        found, logits = evaluate(run.student, rows, run.accelerator)
        labelled = rows.kind.counted(rows)
        low, high = of_score(run.task.kind.spread, found[run.task.kind.primary], labelled)
        scores[name] = found | {"rows": labelled, "low": low, "high": high}
        predictions[name] = run.task.kind.given(logits, rows, getattr(run.student, "threshold", 0.0))
    return scores, predictions


def _check(student, teacher, task, method):
    needs = frozenset(method.needs)
    fields.check(needs, method.name)
    if not method.serves(task.kind):
        served = ", ".join(kind.name for kind in KINDS.values() if method.serves(kind))
        raise ValueError(
            f"{method.name} is a method for {served}, the task {task.name!r} is one of {task.kind.name}: "
            "choose KD, CKD or another method that serves it"
        )
    for role, model in (("student", student), ("teacher", teacher)):
        found = getattr(model, "task_kind", task.kind.name)
        if getattr(model, "labels", None) and found != task.kind.name:
            raise ValueError(
                f"the {role} answers as in {found}, the task {task.name!r} is one of {task.kind.name}: "
                f"load or build the {role} with this task"
            )
    if teacher is None and (needs or method.needs_live_teacher):
        raise ValueError(f"{method.name} needs {', '.join(sorted(needs)) or 'a live teacher'}, but teacher is None")
    for split in ("train", "dev"):
        if split not in task.splits:
            raise ValueError(f"task {task.name!r} has no {split} split, only {', '.join(task.splits)}")
    sizes = {"task": tuple(task.labels), "student": tuple(getattr(student, "labels", ())) or tuple(task.labels)}
    if "logits" in needs and teacher is not None:
        sizes["teacher"] = tuple(getattr(teacher, "labels", task.labels))
    for name, labels in sizes.items():
        if labels != sizes["task"]:
            raise ValueError(
                f"the {name} answers {labels or 'nothing'}, the task {task.name!r} asks for {sizes['task']}: "
                f"load or build the {name} with this task"
            )
    one, other = getattr(student, "tokenizer_sha256", None), getattr(teacher, "tokenizer_sha256", None)
    if one and other and one != other:
        raise ValueError(
            "student and teacher have different tokenizers, so they read different tokens: "
            "build the student with tokenizer=teacher.tokenizer"
        )


def _accelerator(mixed_precision, log_with=None, folder=None) -> Accelerator:
    """The process's accelerator, in the precision asked for, whatever an earlier run of this process had."""
    wanted = mixed_precision or os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != wanted:
        AcceleratorState._reset_state()
    # said outright, because several processes on a machine without a GPU are not recognised otherwise
    cpu = not torch.accelerator.is_available()
    accelerator = Accelerator(mixed_precision=wanted, cpu=cpu, log_with=log_with, project_dir=folder)
    if log_with is not None and not accelerator.log_with:  # accelerate leaves out, without a word, what is missing
        raise ValueError(f"log_with={log_with!r}, but that package is not installed: pip install {log_with}")
    return accelerator


def _signature(run: Context) -> dict:
    """What makes two runs the same run. Fingerprints are of the state before training."""
    return {
        "method": run.method.describe(),
        **dataclasses.asdict(run.settings),
        "task": run.task.name,
        "kind": run.task.kind.name,
        "rows": len(run.table),
        "data": run.table.fingerprint()[:16],
        "student": fingerprint(run.student)[:16],
        "teacher": None if run.run_teacher is None else fingerprint(run.run_teacher)[:16],
    }


def _former(run: Context, signature, resume):
    """(the finished run, None), (None, the checkpoint's content) or (None, None)."""
    if run.folder is None:
        return None, None
    done, part = run.folder / "run.json", run.folder / "checkpoint.safetensors"
    if not resume:
        if done.exists() or part.exists():
            raise ValueError(f"{run.folder} holds a run already: pass resume=True to go on with it, or another folder")
        return None, None
    if done.exists():
        _same(read_description(run.folder)["settings"], signature, run.folder)
        return Run.load(Path(run.folder)), None
    if not part.exists():
        return None, None
    state = checkpoint.load(part)
    _same(state["signature"], signature, run.folder)
    run.progress.say(f"{run.method.name}: going on from a checkpoint in {run.folder}")
    return None, state


def _same(former: dict, signature: dict, folder) -> None:
    wanted = json.loads(json.dumps(signature))
    changed = [name for name in wanted if former.get(name) != wanted[name]]
    if changed:
        changes = "; ".join(f"{name} was {former.get(name)!r}, is now {wanted[name]!r}" for name in changed)
        raise ValueError(f"the run in {folder} is another one: {changes}. Choose another folder, or its own settings")

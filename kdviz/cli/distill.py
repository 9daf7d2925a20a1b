"""kdviz distill: one run from the command line, for scripts, clusters and `accelerate launch`."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress

from kdviz.cli.settings import Settings, kinds

RECIPES = """
The student is LAYERSxWIDTHxHEADS (2x128x4) or a folder written by model.save. The same command goes on where a killed
run stopped, and only reports when the run is finished.

The settings may stand in a YAML file, whose keys are the arguments of the Python calls; options overrule it:
  kdviz distill --config run.yaml --seed 1

  task: reviews                         # or train: rows.csv, dev: …, test: …; with_labels: 0.05
  teacher: minilm                       # a hub id, a folder, or null
  student: {layers: 2, hidden: 128, heads: 4}        # or a folder; init_from: teacher copies its layers
  method: {name: ckd, settings: {beta: 10}}
  epochs: 3
  folder: runs/ckd

A quick run, offline:
  kdviz distill --task reviews --teacher minilm --student 2x128x4 --method ckd --set beta=10 --out runs/ckd

Rows of your own that ask for no class; the columns are those of kd.load_task (docs/methods.md):
  kdviz distill --train asked.csv --kind question-answering --teacher FOLDER --method ckd --out runs/asked
  kdviz distill --train sums.csv --kind language-modelling --teacher FOLDER --method gkd --out runs/sums

BERT-base to six layers on GLUE, from the hub (a BERT-base that somebody fine-tuned on sst2), on one GPU or more:
  kdviz prefetch glue/sst2 OWNER/MODEL
  accelerate launch --mixed_precision bf16 -m kdviz.cli distill --task glue/sst2 --teacher OWNER/MODEL \\
      --student 6x768x12 --vocabulary full --init-from-teacher --method ckd --set beta=10 temperature=4 \\
      --epochs 4 --lr 4e-5 --batch-size 32 --cache-dtype float16 --out runs/sst2

Two processes on one machine without a GPU (--multi_gpu is accelerate's word for several processes):
  accelerate launch --multi_gpu --num_processes 2 -m kdviz.cli distill --task reviews --student 2x128x4 --out runs/two
"""
OF_DISTILL = {"folder": "str", "checkpoint_every": "int", "log_with": "str | None"}  # settings that no run depends on


def add_arguments(parser) -> None:
    parser.epilog, parser.formatter_class = RECIPES, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--config", metavar="FILE", help="settings in YAML; options overrule it")
    data = parser.add_argument_group("data")
    tasks = '"reviews" (the default), "entail", "scores", "endings", "answers", or "glue/<name>"'
    data.add_argument("--task", help=tasks)
    for split in ("train", "dev", "test", "transfer"):
        data.add_argument(f"--{split}", metavar="FILE", help=f"{split} rows of your own: CSV, JSONL or Parquet")
    known = "regression, multi-label, multiple-choice, question-answering, language-modelling"
    data.add_argument("--kind", help=f"what is asked of your own rows: classification (the default), {known}")
    data.add_argument("--labels", type=float, dest="with_labels", metavar="SHARE", help="share of train with labels")
    models = parser.add_argument_group("models")
    models.add_argument("--teacher", help='"minilm" (the default), a hub id, a folder, or "none"')
    models.add_argument("--student", help="LAYERSxWIDTHxHEADS (2x128x4 by default), or a folder")
    models.add_argument("--vocabulary", choices=("task", "full"), help="tokens that the student knows")
    models.add_argument("--init-from-teacher", action="store_true", help="copy embeddings and layers (equal widths)")
    method = parser.add_argument_group("method and training")
    method.add_argument("--method", help="kd (the default), ckd, labelsonly, pkd, tinybert, minilm, rkd, …")
    method.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="of the method")
    for name, kind in (("epochs", int), ("seed", int), ("batch-size", int), ("lr", float), ("max-length", int)):
        method.add_argument(f"--{name}", type=kind)
    method.add_argument("--steps-per-epoch", type=int, help="instead of one pass over the rows")
    method.add_argument("--cache-dtype", choices=("float32", "float16"))
    method.add_argument("--mixed-precision", choices=("no", "bf16", "fp16"))
    no_cache = {"action": "store_false", "default": None, "dest": "cache"}
    method.add_argument("--no-cache", help="run the teacher at every step", **no_cache)
    parser.add_argument("--out", metavar="FOLDER", dest="folder", help="checkpoints, then the finished run")
    parser.add_argument("--log-with", metavar="TRACKER", help="tensorboard, or another tracker that accelerate knows")
    parser.add_argument("--progress", default="auto", choices=("auto", "terminal", "plain", "off"))


def run(args) -> int:
    from kdviz.training.distill import distill

    student, teacher, task, method, training = described(args)
    result = distill(student, teacher, task, method, resume=True, progress=args.progress, **training)
    print(f"{result}\nkept in {training['folder']}", flush=True)
    return 0


def described(args) -> tuple:
    """(student, teacher, task, method, settings of training) of file and options. Errors say where they come from."""
    from kdviz.data.kinds import kind_of
    from kdviz.data.load import load_task
    from kdviz.disk import make_folder
    from kdviz.models.teachers import load_teacher
    from kdviz.training.state import Settings as Training

    data, training = kinds(load_task, "name"), kinds(Training) | OF_DISTILL
    models = {"task": "str", "with_labels": "float", "teacher": "str | None", "student": "", "method": ""}
    settings = Settings(args.config)
    for name in (*models, *data, *training):
        if getattr(args, name, None) is not None:
            settings.put(getattr(args, name), "command line", name)
    given = settings.take(models | data | training)
    training = {name: given[name] for name in training if name in given}
    for name in training.keys() - OF_DISTILL.keys():
        with settings.at(name):
            Training(**{name: training[name]})
    if "folder" not in training:
        raise ValueError("where shall the run be kept? Say --out FOLDER, or folder: in the file of settings")
    with settings.at("folder"):
        make_folder(training["folder"])
    method = method_of(settings, args.set)
    rows = {name: given[name] for name in data if name in given}
    if rows.get("kind") is not None:
        with settings.at("kind"):
            kind_of(rows["kind"])
    with settings.at("train" if rows else "task"):
        task = load_task(given.get("task", None if rows else "reviews"), **rows)
    if given.get("with_labels", 1) < 1:
        task = task.with_labels(given["with_labels"], seed=given.get("seed", 0))
    with settings.at("teacher"):
        teacher = given.get("teacher", "minilm")
        teacher = None if teacher in (None, "none") else load_teacher(teacher, task)
    with settings.at("student"):
        student = student_of(settings, args, task, teacher, given.get("seed", 0))
    return student, teacher, task, method, training


def student_of(settings: Settings, args, task, teacher, seed: int):
    """The student that is described, or that lies in a folder; of the run's seed, unless it has one."""
    from kdviz.models.model import Model
    from kdviz.models.students import build_student

    shape = settings.content.get("student", "2x128x4")
    if isinstance(shape, str):
        parts = shape.split("x")
        if not all(part.isdigit() for part in parts):
            return Model.load(shape)
        if len(parts) != 3:
            raise ValueError(f"{shape}: write LAYERSxWIDTHxHEADS, as in 2x128x4, or name a folder")
        shape = dict(zip(("layers", "hidden", "heads"), map(int, parts)))
    else:
        shape = settings.take(kinds(build_student, "task", "tokenizer"), "student")
    if args.vocabulary:
        shape["vocabulary"] = args.vocabulary
    if args.init_from_teacher or shape.get("init_from") == "teacher":
        shape["init_from"] = teacher
    return build_student(task, **{"seed": seed, "tokenizer": teacher and teacher.tokenizer} | shape)


def method_of(settings: Settings, options: list[str] = ()):
    """The method by its name in any case. options : more of its settings, NAME=VALUE, a value is JSON or else text."""
    import kdviz.methods as methods

    if isinstance(name := settings.content.get("method", "kd"), str):
        settings.content["method"] = {"name": name}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise ValueError(f"--set {option}: write NAME=VALUE, as in beta=10")
        with suppress(json.JSONDecodeError):
            value = json.loads(value)
        settings.put(value, f"--set {option}", "method", "settings", key)
    known = {each.lower(): each for each in methods.__all__ if each not in ("Method", "Phase", "StepInfo", "At")}
    name = settings.take({"name": "str", "settings": ""}, "method").get("name", "kd")
    with settings.at("method"):
        if name.lower() not in known:
            raise ValueError(f"no method {name!r}; choose among {', '.join(sorted(known))}")
        method = getattr(methods, known[name.lower()])
        return method(**settings.take(kinds(method), "method", "settings"))

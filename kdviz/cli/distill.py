"""kdviz distill: one run from the command line, for scripts, clusters and `accelerate launch`."""

from __future__ import annotations

import argparse
import json
import sys

RECIPES = """
The student is LAYERSxWIDTHxHEADS (2x128x4) or a folder written by model.save. The same command goes on where a killed
run stopped, and only reports when the run is finished.

A quick run, offline:
  kdviz distill --task reviews --teacher minilm --student 2x128x4 --method ckd --set beta=10 --out runs/ckd

BERT-base to six layers on GLUE, from the hub (a BERT-base that somebody fine-tuned on sst2), on one GPU or more:
  kdviz prefetch glue/sst2 OWNER/MODEL
  accelerate launch --mixed_precision bf16 -m kdviz.cli distill --task glue/sst2 --teacher OWNER/MODEL \\
      --student 6x768x12 --vocabulary full --init-from-teacher --method ckd --set beta=10 temperature=4 \\
      --epochs 4 --lr 4e-5 --batch-size 32 --cache-dtype float16 --out runs/sst2

Two processes on one machine without a GPU (--multi_gpu is accelerate's word for several processes):
  accelerate launch --multi_gpu --num_processes 2 -m kdviz.cli distill --task reviews --student 2x128x4 --out runs/two
"""


def add_arguments(parser) -> None:
    parser.epilog, parser.formatter_class = RECIPES, argparse.RawDescriptionHelpFormatter
    data = parser.add_argument_group("data")
    data.add_argument("--task", help='"reviews", "entail" or "glue/<name>"')
    for split in ("train", "dev", "test", "transfer"):
        data.add_argument(f"--{split}", metavar="FILE", help=f"{split} rows of your own: CSV, JSONL or Parquet")
    data.add_argument("--labels", type=float, default=1.0, metavar="SHARE", help="share of train that keeps its labels")
    models = parser.add_argument_group("models")
    models.add_argument("--teacher", default="minilm", help='"minilm", a hub id, a folder, or "none"')
    models.add_argument("--student", default="2x128x4", help="LAYERSxWIDTHxHEADS, or a folder")
    models.add_argument("--vocabulary", choices=("task", "full"), default="task", help="tokens that the student knows")
    models.add_argument("--init-from-teacher", action="store_true", help="copy embeddings and layers (equal widths)")
    method = parser.add_argument_group("method and training")
    method.add_argument("--method", default="kd", help="kd, ckd, labelsonly, pkd, tinybert, minilm, rkd, …")
    method.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", dest="options", help="of the method")
    for name, kind in (("epochs", int), ("seed", int), ("batch-size", int), ("lr", float), ("max-length", int)):
        method.add_argument(f"--{name}", type=kind)
    method.add_argument("--steps-per-epoch", type=int, help="instead of one pass over the rows")
    method.add_argument("--cache-dtype", choices=("float32", "float16"))
    method.add_argument("--mixed-precision", choices=("no", "bf16", "fp16"))
    method.add_argument("--no-cache", action="store_true", help="run the teacher at every step")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="checkpoints, then the finished run")
    parser.add_argument("--progress", default="auto", choices=("auto", "terminal", "plain", "off"))


def run(args) -> int:
    try:
        result = distil(args)
    except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
        print(f"kdviz: {error}", file=sys.stderr)
        return 1
    print(f"{result}\nkept in {args.out}", flush=True)
    return 0


def distil(args):
    """The run that the arguments describe. Raises ValueError or FileNotFoundError naming what is wrong."""
    from kdviz.data.load import load_task
    from kdviz.models.teachers import load_teacher
    from kdviz.training.distill import distill

    files = {split: getattr(args, split) for split in ("train", "dev", "test", "transfer")}
    task = load_task(args.task, **files) if args.task or any(files.values()) else load_task("reviews")
    task = task.with_labels(args.labels, seed=args.seed or 0) if args.labels < 1 else task
    teacher = None if args.teacher == "none" else load_teacher(args.teacher, task)
    names = ("epochs", "seed", "batch_size", "lr", "max_length", "steps_per_epoch", "cache_dtype", "mixed_precision")
    settings = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return distill(
        student_of(args, task, teacher), teacher, task, method_of(args.method, args.options),
        folder=args.out, resume=True, cache=not args.no_cache, progress=args.progress, **settings,
    )  # fmt: skip


def student_of(args, task, teacher):
    from kdviz.models.model import Model
    from kdviz.models.students import build_student

    parts = args.student.split("x")
    if not all(part.isdigit() for part in parts):
        return Model.load(args.student)
    if len(parts) != 3:
        raise ValueError(f"--student {args.student}: write LAYERSxWIDTHxHEADS, as in 2x128x4, or name a folder")
    layers, hidden, heads = map(int, parts)
    return build_student(
        task, layers=layers, hidden=hidden, heads=heads, vocabulary=args.vocabulary, seed=args.seed or 0,
        init_from=teacher if args.init_from_teacher else None, tokenizer=None if teacher is None else teacher.tokenizer,
    )  # fmt: skip


def method_of(name: str, options: list[str] = ()):
    """A method by its name in any case, with NAME=VALUE settings; values are JSON, or else text."""
    import kdviz.methods as methods

    known = {each.lower(): each for each in methods.__all__ if each not in ("Method", "Phase", "StepInfo", "At")}
    if name.lower() not in known:
        raise ValueError(f"no method {name!r}; choose among {', '.join(sorted(known))}")
    settings = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise ValueError(f"--set {option}: write NAME=VALUE, as in beta=10")
        try:
            settings[key] = json.loads(value)
        except json.JSONDecodeError:
            settings[key] = value
    return getattr(methods, known[name.lower()])(**settings)

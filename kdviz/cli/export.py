"""kdviz export: a student out of kdviz, for transformers or for onnxruntime."""

from __future__ import annotations

from pathlib import Path


def add_arguments(parser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="a finished run, or what model.save wrote")
    parser.add_argument("out", metavar="OUT", help="folder to write, for transformers unless --onnx or --int8 is given")
    parser.add_argument("--onnx", action="store_true", help='for onnxruntime (pip install "kdviz[export]")')
    parser.add_argument("--int8", action="store_true", help="ONNX with weights of 8 bits: smaller, and less exact")
    columns = "text (text_b, endings), or question and context"
    texts = f"CSV, JSONL or Parquet with the columns {columns}: say how far ONNX is from the student on them"
    parser.add_argument("--texts", metavar="FILE", help=texts)


def run(args) -> int:
    from kdviz.models.model import Model

    onnx, folder, out = args.onnx or args.int8, Path(args.folder), Path(args.out)
    if args.texts and not onnx:
        raise ValueError(f"--texts {args.texts} compares ONNX with the student: say --onnx or --int8 too")
    folder = folder / "student" if (folder / "run.json").is_file() else folder
    if not (folder / "model.json").is_file():
        fix = "pass a folder that kd.distill(folder=…) or model.save wrote"
        raise FileNotFoundError(f"{folder} holds no finished run (run.json) and no saved model (model.json): {fix}")
    if out.resolve() in (folder.resolve(), folder.resolve().parent):
        raise ValueError(f"{out} is what is read: name another folder to write")
    model = Model.load(folder)
    if onnx:
        print(model.export(out, int8=args.int8, texts=args.texts and _texts(args.texts, model)))
    else:
        print(f"{model.name} for transformers: {model.save_pretrained(out)}")
    return 0


def _texts(path: str, model):
    """What a model of its kind reads: questions with their contexts, beginnings with their endings, or texts."""
    from kdviz.data.files import TEXTS, read
    from kdviz.data.kinds import kind_of
    from kdviz.data.lists import endings_of
    from kdviz.data.spans import asked_of

    table = read(path)
    if kind_of(model.task_kind).tokens:
        return asked_of(table, {}, labelled=False)[0]
    table = table.called({"text": "text"})  # which says so when there is no such column
    if model.choices > 1:
        return list(zip(table.texts("text"), endings_of(table, None, model.choices)))
    return list(zip(*(table.texts(name) for name in TEXTS if name in table.columns)))

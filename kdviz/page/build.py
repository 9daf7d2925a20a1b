"""`save_page`: teacher and students as the folder of a page, with some sentences that are worked out beforehand."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import shutil
import zlib
from pathlib import Path

import numpy as np
from filelock import FileLock

from kdviz.disk import file_sha256, whole_folder
from kdviz.models import onnx
from kdviz.models.students import build_student
from kdviz.page import reading, runtime, weights
from kdviz.paths import PACKAGE, data_dir
from kdviz.relations import cosine, layer_map, word_gram
from kdviz.states import encode

LONGEST = 128  # tokens of a text
MOST_DRAWN = 40  # words of a picture
PACKED = 1_000_000  # weights; a model with more is written smaller
CLOSE = 0.02, 0.001  # how far a cosine may move: in a smaller file, and in float32
EXAMPLES = (
    "the acting is wonderful but the story is terrible",
    "the plot is thin but the acting is not bad at all",
    ("the acting is bad", "the acting is not bad"),
    ("the acting is wonderful but the story is terrible", "the story is wonderful but the acting is terrible"),
    "i would not call this film good",
    ("the bank of the river", "the bank lent me money"),
)
# what a page is made of
CODE, DATA = ("page/**/*", "models/*.py", "states.py"), ("students/**/*", "teachers/reviews/*")
PAGE = ("index.html", "style.css", "page.js", "views.js", "relations.js", "tokens.js", "worker.js")


def save_page(models, path, *, examples=EXAMPLES, lessons: str | None = None) -> Path:
    """Write a page on which a teacher and a student read the visitor's sentence side by side; returns the folder.

    Parameters
    ----------
    models   : [teacher, student], or [teacher, student early, …, student late] to see a student learn; classifiers of
        one task with one BERT tokenizer (WordPiece)
    path     : folder to write, for any web server; an older page there is replaced when all files are whole
    examples : texts, or pairs of texts to compare, that visitors are offered; the page shows them without models, too
    lessons  : address of a lesson, {} for its name; None for the repository's

    A model of more than a million weights is written in fewer bits (`kdviz.page.weights`), another one as it is. Each
    file is run on the examples before the page takes its place: no cosine of two words may have moved by more than 0.02
    (fewer bits) or 0.001.

    Raises
    ------
    ModuleNotFoundError
        with the line to install when the extra ``kdviz[page]`` is missing
    ValueError
        for models that a page cannot show side by side (both are named), and files that compute something else
    OSError
        when onnxruntime-web could not be fetched
    """
    onnx.installed(*onnx.NEEDS)
    models, pairs = list(models), [(one,) if isinstance(one, str) else tuple(one) for one in examples]
    _check(models)
    if not pairs:
        raise ValueError("no example: pass at least one text, or leave `examples` out")
    program = runtime.runtime()
    teacher = models[0]
    rules = reading.rules(teacher.tokenizer, teacher.name)
    with whole_folder(path) as made:
        about = [_write(model, number, teacher, made, pairs) for number, model in enumerate(models)]
        for name in PAGE:
            shutil.copy(runtime.STATIC / name, made)
        for name in runtime.FILES.values():
            shutil.copy(program / name, made)
        _json(made / "reading.json", rules)
        data = {
            "models": about,
            "labels": teacher.labels,
            "longest": min(LONGEST, *(model.max_length for model in models)),
            "drawn": MOST_DRAWN,
            "lessons": lessons or _lessons(),
            "examples": [{"texts": texts, "models": [_prepared(one, texts) for one in models]} for texts in pairs],
        }
        files = {file.name: file.read_bytes() for file in sorted(made.iterdir())}
        data["sizes"] = {name: (len(held), zlib.adler32(held)) for name, held in files.items() if name not in PAGE}
        data["version"] = zlib.adler32(b"".join([*files.values(), _dump(data).encode()]))
        (made / "data.js").write_text(f"const KDVIZ = {_dump(data)};\n", encoding="utf-8")
        kept = _dump(["./", *PAGE, "reading.json", "data.js", "ort.js"])
        service = (runtime.STATIC / "service.js").read_text(encoding="utf-8")
        service = f"const VERSION = {data['version']};\nconst SHELL = {kept};\n{service}"
        (made / "service.js").write_text(service, encoding="utf-8")
    return Path(path)


def save_default(path, lessons: str | None = None) -> Path:
    """The page of the course: MiniLM adapted to `reviews`, and its student before, halfway and after.

    lessons : as in `save_page`
    """
    from kdviz.data.load import load_task
    from kdviz.models.model import Model
    from kdviz.models.teachers import load_student, load_teacher

    task = load_task("reviews")
    after = load_student(task)
    before = build_student(task, layers=after.layers, hidden=after.width, heads=after.heads, seed=0)
    halfway = Model.load(data_dir() / "students" / task.name / "halfway")
    for model, name in ((before, "before training"), (halfway, "halfway"), (after, "after training")):
        model.name = name
    return save_page([load_teacher("minilm", task), before, halfway, after], path, lessons=lessons)


def kept_page(home: Path, models=()) -> Path:
    """The folder of a page below `home`, written when what it is made of has changed since; a former page goes.

    models : folders that model.save wrote, teacher first; none: the page of the course
    """
    from kdviz.models.model import Model

    models = [Path(one) for one in models]
    places = [(PACKAGE, CODE), (data_dir(), DATA), *((one, ("**/*",)) for one in models)]
    files = [file for place, patterns in places for one in patterns for file in sorted(place.glob(one))]
    contents = [file.read_bytes() for file in files if file.is_file() and file.suffix != ".pyc"]
    folder = home / hashlib.sha256(b"".join(contents)).hexdigest()[:12]
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "lock"):
        if not folder.is_dir():
            print(f"Writing the page into {folder}: once, about a minute ...", flush=True)
            for former in home.glob("?" * len(folder.name)):
                shutil.rmtree(former)
            if models:
                save_page([Model.load(one) for one in models], folder)
            else:
                save_default(folder)
    return folder


def _check(models) -> None:
    if len(models) < 2:
        raise ValueError(f"{len(models)} model(s): a page shows a teacher and a student, pass [teacher, student]")
    teacher = models[0]
    for model in models:
        if model.network.kind != "transformer" or "logits" not in model.fields or model.task_kind != "classification":
            raise ValueError(
                f"{model.name!r} is a {model.network.description} for {model.task_kind}: a page shows BERT-shaped "
                "classifiers, and figures (kd.figures) show the others"
            )
        for what in ("labels", "tokenizer_sha256"):
            if getattr(model, what) != getattr(teacher, what):
                raise ValueError(
                    f"the {what} of {teacher.name!r} is {getattr(teacher, what)}, that of {model.name!r} is "
                    f"{getattr(model, what)}: a page cannot show them side by side; pass a student of this teacher"
                )
    reading.check(teacher.tokenizer, teacher.name)


def _write(model, number: int, teacher, folder: Path, pairs) -> dict:
    """One model's file; what the page must know of it."""
    draft = folder / "draft.onnx"
    onnx.write(model, draft, ("logits", "hidden"))
    plain, count = draft.stat().st_size, sum(one.numel() for one in model.parameters())
    packed = count > PACKED
    file = draft.rename(folder / f"model-{number}-{file_sha256(draft)[:8]}.onnx")
    external = weights.pack(file) if packed else None
    gap = _gap(model, file, [text for pair in pairs for text in pair])
    if not gap <= CLOSE[not packed]:
        raise ValueError(f"a cosine of {model.name!r} moved by {gap:.2g} in its file, more than {CLOSE[not packed]}")
    return {
        "name": model.name,
        "file": file.name,
        "external": external,
        "weights": count,
        "plain": plain,
        "layers": model.layers,
        "matched": model.layer_map or layer_map(teacher.layers, model.layers) if number else None,
        "known": None if model.vocabulary is None else model.vocabulary,
        "gap": gap,
    }


def _gap(model, file: Path, texts) -> float:
    """How far a cosine between two words of a text, in any layer, is from the model's at most."""
    import onnxruntime

    session, gap = onnxruntime.InferenceSession(str(file)), 0.0
    for text in texts:
        states = encode(model, text, max_length=LONGEST)
        ids = np.array(model.tokenizer([text], split_special_tokens=True)["input_ids"])[:, : states.hidden.shape[2]]
        ids[0, -1] = model.tokenizer.sep_token_id
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        [hidden] = session.run(["hidden"], {one.name: given[one.name] for one in session.get_inputs()})
        moved = cosine(word_gram(hidden)) - cosine(word_gram(states.hidden.numpy()))
        gap = max(gap, float(np.abs(moved).max()))
    return gap


def _prepared(model, texts) -> dict:
    """What the page's worker would answer: words, logits, and inner products of all words in all layers."""
    states = [encode(model, text, max_length=LONGEST) for text in texts]
    room = MOST_DRAWN // len(states)
    hidden = np.concatenate([one.hidden[0, :, :room].numpy() for one in states], axis=1)
    flat = hidden.reshape(-1, hidden.shape[-1])
    upper = (flat @ flat.T)[np.triu_indices(len(flat))].astype("<f4")
    return {
        "tokens": [one.tokens[0][:room] for one in states],
        "logits": [one.logits[0].tolist() for one in states],
        "gram": base64.b64encode(upper.tobytes()).decode(),
    }


def _lessons() -> str:
    """Where the lessons are read: the repository that kdviz's metadata names."""
    urls = dict(line.split(", ", 1) for line in importlib.metadata.metadata("kdviz").get_all("Project-URL", []))
    return urls["Repository"] + "/blob/main/notebooks/{}.ipynb"


def _dump(content) -> str:
    """Short JSON, in ASCII."""
    return json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def _json(path: Path, content) -> None:
    path.write_text(_dump(content), encoding="utf-8")

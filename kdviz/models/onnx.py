"""Students without torch: a classifier as ONNX, which onnxruntime runs on any machine; and such a file at work."""

from __future__ import annotations

import copy
import importlib.util
import io
import json
import logging
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from torch import nn

from kdviz.data.batches import Rows, encode_split
from kdviz.data.kinds import kind_of
from kdviz.disk import whole_folder, words, write_json
from kdviz.hub import quiet
from kdviz.models.export import save_tokenizer
from kdviz.models.load import CLOSE
from kdviz.models.network import Module, Outputs
from kdviz.models.predict import predict
from kdviz.models.tokenizers import ids_of

NEEDS = ("onnx", "onnxruntime", "onnxscript")
# inputs of the graph -> what the library tokenizers calls them
INPUTS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
MODEL, ABOUT = "model.onnx", "kdviz.json"
LENGTHS = (1, 2, 3, 5, 8, 13, 21, 34)  # of the drawn rows on which file and model must agree
WHOLE = 2**31  # bytes; a constant up to this size is worked out when the file is written, not at each run


def export(model, folder, *, int8: bool = False, texts=None, max_length: int = 128) -> Exported:
    """Write ``model.onnx``, the tokenizer's files and ``kdviz.json`` (labels, inputs, max_length).

    The file takes any number of texts of any length that the model reads, and gives their logits (of multiple choice
    one for each text, a beginning with an ending; of question answering start_logits and end_logits, (B, n), also
    outside of the context, as transformers' own export names and gives them). It is run before it takes its place: its
    answers (probabilities, or numbers of a regression) to drawn rows and `texts` must be the same.

    Parameters
    ----------
    model : a Model with a classifier, of any network but Longformer
    folder : an older export there is replaced; nothing is changed when the writing fails or is interrupted
    int8 : weights as whole numbers of 8 bits (onnxruntime's dynamic quantisation, a scale for each column): the file
        is a quarter as large, and answers move
    texts : texts, (text, second text) pairs or a split, on which is measured how far an answer moves at most
    max_length : tokens to which `texts` are cut

    Raises
    ------
    ModuleNotFoundError
        with the line to install when the extra ``kdviz[export]`` is missing
    ValueError
        for a model without a classifier or of language modelling, one that cannot be exported, and a file that does not
        compute what it should
    """
    installed(*NEEDS)
    if "logits" not in model.fields:
        raise ValueError(f"{model.name!r} has no classifier, so nothing to export: load or build it with a task")
    if kind_of(model.task_kind).writes:
        fix = "model.save_pretrained(folder) writes it for transformers"
        raise ValueError(f"{model.name!r} writes texts, token by token, which an ONNX of kdviz does not: {fix}")
    rows = [drawn(model)]
    if texts is not None:
        longest = min(max_length, model.max_length)
        rows.append(encode_split(texts, model.tokenizer, longest, kind_of(model.task_kind)))
    with whole_folder(folder) as made:
        inputs = write(model, made / MODEL)
        about = {
            "name": model.name,
            "labels": model.labels,
            "kind": model.task_kind,
            "inputs": inputs,
            "max_length": model.max_length,
            "threshold": model.threshold,
            "int8": int8,
            "weights": sum(parameter.numel() for parameter in model.parameters()),
            "bytes_float32": (made / MODEL).stat().st_size,
            "texts": 0 if texts is None else len(rows[1]),
            "gap": None,
        }
        if model.tokenizer is not None:
            save_tokenizer(model, made)
            _set_up(model, made / "tokenizer.json")
        write_json(made / ABOUT, about)
        gaps = _gaps(model, Exported(made), rows)
        if not max(gaps) <= CLOSE:
            raise ValueError(
                f"the exported {model.name!r} gives answers that are off by {max(gaps):.2g}, more than {CLOSE}: "
                f"onnxruntime or torch misreads a {model.network.description}; try another version of them"
            )
        if int8:
            _quantise(made / MODEL)
            gaps = _gaps(model, Exported(made), rows)
        write_json(made / ABOUT, about | {"gap": None if texts is None else gaps[1]})
    return Exported(folder)


class Exported(Module):
    """What `export` wrote into a folder, run by onnxruntime with as many threads as torch has; `kd.measure` takes it.

    labels, max_length, threshold, weights : as the model's
    bytes, bytes_float32 : size of the file, and before int8
    gap, texts : largest distance of an answer from the model's, found on so many texts; None without texts
    Raises FileNotFoundError or ValueError when the folder holds no export, or a damaged one.
    """

    device, fields = torch.device("cpu"), frozenset({"logits"})

    def __init__(self, folder):
        super().__init__()
        installed("onnxruntime")
        import onnxruntime

        from kdviz.models.tokenizers import load_tokenizer

        self.folder, again = Path(folder), "write it again with model.export(folder)"
        for path in (self.folder / ABOUT, self.folder / MODEL):
            if not path.is_file():
                raise FileNotFoundError(f"{path} is missing: no exported model in {folder}; {again}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            about = json.loads((self.folder / ABOUT).read_text(encoding="utf-8"))
            self.name, self.labels, self.max_length = about["name"], tuple(about["labels"]), about["max_length"]
            self.int8, self.weights, self.gap, self.texts = (about[n] for n in ("int8", "weights", "gap", "texts"))
            self.bytes_float32, self.task_kind = about["bytes_float32"], about.get("kind", "classification")
            self.threshold = about.get("threshold", 0.0)
            self.session = onnxruntime.InferenceSession(str(self.folder / MODEL), options)
        except Exception as error:  # of JSON, or onnxruntime's own kinds
            raise ValueError(f"the exported model in {folder} is damaged ({words(error):.200}); {again}") from error
        self.bytes = (self.folder / MODEL).stat().st_size
        reads = (self.folder / "tokenizer_config.json").is_file()
        self.tokenizer = load_tokenizer(self.folder) if reads else None

    def forward(self, input_ids, attention_mask, token_type_ids=None, *, want=fields) -> Outputs:
        """ids, mask and types (B, n), as a Model takes them -> its logits (B, C), (B/K, K) or (B, n, 2)."""
        if extra := sorted(set(want) - self.fields):
            raise ValueError(f"an exported model has no {' or '.join(extra)}; it offers logits")
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        given = dict(zip(INPUTS, (input_ids, attention_mask.long(), types)))
        found = self.session.run(None, {one.name: given[one.name].numpy() for one in self.session.get_inputs()})
        kind, found = kind_of(self.task_kind), [torch.from_numpy(part) for part in found]
        logits = torch.stack(found, -1) if kind.tokens else kind.shaped(*found, self.labels)
        return Outputs(logits=kind.inside(logits, input_ids, attention_mask, token_type_ids, self.tokenizer))

    def __repr__(self) -> str:
        size = f"{self.bytes / 1e6:,.2f} MB" + (f" in int8 ({self.bytes_float32 / 1e6:,.2f} before)" * self.int8)
        found = f"answers at most {self.gap or 0:.2g} from the model's on {self.texts:,} texts"
        unknown = "give texts=… to learn how far int8 moves its answers"
        said = found if self.texts else unknown if self.int8 else "its answers are the model's"
        return f"{self.name} as ONNX: {size}; {said}; in {self.folder}"


def installed(*names: str) -> None:
    """Raise ModuleNotFoundError, with the line to install, when one of these is missing."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f'{name} is not installed, and ONNX needs it: pip install "kdviz[export]"')


class _Graph(nn.Module):
    """A copy of a model, on the CPU: ids of the tokenizer, mask and types in, the fields `want` out by their `names`.

    The logits of a start and of an end are two outputs.
    """

    def __init__(self, model, want):
        super().__init__()
        self.want, kind = want, kind_of(model.task_kind)
        self.apart = {"logits": [f"{side}_logits" for side in kind.outputs(())]} if kind.tokens else {}
        self.names = [part for name in want for part in self.apart.get(name, [name])]
        self.network = copy.deepcopy(model.network).cpu()
        self.register_buffer("rows", None if model.rows is None else model.rows.cpu().int())

    def forward(self, input_ids, attention_mask, token_type_ids):
        ids = input_ids if self.rows is None else self.rows[input_ids]
        outputs = self.network(ids, attention_mask, token_type_ids, None, frozenset(self.want))
        found = {name: getattr(outputs, name) for name in self.want}
        parts = (field.unbind(-1) if name in self.apart else (field,) for name, field in found.items())
        return tuple(part for some in parts for part in some)


def drawn(model) -> Rows:
    """Short and long rows of drawn ids, or of drawn pixels."""
    if model.tokenizer is None:
        ids, lengths = model.network.brightest + 1, [model.max_length] * len(LENGTHS)
    else:
        ids, lengths = ids_of(model.tokenizer), [min(length, model.max_length) for length in LENGTHS]
    random, rows = np.random.default_rng(0), Rows(model.tokenizer, choices=model.choices)
    drawn = [random.integers(0, ids, n) for n in lengths for _ in range(model.choices)]
    rows.add(Dataset.from_dict({"input_ids": drawn}))
    return rows


def _set_up(model, path: Path) -> None:
    """Let the file of a fast tokenizer cut and pad by itself, as transformers does when it is asked to."""
    if model.tokenizer.is_fast:
        rules = copy.deepcopy(model.tokenizer.backend_tokenizer)
        rules.enable_truncation(model.max_length, direction=model.tokenizer.truncation_side)
        rules.enable_padding(pad_id=model.tokenizer.pad_token_id, pad_token=model.tokenizer.pad_token)
        rules.save(str(path))


def write(model, path: Path, want: tuple[str, ...] = ("logits",)) -> dict[str, str]:
    """The model as one ONNX file that gives the fields `want`, constants worked out, no word on this machine's files.

    Returns which of `INPUTS` it reads. Raises ValueError for a model that cannot be exported.
    """
    from onnxscript import optimizer

    batch = drawn(model).batch([3, 4])
    dims = {0: torch.export.Dim("batch")}
    if model.tokenizer is not None:
        dims[1] = torch.export.Dim("length", max=model.max_length)
    given = tuple(getattr(batch, name) for name in INPUTS)
    try:
        with _silence(), torch.no_grad():
            graph = _Graph(model, want).eval()
            named = {"input_names": [*INPUTS], "output_names": graph.names, "dynamic_shapes": (dims,) * len(INPUTS)}
            program = torch.onnx.export(graph, given, dynamo=True, verbose=False, **named)
            optimizer.optimize(program.model, input_size_limit=WHOLE, output_size_limit=WHOLE)
        inputs = program.model.graph.inputs
        sizes = [one.shape[axis] for one in inputs for axis in dims]
        fixed = [size for size in sizes if isinstance(size, int)]
        if fixed:  # torch gives way in silence to code that knows one size only
            raise ValueError(f"its graph reads nothing but sizes {fixed}")
    except Exception as error:  # whatever another library's code may raise
        reason = words(error).partition(". ")[0]
        raise ValueError(
            f"{model.name!r} ({model.network.description}) cannot be exported to ONNX ({reason:.200}); "
            "model.save_pretrained(folder) writes the transformers folder"
        ) from error
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
    for unused in [one for one in inputs if not one.uses()]:
        inputs.remove(unused)
    program.model.metadata_props["onnx.quant.pre_process"] = "onnxruntime.quant"  # done: its own would warn
    program.save(str(path), external_data=False)
    return {one.name: INPUTS[one.name] for one in inputs}


def _quantise(path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    plain = path.rename(path.with_name("float32.onnx"))
    with _silence():
        quantize_dynamic(plain, path, weight_type=QuantType.QInt8, per_channel=True)
    plain.unlink()


def _gaps(model, exported: Exported, tables: list[Rows]) -> list[float]:
    """How far an answer of the file is from the model's at most, in each table of rows."""

    def answers(one, rows):
        said = kind_of(model.task_kind).said(predict(one, rows), model.labels)
        return np.stack([column for column in said.values() if isinstance(column, np.ndarray)])

    return [float(np.abs(answers(model, rows) - answers(exported, rows)).max()) for rows in tables]


@contextmanager
def _silence():
    """Exporters tell what they try, and print the whole graph when they fail; what they raise says enough."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", "torch.fx")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL)
    try:
        with quiet(), redirect_stderr(io.StringIO()):
            yield
    finally:
        for log, level in zip(logs, levels):
            log.setLevel(level)

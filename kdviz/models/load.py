"""Any transformers model that a folder holds: loaded, its classes in a task's order, tried on two texts."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig

from kdviz.data.kinds import CLASSIFICATION, KINDS, LANGUAGE_MODELLING, MULTIPLE_CHOICE, QUESTION_ANSWERING
from kdviz.disk import words
from kdviz.hub import quiet
from kdviz.models.model import Model
from kdviz.models.network import laid_out, seeded
from kdviz.models.tokenizers import ids_of, load_tokenizer
from kdviz.models.transformer import WRITERS, Transformer, auto_class
from kdviz.states import text_to_ids

SAFE = {"use_safetensors": True, "trust_remote_code": False, "local_files_only": True}
FAMILIES = (
    "BERT, RoBERTa, DistilBERT, ELECTRA, ALBERT, DeBERTa, XLM-R, MPNet, ModernBERT, CamemBERT, BigBird, Longformer, "
    "RemBERT, data2vec, GPT-2, LLaMA, Qwen2"
)
OTHERS = {kind.head for kind in KINDS.values() if not kind.writes} - {CLASSIFICATION.head}
HEADS = (*sorted(OTHERS), CLASSIFICATION.head)
ONE_OUTPUT = MULTIPLE_CHOICE.outputs(())  # how kdviz names that of a family without a head for multiple choice
AGAIN = "download it, or save it, again"
CLOSE = 1e-3  # of the largest number: how far padding and another kernel may move a hidden state or a probability


def load_folder(folder: Path, name: str, task=None, device_map=None) -> Model:
    """The model in `folder` as a teacher. What counts is what the weights hold, not what config.json claims.

    Raises ValueError, naming the folder, when files are damaged or do not belong together, when the classifier is of
    another kind or its labels are not the task's, and when the model is of a family that kdviz cannot run.
    """
    asked = None if task is None else task.kind
    if asked == LANGUAGE_MODELLING or (asked is None and _architecture(folder).endswith(WRITERS)):
        return _load_writer(folder, name, device_map)
    network, lost, rows = _load(HEADS, folder, None, device_map)
    if rows and lost == set(rows) and len(set(rows.values())) == 1:  # only the number of classes is not as claimed
        network, lost, _ = _load(HEADS, folder, next(iter(rows.values())), device_map)
    config, outputs = network.config, None if task is None else task.kind.outputs(task.labels)
    chooses = type(network).__name__.endswith("For" + MULTIPLE_CHOICE.head)  # has one output, whatever its config says
    names = ONE_OUTPUT if chooses else tuple(str(config.id2label[i]) for i in sorted(config.id2label))
    spans = type(network).__name__.endswith("For" + QUESTION_ANSWERING.head)
    own = () if lost else QUESTION_ANSWERING.outputs(()) if spans and len(names) == 2 else names
    fits = own and (task is None or len(own) == len(outputs))
    kind = QUESTION_ANSWERING.name if spans else _kind(config, own)
    if fits and (problem := _misfit(kind, len(own), task)):
        raise ValueError(
            f"{name!r} has a {kind} head (problem_type={config.problem_type!r}, {len(own)} outputs); {problem}: "
            "pick another model, or load one without a classifier"
        )
    if own:
        config.id2label = dict(enumerate(own))
    if task is not None and fits and task.kind.named:
        _reorder(network, own, task, name)
    elif task is not None and fits:
        network.config.id2label = dict(enumerate(outputs))
    elif task is not None:
        network, *_ = _load((task.kind.head,), folder, len(outputs), device_map)
        warnings.warn(
            f"{name} has no classifier for the labels of {task.name!r}: a new one was put on, and it knows nothing. "
            "Fine-tune the model on the labels before it teaches.",
            stacklevel=3,
        )
    elif not own:
        network, *_ = _load((None,), folder, None, device_map)
    labels, kind = (own, kind if own else "classification") if task is None else (task.labels, task.kind.name)
    about = {"name": name, "role": "teacher", "labels": labels, "task_kind": kind}
    about["threshold"] = getattr(config, "null_threshold", 0.0) if spans else 0.0  # written by `save_pretrained`
    return tried(network, load_tokenizer(folder), **about)


def _architecture(folder: Path) -> str:
    """The class that wrote the folder, as its config names it; "" where it does not."""
    try:
        config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    except Exception:  # whatever another library's code may raise; `_load` meets it again, and says so
        return ""
    return "".join(config.architectures or ())


def _load_writer(folder: Path, name: str, device_map) -> Model:
    """A causal language model. Rows of its word table beyond the tokenizer's ids, which no text has, are left out."""
    network, lost, _ = _load((LANGUAGE_MODELLING.head,), folder, None, device_map)
    if lost:
        raise ValueError(
            f"{name!r} has no head that says the next word ({min(lost)} is missing), so it cannot teach language "
            f"modelling: choose a model that AutoModelForCausalLM wrote"
        )
    tokenizer = load_tokenizer(folder)
    if (rows := len(network.get_input_embeddings().weight)) > (ids := ids_of(tokenizer)):
        if laid_out(network):
            raise ValueError(
                f"{name!r} has {rows:,} rows of words, its tokenizer {ids:,} ids, and what lies in several places "
                "cannot be cut: load it once without device_map, and teacher.save_pretrained(folder) writes it cut"
            )
        with quiet(), seeded(0):
            network.resize_token_embeddings(ids)
    about = {"labels": LANGUAGE_MODELLING.outputs(()), "task_kind": LANGUAGE_MODELLING.name}
    return tried(network, tokenizer, name=name, role="teacher", **about)


def _misfit(kind: str, outputs: int, task) -> str:
    """Why a head of this kind, with so many outputs, cannot be used for the task (or None); "" when it can."""
    if kind == "regression" and outputs > 1:
        return "kdviz knows regression with one output"
    if kind == QUESTION_ANSWERING.name and outputs != len(QUESTION_ANSWERING.outputs(())):
        return "kdviz knows questions with two, of a start and an end"
    if task is None:
        endings = "it answers about the endings of a task, so load it with that task"
        return endings if kind == MULTIPLE_CHOICE.name else ""
    return "" if kind == task.kind.name else f"the task {task.name!r} asks for {task.kind.name}"


def _kind(config, own: tuple[str, ...]) -> str:
    """What kind of task a head with these outputs is for."""
    if own == ONE_OUTPUT:
        return MULTIPLE_CHOICE.name
    said = next((kind.name for kind in KINDS.values() if kind.problem and kind.problem == config.problem_type), None)
    return said or ("regression" if len(own) == 1 else "classification")


def _load(heads, folder: Path, classes: int | None, device_map) -> tuple[nn.Module, set[str], dict[str, int]]:
    """The network, with that of the heads which its config names, or else the last; the names of its weights that the
    files lack; among these, of another size: the rows they have."""
    options = {"dtype": torch.float32, "ignore_mismatched_sizes": True, "output_loading_info": True}
    options |= {} if device_map is None else {"device_map": device_map}
    try:
        with quiet(), seeded(0):  # what is new, such as a classifier, is the same everywhere
            config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
            if classes is not None:
                config.num_labels = classes
            written = "".join(config.architectures or ())
            head = next((one for one in heads if one and written.endswith(f"For{one}")), heads[-1])
            network, found = auto_class(head, config).from_pretrained(str(folder), config=config, **options, **SAFE)
    except Exception as error:  # whatever another library's code may raise
        what = "weights are damaged" if isinstance(error, SafetensorError) else "model cannot be read"
        raise ValueError(f"{folder}: the {what} ({words(error)}); {AGAIN}") from error
    rows = {name: stored[0] for name, stored, _ in found["mismatched_keys"] if stored}
    lost = found["missing_keys"] | {name for name, *_ in found["mismatched_keys"]}
    inside = "" if network is network.base_model else network.base_model_prefix + "."
    if broken := sorted(name for name in lost if name.startswith(inside) and "pooler" not in name):
        raise ValueError(
            f"{folder}: the weights lack {len(broken)} that a {config.model_type} of its config.json has, such as "
            f"{broken[0]}: they do not belong together; {AGAIN}"
        )
    return network, lost, rows


def _reorder(network, own: tuple[str, ...], task, name: str) -> None:
    """Permute the classifier so that class i is the task's label i, when the model names the same labels otherwise."""
    for spelled in (str, str.casefold):  # letter by letter first: "Pos" and "pos" may be two classes
        names, wanted = [spelled(label) for label in own], [spelled(label) for label in task.labels]
        if sorted(names) == sorted(wanted) and len(set(names)) == len(names):
            order = [names.index(label) for label in wanted]
            last = [m for m in network.modules() if isinstance(m, nn.Linear) and m.out_features == len(own)][-1]
            if last.weight.is_meta and order != sorted(order):
                problem = f"{name!r} has its classes as {own}, the task {task.labels}, and its classifier lies on disk"
                raise ValueError(f"{problem}: give it another place in device_map, so that it can be put in order")
            with torch.no_grad():
                for parameter in last.parameters():
                    parameter.copy_(parameter[order])
            break
    else:
        if names not in ([f"label_{first + place}" for place in range(len(own))] for first in (0, 1)):
            raise other_labels(own, task, name)
    network.config.id2label = dict(enumerate(task.labels))


def other_labels(own: tuple[str, ...], task, name: str) -> ValueError:
    """The error of a model whose classes have other names than the task's."""
    return ValueError(
        f"the labels of {name!r} are {own}, task {task.name!r} has {task.labels}: they do not match. If the task's are "
        f"0, 1, … in this order, load it with labels={own}; else say what each means: labels={{{task.labels[0]!r}: …}}"
    )


def tried(network, tokenizer, **about) -> Model:
    """The model, once it has read two short texts as the library reads them; ValueError says what it cannot do."""
    if network.config.pad_token_id is None:  # a decoder's classifier reads the last token that is no padding
        network.config.pad_token_id = tokenizer.pad_token_id
    try:
        model = Model(Transformer(network), tokenizer, **about).eval()
        with torch.no_grad():
            _try(model)
        return model
    except Exception as error:  # whatever another library's code may raise
        raise ValueError(
            f"{about['name']!r} is a model of the family {network.config.model_type}, which kdviz cannot run "
            f"({type(error).__name__}: {words(error)}); it runs {FAMILIES}, and others that read as these do"
        ) from error


def _try(model: Model) -> None:
    network, encoder = model.network, model.network.encoder
    if (ids := ids_of(model.tokenizer)) > (rows := len(network.embedding.weight)):
        raise ValueError(f"its tokenizer has {ids:,} ids, its word table {rows:,} rows: they do not belong together")
    texts = ["one two three four", "one"] * model.choices
    batch = text_to_ids(model.tokenizer, texts, padding=True, return_tensors="pt")
    given = {name: batch[name] for name in ("input_ids", "attention_mask")}
    real = given["attention_mask"].bool()
    out = model(**given, want=model.fields)
    size = (len(texts), model.layers + 1, real.shape[1], model.width)
    if tuple(out.hidden.shape) != size:
        raise ValueError(f"its hidden states are {tuple(out.hidden.shape)}, not {size}")
    if not out.hidden.isfinite().all() or (out.logits is not None and not out.logits.isfinite().all()):
        raise ValueError("its hidden states hold numbers that are NaN or infinite: look at its weights")
    alone = model(**{name: ids[1:2, real[1]] for name, ids in given.items()}, want={"hidden"}).hidden[0]
    _same(out.hidden[1, :, real[1]], alone, "a padded text and the same text alone differ in their hidden states")
    if network.watched:
        former = encoder.config._attn_implementation
        encoder.set_attn_implementation("eager")
        eager = torch.stack(encoder.base_model(**given, output_attentions=True).attentions, 1)
        encoder.set_attn_implementation(former)
        for found, expected, words in zip(out.attentions, eager, real):
            _same(found[..., words, :], expected[..., words, :], "its attention is no softmax of scaled products")


def _same(found, expected, otherwise: str) -> None:
    if found.shape != expected.shape or (found - expected).abs().max() > CLOSE * expected.abs().max():
        raise ValueError(otherwise)

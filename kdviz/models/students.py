"""Students: BERT of any depth, width and number of heads, with the teacher's tokenizer and a small vocabulary."""

from __future__ import annotations

import copy
from itertools import chain
from typing import TYPE_CHECKING

import torch
from transformers import AutoConfig

from kdviz.data.files import TEXTS
from kdviz.data.language import marks
from kdviz.models.model import Model
from kdviz.models.recurrent import BiLSTM, GatedCNN
from kdviz.models.tokenizers import ids_of, load_tokenizer, tokenizer_sha256, unknown_id
from kdviz.models.transformer import Transformer
from kdviz.states import text_to_ids

if TYPE_CHECKING:
    from kdviz.data.task import Task

POSITIONS = 512
DECODERS = ("gpt2", "llama")
TRANSFORMERS = ("bert", *DECODERS)


def build_student(
    task: Task,
    layers: int = 2,
    hidden: int | None = None,
    heads: int | None = None,
    intermediate: int | None = None,
    vocabulary: str | None = None,
    init_from: Model | None = None,
    seed: int = 0,
    tokenizer=None,
    architecture: str | None = None,
) -> Model:
    """A new classifier for `task`, ready to be distilled: a BERT, unless `architecture` or `init_from` says otherwise.

    For a task of language modelling it is a LLaMA that says the next word, with one table for words in and words out.

    hidden, heads : width and number of attention heads; those of `init_from`, or 128 and 4, when None
    intermediate : width of the feed-forward layers, 4 × hidden (or that of `init_from`) when None
    vocabulary   : ``"task"``, the default, keeps embedding rows only for tokens that occur in the task's train,
                   transfer and dev texts, and for the special tokens. A word never seen there is read as [UNK], piece
                   by piece: the student cannot know it. ``"full"`` keeps every row (30,522 × hidden weights for
                   MiniLM's); a student that writes has them all
    init_from    : a teacher of the same width, heads and feed-forward width; the student is of its family. Its
                   embeddings and evenly spaced layers (6 → 2: layers 3 and 6) are copied; pooler and classifier
                   start new.
    seed         : of the initial weights; the same in every process, and the global random state is not touched.
                   They are drawn with BERT's deviation of 0.02 times √(768 / hidden) [ours]
    tokenizer    : the teacher's, when it is neither the task's own nor the packaged MiniLM's (taken from `init_from`
                   when that is given)
    architecture : ``"bert"``, the default; ``"gpt2"`` or ``"llama"``, decoders, whose classifier reads the last word,
                   which alone sees all others; ``"bilstm"`` or ``"cnn"``, with no heads and no feed-forward width of
                   their own
    Raises ValueError when the shape is impossible or does not fit `init_from` (both values are named).
    """
    writes = task.kind.writes
    architecture = architecture or (init_from and "bert") or ("llama" if writes else "bert")
    if architecture not in (*TRANSFORMERS, "bilstm", "cnn"):
        raise ValueError(f"architecture={architecture!r}: choose {', '.join(TRANSFORMERS)}, bilstm or cnn")
    if architecture not in TRANSFORMERS and (init_from is not None or intermediate is not None):
        raise ValueError(f"a {architecture} has nothing of a BERT's to copy and no intermediate width: leave them out")
    if architecture != "bert" and init_from is not None:
        raise ValueError(
            f"architecture={architecture!r} and init_from: the student is of the teacher's family; say one"
        )
    if writes and init_from is None and architecture not in DECODERS:
        raise ValueError(f"a {architecture} sees later words, so it cannot write: choose {' or '.join(DECODERS)}")
    vocabulary = vocabulary or ("full" if writes else "task")
    if writes and vocabulary != "full":
        raise ValueError(f'vocabulary={vocabulary!r}: a model that writes knows every token: leave it out, or "full"')
    if vocabulary not in ("task", "full"):
        raise ValueError(f'vocabulary={vocabulary!r}: choose "task" or "full"')
    hidden = hidden if hidden is not None else 128 if init_from is None else init_from.width
    heads = heads if heads is not None else 4 if init_from is None else init_from.heads or 1
    if min(layers, hidden, heads) < 1 or (architecture in TRANSFORMERS and hidden % heads):
        shape = f"layers={layers}, hidden={hidden}, heads={heads}"
        raise ValueError(f"{shape}: all must be ≥ 1 and hidden a multiple of heads")
    if tokenizer is None:
        tokenizer = (task.tokenizer or load_tokenizer()) if init_from is None else init_from.tokenizer
    if init_from is not None:
        sizes = {"layers": layers, "hidden": hidden, "heads": heads, "intermediate": intermediate}
        _check_fit(init_from, tokenizer, writes=writes, **sizes)
    ids, *notes = (None,) if vocabulary == "full" else task_vocabulary(task, tokenizer)
    if ids is not None and init_from is not None:  # where positions count from the padding id, that keeps its place
        ids = sorted({*ids, *range(init_from.network.shift)})
    words, outputs = ids_of(tokenizer) if ids is None else len(ids), task.kind.outputs(task.labels)
    pad = tokenizer.pad_token_id if ids is None else ids.index(tokenizer.pad_token_id)
    about = {
        "name": "student",
        "role": "student",
        "labels": task.labels,
        "vocabulary": ids,
        "notes": notes,
        "task_kind": task.kind.name,
    }
    if architecture == "llama" and hidden // heads % 2:
        raise ValueError(
            f"hidden={hidden}, heads={heads}: a llama turns numbers in pairs, so hidden / heads must be even"
        )
    if task.kind.tokens and not writes and architecture in DECODERS:
        fix = 'choose architecture="bert", "bilstm" or "cnn"'
        raise ValueError(
            f"a {architecture} cannot say that there is no answer, as its first token sees no other: {fix}"
        )
    if architecture not in TRANSFORMERS:
        kind = BiLSTM if architecture == "bilstm" else GatedCNN
        sizes = {"words": words, "layers": layers, "width": hidden, "classes": len(outputs), "pad": pad}
        sizes |= {"spans": True} if task.kind.tokens else {}
        return Model(kind.from_settings(sizes, seed=seed), tokenizer, **about).eval()
    changes = {
        "vocab_size": words,
        "num_hidden_layers": layers,
        # BERT's 0.02 suits a width of 768; a narrow layer that starts as small hands hardly anything on
        "initializer_range": 0.02 * (768 / hidden) ** 0.5,
        "pad_token_id": pad,
        "id2label": dict(enumerate(outputs)),
        "label2id": {label: index for index, label in enumerate(outputs)},
    }
    if writes:
        changes = {key: value for key, value in changes.items() if key not in ("id2label", "label2id")}
        ends = dict(zip(("bos_token_id", "eos_token_id"), (next(iter(ids), None) for ids in marks(tokenizer))))
        changes |= ends | ({"tie_word_embeddings": True} if init_from is None else {})
    if task.kind.problem is not None:
        changes["problem_type"] = task.kind.problem
    if init_from is None:
        sizes = {"hidden_size": hidden, "num_attention_heads": heads}
        sizes["n_inner" if architecture == "gpt2" else "intermediate_size"] = intermediate or 4 * hidden
        unread = {} if architecture == "bert" else {"bos_token_id": None, "eos_token_id": None}
        config = AutoConfig.for_model(architecture, max_position_embeddings=POSITIONS, **sizes, **unread | changes)
    else:
        config = _shortened(init_from, **changes)
    student = Model(Transformer.from_config(config, task.kind.head, seed), tokenizer, **about)
    if init_from is not None:
        _copy(init_from, student)
    return student.eval()


def task_vocabulary(task: Task, tokenizer) -> tuple[list[int], str]:
    """Tokenizer ids that occur in the task's train, transfer and dev texts, plus special tokens; and a note.

    The note says which share of dev's tokens train and transfer alone would have covered: what to
    expect of text that nobody has seen.
    """
    known = _counts(task, tokenizer, [name for name in ("train", "transfer") if name in task.splits]) > 0
    dev = _counts(task, tokenizer, ["dev"])
    covered = (dev[known].sum() / dev.sum()).item()
    known |= dev > 0
    known[[*tokenizer.all_special_ids, tokenizer.pad_token_id]] = True
    ids = known.nonzero().flatten().tolist()
    note = f"vocabulary: {len(ids):,} of {len(tokenizer):,} tokens; train and transfer cover {covered:.1%} of dev's;"
    return ids, f"{note} other words are read as {tokenizer.convert_ids_to_tokens(unknown_id(tokenizer))}"


def _counts(task, tokenizer, splits) -> torch.Tensor:
    """How often each id occurs in these splits."""
    columns = [task[split][name][:] for split in splits for name in TEXTS if name in task[split].column_names]
    for split in splits:
        if "endings" in task[split].column_names:
            columns.append([ending for endings in task[split]["endings"][:] for ending in endings])
    plain = {"add_special_tokens": False, "return_attention_mask": False, "return_token_type_ids": False}
    rows = [row for column in columns for row in text_to_ids(tokenizer, column, **plain)["input_ids"]]
    return torch.bincount(torch.tensor(list(chain(*rows)), dtype=torch.long), minlength=ids_of(tokenizer))


def _check_fit(teacher: Model, tokenizer, *, writes, layers, **wanted) -> None:
    network = teacher.network
    if network.kind != "transformer":
        raise ValueError(f"init_from copies from transformers only; {teacher.name!r} is {network.description}")
    has = {"hidden": network.width, "heads": network.heads, "intermediate": network.intermediate}
    for name, value in has.items():
        if wanted[name] not in (value, None):
            raise ValueError(
                f"init_from: the student has {name}={wanted[name]}, the teacher {teacher.name!r} has {value}; "
                f"pass {name}={value}, or leave init_from out"
            )
    if network.writes != writes:
        what = "writes" if network.writes else "does not write"
        raise ValueError(
            f"init_from: {teacher.name!r} {what}, the student {'does' if writes else 'does not'}: leave out"
        )
    if layers > teacher.layers:
        raise ValueError(f"init_from: {layers} layers cannot be copied from a teacher of {teacher.layers}")
    if teacher.tokenizer_sha256 != tokenizer_sha256(tokenizer):
        raise ValueError(f"init_from: the student's tokenizer is not {teacher.name!r}'s; leave `tokenizer` out")


def _evenly(teacher_layers: int, layers: int) -> list[int]:
    """The teacher's layers that a student of so many takes: 6 → 2 gives 2 and 5, counted from 0."""
    return [(index + 1) * teacher_layers // layers - 1 for index in range(layers)]


def _shortened(teacher: Model, **changes):
    """The teacher's own config with these changes; what it lists layer by layer is cut with the layers."""
    config = copy.deepcopy(teacher.network.encoder.config)
    for name in ("layer_types", "attention_window"):
        if isinstance(listed := getattr(config, name, None), list):
            setattr(config, name, [listed[i] for i in _evenly(teacher.layers, changes["num_hidden_layers"])])
    others = {name: None for name in config.to_dict() if name.endswith("_token_id")}  # ids that no classifier reads
    for name, value in (others | changes).items():
        setattr(config, name, value)
    return config


def _copy(teacher: Model, student: Model) -> None:
    """Everything that the student's network has of the teacher's, its pooler apart."""
    source, target = teacher.network.encoder.base_model.state_dict(), student.network.encoder.base_model
    stack = student.network.stack + "."
    count = len(target.get_submodule(student.network.stack))
    chosen = _evenly(teacher.layers, count) if count == student.layers else range(count)  # ALBERT has one for all
    ids = torch.arange(ids_of(student.tokenizer)) if student.vocabulary is None else torch.tensor(student.vocabulary)
    rows = ids if teacher.rows is None else teacher.rows[ids]
    table = student.network.embedding.weight
    for name, value in target.state_dict(keep_vars=True).items():
        origin = name
        if name.startswith(stack):
            number, _, rest = name.removeprefix(stack).partition(".")
            origin = f"{stack}{chosen[int(number)]}.{rest}"
        if not name.startswith("pooler"):
            value.data.copy_(source[origin][rows] if value is table else source[origin])
    if student.network.writes and (head := student.network.encoder.get_output_embeddings()).weight is not table:
        head.load_state_dict(teacher.network.encoder.get_output_embeddings().state_dict())

"""Students: BERT of any depth, width and number of heads, with the teacher's tokenizer and a small vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from kdviz.models.model import Model
from kdviz.models.recurrent import BiLSTM, GatedCNN
from kdviz.models.tokenizers import load_tokenizer
from kdviz.models.transformer import Transformer
from kdviz.states import text_to_ids

if TYPE_CHECKING:
    from kdviz.data.task import Task

POSITIONS = 512


def build_student(
    task: Task,
    layers: int = 2,
    hidden: int = 128,
    heads: int = 4,
    intermediate: int | None = None,
    vocabulary: str = "task",
    init_from: Model | None = None,
    seed: int = 0,
    tokenizer=None,
    architecture: str = "bert",
) -> Model:
    """A new classifier for `task`, ready to be distilled: a BERT, unless `architecture` says otherwise.

    intermediate : width of the feed-forward layers, 4 × hidden when None
    vocabulary   : ``"task"`` keeps embedding rows only for tokens that occur in the task's train, transfer and
                   dev texts, and for the special tokens. A word never seen there is read as [UNK], piece by piece:
                   the student cannot know it. ``"full"`` keeps every row (30,522 × hidden weights for MiniLM's).
    init_from    : a BERT teacher of the same width, heads and feed-forward width. Its embeddings and evenly spaced
                   layers (6 → 2: layers 3 and 6) are copied; pooler and classifier start new.
    seed         : of the initial weights; the same in every process, and the global random state is not touched.
                   They are drawn with BERT's deviation of 0.02 times √(768 / hidden) [ours]
    tokenizer    : the teacher's, when it is not the packaged MiniLM's (taken from `init_from` when that is given)
    architecture : ``"bert"``; ``"bilstm"`` or ``"cnn"``, which have no heads and no feed-forward width of their own
    Raises ValueError when the shape is impossible or does not fit `init_from` (both values are named).
    """
    if architecture not in ("bert", "bilstm", "cnn"):
        raise ValueError(f'architecture={architecture!r}: choose "bert", "bilstm" or "cnn"')
    if architecture != "bert" and (init_from is not None or intermediate is not None):
        raise ValueError(f"a {architecture} has nothing of a BERT's to copy and no intermediate width: leave them out")
    if vocabulary not in ("task", "full"):
        raise ValueError(f'vocabulary={vocabulary!r}: choose "task" or "full"')
    if min(layers, hidden, heads) < 1 or (architecture == "bert" and hidden % heads):
        raise ValueError(
            f"layers={layers}, hidden={hidden}, heads={heads}: all must be ≥ 1 and hidden a multiple of heads"
        )
    intermediate = 4 * hidden if intermediate is None else intermediate
    if init_from is not None:
        _check_fit(init_from, layers=layers, hidden=hidden, heads=heads, intermediate=intermediate)
    if tokenizer is None:
        tokenizer = load_tokenizer() if init_from is None else init_from.tokenizer
    ids, notes = (None, ()) if vocabulary == "full" else task_vocabulary(task, tokenizer)
    pad = tokenizer.pad_token_id if ids is None else ids.index(tokenizer.pad_token_id)
    about = {"name": "student", "role": "student", "labels": task.labels, "vocabulary": ids, "notes": notes}
    if architecture != "bert":
        kind = BiLSTM if architecture == "bilstm" else GatedCNN
        words = len(tokenizer) if ids is None else len(ids)
        sizes = {"words": words, "layers": layers, "width": hidden, "classes": len(task.labels), "pad": pad}
        return Model(kind.from_settings(sizes, seed=seed), tokenizer, **about).eval()
    settings = {
        "classifies": True,
        "config": {
            "model_type": "bert",
            "vocab_size": len(tokenizer) if ids is None else len(ids),
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": intermediate,
            # BERT's 0.02 suits a width of 768; a narrow layer that starts as small hands hardly anything on
            "initializer_range": 0.02 * (768 / hidden) ** 0.5,
            "max_position_embeddings": POSITIONS,
            "pad_token_id": pad,
            "id2label": dict(enumerate(task.labels)),
            "label2id": {label: index for index, label in enumerate(task.labels)},
        },
    }
    network = Transformer.from_settings(settings, seed=seed)
    student = Model(network, tokenizer, **about)
    if init_from is not None:
        _copy(init_from, student)
    return student.eval()


def task_vocabulary(task: Task, tokenizer) -> tuple[list[int], tuple[str, ...]]:
    """Tokenizer ids that occur in the task's train, transfer and dev texts, plus special tokens; and a note.

    The note says which share of dev's tokens train and transfer alone would have covered: what to
    expect of text that nobody has seen.
    """
    seen = _ids(task, tokenizer, [name for name in ("train", "transfer") if name in task.splits])
    dev = _ids(task, tokenizer, ["dev"])
    counts = torch.bincount(dev, minlength=len(tokenizer))
    known = torch.zeros(len(tokenizer), dtype=torch.bool)
    known[seen] = True
    covered = (counts[known].sum() / counts.sum()).item()
    known[dev] = True
    known[tokenizer.all_special_ids] = True
    ids = known.nonzero().flatten().tolist()
    note = (
        f"vocabulary: {len(ids):,} of {len(tokenizer):,} tokens; train and transfer cover {covered:.1%} of dev's; "
        f"other words are read as {tokenizer.unk_token}"
    )
    return ids, (note,)


def _ids(task, tokenizer, splits) -> torch.Tensor:
    columns = [task[split][column] for split in splits for column in (("text", "text_b") if task.pair else ("text",))]
    plain = {"add_special_tokens": False, "return_attention_mask": False, "return_token_type_ids": False}
    rows = [row for column in columns for row in text_to_ids(tokenizer, column[:], **plain)["input_ids"]]
    return torch.tensor([token for row in rows for token in row], dtype=torch.long)


def _check_fit(teacher: Model, **wanted) -> None:
    config = getattr(getattr(teacher.network, "encoder", None), "config", None)
    if getattr(config, "model_type", None) != "bert":
        raise ValueError(f"init_from copies from a BERT only; {teacher.name!r} is {teacher.network.description}")
    has = {"hidden": config.hidden_size, "heads": config.num_attention_heads, "intermediate": config.intermediate_size}
    for name, value in has.items():
        if wanted[name] != value:
            raise ValueError(
                f"init_from: the student has {name}={wanted[name]}, the teacher {teacher.name!r} has {value}; "
                f"pass {name}={value}, or leave init_from out"
            )
    if wanted["layers"] > teacher.layers:
        raise ValueError(f"init_from: {wanted['layers']} layers cannot be copied from a teacher of {teacher.layers}")


def _copy(teacher: Model, student: Model) -> None:
    if teacher.tokenizer_sha256 != student.tokenizer_sha256:
        raise ValueError(f"init_from: the student's tokenizer is not {teacher.name!r}'s; leave `tokenizer` out")
    source, target = teacher.network.encoder.base_model, student.network.encoder.base_model
    ids = torch.arange(len(student.tokenizer)) if student.vocabulary is None else torch.tensor(student.vocabulary)
    rows = ids if teacher.rows is None else teacher.rows[ids]
    weights = dict(source.embeddings.state_dict())
    weights["word_embeddings.weight"] = weights["word_embeddings.weight"][rows]
    target.embeddings.load_state_dict(weights)
    for index, layer in enumerate(target.encoder.layer):
        chosen = (index + 1) * teacher.layers // student.layers - 1
        layer.load_state_dict(source.encoder.layer[chosen].state_dict())

"""Students out of kdviz: an ordinary transformers folder that needs no kdviz to be read. ONNX is in models/onnx.py."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from torch import nn

from kdviz.data.kinds import kind_of
from kdviz.disk import whole_folder, write_json
from kdviz.hub import quiet


def save_pretrained(model, folder) -> Path:
    """Write a Model's config.json, model.safetensors and tokenizer as transformers does; returns the folder.

    ``AutoModelForCausalLM.from_pretrained(folder)`` gives a language model's logits, and writes with ``generate``.
    ``AutoModelForQuestionAnswering.from_pretrained(folder)`` gives a model's logits inside of the context.
    ``AutoModelForSequenceClassification.from_pretrained(folder)`` and ``pipeline("text-classification", folder)`` give
    the probabilities that `model` gives; of multiple choice ``AutoModelForMultipleChoice``, which reads (B, K, n), or
    where a family has none the sequence classifier, one logit for each text. The tokenizer stays whole, since a word
    must fall into the same pieces, and ids agree with it: a word that a student's small vocabulary has no row for gets
    the vector of [UNK] in a row of its own. Text stays data there too: a typed "[MASK]" is read as it stands.

    Raises ValueError for a model that transformers has no class for; ``model.save(folder)`` keeps these.
    """
    if model.network.kind != "transformer":
        raise ValueError(
            f"{model.name!r} is a {model.network.description}: transformers has no class for it. Keep it with "
            "model.save(folder), which kd.load_teacher(folder) reads, or take it to ONNX with model.export(folder)"
        )
    encoder, tokenizer = copy.deepcopy(model.network.encoder).cpu(), model.tokenizer
    if model.rows is not None:
        table = encoder.get_input_embeddings().weight.detach()[model.rows.cpu()]
        encoder.set_input_embeddings(nn.Embedding.from_pretrained(table, padding_idx=tokenizer.pad_token_id))
        encoder.config.vocab_size, encoder.config.pad_token_id = len(table), tokenizer.pad_token_id
    if model.threshold:
        encoder.config.null_threshold = model.threshold  # transformers has no name for it; `kd.load_teacher` reads it
    kind = kind_of(model.task_kind)
    if model.labels and not kind.writes:
        encoder.config.id2label = dict(enumerate(kind.outputs(model.labels)))
        encoder.config.problem_type = kind.problem or encoder.config.problem_type
        encoder.config.label2id = {label: index for index, label in encoder.config.id2label.items()}
    with quiet(), whole_folder(folder) as made:
        encoder.save_pretrained(made)
        save_tokenizer(model, made)
    return Path(folder)


def save_tokenizer(model, folder: Path) -> None:
    """The tokenizer's files, with the rules by which kdviz reads text: cut at the end, padded there, text is data."""
    model.tokenizer.save_pretrained(folder)
    about = folder / "tokenizer_config.json"
    rules = {"model_max_length": model.max_length, "padding_side": "right", "split_special_tokens": True}
    write_json(about, json.loads(about.read_text(encoding="utf-8")) | rules)

"""`encode`: texts in, `States` out, for one model or several that share a tokenizer."""

from __future__ import annotations

import torch

from kdviz.models.model import Model
from kdviz.models.tokenizers import text_to_ids
from kdviz.states import States

CHUNK = 32  # texts run at once


def encode(models, texts, *, attentions: bool = False, max_length: int = 128):
    """Run texts through a model and keep what it makes of them.

    models : a Model, or a list of Models that share a tokenizer
    texts  : a str; a (premise, hypothesis) tuple; or a list of either
    attentions : also keep the attention probabilities
    max_length : longest input in tokens, special tokens included; what is cut is said in `notes`
    Returns a States (float32 on the CPU), or a list of States when `models` is a list.

    Text is data: a typed "[MASK]" or "[CLS]" is read as ordinary characters. Control characters are dropped by
    the tokenizer. Raises ValueError for text that is empty or leaves no token, and for models with different
    tokenizers.
    """
    many = isinstance(models, (list, tuple))
    chosen = list(models) if many else [models]
    if not chosen or not all(isinstance(model, Model) for model in chosen):
        raise TypeError("encode needs a Model or a list of Models: see kd.load_teacher and kd.build_student")
    for model in chosen[1:]:
        if model.tokenizer_sha256 != chosen[0].tokenizer_sha256:
            raise ValueError(
                f"{chosen[0].name!r} and {model.name!r} have different tokenizers: they cut a text into different "
                "tokens, so their words cannot be compared one by one. Encode them separately, or build the student "
                "with tokenizer=teacher.tokenizer"
            )
    pairs = _pairs(texts)
    limit = min(max_length, *(model.max_length for model in chosen))
    batch, tokens, notes = _tokenize(chosen[0].tokenizer, pairs, limit)
    shown = tuple(a if b is None else f"{a} [SEP] {b}" for a, b in pairs)
    results = [_run(model, batch, shown, tokens, notes, attentions) for model in chosen]
    return results if many else results[0]


def _pairs(texts) -> list[tuple[str, str | None]]:
    """Every input as (text, second text or None), each checked."""
    items = texts if isinstance(texts, list) else [texts]
    if not items:
        raise ValueError("no text: pass a str or a list with at least one")
    pairs = []
    for index, item in enumerate(items):
        parts = item if isinstance(item, tuple) else (item,)
        if len(parts) > 2 or not parts or not all(isinstance(part, str) for part in parts):
            raise TypeError(f"text {index} is {item!r:.80}: expected a str or a (str, str) tuple")
        for part in parts:
            if not part.strip():
                raise ValueError(f"text {index} is empty ({part!r:.40}): type at least one word")
            try:
                part.encode("utf-8")
            except UnicodeEncodeError as error:
                raise ValueError(f"text {index} is not valid Unicode at character {error.start}: {error.reason}") from error
        pairs.append((parts[0], parts[1] if len(parts) == 2 else None))
    if len({b is None for _, b in pairs}) == 2:
        raise ValueError("some inputs are pairs and some are single texts: encode them separately")
    return pairs


def _tokenize(tokenizer, pairs, limit):
    firsts, seconds = [a for a, _ in pairs], [b for _, b in pairs]
    seconds = None if seconds[0] is None else seconds
    specials = tokenizer.num_special_tokens_to_add(pair=seconds is not None)
    if limit <= specials:
        raise ValueError(f"max_length={limit} leaves no room for words beside {specials} special tokens")
    whole = [len(ids) for ids in text_to_ids(tokenizer, firsts, seconds)["input_ids"]]
    notes = []
    for index, length in enumerate(whole):
        if length == specials:
            raise ValueError(f"text {index} ({firsts[index]!r:.40}) has no readable character: nothing to encode")
        if length > limit:
            which = "" if len(whole) == 1 else f"text {index}: "
            notes.append(f"{which}cut to {limit} of {length:,} tokens")
    batch = text_to_ids(
        tokenizer, firsts, seconds, truncation=True, max_length=limit, padding=True, return_tensors="pt"
    )
    kept = [ids[mask.bool()].tolist() for ids, mask in zip(batch["input_ids"], batch["attention_mask"])]
    return batch, tuple(tuple(tokenizer.convert_ids_to_tokens(ids)) for ids in kept), tuple(notes)


def _run(model: Model, batch, texts, tokens, notes, attentions) -> States:
    want = {"hidden"} | ({"attentions"} if attentions else set()) | ({"logits"} & model.fields)
    kinds = batch.get("token_type_ids")
    training, parts = model.training, []
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(texts), CHUNK):
                rows = slice(start, start + CHUNK)
                inputs = (batch["input_ids"], batch["attention_mask"], kinds)
                inputs = [None if x is None else x[rows].to(model.device) for x in inputs]
                parts.append(model(*inputs, want=want))
    finally:
        model.train(training)

    def gather(name):  # outside inference mode, so that the result may take part in a loss
        return torch.cat([getattr(part, name).float().cpu() for part in parts]) if name in want else None

    unseen = model.unseen(batch["input_ids"].to(model.device)).cpu() & batch["attention_mask"].bool()
    if unseen.any():
        names = dict.fromkeys(model.tokenizer.convert_ids_to_tokens(batch["input_ids"][unseen].tolist()))
        listed = ", ".join(list(names)[:8]) + (", …" if len(names) > 8 else "")
        notes = (*notes, f"{model.name} never saw and reads as {model.tokenizer.unk_token}: {listed}")
    return States(
        name=model.name,
        role=model.role,
        texts=texts,
        tokens=tokens,
        mask=batch["attention_mask"].bool(),
        hidden=gather("hidden"),
        attentions=gather("attentions"),
        logits=gather("logits"),
        labels=model.labels if "logits" in want else (),
        notes=notes,
    )

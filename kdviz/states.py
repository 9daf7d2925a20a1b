"""`encode`: texts in, `States` out, for one model or several that share a tokenizer.

States are the one object that figures, explorers and lessons pass around.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

CHUNK = 32  # texts run at once


@dataclass(frozen=True)
class States:
    """Hidden states, and what else was asked for, of one model on B texts.

    name, role : display name; ``"teacher"``, ``"student"`` or ``"model"`` (fixes the colour in every figure)
    texts      : the B texts as they were typed
    tokens     : per text its real tokens, special tokens included, no padding
    mask       : (B, n) bool, True for real tokens
    hidden     : (B, L+1, n, d) float32; index 0 is the embedding output
    attentions : (B, L, heads, n, n) or None when they were not asked for
    logits     : (B, C) or None when the model has no classifier, or chooses among several texts; of question answering
                 (B, n, 2), start and end; of what writes (B, n, V), of the next token
    places     : of question answering, per text and token the characters (start, end) of the context that it is,
                 None for a token of the question and for special ones; else None
    labels     : the C class names
    notes      : what a reader must know, such as a text that was cut
    layer_map  : (the teacher's layers, the student's layers) that the student's training compared, or None
    """

    name: str
    role: str
    texts: tuple[str, ...]
    tokens: tuple[tuple[str, ...], ...]
    mask: torch.Tensor
    hidden: torch.Tensor
    attentions: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    places: tuple[tuple[tuple[int, int] | None, ...], ...] | None = None
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    layer_map: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    @property
    def layers(self) -> int:
        """Number of transformer layers L; ``hidden`` has one entry more, the embedding output."""
        return self.hidden.shape[1] - 1

    def sentence(self, index: int = 0) -> States:
        """The States of one text alone, padding removed."""
        if not -len(self.texts) <= index < len(self.texts):
            raise IndexError(f"sentence {index} of {len(self.texts)}: choose 0 to {len(self.texts) - 1}")
        index %= len(self.texts)
        one, real, logits = slice(index, index + 1), self.mask[index], self.logits
        if logits is not None:
            logits = logits[one, real] if logits.ndim == 3 else logits[one]
        return replace(
            self,
            texts=self.texts[one],
            tokens=self.tokens[one],
            mask=self.mask[one, real],
            hidden=self.hidden[one, :, real],
            attentions=None if self.attentions is None else self.attentions[one, ..., real, :][..., real],
            logits=logits,
            places=None if self.places is None else self.places[one],
        )


def text_to_ids(tokenizer, texts, pairs=None, **options):
    """Call a tokenizer so that text is data: a typed "[MASK]" or "[SEP]" is three ordinary tokens.

    texts, pairs : list of str, and None or a list of str of equal length. Returns the tokenizer's encoding. Padding
    follows the words, whatever the tokenizer's own settings say: kdviz counts words from the first place.
    """
    return tokenizer(texts, pairs, split_special_tokens=True, padding_side="right", verbose=False, **options)


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
    if not chosen or not all(hasattr(model, "tokenizer_sha256") for model in chosen):
        raise TypeError("encode needs a Model or a list of Models: see kd.load_teacher and kd.build_student")
    for model in chosen[1:]:
        if model.tokenizer_sha256 != chosen[0].tokenizer_sha256:
            raise ValueError(
                f"{chosen[0].name!r} and {model.name!r} have different tokenizers: they cut a text into different "
                "tokens, so their words cannot be compared one by one. Encode them separately, or build the student "
                "with tokenizer=teacher.tokenizer"
            )
    firsts, seconds = checked(texts)
    limit = min(max_length, *(model.max_length for model in chosen))
    batch, tokens, notes = _tokenize(chosen[0].tokenizer, firsts, seconds, limit)
    shown = firsts if seconds is None else [f"{a} [SEP] {b}" for a, b in zip(firsts, seconds)]
    results = [_run(model, batch, tuple(shown), tokens, notes, attentions) for model in chosen]
    return results if many else results[0]


def checked(texts) -> tuple[list[str], list[str] | None]:
    """First and second texts (None when there are none), each checked."""
    items = texts if isinstance(texts, list) else [texts]
    if not items:
        raise ValueError("no text: pass a str or a list with at least one")
    items = [item if isinstance(item, tuple) else (item,) for item in items]
    for index, parts in enumerate(items):
        if len(parts) not in (1, 2) or not all(isinstance(part, str) for part in parts):
            shown = parts[0] if len(parts) == 1 else parts
            raise TypeError(f"text {index} is {shown!r:.80}: expected a str or a (str, str) tuple")
        for part in parts:
            if not part.strip():
                raise ValueError(f"text {index} is empty ({part!r:.40}): type at least one word")
            try:
                part.encode("utf-8")
            except UnicodeEncodeError as error:
                reason = f"at character {error.start}: {error.reason}"
                raise ValueError(f"text {index} is not valid Unicode {reason}") from error
    if len({len(parts) for parts in items}) == 2:
        raise ValueError("some inputs are pairs and some are single texts: encode them separately")
    return [parts[0] for parts in items], [parts[1] for parts in items] if len(items[0]) == 2 else None


def _tokenize(tokenizer, firsts, seconds, limit):
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
    cut = {"truncation": True, "max_length": limit, "padding": True, "return_tensors": "pt"}
    batch = text_to_ids(tokenizer, firsts, seconds, **cut)
    kept = [ids[mask.bool()].tolist() for ids, mask in zip(batch["input_ids"], batch["attention_mask"])]
    return batch, tuple(tuple(tokenizer.convert_ids_to_tokens(ids)) for ids in kept), tuple(notes)


def _run(model, batch, texts, tokens, notes, attentions) -> States:
    answers = {"logits"} & model.fields if model.choices == 1 else set()  # several texts have one answer together
    want = {"hidden"} | ({"attentions"} if attentions else set()) | answers
    names = ("input_ids", "attention_mask", "token_type_ids")
    given = {name: batch[name].to(model.device) for name in names if name in batch}
    places = None
    if model.task_kind == "question-answering":
        sides = [batch.sequence_ids(row) for row in range(len(texts))]
        offsets = (zip(sides[row], one.offsets) for row, one in enumerate(batch.encodings))
        places = [[place if side == 1 else None for side, place in row] for row in offsets]
        places = tuple(tuple(row[: len(words)]) for row, words in zip(places, tokens))
        if not given.get("token_type_ids", batch["input_ids"][:0]).any():  # where types do not tell of two texts
            given["token_type_ids"] = torch.tensor([[int(side == 1) for side in row] for row in sides]).to(model.device)
    training, parts = model.training, []
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(texts), CHUNK):
                parts.append(model(**{k: ids[start : start + CHUNK] for k, ids in given.items()}, want=want))
    finally:
        model.train(training)
    # outside inference mode, so that the result may take part in a loss
    made = {name: torch.cat([getattr(part, name).float().cpu() for part in parts]) for name in want}
    mask = batch["attention_mask"].bool()
    unseen = batch["input_ids"][model.unseen(given["input_ids"]).cpu() & mask].tolist()
    if unseen:
        words = list(dict.fromkeys(model.tokenizer.convert_ids_to_tokens(unseen)))
        listed = ", ".join(words[:8]) + (", …" if len(words) > 8 else "")
        read_as = model.tokenizer.unk_token or model.tokenizer.pad_token
        notes = (*notes, f"{model.name} never saw and reads as {read_as}: {listed}")
    if model.network.causal:
        notes = (*notes, f"in {model.name} a word sees no later one")
    labels = model.labels if "logits" in want else ()
    about = {"labels": labels, "notes": notes, "layer_map": model.layer_map, "places": places}
    return States(name=model.name, role=model.role, texts=texts, tokens=tokens, mask=mask, **made, **about)

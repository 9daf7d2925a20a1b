"""Tokenizers of a few symbols, for tiny language models: a token is a character, or a word between spaces."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

UNITS = ("characters", "words")
PAD, BEGIN, END, UNKNOWN = "<pad>", "<s>", "</s>", "<unk>"


def symbol_tokenizer(texts: Iterable[str], unit: str = "characters"):
    """A transformers tokenizer whose tokens are the characters, or the words, of these texts, in alphabetical order.

    It puts <s> before a text, as `kdviz.data.language` does; </s> ends one. What never occurs is read as <unk>. The
    same texts, in any order, give the same tokenizer. Raises ValueError for another unit, and when there is no text.
    """
    from transformers import PreTrainedTokenizerFast

    if unit not in UNITS:
        raise ValueError(f"tokenizer={unit!r}: choose {' or '.join(UNITS)}, or pass a tokenizer of transformers")
    found = sorted({symbol for text in texts for symbol in (text if unit == "characters" else text.split())})
    if not found:
        raise ValueError("no text to take symbols from: pass texts with at least one character")
    # only <unk> is a word of the model: a typed "<s>" is read as what it is made of, or as unknown
    words = {UNKNOWN: 0} | {symbol: place for place, symbol in enumerate(found, start=1)}
    made = Tokenizer(models.WordLevel(words, unk_token=UNKNOWN))
    if unit == "characters":
        made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        made.decoder = decoders.Fuse()
    else:
        made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"pad_token": PAD, "bos_token": BEGIN, "eos_token": END, "unk_token": UNKNOWN}
    made.add_special_tokens([BEGIN, END, PAD])
    made.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", pair=f"{BEGIN} $A $B", special_tokens=[(BEGIN, made.token_to_id(BEGIN))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, clean_up_tokenization_spaces=False, **names)


def tokenizer_of(wanted, task):
    """What `kdviz.load_task` was asked for: a tokenizer as it is, or one of the symbols of a task's texts."""
    if not isinstance(wanted, str):
        return wanted
    if not task.kind.writes and wanted in UNITS:
        raise ValueError(f"tokenizer={wanted!r} is for language modelling, {task.name!r} is one of {task.kind.name}")
    splits = [task[name] for name in ("train", "transfer", "dev") if name in task.splits]
    texts = (text for split in splits for column in ("text", "label") for text in split[column][:] if text)
    return symbol_tokenizer(texts, wanted)

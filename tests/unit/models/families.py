"""Tiny random models of every family, saved as transformers saves them, with tiny tokenizers; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import torch

WORDS = "the a film plot is was not good bad fun thin rare dull and but very one two acting song".split()
ENCODER = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
SHIFTED = ENCODER | {"pad_token_id": 1, "type_vocab_size": 1, "max_position_embeddings": 26}  # positions start at 2
PLAIN = ENCODER | {"max_position_embeddings": 24}
GROUPED = PLAIN | {"num_key_value_heads": 1, "bos_token_id": None, "eos_token_id": 0}
FAMILIES = {
    "bert": PLAIN,
    "roberta": SHIFTED,
    "distilbert": {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 24},
    "electra": PLAIN | {"embedding_size": 8},
    "albert": PLAIN | {"embedding_size": 8},
    "deberta": PLAIN | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "type_vocab_size": 0},
    "deberta-v2": PLAIN | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "type_vocab_size": 0},
    "xlm-roberta": SHIFTED,
    "mpnet": SHIFTED,
    "modernbert": PLAIN
    | {"local_attention": 4, "cls_token_id": 3, "sep_token_id": 4, "bos_token_id": 3, "eos_token_id": 4},
    "camembert": SHIFTED,
    "big_bird": PLAIN | {"block_size": 4},
    "longformer": SHIFTED | {"attention_window": 4},
    "rembert": PLAIN | {"input_embedding_size": 8, "output_embedding_size": 8},
    "data2vec-text": SHIFTED,
    "gpt2": {"n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 24, "bos_token_id": None, "eos_token_id": 0},
    "llama": GROUPED,
    "qwen2": GROUPED,
}
DECODERS = ("gpt2", "llama", "qwen2")


def tiny_tokenizer(kind: str, padding_side: str = "right"):
    """Twenty words and their letters, framed with [CLS] and [SEP]; for decoders bytes, no frame, no [UNK]."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    if kind in DECODERS:
        rules = Tokenizer(models.BPE())
        rules.pre_tokenizer, rules.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        )
        rules.train_from_iterator([" ".join(WORDS)] * 3, trainer)
        return PreTrainedTokenizerFast(tokenizer_object=rules, padding_side=padding_side, eos_token="<|endoftext|>")
    special = ["[UNK]", "[PAD]", "[unused]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [*special, *WORDS, *(x for x in letters if x not in WORDS), *(f"##{x}" for x in letters)]
    rules = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    rules.normalizer, rules.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    names = {
        "unk_token": "[UNK]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    rules.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 3), ("[SEP]", 4)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=rules, padding_side=padding_side, **names)


def save_family(folder: Path, kind: str, labels=("bad", "good"), padding_side="right", head="", **settings) -> Path:
    """A folder as transformers writes it. head : another one than labels, or none, ask for, as in "CausalLM"."""
    import transformers
    from transformers import AutoConfig

    tokenizer = tiny_tokenizer(kind, padding_side)
    known = {"vocab_size": len(tokenizer), "initializer_range": 0.3}
    known |= {} if kind in DECODERS else {"pad_token_id": tokenizer.pad_token_id}
    config = AutoConfig.for_model(kind, **(known | FAMILIES[kind] | settings))
    if labels:
        config.id2label, config.label2id = dict(enumerate(labels)), {label: i for i, label in enumerate(labels)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = head or ("SequenceClassification" if labels else "")
        made = getattr(transformers, f"AutoModelFor{head}" if head else "AutoModel").from_config(config)
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)


NAMES = dict(
    zip(
        FAMILIES,
        (
            "BERT",
            "RoBERTa",
            "DistilBERT",
            "ELECTRA",
            "ALBERT",
            "DeBERTa",
            "DeBERTa-v2, -v3",
            "XLM-R",
            "MPNet",
            "ModernBERT",
            "CamemBERT",
            "BigBird",
            "Longformer",
            "RemBERT",
            "data2vec (text)",
            "GPT-2",
            "LLaMA",
            "Qwen2",
        ),
        strict=True,
    )
)
REMARKS = {
    "big_bird": "always with full attention, as transformers reads texts of up to some 700 tokens",
    "longformer": "attention in windows is no words × words",
    "albert": "one layer, run again and again",
    "modernbert": "scores, q, k, v from transformers 5.1 on",
}
HEAD = """# Models that kdviz reads

`kd.load_teacher(folder_or_hub_id)` reads a transformers model of these families, with a sequence classifier or without;
GPT-2, LLaMA and Qwen2 also as language models, with logits of the next token (`tests/unit/models/test_writing.py`).
Logits, hidden states and attentions equal transformers' own, in padded batches and up to the last position;
`tests/unit/models/test_families.py` compares tiny random models of every family, and this table is written from what is
found there (`python -m tests.unit.models.families`).

- *attentions*: probabilities after the softmax. In families that offer *scores, q, k, v*, kdviz looks on while the
  model attends with its fast kernel. The others give their own probabilities; while they train, after dropout.
- *ffn*: what the second feed-forward matrix puts out.
- *init_from*: `kd.build_student(task, init_from=teacher)` makes a shorter student of the same family.

Another model is tried on two short texts when it is loaded, and refused by the name of its family when it cannot be run
(BART, XLNet, Funnel, FNet, Canine, T5, …).

| family | `model_type` | logits, hidden | attentions | scores, q, k, v | ffn | init_from | remarks |
|---|---|---|---|---|---|---|---|
"""


def table(folders: dict) -> str:
    """The table of families, from what their models offer. folders : model type -> folder of a model."""
    import transformers
    from packaging import version

    import kdviz as kd
    from tests.unit.models.conftest import tiny_task

    rows = []
    for kind, folder in folders.items():
        teacher = kd.load_teacher(folder)
        student = kd.build_student(tiny_task(), layers=2, hidden=16, heads=2, init_from=teacher)
        wanted = ({"logits", "hidden"}, {"attentions"}, {"scores", "qkv"}, {"ffn"})
        old = kind == "modernbert" and version.parse(transformers.__version__) < version.parse("5.1")
        later = {"scores", "qkv"} if old else set()  # what this library is too old for
        cells = ["yes" if fields <= teacher.fields | later else "no" for fields in wanted]
        cells.append("yes" if student.fields == teacher.fields else "no")
        shift = teacher.network.shift
        remarks = [f"{shift} positions of its table are never reached"] if shift else []
        remarks += [REMARKS[kind]] if kind in REMARKS else []
        rows.append(f"| {NAMES[kind]} | `{kind}` | {' | '.join(cells)} | {'; '.join(remarks)} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as home:
        made = {kind: save_family(Path(home) / kind, kind) for kind in FAMILIES}
        (Path(__file__).parents[3] / "docs" / "families.md").write_text(table(made), encoding="utf-8")

"""WordPiece of the page: the tokens of 10,000 sentences in all scripts are those of Python, and others are refused."""

from __future__ import annotations

import random

import pytest
from transformers import BertTokenizerFast

import kdviz as kd
from kdviz.models.tokenizers import load_tokenizer
from kdviz.page import reading
from kdviz.states import text_to_ids
from tests.unit.figures.made import HOSTILE
from tests.unit.page import node

READ = "const read = reader(given.rules); return given.texts.map((text) => read(text, given.longest).ids);"
BLOCKS = [  # Latin to Tibetan, Hangul, signs, kana, ideographs, Yi, private, Arabic forms, ancient, music, emoji, tags
    *(range(start, start + 0x100) for start in range(0x20, 0x1000, 0x100)),
    *(range(start, start + 0x400) for start in range(0x1000, 0x3400, 0x400)),
    *(
        range(start, start + 0x100)
        for start in (0x4E00, 0xA000, 0xAC00, 0xD700, 0xE000, 0xF900, 0xFB00, 0xFE00, 0xFF00)
    ),
    *(
        range(start, start + 0x400)
        for start in (0x10000, 0x11000, 0x1D000, 0x1D400, 0x1E800, 0x1F300, 0x1F900, 0x20000)
    ),
    range(0xE0000, 0xE0100),
]
PIECES = ("the", "plot", "naïve", "Ångström", "İstanbul", "ΌΔΟΣ", "don't", "e\u0301a\u0327", "<b>", "&amp;", "[SEP]")
PIECES += (
    "👩‍👩‍👧",
    "ｆｕｌｌ",
    "\u200b",
    "\u202e",
    "x" * 101,
    "한국어",
    "漢字",
    "שלום",
    "مرحبا",
    "हिन्दी",
    "ไทย",
    "\x00",
    "1,000.5",
)


def sentences(count: int) -> list[str]:
    """Of the embedded tasks, of one block of Unicode each, and of pieces and blocks mixed."""
    found = [*HOSTILE]
    for name in ("reviews", "entail", "scores"):
        found += kd.load_task(name)["dev"]["text"][: count // 10]
    draw = random.Random(0)

    def drawn(block) -> str:
        codes = (draw.choice(block) for _ in range(draw.randint(1, 12)))
        return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)

    while len(found) < count:
        parts = [drawn(draw.choice(BLOCKS)) for _ in range(draw.randint(1, 4))] + draw.choices(PIECES, k=3)
        draw.shuffle(parts)
        found.append(draw.choice(("", " ", " ", "\u3000")).join(parts))
    return found


@pytest.fixture(scope="module")
def rules():
    return reading.rules(load_tokenizer(), "minilm")


def test_tokens_are_pythons_on_10_000_sentences(rules, tmp_path):
    texts, tokenizer = sentences(10_000), load_tokenizer()
    expected = text_to_ids(tokenizer, texts, truncation=True, max_length=128)["input_ids"]
    found = node.evaluate(READ, {"rules": rules, "texts": texts, "longest": 128}, tmp_path)
    wrong = [(text, a, b) for text, a, b in zip(texts, expected, found, strict=True) if a != b]
    assert wrong == []
    assert len({one for ids in expected for one in ids}) > 2000  # no sentences of [UNK] alone


def test_a_table_that_lacks_a_rule_is_noticed(rules, tmp_path):
    found = node.evaluate(READ, {"rules": rules | {"change": {}}, "texts": ["The"], "longest": 9}, tmp_path)
    assert found == [[101, 100, 102]] != text_to_ids(load_tokenizer(), ["The"])["input_ids"]


@pytest.mark.parametrize("lower, strip", [(False, False), (True, False), (False, None)])
def test_cased_tokenizers_are_read_alike(tmp_path, lower, strip):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "na", "##ï", "##i", "##ve", "É", "é", "e", "x", "##̈"]
    tokenizer = BertTokenizerFast(
        vocab={word: i for i, word in enumerate(words)}, do_lower_case=lower, strip_accents=strip
    )
    texts = ["naïve É é e", "nai\u0308ve e\u0301 x,x", "É"]
    given = {"rules": reading.rules(tokenizer, "own"), "texts": texts, "longest": 30}
    assert node.evaluate(READ, given, tmp_path) == text_to_ids(tokenizer, texts)["input_ids"]


def test_long_texts_are_cut_and_half_characters_left_out(rules, tmp_path):
    script = """const read = reader(given), cut = read("word ".repeat(10000), 128), half = read("a\\ud800b", 128);
        return [cut.ids.length, cut.whole, cut.ids.at(-1), half.tokens];"""
    assert node.evaluate(script, rules, tmp_path) == [128, 10_002, 102, ["[CLS]", "ab", "[SEP]"]]

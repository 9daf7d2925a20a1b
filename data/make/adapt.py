"""``python -m data.make.adapt reviews|entail``: make the teacher of an embedded task.

The packaged MiniLM is adapted with LoRA (Hu et al. 2022; peft) on every matrix of its layers, plus pooler and
classifier, on the labelled train split. The epoch is chosen on dev; test is touched once, at the end. What is
written to ``data/teachers/<task>`` is small because only the low-rank factors and the head are kept, as float16.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path

import torch

from kdviz.data.batches import batches, encode_split
from kdviz.data.load import EMBEDDED, load_task
from kdviz.disk import file_sha256, write_whole
from kdviz.hub import quiet
from kdviz.losses.logits import cross_entropy
from kdviz.models.model import Model
from kdviz.models.teachers import adapter_folder, classifier, merge
from kdviz.models.tokenizers import WEIGHTS_SHA256, load_tokenizer, verified_folder
from kdviz.models.transformer import Transformer

TARGETS = r".*encoder\.layer\.\d+\..*(query|key|value|dense)"
SETTINGS = {"rank": 8, "alpha": 16, "rate": 1e-3, "warm_up": 0.06, "batch_size": 32, "decay": 0.01, "clip": 1.0}


def accuracy(model: Model, encoded, batch_size: int = 64) -> float:
    """Share of rows whose largest logit is the label's."""
    model.eval()
    right = 0
    with torch.inference_mode():
        for batch in batches(encoded, batch_size, seed=None):
            logits = model(batch.input_ids, batch.attention_mask, batch.token_type_ids).logits
            right += (logits.argmax(1) == batch.labels).sum().item()
    return right / len(encoded)


def save_adapter(peft_model, folder: Path) -> None:
    """Low-rank factors and head as float16 safetensors, and peft's settings without a path of this machine."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    weights = {key: value.detach().half().contiguous() for key, value in get_peft_model_state_dict(peft_model).items()}
    write_whole(folder / "adapter_model.safetensors", save(weights))
    settings = peft_model.peft_config["default"].to_dict() | {
        "base_model_name_or_path": "minilm",
        "inference_mode": True,
    }
    settings = {key: sorted(value) if isinstance(value, set) else value for key, value in settings.items()}
    write_whole(folder / "adapter_config.json", json.dumps(settings, indent=1, sort_keys=True, default=str).encode())


def adapt(name: str, *, epochs: int, seed: int, trajectory: bool, out: Path | None = None, **changes) -> dict:
    """Train, write adapter, trajectory and log; returns the log. `out` replaces ``data/teachers/<task>``."""
    from peft import LoraConfig, get_peft_model

    settings, commit = SETTINGS | changes, _commit()
    began, task, tokenizer = time.time(), load_task(name), load_tokenizer()
    folder, data = out or adapter_folder(task), file_sha256(task.folder / "train.parquet")
    encoded = {split: encode_split(task[split], tokenizer) for split in ("train", "dev", "test")}
    torch.manual_seed(seed)
    lora = LoraConfig(
        r=settings["rank"],
        lora_alpha=settings["alpha"],
        lora_dropout=0.0,
        target_modules=TARGETS,
        modules_to_save=["pooler", "classifier"],
    )
    with quiet():
        adapted = get_peft_model(classifier(verified_folder(), task.labels), lora)
    model = Model(Transformer(adapted.base_model.model), tokenizer, name="minilm", role="teacher", labels=task.labels)
    trained = [p for p in adapted.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings["rate"], weight_decay=settings["decay"], fused=True)
    steps = epochs * -(-len(encoded["train"]) // settings["batch_size"])
    warm = max(1, round(settings["warm_up"] * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, (steps - step) / max(1, steps - warm))
    )
    history, best = [], None
    for epoch in range(1, epochs + 1):
        model.eval()  # no dropout: low rank restrains enough, and a step costs a third less
        total, start = 0.0, time.time()
        for batch in batches(encoded["train"], settings["batch_size"], seed=seed, epoch=epoch):
            loss = cross_entropy(
                model(batch.input_ids, batch.attention_mask, batch.token_type_ids).logits, batch.labels
            )
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, settings["clip"])
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += loss.item() * len(batch.labels)
        dev = accuracy(model, encoded["dev"])
        history.append(
            {"epoch": epoch, "loss": total / len(encoded["train"]), "dev": dev, "seconds": time.time() - start}
        )
        print(json.dumps(history[-1]), flush=True)
        if best is None or dev > best["dev"]:
            best = history[-1]
            save_adapter(adapted, folder)
        if trajectory:
            save_adapter(adapted, folder / "trajectory" / f"epoch-{epoch}")
    stored = merge(classifier(verified_folder(), task.labels), folder, task.labels)
    log = {
        "command": f"python -m data.make.adapt {name} --epochs {epochs} --seed {seed}" + " --trajectory" * trajectory,
        "commit": commit,
        "versions": _versions(),
        "settings": settings,
        "base_sha256": WEIGHTS_SHA256,
        "data_sha256": data,
        "epochs": history,
        "chosen_epoch": best["epoch"],
        "dev": best["dev"],
        "dev_as_stored": accuracy(stored, encoded["dev"]),
        "test": accuracy(stored, encoded["test"]),
        "seconds": time.time() - began,
        "sha256": {
            path.relative_to(folder).as_posix(): file_sha256(path) for path in sorted(folder.rglob("adapter_*"))
        },
    }
    write_whole(folder / "log.json", json.dumps(log, indent=1).encode())
    return log


def _commit() -> str:
    """The commit of the code and data at the start; "unknown" outside a clone."""
    here = Path(__file__).parent
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=here)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _versions() -> dict:
    from importlib.metadata import version

    return {package: version(package) for package in ("torch", "transformers", "peft")}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.make.adapt", description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=list(EMBEDDED))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trajectory", action="store_true", help="keep the adapter of every epoch")
    parser.add_argument("--out", type=Path, help="folder to write (default: data/teachers/<task>)")
    log = adapt(**{"name" if key == "task" else key: value for key, value in vars(parser.parse_args(argv)).items()})
    print(json.dumps({key: log[key] for key in ("chosen_epoch", "dev", "dev_as_stored", "test", "seconds")}))


if __name__ == "__main__":
    main()

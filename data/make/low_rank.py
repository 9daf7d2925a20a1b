"""What `data.make.adapt` and `data.make.masked_words` share: low-rank changes of the packaged MiniLM, and the log."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch

from kdviz.disk import file_sha256, write_json, write_whole
from kdviz.models.tokenizers import WEIGHTS_SHA256

TARGETS = r".*encoder\.layer\.\d+\..*(query|key|value|dense)"
SETTINGS = {"rank": 8, "alpha": 16, "rate": 1e-3, "warm_up": 0.06, "batch_size": 32, "decay": 0.01, "clip": 1.0}


def with_low_rank(network, settings: dict, whole: list[str] | None = None):
    """The network as a peft model, with LoRA (Hu et al. 2022) on every matrix of its layers.

    whole : names of modules that are trained as they are
    """
    from peft import LoraConfig, get_peft_model

    ranks = {"r": settings["rank"], "lora_alpha": settings["alpha"], "lora_dropout": 0.0}
    return get_peft_model(network, LoraConfig(target_modules=TARGETS, modules_to_save=whole, **ranks))


def updates(weights, steps: int, settings: dict) -> Callable[[torch.Tensor], None]:
    """A function that takes a loss and makes one step: AdamW, clipped, warm-up and then a linear decay to 0."""
    weights = [weight for weight in weights if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=settings["rate"], weight_decay=settings["decay"], fused=True)
    warm = max(1, round(settings["warm_up"] * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, (steps - step) / max(1, steps - warm))
    )

    def update(loss: torch.Tensor) -> None:
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, settings["clip"])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()

    return update


def save_adapter(peft_model, folder: Path) -> None:
    """Low-rank factors and whole modules as float16 safetensors, and peft's settings without a path of this machine."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    weights = {key: value.detach().half().contiguous() for key, value in get_peft_model_state_dict(peft_model).items()}
    write_whole(folder / "adapter_model.safetensors", save(weights))
    settings = peft_model.peft_config["default"].to_dict()
    settings |= {"base_model_name_or_path": "minilm", "inference_mode": True}
    settings = {key: sorted(value) if isinstance(value, set) else value for key, value in settings.items()}
    write_whole(folder / "adapter_config.json", json.dumps(settings, indent=1, sort_keys=True, default=str).encode())


def commit() -> str:
    """The commit of the code and data; "unknown" outside a clone. Ask for it at the start."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def write_log(folder: Path, command: str, made_at: str, settings: dict, files, **more) -> dict:
    """Write ``log.json``: how and from what the adapter was made, what was measured, and the SHA-256 of its files."""
    log = {
        "command": command,
        "commit": made_at,
        "versions": {package: version(package) for package in ("torch", "transformers", "peft")},
        "settings": settings,
        "base_sha256": WEIGHTS_SHA256,
        **more,
        "sha256": {path.relative_to(folder).as_posix(): file_sha256(path) for path in files},
    }
    write_json(folder / "log.json", log)
    return log

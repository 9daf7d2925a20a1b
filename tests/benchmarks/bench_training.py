"""What a training step costs: CKD from the cache against plain cross-entropy, the cache against the living teacher, and
vanilla KD against TextBrewer and torchdistill.

Everything is measured in one process, by turns: a few steps of each, many rounds; a ratio is the median of the rounds'
own ratios, so that a slow minute of the machine hits both of its sides. Same student (2 layers of
128), same teacher (MiniLM with the adapter of `reviews`), same batches of 32, collated by the same function.

TextBrewer comes from PyPI into a folder of its own under build/, never into the project's environment. It writes each
loss to TensorBoard; here that writer drops what it is given and no checkpoint is saved, which can only make it faster.
torchdistill imports torchvision, which has no CPU build for the pinned torch in every place; its loop is written down
again here in plain torch: the forward passes, its outputs' bookkeeping, its KD loss, AdamW.
"""

from __future__ import annotations

import copy
import importlib.metadata
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

import torch
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "build" / "benchmark"
TEXTBREWER = "textbrewer==0.2.1.post1"
ROUNDS, STEPS = 15, 8
ALPHA, TEMPERATURE, LR = 0.5, 4.0, 5e-4
TEXTS = 640  # of train, and as many of transfer


def turns(contestants: dict) -> dict[str, list[float]]:
    """Seconds of one step of each, round by round: in every round each runs a few; the order turns with the round."""
    names, taken = list(contestants), {name: [] for name in contestants}
    for number in range(ROUNDS + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = time.perf_counter()
            contestants[name](number * STEPS)
            if number:  # the first round warms up
                taken[name].append((time.perf_counter() - start) / STEPS)
    return taken


def ratio(above: list[float], below: list[float]) -> float:
    """Median over rounds."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


class Ours:
    """A few steps of our loop at a time."""

    def __init__(self, student, teacher, task, method, cache: bool):
        from kdviz.training.context import Context
        from kdviz.training.distill import _accelerator
        from kdviz.training.loop import one_step
        from kdviz.training.phases import new_optimizer, schedule_phases
        from kdviz.training.state import Settings

        self.run = Context(copy.deepcopy(student), teacher, task, method, Settings(cache=cache), _accelerator(None))
        (self.scheduled,) = schedule_phases(self.run, method.phases(100))
        self.needs, self.own = frozenset(method.needs), frozenset(method.needs) | {"logits"}
        self.run.open_teacher(self.scheduled.phase, self.needs)
        self.run.optimizer, self.one_step = new_optimizer(self.run), one_step

    def __call__(self, first: int) -> None:
        stretch = self.scheduled
        for step in range(first, first + STEPS):
            self.run.at = self.run.where(0, stretch.phase, step, stretch.per_epoch, 0, stretch.steps)
            self.one_step(self.run, stretch, step, self.needs, self.own)


def batches(ours: Ours, first: int):
    """The same rows in the same order as our own loop, collated by the same function."""
    for step in range(first, first + STEPS):
        yield ours.run.rows(ours.stretch.order[step])


class Loader(list):
    """TextBrewer wants something with a length; collates while it is read, as ours does."""

    def __init__(self, ours: Ours, first: int):
        super().__init__([None] * STEPS)
        self.ours, self.first = ours, first

    def __iter__(self):
        for batch in batches(self.ours, self.first):
            yield {
                "input_ids": batch.input_ids,
                "attention_mask": batch.attention_mask,
                "token_type_ids": batch.token_type_ids,
                "labels": batch.labels,
            }


def textbrewer(student, teacher, ours: Ours, folder):
    """Its GeneralDistiller with its settings for vanilla KD."""
    if not (PACKAGES / "textbrewer").is_dir():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(PACKAGES), TEXTBREWER]
        subprocess.run(command, check=True)
    board = types.ModuleType("torch.utils.tensorboard")
    board.SummaryWriter = type(
        "Dropped", (), {"__init__": lambda self, *a, **k: None, "add_scalar": lambda self, *a: None}
    )
    sys.modules.setdefault("torch.utils.tensorboard", board)
    sys.path.append(str(PACKAGES))
    import logging

    from textbrewer import DistillationConfig, GeneralDistiller, TrainingConfig

    logging.disable(logging.INFO)

    class Classifier(torch.nn.Module):
        """Takes the batch as TextBrewer hands it over."""

        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids, labels):
            return self.model(input_ids, attention_mask, token_type_ids).logits, labels

    def adaptor(batch, outputs):
        logits, labels = outputs
        return {"logits": (logits,), "losses": (F.cross_entropy(logits, labels, ignore_index=-100),)}

    learner = copy.deepcopy(student).train()
    settings = DistillationConfig(
        temperature=TEMPERATURE, kd_loss_type="ce", kd_loss_weight=ALPHA, hard_label_weight=1 - ALPHA
    )
    distiller = GeneralDistiller(
        TrainingConfig(output_dir=str(folder), log_dir=str(folder), device="cpu"),
        settings,
        Classifier(teacher).eval(),
        Classifier(learner),
        adaptor,
        adaptor,
    )
    distiller.save_and_callback = lambda *args: None
    optimizer = torch.optim.AdamW(learner.parameters(), lr=LR)

    def steps(first):
        with distiller, open(os.devnull, "w") as quiet:
            errors, sys.stderr = sys.stderr, quiet  # its progress bars
            try:
                distiller.train(optimizer, Loader(ours, first), num_epochs=1, max_grad_norm=1.0)
            finally:
                sys.stderr = errors

    return steps


def torchdistill(student, teacher, ours: Ours):
    """Its one-stage loop in plain torch: teacher without gradient, student, outputs by module name, KD loss, AdamW."""
    learner = copy.deepcopy(student).train()
    teacher.eval()
    optimizer = torch.optim.AdamW(learner.parameters(), lr=LR)
    seen = {"teacher": {}, "student": {}}
    hook = lambda who: lambda module, given, out: seen[who].update(logits={"output": out.logits})  # noqa: E731
    learner.register_forward_hook(hook("student"))
    told = []

    def steps(first):
        handle = teacher.register_forward_hook(hook("teacher"))
        for batch in batches(ours, first):
            with torch.no_grad():
                teacher(batch.input_ids, batch.attention_mask, batch.token_type_ids)
            learner(batch.input_ids, batch.attention_mask, batch.token_type_ids)
            own, its = (seen[who]["logits"]["output"] for who in ("student", "teacher"))
            soft = F.kl_div(F.log_softmax(own / TEMPERATURE, 1), F.softmax(its / TEMPERATURE, 1), reduction="batchmean")
            hard = F.cross_entropy(own, batch.labels, ignore_index=-100)
            loss = (1 - ALPHA) * hard + ALPHA * TEMPERATURE**2 * soft
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
            optimizer.step()
            told.append(loss.item())
        handle.remove()

    return steps


PEAK = """
import resource, sys
import kdviz as kd
task = kd.load_task("reviews")
run = kd.distill(
    kd.build_student(task), kd.load_teacher("minilm", task), task, kd.CKD(),
    epochs=2, steps_per_epoch=60, progress="off",
)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak() -> float:
    """Peak resident MB of a process that loads everything, fills the cache of the whole task, trains and tests."""
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def measure() -> dict[str, float]:
    import kdviz as kd

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KDVIZ_CACHE"] = folder
        highest = (
            peak()
        )  # before this process, too, maps the teacher's file: pages that two processes hold stay with both
        task = kd.load_task("reviews").subset(TEXTS)
        teacher, student = kd.load_teacher("minilm", task), kd.build_student(task)
        # CE on the same rows: KD with the teacher's share at 0 reads no teacher and no hidden states
        plain = kd.LabelsOnly()
        plain.phases = kd.KD(alpha=0.0).phases
        ce = Ours(student, None, task, plain, cache=True)
        ckd = Ours(student, teacher, task, kd.CKD(), cache=True)
        ckd_live = Ours(student, teacher, task, kd.CKD(), cache=False)
        step = turns({"ce": ce, "ckd": ckd, "ckd live": ckd_live})
        apart = max(
            abs(a["loss"] - b["loss"]) / b["loss"]
            for a, b in zip(ckd.run.history.rows()[:STEPS], ckd_live.run.history.rows()[:STEPS], strict=True)
        )
        assert apart < 1e-3, f"cache and living teacher disagree by {apart:.1e} in the loss of the first steps"
        kd_cached = Ours(student, teacher, task, kd.KD(ALPHA, TEMPERATURE), cache=True)
        kd_live = Ours(student, teacher, task, kd.KD(ALPHA, TEMPERATURE), cache=False)
        step |= turns(
            {
                "kd": kd_cached,
                "kd live": kd_live,
                "textbrewer": textbrewer(student, teacher, kd_live, folder),
                "torchdistill": torchdistill(student, teacher, kd_live),
            }
        )
        assert not any(module.training for module in teacher.modules()), "a rival has left the teacher's dropout on"
        for name, rounds in step.items():
            seconds = statistics.median(rounds)
            print(f"{name:<13}{seconds * 1e3:8.1f} ms a step, {32 / seconds:7,.0f} texts/s")
        print(f"TextBrewer {importlib.metadata.version('textbrewer')}; torchdistill's loop as described above")
        numbers = {
            "ckd_step_over_ce_step": ratio(step["ckd"], step["ce"]),
            "cached_epoch_speedup": ratio(step["ckd live"], step["ckd"]),
            "kd_cached_vs_textbrewer": ratio(step["textbrewer"], step["kd"]),
            "kd_live_vs_textbrewer": ratio(step["textbrewer"], step["kd live"]),
            "kd_cached_vs_torchdistill": ratio(step["torchdistill"], step["kd"]),
            "kd_live_vs_torchdistill": ratio(step["torchdistill"], step["kd live"]),
            "ckd_run_peak_mb": highest,
        }
    for name, value in numbers.items():
        print(f"{name:<28}{value:9.2f}")
    return numbers


if __name__ == "__main__":
    measure()

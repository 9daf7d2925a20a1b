"""The training loop: phases, epochs, steps."""

from __future__ import annotations

import torch

from kdviz.training.state import Training
from kdviz.training.phases import Stretch, new_optimizer


def train(run: Training, stretches: list[Stretch], resumed: dict | None, save) -> None:
    """Train `run.student` through all stretches; `save(state)` is called at the end of each epoch and in between."""
    total = sum(stretch.steps for stretch in stretches)
    for number, stretch in enumerate(stretches):
        if resumed and number < resumed["stretch"]:
            continue
        phase = run.phase = stretch.phase
        needs = run.method.needs if phase.needs is None else phase.needs
        own = frozenset(needs) | {"logits"} if phase.student_needs is None else phase.student_needs
        run.open_teacher(phase, needs)
        if phase.fresh or run.optimizer is None or resumed:
            run.optimizer = new_optimizer(run)
        begin = 0
        if resumed:
            run.load_state(resumed["run"])
            begin, resumed = resumed["next"], None
        else:
            if phase.restart == "best" and run.best["weights"] is not None:
                run.student.load_state_dict(run.best["weights"])
            run.best = {"accuracy": -1.0, "weights": None}
        for step in range(begin, stretch.steps):
            at = run.at = run.where(number, phase, step, stretch.per_epoch, stretch.first, total)
            run.photograph()
            one_step(run, stretch, step, needs, own)
            if run.method.after_step:
                run.method.after_step(run)
            run.progress.step(at, run.history)
            if at.last_of_epoch:
                score(run)
            if at.last_of_epoch or run.checkpoint_due():
                save({"stretch": number, "next": step + 1, "run": run.state()})
    if run.method.keep == "best" and run.best["weights"] is not None:
        run.student.load_state_dict(run.best["weights"])
    if run.method.finish:
        run.method.finish(run)


def one_step(run: Training, stretch: Stretch, step: int, needs, own) -> None:
    """Draw rows, read the teacher, forward the student, sum the terms, update. All of a step's chance comes from
    (seed, step), so that a run that was killed repeats nothing and forgets nothing."""
    method, accelerator, settings = run.method, run.accelerator, run.settings
    rank, world = accelerator.process_index, accelerator.num_processes
    # on a CPU its own generator alone: torch.manual_seed remembers, with a stack trace, every call for a GPU to come
    reseed = torch.default_generator.manual_seed if run.device.type == "cpu" else torch.manual_seed
    reseed((settings.seed * 1_000_003 + run.at.step) * world + rank)
    rows = stretch.order[step]
    mine = rows[rank::world]
    share = len(mine) * world / len(rows)  # the mean over processes is then the mean over rows
    batch = run.batch = run.rows(mine if len(mine) else rows[:1])
    run.student.train()
    run.extras.train()
    if method.select:
        batch = run.batch = method.select(batch, run)
    replaced = method.perturb(batch, run) if method.perturb else None
    teacher, student = run.teacher_fields(batch, needs), run.student_fields(batch, own)
    if replaced is not None:
        if needs:
            teacher["perturbed"] = run.live_teacher_fields(batch, needs, **replaced)
        student["perturbed"] = run.student_fields(batch, own, **replaced)
    terms = method.loss(student, teacher, batch, run.at)
    if method.weights:
        weights = method.weights(terms, run)
        terms = {name: term * weights[name] if name in weights else term for name, term in terms.items()}
    terms = {name: term.mean() for name, term in terms.items()}
    loss = torch.stack(list(terms.values())).sum()

    run.optimizer.zero_grad(set_to_none=True)
    accelerator.backward(loss * share)
    numbers = torch.stack([loss.detach(), *(term.detach() for term in terms.values())]) * share
    if world > 1:
        numbers = average(run, numbers)
    norm = accelerator.clip_grad_norm_(run.parameters(), settings.clip)
    lr = stretch.lr(step, settings.lr, settings.warmup)
    for group in run.optimizer.param_groups:
        group["lr"] = lr
    run.optimizer.step()
    numbers = torch.cat([numbers, norm.detach().reshape(1).to(numbers)])
    run.history.add(run.at, lr, ["loss", *terms, "grad_norm"], numbers)


def average(run: Training, numbers: torch.Tensor) -> torch.Tensor:
    """Mean over processes of gradients and of `numbers`. A weight that no process has a gradient for stays without."""
    weights = run.parameters()
    has = torch.tensor([weight.grad is not None for weight in weights], dtype=torch.float32, device=run.device)
    trained = [weight for weight, any_has in zip(weights, run.accelerator.reduce(has, "sum").tolist()) if any_has]
    tensors = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in trained] + [numbers]
    flat = run.accelerator.reduce(torch.cat([tensor.reshape(-1) for tensor in tensors]), "mean")
    *grads, numbers = flat.split([tensor.numel() for tensor in tensors])
    for weight, grad in zip(trained, grads, strict=True):
        weight.grad = grad.view_as(weight)
    return numbers


def score(run: Training) -> None:
    """Dev scores into the history; remember the best student of the phase (the first of equals)."""
    scores = run.evaluate()
    run.history.score(scores)
    if scores["accuracy"] > run.best["accuracy"]:
        run.best = {"accuracy": scores["accuracy"], "weights": run.weights()}
    run.progress.epoch(run.at, scores, run.history)

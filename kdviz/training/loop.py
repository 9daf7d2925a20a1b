"""The training loop: phases, epochs, steps."""

from __future__ import annotations

import torch

from kdviz.losses.logits import UNLABELLED
from kdviz.training.context import Context
from kdviz.training.phases import ScheduledPhase, new_optimizer


def train(run: Context, scheduled: list[ScheduledPhase], resumed: dict | None, save) -> dict:
    """Train `run.student` through all phases; `save(position)` is called at the end of each epoch and in between.

    Returns the dev scores of the student that is the result, and the step after which it stood (None: no step).
    """
    total, method = sum(one.steps for one in scheduled), run.method
    for number, one in enumerate(scheduled):
        if resumed and number < resumed["phase"]:
            continue
        phase = one.phase
        needs = method.needs if phase.needs is None else phase.needs
        student_needs = frozenset(needs) | {"logits"} if phase.student_needs is None else phase.student_needs
        run.open_teacher(phase, needs)
        if phase.reset_optimizer or run.optimizer is None or resumed:
            run.optimizer = new_optimizer(run)
        begin = 0
        if resumed:
            run.load_state(resumed["run"])
            begin, resumed = resumed["next"], None
        else:
            if phase.restart == "best" and run.best["weights"] is not None:
                run.student.load_state_dict(run.best["weights"])
            run.end_phase()
        run.student.train()
        run.added_modules.train()
        for step in range(begin, one.steps):
            run.at = run.step_info(number, phase, step, one.steps, one.first, total)
            run.take_snapshot()
            one_step(run, one, step, needs, student_needs)
            method.after_step(run)
            run.progress.step(run.at, run.history)
            if run.at.last_of_epoch:
                score(run)
            if run.at.last_of_epoch or run.checkpoint_due():
                save({"phase": number, "next": step + 1})
    run.end_phase()
    chosen = len(run.history) - 1 if len(run.history) else None
    if method.returns == "best" and run.kept["weights"] is not None:
        run.student.load_state_dict(run.kept["weights"])
        chosen = run.kept["step"]
    method.finish(run)
    run.settle()
    return {"step": chosen} | run.evaluate()


def one_step(run: Context, scheduled: ScheduledPhase, step: int, needs, student_needs) -> None:
    """Draw rows, read the teacher, forward the student, sum the terms, update. All of a step's chance comes from
    (seed, step), so that a run that was killed repeats nothing and forgets nothing."""
    method, accelerator, settings = run.method, run.accelerator, run.settings
    rank, world = accelerator.process_index, accelerator.num_processes
    # on a CPU its own generator alone: torch.manual_seed remembers, with a stack trace, every call for a GPU to come
    reseed = torch.default_generator.manual_seed if run.device.type == "cpu" else torch.manual_seed
    reseed((settings.seed * 1_000_003 + run.at.step) * world + rank)
    drawn = scheduled.order[step]
    here = drawn[rank::world]
    share = len(here) * world / len(drawn)  # the mean over processes is then the mean over rows
    batch = run.batch = run.rows(here if len(here) else drawn[:1])
    if not run.student.training:  # who looked at it on the way has left it so; to say it to every part takes a while
        run.student.train()
    lr = scheduled.lr(step, settings.lr, settings.warmup)
    selected = method.select(batch, run)
    if selected is None:  # the step was the method's own
        run.history.add(run.at, lr, [], torch.empty(0))
        return
    batch = run.batch = selected
    if world > 1 and run.task.kind.writes:
        share = share_of_tokens(run, batch, bool(len(here)))
    replaced = method.perturb(batch, run)
    teacher, student = run.teacher_fields(batch, needs), run.student_fields(batch, student_needs)
    if replaced is not None:
        teacher["perturbed"] = run.teacher_fields(batch, needs, **replaced)
        student["perturbed"] = run.student_fields(batch, student_needs, **replaced)
    terms = method.loss(student, teacher, batch, run)
    weights = method.weights(terms, run)
    terms = {name: (term * weights[name] if name in weights else term).mean() for name, term in terms.items()}
    loss = torch.stack(list(terms.values())).sum()

    run.optimizer.zero_grad(set_to_none=True)
    accelerator.backward(loss * share)
    numbers = torch.stack([loss.detach(), *(term.detach() for term in terms.values())]) * share
    if world > 1:
        numbers = average(run, numbers)
    accelerator.unscale_gradients()
    norm = torch.nn.utils.clip_grad_norm_(run.parameters(), settings.clip)
    for group in run.optimizer.param_groups:
        group["lr"] = lr
    run.optimizer.step()
    numbers = torch.cat([numbers, norm.detach().reshape(1).to(numbers)])
    run.history.add(run.at, lr, ["loss", *terms, "grad_norm"], numbers)


def share_of_tokens(run: Context, batch, has_rows: bool) -> float:
    """What makes the mean over processes the mean over the tokens that count in all of them."""
    mine = (batch.labels != UNLABELLED).sum().float() * has_rows
    of_all = run.accelerator.reduce(mine, "sum")
    return float(mine * run.accelerator.num_processes / of_all.clamp(min=1))


def average(run: Context, numbers: torch.Tensor) -> torch.Tensor:
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


def score(run: Context) -> None:
    """Dev scores into the history; remember the best student of the phase (the first of equals)."""
    scores = run.evaluate()
    run.history.score(scores)
    score = scores[run.task.kind.primary]
    if score > run.best["score"]:
        run.best = {"score": score, "step": run.at.step, "weights": run.weights()}
    run.progress.epoch(run.at, scores, run.history)

"""The sums that `losses.contextual` defines, faster: the same value and gradient, held equal by tests.

On a CPU, KL between rows of cosines and all sums of angles are loops compiled by numba (`kernel`), value and gradient
in one pass. Elsewhere, or without numba, angles are taken in blocks of vertices (`blocks`); the rest is its definition.
"""

from __future__ import annotations

import functools
import importlib
import sys
import warnings

import torch

from kdviz import relations
from kdviz.losses.fast import blocks

COMPILED_ON = ("cpu",)  # devices whose tensors the compiled loops can read
KEEP = True  # whether numba keeps compiled loops on disk, for other processes


def by(route):
    """Above a definition: a call goes to ``route(definition, ...)``; the definition itself stays at `__wrapped__`."""
    return lambda definition: functools.wraps(definition)(functools.partial(route, definition))


def pair_sum(definition, student, teacher, real, relation, match, temperature, squared=False):
    """Gram matrices (S, n, n), real (S, n) -> sum, differentiable with respect to `student`, and count."""
    if relation == "cosine" and match == "kl" and _compiled(student.device.type):
        return _Summed.apply(student, functools.partial(_loop, "rows"), teacher, real, temperature)
    student, teacher = blocks.without_padding(student, teacher, real)
    total, count = definition(student, teacher, real, relation, match, temperature, squared)
    return total + blocks.trace_of_nan(student, teacher), count


def angle_sum(definition, student, teacher, real, window, match):
    """Gram matrices (S, n, n), real (S, n) -> sum, differentiable with respect to `student`, and count."""
    reach = relations.reach(student.shape[-1], window)
    if not _compiled(student.device.type):
        return _Summed.apply(student, functools.partial(blocks.angle_sum, definition), teacher, real, window, match)
    settings = reach, ("l2", "huber", "l1").index(match), relations.rounding(student.dtype)
    return _Summed.apply(student, functools.partial(_loop, "triples"), teacher, real, *settings)


class _Summed(torch.autograd.Function):
    """A sum whose gradient comes out of the same pass, so that the backward pass keeps one (n, n) matrix a sentence."""

    @staticmethod
    def forward(ctx, student, route, *others):
        total, count, grad = route(student, *others)
        ctx.save_for_backward(grad)
        ctx.mark_non_differentiable(count)
        return total.clamp(min=0).to(student.dtype), count  # all are sums of what is not negative: below 0 is rounding

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream, _):
        (grad,) = ctx.saved_tensors
        return grad * upstream, *[None] * (len(ctx.needs_input_grad) - 1)


@functools.cache
def _compiled(device: str) -> bool:
    """Whether loops serve a kind of device. numba may be missing; importing it takes half a second."""
    try:
        return device in COMPILED_ON and bool(importlib.import_module("numba"))
    except ImportError:
        return False


def _loop(name, student, teacher, real, *settings):
    grad = torch.zeros_like(student, memory_format=torch.contiguous_format)
    arrays = (x.detach().contiguous().numpy() for x in (student, teacher, real))
    total, count = _run(name, *arrays, *settings, grad.numpy())
    return torch.tensor(total, dtype=torch.float64), torch.tensor(count, dtype=torch.float64), grad


def _run(name, *args):
    """Run a loop of `kernel`. Where numba cannot keep or read compiled code, it is compiled for this process alone."""
    global KEEP
    module = f"{__name__}.kernel"
    try:
        return getattr(importlib.import_module(module), name)(*args)
    except Exception as error:  # any kind: damaged files raise many; what is not the disk's fault is raised again below
        if not KEEP:
            raise
        KEEP = False
        sys.modules.pop(module, None)
        remedy = "set NUMBA_CACHE_DIR to a folder that can be written, else each process takes some seconds to compile"
        warnings.warn(f"numba cannot keep compiled loops on disk ({error}): {remedy}", stacklevel=2)
        return _run(name, *args)

"""What every loss asks of its input, and the errors that name both offending values."""

from __future__ import annotations

import torch

from kdviz.relations import fit_mask


def same_shape(student: torch.Tensor, teacher: torch.Tensor, what: str, fix: str):
    if student.shape != teacher.shape:
        raise ValueError(f"student {what} {tuple(student.shape)} and teacher {tuple(teacher.shape)} differ: {fix}")


def one_of(name: str, value, allowed) -> None:
    if value not in allowed:
        raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, allowed))}")


def positive(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")


def full(x: torch.Tensor, name: str = "values") -> torch.Tensor:
    """Half precision raised to float32."""
    if not x.is_floating_point():
        raise ValueError(f"{name} must be floating point, not {x.dtype}: use .float()")
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def apart(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """z_S - z_T; 0 where they are equal, -inf on both sides included."""
    return torch.where(student == teacher, 0, student - teacher)


def checked(student_gram, teacher_gram, mask):
    """The Grams as (S, n, n) of one floating type and the mask as (S, n) bool.

    S runs over all leading dimensions: one entry is one sentence at one layer, or one word. The teacher is detached.
    """
    fix = "compare matched layers (relations.layer_map) of the same sentences"
    same_shape(student_gram, teacher_gram, "Gram matrices", fix)
    n = student_gram.shape[-1]
    if student_gram.ndim < 3 or student_gram.shape[-2] != n:
        raise ValueError(f"Gram matrices are (..., n, n) with a batch before them, got {tuple(student_gram.shape)}")
    real = fit_mask(mask, student_gram).to(student_gram.device)
    real = real.expand(student_gram.shape[:-1]).reshape(-1, n)
    student = full(student_gram, "student Gram matrices").reshape(-1, n, n)
    teacher = full(teacher_gram.detach(), "teacher Gram matrices").reshape(-1, n, n)
    working = torch.promote_types(student.dtype, teacher.dtype)
    return student.to(working), teacher.to(student.device, working), real


def finite(loss: torch.Tensor, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """The loss, or a ValueError that says which side brought NaN or infinity in."""
    if torch.isfinite(loss):
        return loss
    bad = {name: int((~torch.isfinite(x)).sum()) for name, x in (("student", student), ("teacher", teacher))}
    raise ValueError(
        f"the loss is {loss.item()}: {bad['student']} student values and {bad['teacher']} teacher values are NaN or "
        "infinite; look at the learning rate when it is the student, at the inputs when it is the teacher"
    )

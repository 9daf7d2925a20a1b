"""KL between the rows of two cosine matrices, value and gradient in one pass: the pair loss of CKD on a CPU.

Written out in torch (`contextual._pair`, which GPUs take) the same loss is some thirty operations on small tensors, and
a training step spends more time between them than inside them.
"""

from __future__ import annotations

import torch


def row_sum(student, teacher, real, temperature):
    """Sum over words of KL(teacher ‖ student), differentiable with respect to `student`, and how many words count.

    student, teacher : Gram matrices (S, n, n), on the CPU   real : (S, n) bool
    Returns two scalars, the second float64.
    """
    return _RowSum.apply(student, teacher, real, temperature)


class _RowSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, student, teacher, real, temperature):
        from . import kernel as _kernel  # numba takes half a second to import: only those who use it wait

        grad = torch.zeros_like(student, memory_format=torch.contiguous_format)
        arrays = (x.detach().contiguous().numpy() for x in (student, teacher, real))
        total, count = _kernel.rows(*arrays, temperature, grad.numpy())
        count = torch.tensor(count, dtype=torch.float64)
        ctx.save_for_backward(grad)
        ctx.mark_non_differentiable(count)
        return torch.tensor(max(total, 0.0), dtype=student.dtype), count  # a divergence: below 0 there is only rounding

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream, _):
        (grad,) = ctx.saved_tensors
        return grad * upstream, None, None, None

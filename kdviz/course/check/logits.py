"""Exercises of lesson 01: temperature and the KD loss (Hinton et al. 2015)."""

from __future__ import annotations

from torch.nn import functional as F

from kdviz.course.check import exercise
from kdviz.course.check.parts import divergence, soft_cross_entropy


@exercise(lambda draw: (draw.normal(4, 5, scale=3), draw.uniform(low=2, high=5).item()))
def temperature(logits, tau):
    """A high temperature flattens the distribution and lets the small probabilities be seen."""
    plain, cooled = logits.softmax(-1), logits / tau
    return cooled.softmax(-1), {
        "you multiplied by τ; that makes the distribution sharper. Divide.": (logits * tau).softmax(-1),
        "you divided the probabilities: a row sums to 1/τ. Divide the logits, before the softmax.": plain / tau,
        "the softmax is taken twice: divide the logits, not the probabilities.": (plain / tau).softmax(-1),
        "τ is not used yet: this is the plain softmax.": plain,
        "there is τ² where τ belongs; the square belongs to the loss.": (cooled / tau).softmax(-1),
        "these are log-probabilities. Asked are probabilities.": cooled.log_softmax(-1),
        "the softmax runs over the examples of the batch; it belongs on the last axis.": cooled.softmax(0),
        "all examples share one softmax; each row is a distribution.": cooled.flatten().softmax(0).view_as(logits),
        "these still are logits: the softmax is missing.": cooled,
        "a sigmoid looks at every class alone: the rows do not sum to 1.": cooled.sigmoid(),
        "a power of probabilities must be divided by its sum.": plain ** (1 / tau),
    }


@exercise(lambda draw: (draw.normal(6, 5, scale=2), draw.normal(6, 5, scale=2), 3.0), learns=0)
def kd_loss(student_logits, teacher_logits, tau):
    """τ²·KL(teacher ‖ student), summed over classes, mean over the batch: the one convention of this course."""
    s, t, square = student_logits / tau, teacher_logits / tau, tau**2

    def kl(s, t):
        return square * divergence(s, t).mean()

    right, soft = kl(s, t), square * soft_cross_entropy(s, t).mean()
    as_given = square * F.kl_div(s.softmax(-1), t.softmax(-1), reduction="batchmean")
    logs = F.kl_div(s.log_softmax(-1), t.log_softmax(-1), reduction="sum")
    hard = F.cross_entropy(s, t.argmax(-1))
    return right, {
        "τ² is missing. Softening makes the gradient about 1/τ² as large; the factor puts it back.": right / square,
        "there is a τ where τ² belongs.": right / tau,
        "τ² multiplies; you divided by it.": right / square**2,
        "τ is not used: soften both sides, and multiply by τ².": kl(student_logits, teacher_logits) / square,
        "the KL runs the wrong way round: KL(teacher ‖ student), the teacher is the target.": kl(t, s),
        'you averaged over the classes as well. Sum over them (reduction="batchmean").': right / s.shape[-1],
        "this is the sum over the batch; take its mean.": right * len(s),
        "`F.kl_div` wants log-probabilities of the student first; it was given probabilities.": as_given,
        "NaN: `F.kl_div` takes the log of its target. Give it probabilities, or say log_target=True.": logs,
        "only the student is softened. The teacher's logits need the same temperature.": kl(s, teacher_logits),
        "only the teacher is softened. The student's logits need the same temperature.": kl(student_logits, t),
        "this is the soft cross-entropy. It differs from the KL by the teacher's entropy: its gradient is right, "
        "its value is not 0 when the student has become the teacher.": soft,
        "this is the squared error between two softmaxes. One popular library calls it KD; Hinton's loss is a KL.": (
            F.mse_loss(s.softmax(-1), t.softmax(-1))
        ),
        "only the teacher's favourite class is used: all its probabilities count.": [hard, square * hard],
    }


@exercise(lambda draw: (draw.uniform(low=0.5, high=1.5), draw.uniform(low=2, high=3), draw.share()), learns=0)
def vanilla_kd(hard, soft, alpha):
    """Labels and teacher share one budget of weight."""
    rest, both, nothing = 1 - alpha, hard + soft, 0 * hard
    return rest * hard + alpha * soft, {
        "α sits on the wrong term: here it weighs the labels, 1-α the teacher.": alpha * hard + rest * soft,
        "the labels keep their full weight; they get 1-α.": hard + alpha * soft,
        "the teacher keeps its full weight; it gets α.": rest * hard + soft,
        "α is not used: the labels get 1-α, the teacher α.": [both, both / 2],
        "one factor weighs both terms: they share, one gets α, the other 1-α.": [alpha * both, rest * both],
        "the labels are not used. (The CKD release does this when its `kd` switch is on: its mixing line is commented "
        "out.)": [soft + nothing, alpha * soft + nothing],
    }

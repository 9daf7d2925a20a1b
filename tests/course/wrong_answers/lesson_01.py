"""Lesson 01: temperature and the KD loss."""

import torch
from torch.nn import functional as F

from tests.course.wrong_answers import right, wrong

right("temperature", lambda z, tau: (z / tau).exp() / (z / tau).exp().sum(dim=1, keepdim=True))
right("temperature", lambda z, tau: (z / tau).log_softmax(-1).exp())
right("temperature", lambda z, tau: (p := z.softmax(-1) ** (1 / tau)) / p.sum(-1, keepdim=True))
wrong("temperature", "Divide", lambda z, tau: F.softmax(tau * z, dim=-1))
wrong("temperature", "a row sums to 1/τ", lambda z, tau: F.softmax(z, dim=-1) / tau)
wrong("temperature", "softmax is taken twice", lambda z, tau: F.softmax(F.softmax(z, dim=-1) / tau, dim=-1))
wrong("temperature", "τ is not used", lambda z, tau: F.softmax(z, dim=-1))
wrong("temperature", "τ² where τ belongs", lambda z, tau: F.softmax(z / tau**2, dim=-1))
wrong("temperature", "log-probabilities", lambda z, tau: F.log_softmax(z / tau, dim=-1))
wrong("temperature", "examples of the batch", lambda z, tau: F.softmax(z / tau, dim=0))
wrong("temperature", "share one softmax", lambda z, tau: (z / tau).exp() / (z / tau).exp().sum())
wrong("temperature", "still are logits", lambda z, tau: z / tau)
wrong("temperature", "sigmoid", lambda z, tau: torch.sigmoid(z / tau))
wrong("temperature", "divided by its sum", lambda z, tau: F.softmax(z, dim=-1) ** (1 / tau))

right(
    "kd-loss",
    lambda s, t, tau: (
        tau**2
        * F.kl_div(F.log_softmax(s / tau, -1), F.log_softmax(t / tau, -1), reduction="batchmean", log_target=True)
    ),
)
right(
    "kd-loss",
    lambda s, t, tau: (
        tau
        * tau
        * torch.distributions.kl_divergence(
            torch.distributions.Categorical(logits=t / tau), torch.distributions.Categorical(logits=s / tau)
        ).mean()
    ),
)
right(
    "kd-loss",
    lambda s, t, tau: tau**2 * (F.cross_entropy(s / tau, (p := F.softmax(t / tau, -1))) + (p * p.log()).sum(-1).mean()),
)


def kl(s, t, reduction="batchmean"):
    return F.kl_div(F.log_softmax(s, dim=-1), F.softmax(t, dim=-1), reduction=reduction)


wrong("kd-loss", "τ² is missing", lambda s, t, tau: kl(s / tau, t / tau))
wrong("kd-loss", "a τ where τ² belongs", lambda s, t, tau: tau * kl(s / tau, t / tau))
wrong("kd-loss", "τ² multiplies", lambda s, t, tau: kl(s / tau, t / tau) / tau**2)
wrong("kd-loss", "τ is not used", lambda s, t, tau: kl(s, t))
wrong("kd-loss", "wrong way round", lambda s, t, tau: tau**2 * kl(t / tau, s / tau))
wrong("kd-loss", "averaged over the classes", lambda s, t, tau: tau**2 * kl(s / tau, t / tau, "mean"))
wrong("kd-loss", "sum over the batch", lambda s, t, tau: tau**2 * kl(s / tau, t / tau, "sum"))
wrong(
    "kd-loss",
    "log_target=True",
    lambda s, t, tau: tau**2 * F.kl_div(F.log_softmax(s / tau, -1), F.log_softmax(t / tau, -1), reduction="batchmean"),
)
wrong(
    "kd-loss",
    "log_target=True",
    lambda s, t, tau: tau**2 * F.kl_div(F.softmax(s / tau, -1), F.log_softmax(t / tau, -1), reduction="batchmean"),
)
wrong(
    "kd-loss",
    "it was given probabilities",
    lambda s, t, tau: tau**2 * F.kl_div(F.softmax(s / tau, -1), F.softmax(t / tau, -1), reduction="batchmean"),
)
wrong("kd-loss", "only the student is softened", lambda s, t, tau: tau**2 * kl(s / tau, t))
wrong("kd-loss", "only the teacher is softened", lambda s, t, tau: tau**2 * kl(s, t / tau))
wrong("kd-loss", "soft cross-entropy", lambda s, t, tau: tau**2 * F.cross_entropy(s / tau, F.softmax(t / tau, -1)))
wrong(
    "kd-loss",
    "squared error between two softmaxes",
    lambda s, t, tau: F.mse_loss((s / tau).softmax(-1), (t / tau).softmax(-1)),
)
wrong("kd-loss", "favourite class", lambda s, t, tau: tau**2 * F.cross_entropy(s / tau, t.argmax(-1)))
wrong("kd-loss", "no gradient", lambda s, t, tau: torch.tensor((tau**2 * kl(s / tau, t / tau)).item()))
wrong("kd-loss", "sign of every number", lambda s, t, tau: -(tau**2) * kl(s / tau, t / tau))
wrong("kd-loss", "asked is its mean", lambda s, t, tau: tau**2 * kl(s / tau, t / tau, "none").sum(-1))

right("vanilla-kd", lambda hard, soft, alpha: torch.lerp(hard, soft, alpha))
right("vanilla-kd", lambda hard, soft, alpha: hard + alpha * (soft - hard))
wrong("vanilla-kd", "on the wrong term", lambda hard, soft, alpha: alpha * hard + (1 - alpha) * soft)
wrong("vanilla-kd", "labels keep their full weight", lambda hard, soft, alpha: hard + alpha * soft)
wrong("vanilla-kd", "teacher keeps its full weight", lambda hard, soft, alpha: (1 - alpha) * hard + soft)
wrong("vanilla-kd", "α is not used", lambda hard, soft, alpha: hard + soft)
wrong("vanilla-kd", "α is not used", lambda hard, soft, alpha: (hard + soft) / 2)
wrong("vanilla-kd", "one factor weighs both", lambda hard, soft, alpha: alpha * (hard + soft))
wrong("vanilla-kd", "labels are not used", lambda hard, soft, alpha: soft + hard * 0)
wrong("vanilla-kd", "no gradient", lambda hard, soft, alpha: (1 - alpha) * hard.detach() + alpha * soft)

"""MATE-KD (Rashid et al., ACL 2021): a generator rewrites the text where student and teacher disagree most."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdviz.losses import logits
from kdviz.methods.base import Method, Phase
from kdviz.models.tokenizers import ids_of

TEXTS = 4  # rewritten texts that are kept of a run, for its picture


class Generator(nn.Module):
    """A masked-word model made of a copy of a network: for every token of a text, scores over the words it may write.

    model    : its body is copied; the head that scores words is its own word table [ours]
    allowed  : (V,) bool, tokenizer ids that may be written: no special token, and nothing the student cannot read
    """

    def __init__(self, model, allowed: Tensor):
        super().__init__()
        self.body = copy.deepcopy(model, {id(model.tokenizer): model.tokenizer}).requires_grad_(True)
        self.register_buffer("allowed", allowed & readable(model))

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor, places: Tensor, words: Tensor) -> Tensor:
        """(B, n), m of them places -> scores (m, K) of the K words, very low where a word must not be written."""
        hidden = self.body(ids, mask, types, want={"hidden"}).hidden[:, -1][places]
        table = self.body.network.embedding.weight[words if self.body.rows is None else self.body.rows[words]]
        return (hidden @ table.T).masked_fill(~self.allowed[words], torch.finfo(hidden.dtype).min / 4)


def readable(model) -> Tensor:
    """(V,) bool on the CPU: the words that the model has a vector of its own for, special tokens left out."""
    ids = torch.arange(ids_of(model.tokenizer), device=model.device)
    known = torch.isin(ids, ids.new_tensor(list(model.tokenizer.get_vocab().values()))) & ~model.unseen(ids)
    known = known.cpu()
    known[list(model.tokenizer.all_special_ids)] = False
    return known


def straight_through(scores: Tensor, temperature: float) -> Tensor:
    """One-hot samples of softmax(scores), whose gradient is that of the Gumbel-softmax. (…, V) -> (…, V)."""
    return F.gumbel_softmax(scores, tau=temperature, hard=True, dim=-1)


@dataclass
class MateKD(Method):
    """⅓·CE(x) + ⅓·D(x) + ⅓·D(x') with D the softened KL, x' written by a generator that ascends D.

    A share of the words of x is masked and filled by the generator, by straight-through Gumbel-softmax; each network
    reads the one-hot words through its own embedding. In cycles, the generator climbs for so many steps and rests for
    so many. The release's D is soft cross-entropy, which also rewards a teacher that is unsure; ours is KL [ours].

    generator     : a masked-word model to start from; None copies the teacher's body [ours: there is no masked-word
                    head in the packaged model, so words are scored by its own word table]
    mask_share    : of the words
    generator_steps, student_steps : of a cycle; the paper's is 10 and 100
    generator_lr  : its rate (AdamW)
    gumbel        : temperature of the Gumbel-softmax
    temperature   : of D
    """

    mask_share: float = 0.3
    generator_steps: int = 10
    student_steps: int = 100
    generator_lr: float = 1e-4
    gumbel: float = 1.0
    temperature: float = 1.0
    generator: object = None
    needs = frozenset({"logits"})
    needs_live_teacher = True

    def __post_init__(self):
        if not 0 < self.mask_share <= 1:
            raise ValueError(f"mask_share={self.mask_share}: the share of words to rewrite, above 0 and up to 1")
        if min(self.generator_steps, self.student_steps) < 1:
            raise ValueError(
                f"generator_steps={self.generator_steps}, student_steps={self.student_steps}: both must be 1 or more"
            )
        for name in ("generator_lr", "gumbel", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)}: must be positive")

    def phases(self, epochs):
        return [Phase("distil", epochs)]

    def setup(self, ctx):
        source = ctx.teacher if self.generator is None else self.generator
        made = Generator(source, readable(ctx.student) & readable(ctx.teacher)).to(ctx.student.device)
        optimizer = torch.optim.AdamW([p for p in made.parameters() if p.requires_grad], lr=self.generator_lr)
        self.writer = ctx.add_state("generator", made)
        self.optimizer = ctx.add_state("generator_optimizer", optimizer)

    def perturb(self, batch, ctx):
        """The rewritten batch as one-hots. In the first `generator_steps` of a cycle the generator learns first."""
        if not self.perturbs(ctx.at):
            return None
        chosen = self.places(batch, ctx.student.tokenizer)
        if ctx.at.phase_step % (self.generator_steps + self.student_steps) < self.generator_steps:
            self.ascend(batch, chosen, ctx)
        with torch.no_grad():
            written = self.rewrite(batch, chosen, ctx.student.tokenizer)
            ids = written["words"][written["one_hot"].argmax(-1)]
        if ctx.at.phase_step % max(1, ctx.at.phase_steps // 20) == 0:
            ctx.record("original", batch.input_ids[:TEXTS])
            ctx.record("rewritten", ids[:TEXTS])
        return written

    def perturbs(self, at) -> bool:
        return True

    def places(self, batch, tokenizer) -> Tensor:
        """(B, n) bool: words to rewrite, drawn anew; real tokens only, no special one."""
        special = torch.isin(batch.input_ids, torch.tensor(tokenizer.all_special_ids, device=batch.input_ids.device))
        drawn = torch.rand(batch.input_ids.shape, device=batch.input_ids.device) < self.mask_share
        return drawn & batch.attention_mask.bool() & ~special

    def rewrite(self, batch, chosen: Tensor, tokenizer) -> dict[str, Tensor]:
        """x' as "one_hot" (B, n, K) over the ids "words" (K,): words at `chosen` are the generator's, all others stay.

        The K ids are those that may be written and those of the batch: of the tokenizer's V, most are neither.
        """
        words = torch.cat([self.writer.allowed.nonzero().flatten(), batch.input_ids.flatten()]).unique()
        masked = batch.input_ids.masked_fill(chosen, tokenizer.mask_token_id)
        scores = self.writer(masked, batch.attention_mask, batch.token_type_ids, chosen, words)
        one_hot = F.one_hot(torch.searchsorted(words, batch.input_ids), len(words)).to(scores.dtype)
        one_hot[chosen] = straight_through(scores, self.gumbel)
        return {"one_hot": one_hot, "words": words}

    def ascend(self, batch, chosen: Tensor, ctx) -> None:
        """One step of the generator up the disagreement; neither network keeps a gradient of it."""
        inputs = {"attention_mask": batch.attention_mask, "token_type_ids": batch.token_type_ids}
        inputs |= self.rewrite(batch, chosen, ctx.student.tokenizer)
        was_training = ctx.student.training
        ctx.student.eval()
        gap = self.disagreement(ctx.student(None, **inputs).logits, ctx.teacher(None, **inputs).logits, ctx.at)
        ctx.student.train(was_training)
        weights = [p for p in self.writer.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(-gap, weights, allow_unused=True)
        for weight, gradient in zip(weights, gradients):
            weight.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad()
        ctx.log(generator_gap=gap.item())

    def disagreement(self, student: Tensor, teacher: Tensor, at) -> Tensor:
        """What the generator climbs: D with a gradient through the teacher as well, mean over the batch."""
        log_s, log_t = ((x.float() / self.temperature).log_softmax(-1) for x in (student, teacher))
        return self.temperature**2 * (log_t.exp() * (log_t - log_s)).sum(-1).mean()

    def loss(self, student, teacher, batch, ctx):
        return {
            "labels": logits.cross_entropy(student["logits"], batch.labels) / 3,
            "logits": logits.soft_kl(student["logits"], teacher["logits"], self.temperature) / 3,
            "rewritten": logits.soft_kl(
                student["perturbed"]["logits"], teacher["perturbed"]["logits"], self.temperature
            )
            / 3,
        }

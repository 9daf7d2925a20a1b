"""MATE-KD (Rashid et al., ACL 2021): a generator rewrites the text where student and teacher disagree most."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdviz.losses import logits
from kdviz.methods.base import Method
from kdviz.models.masked_words import load_masked_words
from kdviz.models.tokenizers import tokenizer_sha256
from kdviz.models.writers import Generator, MaskedWordGenerator, Writer, readable
from kdviz.paths import data_dir

TEXTS = 4  # rewritten texts that are kept of a run, for its picture
KEEPS = 20  # times that they are kept in a phase
CYCLES = 4  # that fit in a phase: in a shorter one the cycle shrinks
CLIP = 5.0  # of the generator's gradient, as in the release
SHIPPED = ("masked words", "random")


def words_of(written: dict[str, Tensor]) -> Tensor:
    """(B, n) ids of a rewriting."""
    return written["words"][written["one_hot"].argmax(-1)]


def straight_through(scores: Tensor, temperature: float) -> Tensor:
    """One-hot samples of softmax(scores), whose gradient is that of the Gumbel-softmax. (…, V) -> (…, V)."""
    return F.gumbel_softmax(scores, tau=temperature, hard=True, dim=-1)


@dataclass
class MateKD(Method):
    """⅓·CE(x) + ⅓·D(x) + ⅓·D(x') with D the softened KL, x' written by a generator that ascends D.

    A share of the words of x is masked and filled by the generator, by straight-through Gumbel-softmax; each network
    reads the one-hot words through its own embedding. In cycles, the generator climbs for so many steps, in which the
    student rests, then the student learns for so many, in which the generator rests. The release's D is soft
    cross-entropy, which also rewards a teacher that is unsure; ours is KL [ours]. As in the release the student keeps
    its dropout while the generator climbs, and the generator's gradient is clipped at 5.

    generator     : what the generator starts from. A masked-word model of one's own; None copies the teacher's body
                    and scores words by its own word table [ours]; "masked words" is MiniLM with the masked-word head
                    that comes with kdviz. Or "random", the control: words by chance, nobody climbs
    mask_share    : of the words
    generator_steps, student_steps : of a cycle; the paper's is 10 and 100. A phase that is too short for four cycles
                    has shorter ones, in proportion [ours]. generator_steps=0 leaves the generator as it is
    generator_lr  : its rate (AdamW)
    gumbel        : temperature of the Gumbel-softmax
    temperature   : of D

    At the steps where the generator climbs (where nobody does: twenty times) the history holds D on the text, on its
    rewriting and on one by chance in the same places, gap_text, gap_rewritten and gap_random; and distinct_words, the
    share of the words written that differ. A generator that writes the same few words everywhere has collapsed.
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
        if self.generator_steps < 0 or self.student_steps < 1:
            cycle = f"generator_steps={self.generator_steps}, student_steps={self.student_steps}"
            raise ValueError(f"{cycle}: from 0 and from 1, whole numbers")
        if isinstance(self.generator, str) and self.generator not in SHIPPED:
            named = " or ".join(f'"{name}"' for name in SHIPPED)
            raise ValueError(f"generator={self.generator!r}: choose {named}, a model, or None for the teacher's body")
        for name in ("generator_lr", "gumbel", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)}: must be positive")

    def setup(self, ctx):
        allowed = readable(ctx.student) & readable(ctx.teacher)
        self.chance = self.writer = Writer(allowed).to(ctx.student.device)
        if self.generator == "random":
            return
        self.writer = ctx.add_state("generator", self.made(allowed, ctx).to(ctx.student.device))
        weights = [p for p in self.writer.parameters() if p.requires_grad]
        self.optimizer = ctx.add_state("generator_optimizer", torch.optim.AdamW(weights, lr=self.generator_lr))

    def made(self, allowed: Tensor, ctx) -> Writer:
        """The generator as it starts."""
        if self.generator != "masked words":
            return Generator(ctx.teacher if self.generator is None else self.generator, allowed)
        source = load_masked_words(data_dir() / "masked_words")
        if tokenizer_sha256(source.tokenizer) != ctx.student.tokenizer_sha256:
            raise ValueError(
                'generator="masked words" writes the words of MiniLM\'s tokenizer, the student reads those of another: '
                "pass a model that has its tokenizer, or None for the teacher's body"
            )
        return MaskedWordGenerator(source, allowed)

    def climbs(self, step: int, at) -> bool:
        """Whether that step of the phase is the generator's."""
        if self.generator == "random" or not self.generator_steps or not self.perturbs(at):
            return False
        shrink = min(1.0, at.phase_steps / (CYCLES * (self.generator_steps + self.student_steps)))
        up, down = (max(1, round(shrink * steps)) for steps in (self.generator_steps, self.student_steps))
        return step % (up + down) < up

    def select(self, batch, ctx):
        """The batch as it is, or None where the generator climbs: the student rests then."""
        if not self.climbs(ctx.at.phase_step, ctx.at):
            return batch
        self.ascend(batch, self.places(batch, ctx.student.tokenizer), ctx)
        return None

    def perturb(self, batch, ctx):
        """The rewritten batch as one-hots."""
        if not self.perturbs(ctx.at):
            return None
        chosen, step = self.places(batch, ctx.student.tokenizer), ctx.at.phase_step
        with torch.no_grad():
            written = self.rewrite(batch, chosen, ctx.student.tokenizer)
        if step % max(1, ctx.at.phase_steps // KEEPS) == 0 or step and self.climbs(step - 1, ctx.at):
            ctx.record("original", batch.input_ids[:TEXTS])
            ctx.record("rewritten", words_of(written)[:TEXTS])
            if self.generator == "random" or not self.generator_steps:
                self.watch(batch, chosen, written, ctx)
        return written

    def perturbs(self, at) -> bool:
        return True

    def places(self, batch, tokenizer) -> Tensor:
        """(B, n) bool: words to rewrite, drawn anew; real tokens only, no special one."""
        special = torch.isin(batch.input_ids, torch.tensor(tokenizer.all_special_ids, device=batch.input_ids.device))
        drawn = torch.rand(batch.input_ids.shape, device=batch.input_ids.device) < self.mask_share
        return drawn & batch.attention_mask.bool() & ~special

    def rewrite(self, batch, chosen: Tensor, tokenizer, writer: Writer | None = None) -> dict[str, Tensor]:
        """x' as "one_hot" (B, n, K) over the ids "words" (K,): words at `chosen` are the writer's, all others stay.

        The K ids are those that may be written and those of the batch: of the tokenizer's V, most are neither.
        """
        writer = self.writer if writer is None else writer
        words = torch.cat([writer.allowed.nonzero().flatten(), batch.input_ids.flatten()]).unique()
        masked = batch.input_ids.masked_fill(chosen, tokenizer.mask_token_id)
        scores = writer(masked, batch.attention_mask, batch.token_type_ids, chosen, words)
        one_hot = F.one_hot(torch.searchsorted(words, batch.input_ids), len(words)).to(scores.dtype)
        one_hot[chosen] = straight_through(scores, self.gumbel)
        return {"one_hot": one_hot, "words": words}

    def ascend(self, batch, chosen: Tensor, ctx) -> None:
        """One step of the generator up the disagreement; neither network keeps a gradient of it."""
        inputs = {"attention_mask": batch.attention_mask, "token_type_ids": batch.token_type_ids}
        written = self.rewrite(batch, chosen, ctx.student.tokenizer)
        answers = (model(None, **inputs, **written).logits for model in (ctx.student, ctx.teacher))
        weights = [p for p in self.writer.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(-self.disagreement(*answers, ctx.at), weights, allow_unused=True)
        for weight, gradient in zip(weights, gradients):
            weight.grad = gradient
        nn.utils.clip_grad_norm_(weights, CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.watch(batch, chosen, written, ctx)

    @torch.no_grad()
    def watch(self, batch, chosen: Tensor, written: dict[str, Tensor], ctx) -> None:
        """Into the history: D on the text, on this rewriting of it and on one by chance, and how words differ."""
        texts = {"text": {}, "rewritten": {name: value.detach() for name, value in written.items()}}
        texts["random"] = self.rewrite(batch, chosen, ctx.student.tokenizer, self.chance)
        for name, new in texts.items():
            answers = (read(batch, self.needs, **new)["logits"] for read in (ctx.student_fields, ctx.teacher_fields))
            ctx.log(**{f"gap_{name}": self.disagreement(*answers, ctx.at)})
        words = words_of(written)[chosen]
        ctx.log(distinct_words=len(words.unique()) / max(1, len(words)))

    def disagreement(self, student: Tensor, teacher: Tensor, at) -> Tensor:
        """What the generator climbs: D with a gradient through the teacher as well, mean over the batch."""
        log_s, log_t = ((x.float() / self.temperature).log_softmax(-1) for x in (student, teacher))
        return self.temperature**2 * (log_t.exp() * (log_t - log_s)).sum(-1).mean()

    def loss(self, student, teacher, batch, ctx):
        new = student["perturbed"]["logits"], teacher["perturbed"]["logits"]
        return {
            "labels": logits.cross_entropy(student["logits"], batch.labels) / 3,
            "logits": logits.soft_kl(student["logits"], teacher["logits"], self.temperature) / 3,
            "rewritten": logits.soft_kl(*new, self.temperature) / 3,
        }

    def describe(self):
        """Settings; a generator that is a Model by its fingerprint, so that a resumed run is the same run."""
        own = hasattr(self.generator, "fingerprint")
        return super().describe() | ({"generator": self.generator.fingerprint()[:12]} if own else {})

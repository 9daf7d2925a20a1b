"""The terms of methods on made-up fields, written out in plain torch: what a small slip would change, changes here."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import kdviz as kd
from kdviz.data.kinds import CLASSIFICATION
from kdviz.methods import StepInfo
from kdviz.methods.pd import mask_words
from kdviz.methods.rw_kd import gains, teacher_share
from tests.unit.training import tiny


def draws(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=generator)


def at(phase: str, index: int = 0, step: int = 0, steps: int = 4):
    here = StepInfo(phase, index, 0, 1, step, step, steps, steps)
    return SimpleNamespace(at=here, kind=CLASSIFICATION, record=lambda *pair: None)


def batch_of(mask, labels=None):
    return SimpleNamespace(attention_mask=torch.tensor(mask), labels=labels)


def rows_kl(teacher, student, mask):
    """Mean over heads and real words of KL between rows of probabilities; (B, h, n, n), mask (B, n)."""
    total, count = 0.0, 0
    for b, n in enumerate(mask.sum(1).tolist()):
        t, s = teacher[b, :, :n, :n], student[b, :, :n, :n]
        total += (t * (t / s).log()).sum()
        count += t.shape[0] * n
    return total / count


def test_minilm_v2_is_the_mean_of_three_relations_of_scaled_products():
    draw, mask = draws(), [[1, 1, 1, 1], [1, 1, 1, 0]]
    own, other = draw(2, 3, 2, 4, 6), draw(2, 3, 4, 4, 5)  # (B, q k v, heads, n, d): widths 12 and 20
    terms = kd.MiniLM(relation_heads=4).loss({"qkv": own}, {"qkv": other}, batch_of(mask), at("relations"))
    real, parts = torch.tensor(mask), []
    for i in range(3):
        relations = []
        for x in (other[:, i], own[:, i]):
            heads = x.transpose(1, 2).reshape(2, 4, 4, -1).transpose(1, 2)  # (B, relation heads, n, width / heads)
            scores = heads @ heads.mT / heads.shape[-1] ** 0.5
            relations.append(scores.masked_fill(~real.bool()[:, None, None], -torch.inf).softmax(-1))
        parts.append(rows_kl(*relations, real))
    assert_close(terms["qkv"], sum(parts) / 3)


def test_minilm_ends_on_labels_alone_as_in_its_papers():
    scores, answers = draws(3)(4, 3), torch.tensor([0, 2, -100, 1])
    own, other = {"logits": scores}, {"logits": draws(4)(4, 3)}
    terms = kd.MiniLM().loss(own, other, batch_of([[1]], answers), at("labels", 1))
    assert_close(terms, {"labels": F.cross_entropy(scores[[0, 1, 3]], answers[[0, 1, 3]])})
    [_, last] = kd.MiniLM(relation_epochs=1).phases(3)
    assert (last.rows, last.needs, last.passes) == ("labelled", frozenset(), None)
    assert kd.MiniLM().phases(3)[1].passes == 10, "48 passes over 100 labels ruined students"
    assert "logits" not in kd.MiniLM().needs
    mixed = kd.MiniLM(then="KD", alpha=0.8, temperature=2.0)
    assert mixed.phases(3)[1].rows == "all" and "logits" in mixed.needs
    wanted = kd.KD(alpha=0.8, temperature=2.0).loss(own, other, batch_of([[1]], answers), at("distil"))
    assert_close(mixed.loss(own, other, batch_of([[1]], answers), at("distil", 1)), wanted)
    with pytest.raises(ValueError, match='then=.soft.: choose "labels" or "KD"'):
        kd.MiniLM(then="soft")


def test_hard_kd_takes_the_teachers_answer_for_a_label():
    scores, teacher, answers = draws(5)(4, 3), draws(6)(4, 3), torch.tensor([0, 2, -100, 1])
    terms = kd.HardKD(alpha=0.75).loss({"logits": scores}, {"logits": teacher}, batch_of([[1]], answers), at("distil"))
    told = F.cross_entropy(scores, teacher.argmax(-1))
    seen = F.cross_entropy(scores[[0, 1, 3]], answers[[0, 1, 3]])
    assert_close(terms, {"labels": 0.25 * seen, "answers": 0.75 * told})
    alone = kd.HardKD(alpha=1.0).loss({"logits": scores}, {"logits": teacher}, batch_of([[1]], answers), at("distil"))
    assert_close(alone, {"answers": told})
    with pytest.raises(ValueError, match="alpha=2"):
        kd.HardKD(alpha=2)


def test_mobilebert_trains_its_second_layer_in_the_second_phase():
    draw, mask = draws(1), [[1, 1, 1]]
    own, other = ({"hidden": draw(1, 3, 3, 4), "attentions": draw(1, 2, 2, 3, 3).softmax(-1)} for _ in range(2))
    method = kd.MobileBERT()
    method._project = torch.nn.Identity()
    for index in (0, 1):
        terms = method.loss(own, other, batch_of(mask), at(f"layer {index + 1}", index))
        layers = range(1, index + 2)
        gaps = [F.mse_loss(own["hidden"][:, layer], other["hidden"][:, layer]) for layer in layers]
        assert_close(terms["hidden"], sum(gaps))
        real = torch.tensor(mask)
        maps = [rows_kl(other["attentions"][:, k], own["attentions"][:, k], real) for k in range(index + 1)]
        assert_close(terms["attention"], sum(maps))


def test_tinybert_sums_over_layers():
    draw = draws(2)
    own, other = ({"hidden": draw(1, 4, 3, 4), "scores": draw(1, 3, 2, 3, 3)} for _ in range(2))
    method = kd.TinyBERT()
    method._words = method._inner = torch.nn.Identity()
    terms = method.loss(own, other, batch_of([[1, 1, 1]]), at("layers"))
    assert_close(terms["words"], F.mse_loss(own["hidden"][:, 0], other["hidden"][:, 0]))
    hidden, scores = (lambda name, k: F.mse_loss(own[name][:, k], other[name][:, k])), range(3)
    assert_close(terms["hidden"], sum(hidden("hidden", k) for k in (1, 2, 3)))
    assert_close(terms["scores"], sum(hidden("scores", k) for k in scores))


def test_pd_hides_fifteen_in_a_hundred_words():
    tokenizer = tiny.teacher().tokenizer
    words = torch.randint(5, len(tokenizer), (200, 100), generator=torch.Generator().manual_seed(0))
    words = words.masked_fill(torch.isin(words, torch.tensor(tokenizer.all_special_ids)), 7)
    batch = SimpleNamespace(input_ids=words, attention_mask=torch.ones_like(words))
    torch.manual_seed(0)
    shown, hidden = mask_words(batch, tokenizer)
    share = hidden.double().mean().item()
    assert 0.14 < share < 0.16  # 20,000 words: ± 0.005 by chance
    masked = (shown[hidden] == tokenizer.mask_token_id).double().mean().item()
    assert 0.77 < masked < 0.83 and torch.equal(shown[~hidden], words[~hidden])


def test_continuation_kd_scales_its_margin_with_the_teacher():
    student, teacher = draws(3)(8, 4), draws(4)(8, 4)
    method = kd.ContinuationKD(tau_max=4, margin=0.9, psi_end=0.5)
    ctx = at("both", step=1)  # Φ = 2/4
    terms = method.loss(
        {"logits": student}, {"logits": teacher}, batch_of([[1]], torch.zeros(8, dtype=torch.long)), ctx
    )
    distance = (student - 0.5 * teacher).square().mean(1)
    assert_close(terms["logits"], (1 - 0.5 * 1 / 4) * (distance - 0.9 * 0.5).clamp(min=0).mean())
    assert (distance < 0.9).any() and (distance > 0.9).any()  # the hinge is at work


def test_co_distillation_keeps_what_the_other_finds_plausible():
    labels = torch.tensor([0, 0, 0, 0])
    first = torch.tensor([[3.0, 0.0], [3.0, 0.0], [0.0, 3.0], [0.0, 3.0]])  # finds the first two labels plausible
    other = -first  # and the other the last two
    method = kd.CoDistillation(alpha=0.0, peer=0.0, drop=0.5)
    method._other = lambda *inputs: SimpleNamespace(logits=other)
    batch = SimpleNamespace(input_ids=None, attention_mask=None, token_type_ids=None, labels=labels)
    terms = method.loss({"logits": first}, {}, batch, at("distil", step=3))  # past the middle: half is dropped
    wrong, right = F.cross_entropy(first[2:], labels[2:]), F.cross_entropy(first[:2], labels[:2])
    assert wrong > right
    assert_close(terms["labels"], 2 * wrong)  # each learns the rows that the other would keep


class Watched(kd.RWKD):
    """Keeps what the first step weighed, and by what."""

    def weights(self, losses, ctx):
        found = super().weights(losses, ctx)
        if ctx.at.step == 0:
            self.first = ctx, ctx.batch, ctx.sample(self.meta, self.meta_size), found
            self.expected = {
                name: self.shares(ctx, judge) for name, judge in (("held out", self.first[2]), ("own", ctx.batch))
            }
        return found

    def shares(self, ctx, judge):
        labelled = ctx.rows(ctx.batch.index[ctx.batch.labels != -100])
        teacher = ctx.teacher_fields(labelled, self.needs)

        def judged(answer):
            known = judge.labels != -100
            return F.cross_entropy(answer(judge)[known], judge.labels[known])

        ctx.student.eval()
        useful = gains(
            ctx.student,
            judged,
            lambda answer: tuple(self.loss({"logits": answer(labelled)}, teacher, labelled, ctx).values()),
        )
        ctx.student.train()
        return teacher_share(*useful, self.floor)


def test_rw_kd_judges_by_a_held_out_batch_not_by_its_own():
    method = Watched(meta_size=4)
    tiny.distill(method, epochs=1, batch_size=12)
    _, batch, _, found = method.first
    weighed = found["logits"][batch.labels != -100]
    assert_close(weighed, method.expected["held out"], rtol=1e-3, atol=1e-5)
    assert not torch.allclose(weighed, method.expected["own"], rtol=1e-3, atol=1e-5)

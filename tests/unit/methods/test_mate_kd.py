"""MATE-KD and Combined-KD: what is rewritten, which way the generator moves, the terms, the phases."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import kdviz as kd
from kdviz.data.kinds import CLASSIFICATION
from kdviz.methods import CombinedKD, MateKD
from kdviz.methods.base import At
from kdviz.methods.mate_kd import straight_through, words_of
from kdviz.models.masked_words import load_masked_words
from kdviz.paths import data_dir
from tests.unit.training import tiny


def at(phase="distil", step=0, steps=10):
    return At(phase, 0, 0, 1, step, step, steps, steps)


def loud(model):
    """A copy with a classifier fifty times as sure: new models all but shrug."""
    model = copy.deepcopy(model, {id(model.tokenizer): model.tokenizer})
    with torch.no_grad():
        model.network.encoder.classifier.weight.mul_(50)
    return model


class Stage(SimpleNamespace):
    """The part of a Context that a generator needs, without a loop."""

    def add_state(self, name, thing):
        return thing

    def log(self, **numbers):
        self.logged = {**getattr(self, "logged", {}), **numbers}

    def record(self, name, value):
        self.recorded = {**getattr(self, "recorded", {}), name: value}

    def read(self, model, batch, needs, **replaced):
        inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        return {"logits": model(**inputs | {"token_type_ids": batch.token_type_ids} | replaced).logits}

    def student_fields(self, *what, **replaced):
        return self.read(self.student, *what, **replaced)

    def teacher_fields(self, *what, **replaced):
        return self.read(self.teacher, *what, **replaced)


def stage(method, step=0):
    student, teacher = loud(tiny.student(dropout=0.0)), loud(tiny.teacher())
    inputs = student.tokenizer(["the film is great", "a dull book but I liked it"], return_tensors="pt", padding=True)
    batch = SimpleNamespace(labels=torch.tensor([1, -100]), **inputs)
    ctx = Stage(student=student, teacher=teacher, at=at(step=step), batch=batch)
    torch.manual_seed(0)
    method.setup(ctx)
    return ctx, batch


def test_only_chosen_real_words_are_rewritten_and_with_readable_words():
    method = MateKD(mask_share=0.5)
    ctx, batch = stage(method)
    special = torch.tensor(ctx.student.tokenizer.all_special_ids)
    changed = 0
    for _ in range(20):
        one_hot, words = method.perturb(batch, ctx).values()
        assert set(one_hot.unique().tolist()) == {0.0, 1.0} and (one_hot.sum(-1) == 1).all()
        written = words[one_hot.argmax(-1)]
        fixed = torch.isin(batch.input_ids, special) | (batch.attention_mask == 0)
        assert torch.equal(written[fixed], batch.input_ids[fixed])
        new = written[written != batch.input_ids]
        assert (
            not ctx.student.unseen(new).any()
            and not ctx.teacher.unseen(new).any()
            and not torch.isin(new, special).any()
        )
        changed += len(new)
    words = int((~fixed).sum())
    assert 0.3 < changed / (20 * words) < 0.6, "about the share that is asked for"
    assert torch.equal(ctx.recorded["original"], batch.input_ids[:4])


def test_one_hots_over_some_words_read_like_the_ids_themselves():
    method = MateKD(mask_share=0.5)
    ctx, batch = stage(method)
    new = method.rewrite(batch, method.places(batch, ctx.student.tokenizer), ctx.student.tokenizer)
    assert new["one_hot"].shape[-1] == len(new["words"]) < len(ctx.student.tokenizer) / 100
    ids = new["words"][new["one_hot"].argmax(-1)]
    for model in (ctx.student, ctx.teacher):
        there = model(None, batch.attention_mask, batch.token_type_ids, **new).logits
        assert_close(there, model(ids, batch.attention_mask, batch.token_type_ids).logits)
        everything = F.one_hot(ids, len(model.tokenizer)).float()
        assert_close(there, model(None, batch.attention_mask, batch.token_type_ids, one_hot=everything).logits)


def test_generator_and_student_take_turns_never_both():
    method = MateKD(generator_steps=2, student_steps=3)
    ctx, batch = stage(method)
    for step in range(10):
        before = [p.clone() for p in method.writer.parameters()]
        ctx.at = at(step=step, steps=40)
        kept = method.select(batch, ctx)
        if kept is not None:
            method.perturb(batch, ctx)
        moved = any(not torch.equal(a, b) for a, b in zip(before, method.writer.parameters()))
        assert moved == (step % 5 < 2) == (kept is None)
    assert all(p.grad is None for p in (*ctx.student.parameters(), *ctx.teacher.parameters()))


@pytest.mark.parametrize("steps, turns", [(1100, 10), (440, 10), (110, 2), (44, 1), (6, 1)])
def test_in_a_short_phase_cycles_shrink_in_proportion(steps, turns):
    method = MateKD()
    climbs = [method.climbs(step, at(steps=steps)) for step in range(steps)]
    assert climbs.index(False) == turns
    if steps >= 44:
        assert sum(climbs) == pytest.approx(steps / 11, rel=0.15)
    assert 0 < sum(climbs) <= steps / 2


class Watched(MateKD):
    """Keeps the student's weights and mode, and the generator's gradient, step by step."""

    def ascend(self, batch, chosen, ctx):
        self.modes.append(ctx.student.training)
        super().ascend(batch, chosen, ctx)

    def setup(self, ctx):
        super().setup(ctx)
        self.modes, self.norms, self.students = [], [], [ctx.weights()]
        step = self.optimizer.step

        def noted():
            weights = [p.grad for p in self.writer.parameters() if p.grad is not None]
            self.norms.append(torch.stack([g.norm() for g in weights]).norm().item())
            step()

        self.optimizer.step = noted

    def disagreement(self, student, teacher, at):
        return 1e4 * super().disagreement(student, teacher, at)

    def after_step(self, ctx):
        self.students.append(ctx.weights())


def test_in_the_generators_steps_the_student_stands_still_with_dropout_and_the_gradient_is_clipped():
    method = Watched(generator_steps=1, student_steps=2, generator_lr=1e-3)
    run = tiny.distill(method, epochs=4)
    still = [
        all(torch.equal(before[name], after[name]) for name in before)
        for before, after in zip(method.students, method.students[1:])
    ]
    assert still == [step % 3 == 0 for step in range(len(run.history))]
    assert run.history["loss"].isna().tolist() == still
    assert all(method.modes) and len(method.modes) == sum(still)
    assert max(method.norms) == pytest.approx(5.0, rel=1e-3), "the gradient of a gap of thousands"


@pytest.mark.parametrize("settings", [{}, {"generator": "random"}, {"generator_steps": 0}])
def test_the_history_tells_a_rewriting_from_one_by_chance(settings):
    run = tiny.distill(MateKD(mask_share=1.0, **{"generator_steps": 1, "student_steps": 1} | settings), epochs=4)
    told = run.history[["gap_text", "gap_rewritten", "gap_random", "distinct_words"]].dropna()
    assert len(told) >= 4 and (told > 0).all().all() and (told["distinct_words"] <= 1).all()
    climbed = run.history["loss"].isna()
    assert climbed.any() == (not settings)
    assert run.history.loc[climbed, "gap_random"].notna().all()


def test_a_generator_that_writes_one_word_is_seen_to_have_collapsed():
    method = MateKD(mask_share=1.0)
    ctx, batch = stage(method)
    places = method.places(batch, ctx.student.tokenizer)
    written = method.rewrite(batch, places, ctx.student.tokenizer)
    method.watch(batch, places, written, ctx)
    free = ctx.logged["distinct_words"]
    same = torch.zeros_like(written["one_hot"])
    same[..., 0] = 1
    written["one_hot"] = torch.where(places[..., None], same, written["one_hot"])
    method.watch(batch, places, written, ctx)
    assert ctx.logged["distinct_words"] == 1 / int(places.sum()) < free


@pytest.mark.parametrize("kind", ["bert", "cnn", "bilstm"])
def test_no_generator_begins_collapsed(kind):
    own = kd.build_student(tiny.task(), layers=1, hidden=64, heads=1, architecture=kind)
    method = MateKD(mask_share=1.0, generator=own)
    ctx, batch = stage(method)
    tokenizer = ctx.student.tokenizer
    places, words = method.places(batch, tokenizer), method.writer.allowed.nonzero().flatten()
    masked = batch.input_ids.masked_fill(places, tokenizer.mask_token_id)
    with torch.no_grad():
        likely = method.writer(masked, batch.attention_mask, batch.token_type_ids, places, words).softmax(-1).amax(-1)
    assert likely.max() < 0.5, "several words are likely, or no gradient comes back from the choice"


def test_words_by_chance_are_drawn_evenly():
    method = MateKD(mask_share=1.0, generator="random")
    ctx, batch = stage(method)
    places = method.places(batch, ctx.student.tokenizer)
    torch.manual_seed(0)
    written = torch.cat([words_of(method.rewrite(batch, places, ctx.student.tokenizer))[places] for _ in range(200)])
    allowed = method.chance.allowed.nonzero().flatten()
    counts = torch.stack([(written == word).sum() for word in allowed]).double()
    assert counts.sum() == len(written), "nothing else is written"
    expected = len(written) / len(allowed)
    assert ((counts - expected).square() / expected).sum() < 2 * len(allowed)  # χ², its mean is the number of words
    assert not hasattr(method, "optimizer")


def test_the_shipped_masked_word_head_writes_and_learns():
    method = MateKD(mask_share=0.3, generator="masked words", generator_lr=1e-4)
    ctx, batch = stage(method)
    tokenizer, source = ctx.student.tokenizer, load_masked_words(data_dir() / "masked_words")
    chosen = batch.input_ids == tokenizer.convert_tokens_to_ids("great")
    assert chosen.any()
    words = torch.tensor([word for word in source.words.tolist() if method.writer.allowed[word]])
    masked = batch.input_ids.masked_fill(chosen, tokenizer.mask_token_id)
    inputs = masked, batch.attention_mask, batch.token_type_ids, chosen
    found = method.writer(*inputs, words)
    expected = source(masked, batch.attention_mask, chosen)
    assert_close(found, expected[:, torch.isin(source.words, words)])
    other = torch.tensor([tokenizer.convert_tokens_to_ids("[SEP]")])
    assert (method.writer(*inputs, other) < -1e30).all()
    before = method.writer.body.bias.clone(), source.bias.clone()
    method.ascend(batch, chosen, ctx)
    assert not torch.equal(method.writer.body.bias, before[0]) and torch.equal(source.bias, before[1])


def test_a_head_of_other_words_is_refused():
    method = MateKD(generator="masked words")
    strange = SimpleNamespace(tokenizer_sha256="other")
    with pytest.raises(ValueError, match="reads those of another: pass a model"):
        method.made(torch.ones(30522, dtype=torch.bool), SimpleNamespace(student=strange))


def test_climbing_raises_the_disagreement():
    """Same masked words, same noise: after steps of ascent student and teacher disagree more on the rewriting."""
    method = MateKD(mask_share=1.0, generator_lr=2e-2)
    ctx, batch = stage(method)
    chosen = method.places(batch, ctx.student.tokenizer)

    @torch.no_grad()
    def gaps():
        torch.manual_seed(1)
        values = []
        for _ in range(30):
            new = method.rewrite(batch, chosen, ctx.student.tokenizer)
            out = [
                m(None, batch.attention_mask, batch.token_type_ids, **new).logits for m in (ctx.student, ctx.teacher)
            ]
            values.append(method.disagreement(*out, ctx.at))
        return torch.stack(values)

    before = gaps()
    for _ in range(20):
        method.ascend(batch, chosen, ctx)
    assert gaps().mean() > before.max(), "its average rewriting beats the best of thirty untrained ones"
    assert ctx.logged["gap_rewritten"] > 0


def test_straight_through_is_hard_ahead_and_soft_behind():
    scores = torch.randn(5, 7, requires_grad=True)
    torch.manual_seed(0)
    hard = straight_through(scores, 0.5)
    torch.manual_seed(0)
    soft = F.gumbel_softmax(scores, tau=0.5)
    assert_close(hard.argmax(-1), soft.argmax(-1))
    weights = torch.randn(5, 7)
    a, b = (torch.autograd.grad((x * weights).sum(), scores)[0] for x in (hard, soft))
    assert_close(a, b)
    masked = straight_through(
        torch.zeros(50, 3).masked_fill(torch.tensor([False, True, False]), torch.finfo().min / 4), 1.0
    )
    assert masked[:, 1].sum() == 0 and torch.isfinite(masked).all()


def logits_pair(seed):
    g = torch.Generator().manual_seed(seed)
    s, t = (
        {"logits": torch.randn(2, 3, generator=g), "perturbed": {"logits": torch.randn(2, 3, generator=g)}}
        for _ in "st"
    )
    return s, t, SimpleNamespace(labels=torch.tensor([2, -100]))


def test_mate_terms_and_disagreement():
    s, t, batch = logits_pair(0)
    terms = MateKD(temperature=2.0).loss(s, t, batch, here(at()))
    kl = lambda a, b: 4 * F.kl_div((a / 2).log_softmax(-1), (b / 2).softmax(-1), reduction="batchmean")  # noqa: E731
    assert_close(terms["labels"], F.cross_entropy(s["logits"][:1], batch.labels[:1]) / 3)
    assert_close(terms["logits"], kl(s["logits"], t["logits"]) / 3)
    assert_close(terms["rewritten"], kl(s["perturbed"]["logits"], t["perturbed"]["logits"]) / 3)
    assert_close(MateKD(temperature=2.0).disagreement(s["logits"], t["logits"], at()), kl(s["logits"], t["logits"]))


def test_combined_terms_follow_phi_and_then_the_labels():
    s, t, batch = logits_pair(1)
    method = CombinedKD(tau_max=5)
    for step, phi in ((0, 0.2), (9, 1.0)):
        terms = method.loss(s, t, batch, here(at("teacher", step)))
        assert_close(terms["logits"], F.mse_loss(s["logits"], phi * t["logits"]) / 2)
        assert_close(terms["rewritten"], F.mse_loss(s["perturbed"]["logits"], phi * t["perturbed"]["logits"]) / 2)
    assert_close(method.disagreement(s["logits"], t["logits"], at()), F.mse_loss(s["logits"], t["logits"]))
    assert set(method.loss(s, t, batch, here(at("labels")))) == {"labels"}


@pytest.mark.parametrize(
    "method",
    [MateKD(generator_steps=1, student_steps=2), CombinedKD(generator_steps=1, student_steps=2, label_epochs=1)],
)
def test_a_run_and_its_resumption(method, tmp_path):
    fresh = lambda: type(method)(**{k: v for k, v in method.describe().items() if k != "method"})  # noqa: E731
    settings = {"epochs": 2, "checkpoint_every": 2}
    whole = tiny.distill(fresh(), folder=tmp_path / "whole", **settings)
    dying = fresh()

    def after_step(ctx):
        if ctx.at.step == 4:
            raise KeyboardInterrupt

    dying.after_step = after_step
    with pytest.raises(KeyboardInterrupt):
        tiny.distill(dying, folder=tmp_path / "parts", **settings)
    resumed = tiny.distill(fresh(), folder=tmp_path / "parts", resume=True, **settings)
    assert resumed.student.fingerprint() == whole.student.fingerprint()
    climbed = whole.history["gap_rewritten"].notna()
    assert (whole.history["rewritten"].notna() == ((whole.history.phase != "labels") & ~climbed)).all()
    assert whole.records["original"][0][1].shape == whole.records["rewritten"][0][1].shape
    assert climbed.any() and not climbed[whole.history.phase == "labels"].any()


def test_combined_kd_spends_no_rewriting_on_the_labels():
    run = tiny.distill(CombinedKD(label_epochs=1), epochs=2)
    labels = run.history[run.history.phase == "labels"]
    assert labels[["logits", "rewritten"]].isna().all().all() and labels["labels"].notna().all()


def test_a_generator_of_ones_own():
    own = kd.build_student(tiny.task(), layers=1, hidden=8, heads=1)
    run = tiny.distill(MateKD(generator=own), epochs=1)
    assert (run.history["rewritten"].notna() == run.history["gap_text"].isna()).all()
    other = kd.build_student(tiny.task(), layers=1, hidden=8, heads=1, seed=1)
    assert MateKD(generator=own).describe() != MateKD(generator=other).describe()


@pytest.mark.parametrize(
    "settings, message",
    [({"mask_share": 0}, "mask_share=0"), ({"generator_steps": -1}, "generator_steps=-1"), ({"gumbel": 0}, "gumbel=0")],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MateKD(**settings)
    with pytest.raises(ValueError, match='generator=\'any\': choose "masked words" or "random"'):
        MateKD(generator="any")
    with pytest.raises(ValueError, match="tau_max=0"):
        CombinedKD(tau_max=0)


def here(at):
    """What a loss sees of its run."""
    return SimpleNamespace(at=at, kind=CLASSIFICATION, record=lambda name, value: None)

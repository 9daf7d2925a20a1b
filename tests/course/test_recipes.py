"""Recorded trainings on sources: what they measure is what it says, and a search sees dev alone."""

from __future__ import annotations

import pytest
import torch

from kdviz.course.addition import SYMBOLS, asked_by, sums
from kdviz.course.recipes import Brackets, Draft, Modes, Stored, Sums, brackets as strings, traces
from kdviz.course.sources import brackets

TRAINED = {"modes": {"lr": 0.1, "steps": 200}, "stored": {"lr": 0.1, "steps": 100, "strings": 40}}
TINY = {"lr": 1e-2, "steps": 3, "strings": 4, "width": 4, "length": 6}


def scores(recipe, seed=500, **settings):
    return recipe.run(seed, **settings)["scores"]


def test_the_two_directions_keep_other_modes():
    forward, reverse = (scores(Modes(beta), **TRAINED["modes"]) for beta in (0, 1))
    assert forward["modes"] > 2 and reverse["modes"] < 1.1 and reverse["invalid"] < 0.05 < forward["invalid"]
    assert forward["forward"] < reverse["forward"] and reverse["reverse"] < forward["reverse"]
    assert (forward["dev"], reverse["dev"]) == (-forward["forward"], -reverse["reverse"])


@pytest.mark.parametrize("text", ["teacher", "own"])
def test_word_by_word_no_mode_is_dropped_at_the_first_word(text):
    assert scores(Modes(1, text), **TRAINED["modes"])["modes"] > 1.5


def test_a_seed_is_another_source():
    one, other = (scores(Modes(0), seed, lr=0.1, steps=1)["forward"] for seed in (1, 2))
    assert one != other
    assert scores(Modes(0), 1, lr=0.1, steps=1)["forward"] == one


def test_the_share_of_valid_strings_is_counted():
    source, length = brackets(2, 3), 6
    written, valid = strings._valid(lambda ids: torch.zeros(*ids.shape, 5), source, length, seed=0)
    right = [[bool(x) for x in row] for row in source.right(written).tolist()]
    for place in range(length):
        assert valid[place].item() == pytest.approx(sum(all(row[: place + 1]) for row in right) / len(right))
    assert strings._valid(source.log_probs, source, length, seed=0)[1][-1] > 0.98, "the teacher itself"


def test_the_share_lost_with_a_symbol():
    assert strings._lost(0.8, 0.2, 2) == pytest.approx(0.5)  # a half of what is left, twice
    assert strings._lost(0.0, 0.0, 2) == 1.0


@pytest.mark.parametrize("divergence, text", [(None, "few"), ("reverse_kl", "own"), ("forward_kl", "unlimited")])
def test_brackets_are_measured_on_strings_of_their_own(divergence, text, monkeypatch):
    monkeypatch.setattr(strings, "MEASURED", 200)
    seen, plain = [], strings._valid
    monkeypatch.setattr(strings, "_valid", lambda *given: seen.append(given[-1]) or plain(*given))
    assert set(scores(Brackets(divergence, text), final=False, **TINY)) == {"dev"} and seen == [10_500]
    found = scores(Brackets(divergence, text), **TINY)
    assert seen == [10_500, 10_500, 20_500]
    assert found["valid"] == pytest.approx(((1 - found["lost"]) * (1 - found["lost_early"])) ** 3)
    assert set(found) == {"dev", "valid", "lost", "lost_early", "copied", "forward"} and found["forward"] > 0


def test_a_student_of_few_strings_copies_them():
    long = TINY | {"steps": 300, "width": 16}
    assert scores(Brackets(None), **long)["copied"] > 0.9 > 0.2 > scores(Brackets("forward_kl"), **TINY)["copied"]


def test_text_decides_what_a_student_of_brackets_reads():
    found = {text: scores(Brackets("reverse_kl", text), final=False, **TINY)["dev"] for text in ("few", "own")}
    assert found["few"] != found["own"]


def test_what_is_not_stored_stays_unknown_with_unlimited_text():
    tails = ("renormalise", "bucket", "sampled", "all", "text", "uld", "text and uld")
    found = {tail: scores(Stored(tail), **TRAINED["stored"]) for tail in tails}
    bias = {tail: one["bias"] for tail, one in found.items()}
    assert bias["renormalise"] > bias["bucket"] + 0.2 > 0.25
    assert max(bias[tail] for tail in ("sampled", "all", "text")) < 0.01 < bias["text and uld"] < bias["uld"]
    assert found["sampled"]["gap"] > 0.1 + bias["sampled"] and found["text"]["gap"] > found["text and uld"]["gap"]
    assert all(one["dev"] == -one["gap"] for one in found.values())


def test_a_draft_of_total_variation_is_accepted_more_and_a_stopped_one_less():
    about = {"lr": 0.05, "steps": 100, "strings": 200}
    found = {name: scores(Draft(name), **about) for name in ("forward_kl", "reverse_kl", "total_variation")}
    assert found["total_variation"]["accepted"] > found["forward_kl"]["accepted"] + 0.02
    assert found["reverse_kl"]["perplexity"] > found["forward_kl"]["perplexity"] > found["forward_kl"]["least"]
    stopped = Draft("forward_kl", until="reverse_kl").run(500, **about)
    assert 0 < stopped["steps"] < 100 and stopped["scores"]["perplexity"] <= found["reverse_kl"]["perplexity"]


class Adds(traces.WindowWriter):
    """Right where no carry runs through two places. Remembers what it was asked."""

    asked: list = []

    def write(self, ids, length):
        prompts = ["".join(SYMBOLS[one] for one in row) for row in ids.tolist()]
        here = [asked_by(prompt) for prompt in prompts]
        self.asked.append({(one.a, one.b) for one in here})
        answers = [one.answer if one.chain < 2 else "7" for one in here]
        texts = [f"{prompt}{answer:{length - len(prompt)}}" for prompt, answer in zip(prompts, answers, strict=True)]
        return torch.tensor([[SYMBOLS.index(symbol) for symbol in text] for text in texts])


def test_right_answers_are_counted_by_how_far_a_carry_runs(monkeypatch):
    monkeypatch.setattr(traces, "WindowWriter", Adds)
    found = scores(Sums("answer"), lr=0.01, steps=20)
    assert [found[name] for name in ("dev", "chained", "single", "plain")] == [0, 0, 1, 1] and 0.4 < found["test"] < 0.7
    dev, test = Adds.asked
    read = {(one.a, one.b) for one in sums(2000, 500)}
    assert len(dev) == len(test) == 400 and not dev & test and not read & (dev | test)


def test_a_writer_of_sums_sees_no_later_symbol_and_learns_where_no_carry_is_in_doubt():
    student, ids = traces.WindowWriter(8, 0), torch.arange(120).view(3, 40) % len(SYMBOLS)
    later = ids.clone()
    later[:, 20:] = 0
    seen, changed = student(ids), student(later)  # of the places from 7 on
    assert torch.equal(seen[:, :13], changed[:, :13]) and not torch.equal(seen[:, 13], changed[:, 13])
    torch.testing.assert_close(student(ids, 30), seen[:, 23:])
    written = student.write(ids[:, :8], 12)
    assert torch.equal(student(written).argmax(-1)[:, :-1], written[:, 8:])
    assert scores(Sums("answer"), lr=0.02, steps=300)["test"] > 0.05, "one in a thousand would be by chance"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Modes(0, "nobody"),
        lambda: Brackets(text="nobody"),
        lambda: Stored("nothing"),
        lambda: Brackets("kl"),
        lambda: Draft("kl"),
        lambda: Draft(until="kl"),
        lambda: Sums("steps"),
    ],
)
def test_misspelt_recipes_are_refused(wrong):
    with pytest.raises(ValueError, match="is not one of"):
        wrong()

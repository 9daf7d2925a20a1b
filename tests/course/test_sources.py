"""Sources are exact: sums over states are sums over all strings, and the rules are those of the language."""

from __future__ import annotations

import itertools
import math
import re

import pytest
import torch

from kdviz.course import sources
from kdviz.course.sources import agreement, brackets, order_two, string_log_prob

SMALL = {"agreement": (agreement(), 3), "brackets": (brackets(2, 2), 5), "order two": (order_two(5), 5)}
every_source = pytest.mark.parametrize("source, length", SMALL.values(), ids=SMALL)


def random_table(source, seed=0):
    """A student that looks at the last symbol alone, as a function and as a source."""
    count = len(source.symbols)
    logits = torch.randn(count, count, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    step = torch.arange(count).repeat(count, 1)
    machine = sources.Source(source.symbols, logits.softmax(-1), step, torch.ones(count, count, dtype=torch.bool))
    return lambda ids: logits[ids], machine


def plain_log_prob(source, row):
    state, total = 0, 0.0
    for symbol in row[1:]:
        total += math.log(source.probs[state, symbol])
        state = int(source.step[state, symbol])
    return total


@every_source
def test_strings_are_counted_once_and_their_probabilities_sum_to_one(source, length):
    ids = source.strings(length)
    assert len({tuple(row) for row in ids.tolist()}) == len(ids) == len(source.symbols) ** length
    log_prob = source.log_prob(ids)
    assert log_prob.exp().sum().item() == pytest.approx(1)
    for row in range(0, len(ids), 97):
        assert log_prob[row].item() == pytest.approx(plain_log_prob(source, ids[row].tolist()))
    assert source.entropy(length) == pytest.approx(-(log_prob.exp() * log_prob).sum().item())


@every_source
def test_divergences_over_states_and_over_strings_agree(source, length):
    function, machine = random_table(source)
    ids = source.strings(length)
    p, q = source.log_prob(ids), string_log_prob(function(ids), ids)
    expected = (p.exp() * (p - q)).sum().item(), (q.exp() * (q - p)).sum().item()
    assert source.kl(function, length) == pytest.approx(expected)
    assert source.kl(machine, length) == pytest.approx(expected)
    assert source.kl(source, length) == (0, 0)
    by_prefix = (p.exp()[:, None, None] * source.probs[source.states(ids)[:, :-1]]).sum()
    assert by_prefix.item() == pytest.approx(length)


@every_source
def test_samples_come_as_often_as_their_probability_says(source, length):
    drawn = source.sample(4000, length, torch.Generator().manual_seed(3))
    counts = torch.bincount(drawn[:, 2], minlength=len(source.symbols)) / 4000
    ids = source.strings(2)
    expected = torch.zeros(len(source.symbols), dtype=torch.double).index_add(0, ids[:, 2], source.log_prob(ids).exp())
    assert (counts - expected).abs().max() < 4 * 0.5 / 4000**0.5
    assert drawn.shape == (4000, length + 1) and (drawn[:, 0] == 0).all()


def test_agreement_knows_its_modes():
    source = agreement(shares=(0.6, 0.3, 0.1), slip=0.01)
    ids = source.strings(3)
    valid = [source.text(row) for row in ids[source.right(ids).all(1)]]
    pairs = {"I": "am", "she": "is", "they": "are"}
    assert sorted(valid) == sorted(f"{s} {a} {v}" for (s, v), a in itertools.product(pairs.items(), ("often", "never")))
    mass = source.mass(source.log_prob(ids), ids)
    right = 0.99 + 0.01 / 9  # a slip may hit what is right
    assert mass["I … am"] == pytest.approx((0.6 * 0.99 + 0.01 / 9) * (0.99 + 0.02 / 9) * right)
    assert list(mass) == ["I … am", "she … is", "they … are", "none"] and sum(mass.values()) == pytest.approx(1)


@pytest.mark.parametrize("kinds, depth", [(1, 3), (2, 2), (3, 4)])
def test_brackets_close_what_they_opened(kinds, depth):
    """A string is valid when removing matching pairs leaves open brackets alone, and it never nests too deep."""
    source = brackets(kinds, depth)

    def keeps_the_rules(text):
        if source.symbols[0] in text:
            return False
        left, nested = text, max(sum(1 if c in "([{" else -1 for c in text[:n]) for n in range(len(text) + 1))
        while re.search(r"\(\)|\[\]|\{\}", left):
            left = re.sub(r"\(\)|\[\]|\{\}", "", left)
        return nested <= depth and not re.search(r"[)\]}]", left)

    generator = torch.Generator().manual_seed(0)
    ids = torch.cat(
        [torch.zeros(3000, 1).long(), torch.randint(len(source.symbols), (3000, 5), generator=generator)], 1
    )
    ids = torch.cat([ids, source.sample(500, 5, generator)])
    right = source.right(ids).all(1)
    assert right.tolist() == [keeps_the_rules(source.text(row).replace(" ", "")) for row in ids]
    assert 0 < right.sum() < len(ids)


@every_source
def test_what_is_accepted_of_a_draft_is_the_mass_that_both_share(source, length):
    """Over all prefixes, each with the source's own probability."""
    student, machine = random_table(source)
    total = 0.0
    for place in range(length):
        ids = source.strings(place) if place else torch.zeros(1, 1, dtype=torch.long)
        shared = torch.minimum(source.log_probs(ids)[:, -1].exp(), student(ids)[:, -1].softmax(-1)).sum(-1)
        total += (source.log_prob(ids).exp() * shared).sum().item()
    assert source.accepted(machine, length) == pytest.approx(total / length, abs=1e-9)
    assert source.accepted(source, length) == pytest.approx(1)


def test_a_slip_is_forgiven():
    source = brackets(2, 3)
    names = {name: number for number, name in enumerate(source.symbols)}
    ids = torch.tensor([[0, *(names[c] for c in "(])")], [0, *(names[c] for c in "()[")]])
    assert source.right(ids).tolist() == [[True, False, True], [True, True, True]]
    assert source.states(ids)[0, 1] == source.states(ids)[0, 2]


def test_an_order_two_source_looks_two_symbols_back():
    source = order_two(6, seed=4)
    ids = source.strings(4)
    rows = source.log_probs(ids)[:, -1].exp()
    same_two = (ids[:, 3:] == ids[0, 3:]).all(1)
    assert (rows[same_two] == rows[0]).all()
    for place in (3, 4):  # the last but one counts, and the last
        others = rows[(ids[:, place] != ids[0, place]) & (ids[:, 7 - place] == ids[0, 7 - place])]
        assert len(others) and not (others == rows[0]).all(1).any()
    assert torch.equal(source.probs, order_two(6, seed=4).probs) and not torch.equal(source.probs, order_two(6).probs)


def test_errors_name_the_fix():
    wrong = {
        r"begin with the boundary, symbol 0; got \(1, 2\)": lambda: agreement().states(torch.tensor([[1, 2]])),
        "7.10 = 282,475,249 strings, 300,000 are the most": lambda: brackets().strings(10),
        "5 kinds of brackets: 1 to 4": lambda: brackets(5),
        "0 kinds of brackets": lambda: brackets(0),
        "slip=0 is a probability above 0": lambda: agreement(slip=0),
        "21 symbols: 2 to 20": lambda: order_two(21),
        "compare equal symbols": lambda: brackets(2).kl(brackets(3), 2),
    }
    for message, call in wrong.items():
        with pytest.raises(ValueError, match=message):
            call()

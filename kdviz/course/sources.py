"""Teachers that are distributions: sources of strings about which every question has an exact answer.

A source is a machine with states. In each state it has a probability for every symbol, and each symbol leads to one
next state. So the probability of a string, the next symbol after any prefix, the entropy and the divergence from any
student are computed, not estimated, and whether a string breaks the source's rules is known symbol by symbol.

Symbol 0 is the boundary: every string begins with it, as a model's input does, and where strings end they end with it.

>>> source = brackets()
>>> ids = source.sample(4, 10)                    # (4, 11): the boundary and ten symbols
>>> source.log_probs(ids)[:, :-1]                 # (4, 10, V): the teacher's logits for symbols 1 … 10
>>> source.right(ids)                             # (4, 10): which symbols keep the rules
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

BOUNDARY = "·"
MOST_STRINGS = 300_000  # that are listed one by one


@dataclass(frozen=True)
class Source:
    """A source of strings over V symbols, with S states; it starts in state 0, after the boundary.

    symbols : V names, the boundary first
    probs   : (S, V) probability of each symbol in each state, all above 0
    step    : (S, V) the state that follows
    allowed : (S, V) bool, the symbols that keep the rules; the others are slips
    modes   : state -> name of the mode of a string that ends in this state and keeps the rules
    """

    symbols: tuple[str, ...]
    probs: torch.Tensor
    step: torch.Tensor
    allowed: torch.Tensor
    modes: dict[int, str] = field(default_factory=dict)

    def states(self, ids: torch.Tensor) -> torch.Tensor:
        """The state after every prefix. (B, n) symbols, a boundary first -> (B, n)."""
        if ids.ndim != 2 or (ids[:, 0] != 0).any():
            raise ValueError(f"strings are (B, n) and begin with the boundary, symbol 0; got {tuple(ids.shape)}")
        state = torch.zeros_like(ids)
        for place in range(1, ids.shape[1]):
            state[:, place] = self.step[state[:, place - 1], ids[:, place]]
        return state

    def log_probs(self, ids: torch.Tensor) -> torch.Tensor:
        """Log-probability of every next symbol after every prefix: a teacher's logits. (B, n) -> (B, n, V)."""
        return self.probs.log()[self.states(ids)]

    def log_prob(self, ids: torch.Tensor) -> torch.Tensor:
        """Log-probability of whole strings, nats. (B, n) -> (B,)."""
        return string_log_prob(self.log_probs(ids), ids)

    def right(self, ids: torch.Tensor) -> torch.Tensor:
        """Which symbols after the first keep the rules. (B, n) -> (B, n-1) bool; all of a row: the string is valid."""
        return self.allowed[self.states(ids)[:, :-1], ids[:, 1:]]

    def sample(self, count: int, length: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """`count` strings of `length` symbols after the boundary. (count, length + 1)."""
        return sample(self.log_probs, count, length, generator)

    def strings(self, length: int) -> torch.Tensor:
        """Every string of so many symbols. (V^length, length + 1); ValueError above 300,000."""
        if (count := len(self.symbols) ** length) > MOST_STRINGS:
            raise ValueError(
                f"{len(self.symbols)}^{length} = {count:,} strings, {MOST_STRINGS:,} are the most: shorten"
            )
        every = torch.cartesian_prod(*[torch.arange(len(self.symbols))] * length).reshape(count, length)
        return torch.cat([torch.zeros(count, 1, dtype=torch.long), every], 1)

    def mass(self, log_prob: torch.Tensor, ids: torch.Tensor) -> dict[str, float]:
        """Probability of each mode, and of strings that break the rules ("none").

        log_prob : (B,) of the strings, by the source or by a student   ids : (B, n), each string once
        """
        valid, last, share = self.right(ids).all(1), self.states(ids)[:, -1], log_prob.exp()
        found = {name: share[valid & (last == state)].sum().item() for state, name in self.modes.items()}
        return found | {"none": share[~valid].sum().item()}

    def entropy(self, length: int) -> float:
        """Of strings of so many symbols, nats: over the states, so that no string need be listed."""
        return -_expected(self, self, length, lambda p, _: (p * p.log()).sum(-1))

    def kl(self, student: Source | Callable, length: int) -> tuple[float, float]:
        """KL(source ‖ student) and KL(student ‖ source) of strings of so many symbols, nats, exact.

        student : another source, which is compared state by state at any length; or a function (B, n) -> logits
            (B, n, V), for which every string is listed.
        """
        if isinstance(student, Source):
            gap = lambda p, q: (p * (p / q).log()).sum(-1)
            return _expected(self, student, length, gap), _expected(student, self, length, gap)
        ids = self.strings(length)
        with torch.no_grad():
            q = string_log_prob(student(ids), ids).double()
        p = self.log_prob(ids)
        return (p.exp() * (p - q)).sum().item(), (q.exp() * (q - p)).sum().item()

    def accepted(self, draft: Source, length: int) -> float:
        """How often a symbol that `draft` proposes is accepted after text of this source: Σ min(p, q), exact.

        The mean over the places of strings of so many symbols. Leviathan et al. 2023, Corollary 3.6.
        """
        return _expected(self, draft, length, lambda p, q: torch.minimum(p, q).sum(-1)) / length

    def text(self, row: torch.Tensor) -> str:
        """One string, (n,) symbols, as words."""
        return " ".join(self.symbols[symbol] for symbol in row[1:].tolist())


def _expected(source: Source, other: Source, length: int, value: Callable) -> float:
    """Sum over the places of a string of the mean, over strings of `source`, of value(probs, probs of `other`)."""
    if source.symbols != other.symbols:
        raise ValueError(f"the sources speak {source.symbols} and {other.symbols}: compare equal symbols")
    here, there, mass, total = *torch.zeros(2, 1, dtype=torch.long), torch.ones(1, dtype=torch.double), 0.0
    for _ in range(length):  # over the pairs of states that strings have reached, each with its probability
        total += (mass * value(source.probs[here], other.probs[there])).sum().item()
        pairs, place = (source.step[here] * len(other.probs) + other.step[there]).unique(return_inverse=True)
        moved = mass.unsqueeze(1) * source.probs[here]
        mass = torch.zeros(len(pairs), dtype=torch.double).index_add(0, place.flatten(), moved.flatten())
        here, there = pairs // len(other.probs), pairs % len(other.probs)
    return total


def string_log_prob(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Log-probability of whole strings under any model. logits (B, n, V) of the next symbol, ids (B, n) -> (B,)."""
    return logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1).sum(-1)


@torch.no_grad()
def sample(model: Callable, count: int, length: int, generator: torch.Generator | None = None) -> torch.Tensor:
    """Strings written by any model, (B, n) -> logits (B, n, V). (count, length + 1), a boundary first."""
    ids = torch.zeros(count, 1, dtype=torch.long)
    for _ in range(length):
        ids = torch.cat([ids, torch.multinomial(model(ids)[:, -1].softmax(-1), 1, generator=generator)], 1)
    return ids


# ---- three sources -------------------------------------------------------------------------------------------------


def agreement(shares=(0.5, 0.3, 0.2), slip: float = 0.001) -> Source:
    """Three words a string: a subject, an adverb, and the verb that agrees with the subject two words before.

    shares : of "I … am", "she … is" and "they … are", the three modes
    slip   : probability of a word that breaks the rules, spread over all words; above 0, else KL may be infinite
    """
    words = (BOUNDARY, "I", "she", "they", "often", "never", "am", "is", "are")
    rules = torch.zeros(10, 9, dtype=torch.double)  # start; subject, adverb, verb of each mode
    step = torch.ones(10, 9, dtype=torch.long)  # a slip at the start is read as the first subject
    for mode, share in enumerate(shares):
        subject, adverb, verb = range(1 + 3 * mode, 4 + 3 * mode)
        rules[0, 1 + mode], step[0, 1 + mode] = share, subject
        rules[subject, 4:6], step[subject] = 0.5, adverb
        rules[adverb, 6 + mode], step[adverb] = 1, verb
        rules[verb, 0], step[verb] = 1, verb
    return _slipping(words, rules, step, slip, {3: "I … am", 6: "she … is", 9: "they … are"})


def brackets(kinds: int = 3, depth: int = 3, close: float = 0.5, slip: float = 0.001) -> Source:
    """Brackets of several kinds that close in the order in which they opened, nested at most `depth` deep.

    With brackets open, the last one is closed with probability `close`; at full depth always. A slip is forgiven: the
    source goes on as if it had not been written, so that there is a right next symbol after any prefix.
    """
    pairs = ("()", "[]", "{}", "<>")[:kinds]
    if not 1 <= kinds <= 4:
        raise ValueError(f"{kinds} kinds of brackets: 1 to 4 are known")
    stacks = [stack for size in range(depth + 1) for stack in itertools.product(range(kinds), repeat=size)]
    place = {stack: number for number, stack in enumerate(stacks)}
    rules = torch.zeros(len(stacks), 1 + 2 * kinds, dtype=torch.double)
    step = torch.arange(len(stacks)).unsqueeze(1).repeat(1, 1 + 2 * kinds)
    for stack, state in place.items():
        closing = 0 if not stack else 1 if len(stack) == depth else close
        if len(stack) < depth:
            rules[state, 1::2] = (1 - closing) / kinds
            step[state, 1::2] = torch.tensor([place[*stack, kind] for kind in range(kinds)])
        if stack:
            rules[state, 2 + 2 * stack[-1]] = closing
            step[state, 2 + 2 * stack[-1]] = place[stack[:-1]]
    return _slipping((BOUNDARY, *"".join(pairs)), rules, step, slip, {})


def order_two(symbols: int = 12, concentration: float = 0.2, seed: int = 0) -> Source:
    """Every symbol depends on the two before it, by a random table that never changes with the place in the string.

    symbols : V ≤ 20, the boundary included, which is a symbol like any other here
    concentration : of the Dirichlet distribution each row is drawn from; small: few likely next symbols
    """
    if not 2 <= symbols <= 20:
        raise ValueError(f"{symbols} symbols: 2 to 20, so that all sums stay small")
    generator = torch.Generator().manual_seed(seed)
    shape = torch.full((symbols * symbols, symbols), concentration, dtype=torch.double)
    drawn = torch._standard_gamma(shape, generator=generator)
    rows = torch.arange(symbols * symbols)
    step = (rows % symbols * symbols).unsqueeze(1) + torch.arange(symbols)
    names = (BOUNDARY, *"abcdefghijklmnopqrs"[: symbols - 1])
    return _slipping(names, drawn / drawn.sum(1, keepdim=True), step, 1e-3, {})


def _slipping(symbols, rules, step, slip, modes) -> Source:
    if not 0 < slip < 1:
        raise ValueError(f"slip={slip} is a probability above 0 and below 1: at 0 a divergence may be infinite")
    return Source(symbols, (1 - slip) * rules + slip / len(symbols), step, rules > 0, modes)

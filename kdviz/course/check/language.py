"""Exercises of lessons 18 to 20: divergences between language models, what to store of a teacher, drafts, traces."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from kdviz.course.check import exercise
from kdviz.course.check.parts import Draw


def _kl(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """KL(a ‖ b) of probabilities (…, V) -> (…)."""
    return (a * (a / b).log()).sum(-1)


def _pair(draw: Draw, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A teacher's and a student's probabilities."""
    return draw.normal(*shape, scale=1.5).softmax(-1), draw.normal(*shape).softmax(-1)


@exercise(lambda draw: (draw.normal(4, 6, 5), draw.classes(24, 5).view(4, 6)), learns=0)
def string_log_prob(logits, ids):
    """Logits at a place speak of the symbol after it: the last ones are not used, the first symbol costs nothing."""
    log_q = logits.log_softmax(-1)

    def of(chosen, wanted):
        return chosen.gather(-1, wanted.unsqueeze(-1)).squeeze(-1)

    each = of(log_q[:, :-1], ids[:, 1:])
    over_places = logits.log_softmax(1)
    return each.sum(1), {
        "the logits at a place speak of the next symbol, not of their own: shift them by one.": [
            of(log_q, ids).sum(1),
            of(log_q[:, 1:], ids[:, 1:]).sum(1),
        ],
        "shifted the wrong way: logits [:, :-1] belong to ids [:, 1:].": of(log_q[:, 1:], ids[:, :-1]).sum(1),
        "these are logits; take the log-softmax over the vocabulary first.": of(logits[:, :-1], ids[:, 1:]).sum(1),
        "probabilities are multiplied, their logarithms added: you added probabilities.": each.exp().sum(1),
        "this is the probability; asked is its logarithm.": each.sum(1).exp(),
        "this is the mean over the places; a string's log-probability is the sum.": each.mean(1),
        "this is one number for all strings; asked is one for each.": [each.sum(), each.sum(1).mean()],
        "the softmax runs over the places; it runs over the vocabulary, the last axis.": (
            of(over_places[:, :-1], ids[:, 1:]).sum(1)
        ),
        "the sign: this is the cross-entropy, and the log-probability is minus that.": -each.sum(1),
        "the symbol itself is not looked up: take the entry of the vocabulary that was written.": (
            log_q[:, :-1].amax(-1).sum(1)
        ),
        "these are the log-probabilities symbol by symbol; sum them over the string.": each,
    }


@exercise(lambda draw: (*_pair(draw, 5, 6), draw.share(0.15, 0.4)), learns=1)
def generalized_divergence(p, q, beta):
    """With β = 0.1 it is nearly a tenth of KL(p ‖ q), with β = 0.9 nearly a tenth of KL(q ‖ p)."""
    m, other, rest = beta * p + (1 - beta) * q, (1 - beta) * p + beta * q, 1 - beta
    right = beta * _kl(p, m) + rest * _kl(q, m)
    half = (p + q) / 2
    return right, {
        "the mixture is turned round: teacher p has the share β, student q the rest.": (
            beta * _kl(p, other) + rest * _kl(q, other)
        ),
        "the weights of the two terms are turned round: β belongs to KL(p ‖ m).": rest * _kl(p, m) + beta * _kl(q, m),
        "p and q have changed places throughout: β now runs from reverse to forward.": (
            rest * _kl(p, other) + beta * _kl(q, other)
        ),
        "m stands first: each model is compared with the mixture, KL(p ‖ m), not KL(m ‖ p).": (
            beta * _kl(m, p) + rest * _kl(m, q)
        ),
        "the mixture is half and half whatever β is.": beta * _kl(p, half) + rest * _kl(q, half),
        "there is no mixture in it: this blends KL(p ‖ q) and KL(q ‖ p), which stays infinite where one is.": [
            beta * _kl(p, q) + rest * _kl(q, p),
            rest * _kl(p, q) + beta * _kl(q, p),
        ],
        "the two terms are added without their weights β and 1 - β.": _kl(p, m) + _kl(q, m),
        "the student's term is missing.": [beta * _kl(p, m), _kl(p, m)],
        "the teacher's term is missing.": [rest * _kl(q, m), _kl(q, m)],
        "this is the mean over the vocabulary; a divergence is a sum over it.": right / p.shape[-1],
        "asked is one number a position; do not take the mean over the positions.": right.mean(),
        "the logarithms are to base 2; take natural ones.": right / torch.tensor(2.0).log(),
    }


@exercise(lambda draw: (draw.uniform(12, 7) > 0.2,))
def valid_so_far(right):
    """It can only fall: a string with one wrong symbol stays invalid."""
    keeps = right.float()
    whole = keeps.cumprod(1)
    before = torch.cat([torch.ones(1), whole.mean(0)[:-1]])
    return whole.mean(0), {
        "this is the share of right symbols at each place; a string with an earlier error counts as invalid, too.": (
            keeps.mean(0)
        ),
        "this is the share of invalid strings; asked is the share of valid ones.": 1 - whole.mean(0),
        "multiplying the shares of the places takes the errors for independent; multiply inside each string first.": (
            keeps.mean(0).cumprod(0)
        ),
        "this is the share of right symbols so far; one error makes the string invalid.": (
            keeps.cumsum(1) / torch.arange(1, right.shape[1] + 1)
        ).mean(0),
        "the product runs down the batch: it runs along each string, axis 1.": [
            keeps.cumprod(0).mean(0),
            keeps.cumprod(0)[-1],
        ],
        "the place itself is left out: a string that errs here is invalid from here on.": before,
        "this is one number a string; asked is one a place: the mean over the strings.": [whole[:, -1], whole.mean(1)],
        "these are counts; divide by the number of strings.": whole.sum(0),
        "this is read from the end: the share of strings without an error from each place on.": (
            keeps.flip(1).cumprod(1).flip(1).mean(0)
        ),
        "a string counts here as long as any of its symbols was right; all of them must be.": (
            keeps.cummax(1).values.mean(0)
        ),
        "this is the share of strings that are valid to the end, at every place.": whole[:, -1].mean().expand(7),
    }


def _stored(draw: Draw) -> tuple:
    p, q = _pair(draw, 5, 8)
    log_p, ids = p.log().topk(3)
    return q.log(), ids, log_p


@exercise(_stored, learns=0)
def bucket_kl(log_q, ids, log_p):
    """The student is told how much mass the tail has, and is free to share it out."""
    q, p = log_q.gather(-1, ids).exp(), log_p.exp()
    rest_p, rest_q = (1 - x.sum(-1, keepdim=True) for x in (p, q))
    full_p, full_q = torch.cat([p, rest_p], -1), torch.cat([q, rest_q], -1)
    even = rest_p / (log_q.shape[-1] - ids.shape[-1])
    rest = rest_p.squeeze(-1)
    return _kl(full_p, full_q), {
        "the bucket is missing: the entries alone do not sum to 1, and this may even be negative.": _kl(p, q),
        "the teacher is renormalised over what is stored: the student would learn that nothing else exists.": (
            _kl(p / p.sum(-1, keepdim=True), q)
        ),
        "both sides are renormalised: then how much mass the tail has is not learned at all.": (
            _kl(p / p.sum(-1, keepdim=True), q / q.sum(-1, keepdim=True))
        ),
        "the student has no bucket: its probability for the tail is 1 minus that of the stored words.": (
            _kl(p, q) + (rest_p * rest_p.log()).squeeze(-1)
        ),
        "the bucket is compared turned round: the teacher's mass stands in front.": (
            _kl(p, q) + (rest_q * (rest_q / rest_p).log()).squeeze(-1)
        ),
        "KL is turned round: this is KL(student ‖ teacher).": _kl(full_q, full_p),
        "the teacher's tail is spread evenly over its words; it is one entry, its whole mass.": (
            _kl(p, q) + (rest_p * (even / rest_q).log()).squeeze(-1)
        ),
        "the logarithm of the bucket is missing: add rest_p · log(rest_p / rest_q).": (
            _kl(p, q) + (rest_p * rest_p / rest_q).squeeze(-1)
        ),
        "the bucket's mass in front is missing: log(rest_p / rest_q) counts rest_p times.": (
            _kl(p, q) + (rest_p / rest_q).log().squeeze(-1)
        ),
        "the student's entries are its own first ones; gather those of the stored words.": _kl(
            full_p, torch.cat([log_q[:, :3].exp(), 1 - log_q[:, :3].exp().sum(-1, keepdim=True)], -1)
        ),
        "this is a cross-entropy: the teacher's own entropy is not taken off.": -(full_p * full_q.log()).sum(-1),
        "the bucket's logarithm is taken of the student alone.": _kl(p, q) - rest * rest_q.log().squeeze(-1),
    }


def _drawn(draw: Draw) -> tuple:
    p, r = _pair(draw, 4, 9)
    return p, r, torch.stack([draw.classes(5, 9) for _ in range(4)])


@exercise(_drawn)
def sample_weights(p, r, ids):
    """Words that are drawn too often count less, and the estimate is right on average."""
    k = ids.shape[-1]
    p_i, r_i = p.gather(-1, ids), r.gather(-1, ids)
    ratio = p_i / r_i
    return ratio / k, {
        "divide by k, the number of draws: the estimate is a mean.": ratio,
        "1/k is right where words are drawn from the teacher itself; these are drawn from r.": torch.full_like(
            p_i, 1 / k
        ),
        "the ratio is upside down: what r draws too often must count less.": r_i / p_i / k,
        "you normalised the weights to sum to 1: then the estimate is biased, as a short top-k is.": (
            ratio / ratio.sum(-1, keepdim=True)
        ),
        "the probability of drawing is missing: divide by r.": [p_i / k, p_i],
        "the teacher's probability is missing: multiply by p.": [1 / (r_i * k), 1 / r_i],
        "this is the difference of the logarithms; take the ratio itself.": [ratio.log() / k, ratio.log()],
        "divide by the number of draws, not by the size of the vocabulary.": ratio / p.shape[-1],
        "these are the weights of all words; asked are those of the words drawn: gather.": [p / r / k, p / r],
        "you gathered the ratio of the first k words; take that of the words drawn.": (p / r)[:, :k] / k,
        "p and r multiply where they should divide.": p_i * r_i / k,
    }


@exercise(lambda draw: (draw.normal(5, 9, scale=1.5).softmax(-1), draw.normal(5, 7).softmax(-1)), learns=1)
def sorted_gap(p, q):
    """No word has a name here: that is why other vocabularies can be compared, and what the loss cannot see."""
    longer = F.pad(q, (0, p.shape[-1] - q.shape[-1]))
    p_down, q_down = p.sort(descending=True).values, longer.sort(descending=True).values
    gap = (p_down - q_down).abs()
    up = F.pad(q.sort().values, (0, p.shape[-1] - q.shape[-1]))
    size = q.shape[-1]
    return gap.sum(-1), {
        "nothing is sorted: words of two vocabularies are compared as if they were the same.": (p - longer)
        .abs()
        .sum(-1),
        "only the teacher is sorted.": (p_down - longer).abs().sum(-1),
        "only the student is sorted.": (p - q_down).abs().sum(-1),
        "the zeros stand beside the teacher's largest words: sort from large to small, then pad.": (
            (p.sort().values - up).abs().sum(-1)
        ),
        "one side runs up, the other down: sort both from large to small.": (p.sort().values - q_down).abs().sum(-1),
        "the longer list is cut; pad the shorter with zeros, so that what is missing counts.": (
            gap[..., :size].sum(-1)
        ),
        "these are squares; take absolute differences.": gap.square().sum(-1),
        "this is the mean over the words; take the sum.": [gap.mean(-1), gap.sum(-1) / size],
        "half of it would be the total variation; ULD is the whole sum.": gap.sum(-1) / 2,
        "the differences are summed with their signs, and cancel.": (p_down - q_down).sum(-1),
        "asked is one number a position; do not take the mean over the positions.": gap.sum(-1).mean(),
        "the largest difference alone; take the sum of all.": gap.amax(-1),
        "these are differences of logarithms; compare the probabilities.": (
            (p_down[..., :size].log() - q_down[..., :size].log()).abs().sum(-1)
        ),
    }


def _drafted(draw: Draw) -> tuple:
    return (*_pair(draw, 7, 6), draw.classes(7, 6))


@exercise(_drafted)
def accept_rate(p, q, drafted):
    """A word that the draft likes too much is accepted less often; one that it likes too little, always."""

    def of(x):
        return x.gather(-1, drafted[:, None]).squeeze(-1)

    p_x, q_x = of(p), of(q)
    return (p_x / q_x).clamp(max=1), {
        "p and q have changed places: the large model's probability stands above the draft's.": (q_x / p_x).clamp(
            max=1
        ),
        "a probability is at most 1: take min(1, p/q).": p_x / q_x,
        "this is the smaller of the two probabilities, which is how often the word is drafted *and* accepted.": (
            torch.minimum(p_x, q_x)
        ),
        "this is Σ min(p, q), the rate over all words that may be drafted; asked is that of the word drafted.": (
            torch.minimum(p, q).sum(-1)
        ),
        "this is the large model's probability; a draft drew the word, and that counts: divide by q.": p_x,
        "you say yes or no; asked is the probability.": [(p_x >= q_x).float(), (p_x > q_x).float()],
        "this is how often the word is refused; asked is how often it is accepted.": 1 - (p_x / q_x).clamp(max=1),
        "the ratio is right, the wrong side of 1 is cut off: use the smaller of 1 and p/q.": (p_x / q_x).clamp(min=1),
        "these are the rates of all words of the vocabulary; gather that of the word drafted.": (p / q).clamp(max=1),
        "this takes the likeliest word of the draft, not the one that was drafted.": (
            (p / q).clamp(max=1).gather(-1, q.argmax(-1, keepdim=True)).squeeze(-1)
        ),
        "p / (p + q) is another rule: with it the text is no longer the large model's.": p_x / (p_x + q_x),
        "asked is one rate a position; do not take the mean.": (p_x / q_x).clamp(max=1).mean(),
    }


@exercise(lambda draw: _pair(draw, 6, 7))
def drawn_again(p, q):
    """What the draft already gives enough of is never drawn again: the two ways together give p."""
    short = (p - q).clamp(min=0)

    def normal(x):
        return x / x.sum(-1, keepdim=True)

    return normal(short), {
        "divide by the sum: probabilities must sum to 1.": short,
        "turned round: what the draft gives too *little* of is drawn again, max(p - q, 0).": (
            normal((q - p).clamp(min=0))
        ),
        "what is negative must become 0, not change its sign.": [normal((p - q).abs()), (p - q).abs()],
        "drawn from p itself, words that the draft likes come too often: they had their chance already.": p,
        "a softmax gives every word something; cut off below 0, then divide by the sum.": [
            (p - q).softmax(-1),
            short.softmax(-1),
        ],
        "nothing is cut off: a probability cannot be negative.": [p - q, (p - q) / short.sum(-1, keepdim=True)],
        "the sum runs over the batch; it runs over the vocabulary, the last axis.": short / short.sum(0),
        "this is the part that both have, min(p, q): what is *missing* must be drawn.": [
            normal(torch.minimum(p, q)),
            torch.minimum(p, q),
        ],
        "p without the draft's likeliest word is not what is missing: subtract all of q.": normal(
            p.scatter(-1, q.argmax(-1, keepdim=True), 0)
        ),
        "you divided by the sum of all, not of each row.": short / short.sum(),
        "the ratio p/q is what accepts; what is missing is a difference.": [normal(p / q), normal((p / q - 1).relu())],
    }


@exercise(lambda draw: (draw.uniform(8, 5, low=0.2, high=0.9),))
def words_a_call(rates):
    """Each place is reached only if all before it were accepted, and one word is always the large model's own."""
    reached = rates.cumprod(-1)
    count, mean = rates.shape[-1], rates.mean(-1)
    return 1 + reached.sum(-1), {
        "the large model's own word is missing: every call brings one.": reached.sum(-1),
        "these are sums of the rates; a place counts only if all before it were accepted: multiply.": [
            rates.sum(-1),
            1 + rates.sum(-1),
        ],
        "this is the probability that all are accepted; sum it over the places.": [reached[:, -1], 1 + reached[:, -1]],
        "this is as if every call accepted the whole draft or nothing.": [
            count * reached[:, -1],
            1 + count * reached[:, -1],
        ],
        "this takes the mean rate at every place; here each place has its own.": (
            (1 - mean ** (count + 1)) / (1 - mean)
        ),
        "this multiplies along the batch; multiply along the places, the last axis.": 1 + rates.cumprod(0).sum(-1),
        "the product runs from the end of the draft; it begins at the first place.": (
            1 + rates.flip(-1).cumprod(-1).sum(-1)
        ),
        "the first place is left out: it, too, is accepted only by its rate.": [
            1 + rates[:, 1:].cumprod(-1).sum(-1),
            2 + reached[:, 1:].sum(-1),
        ],
        "the last place is left out.": 1 + reached[:, :-1].sum(-1),
        "these are the chances to be refused; multiply the rates themselves.": 1 + (1 - rates).cumprod(-1).sum(-1),
        "this is the mean over the places; take the sum.": [reached.mean(-1), 1 + reached.mean(-1)],
        "asked is one number a row; do not take the mean over the rows.": (1 + reached.sum(-1)).mean(),
        "these are the chances to reach each place; sum them.": [reached, 1 + reached],
    }


def _rows_of_text(draw: Draw) -> tuple:
    asked = torch.tensor([draw.integer(2, 4) for _ in range(5)])
    return asked, asked + torch.tensor([draw.integer(2, 5) for _ in range(5)]), 11


@exercise(_rows_of_text)
def counted_places(asked, ends, n):
    """The last symbol of the prompt already counts: it is there that the first symbol of the answer is predicted."""
    place, a, e = torch.arange(n), asked[:, None], ends[:, None]
    right = (place >= a - 1) & (place < e - 1)
    return right, {
        "a place predicts the *next* symbol: this is late by one, and the answer's first symbol is never learned.": (
            (place >= a) & (place < e)
        ),
        "the prompt's last place is missing: it predicts the first symbol of the answer.": (place >= a)
        & (place < e - 1),
        "the last place predicts what stands behind the end: padding.": (place >= a - 1) & (place < e),
        "this is early by one: the prompt's own last symbol is learned.": (place >= a - 2) & (place < e - 2),
        "the prompt counts, too: the student would learn to write questions.": [place < e - 1, place < e],
        "the padding counts, too.": [place >= a - 1, place >= a],
        "turned round: True is for what counts.": ~right,
        "this is the prompt; the completion counts.": [place < a, place < a - 1],
        "all rows are cut where the first one is: prompts differ in length.": (
            ((place >= a[0] - 1) & (place < e[0] - 1)).expand(len(asked), n)
        ),
        "everything counts.": torch.ones_like(right),
        "one symbol of the prompt too much.": (place >= a - 2) & (place < e - 1),
    }

"""Question answering: a question and its context as windows of tokens, the best span of a context, and its score.

Answers are spans: characters (start, end) of the context, tokens (start, end) of a window, the end left out for
characters and counted in for tokens. (0, 0) is "no answer" in both, for the first token of a window, [CLS], is no part
of the context; -100 stands for a question without a label.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch

from kdviz.losses.logits import UNLABELLED
from kdviz.states import text_to_ids

SPAN = ("start", "end")  # what the two outputs of a model are called
AWAY = -1e4  # the logit of a token that cannot begin or end an answer: no weight in a softmax, and a float16 number
LONGEST = 30  # tokens of an answer
NEVER = 1e9  # a threshold that no gap reaches: every question gets a span
OVERLAP = 4  # neighbouring windows share max_length // OVERLAP tokens
CHUNK = 1000  # questions that are cut at once: a tokenizer keeps much about each token


@dataclass(frozen=True)
class Question:
    """answers : texts of which one is to be found, none for "no answer"; None where the question has no label."""

    text: str
    context: str
    answers: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Window:
    """A part of a question's context.

    first   : place of the first token of the context
    offsets : (m, 2) characters of the context that this token and those after it stand for
    """

    question: Question
    first: int
    offsets: np.ndarray


def windows(tokenizer, asked: list[Question], spans, max_length: int) -> tuple[list, list, np.ndarray, list[Window]]:
    """Ids and types (one array a window), labels (windows, 2) and `Window`s, those of a question one after the other.

    spans : (N, 2) characters of each question's answer, or (0, 0), or -100
    An answer that does not lie whole in a window is none there. Types are 1 in the context, whatever the tokenizer.
    Raises ValueError for a question that leaves no room for the context, and TypeError for a slow tokenizer.
    """
    if not tokenizer.is_fast:
        raise TypeError("this tokenizer cannot tell which characters a token stands for: load a fast one")
    stride, specials = max_length // OVERLAP, tokenizer.num_special_tokens_to_add(pair=True)
    ids, types, labels, made = [], [], [], []
    for begin in range(0, len(asked), CHUNK):
        part = asked[begin : begin + CHUNK]
        plain = {"add_special_tokens": False, "return_attention_mask": False}
        lengths = [len(one) for one in text_to_ids(tokenizer, [one.text for one in part], **plain)["input_ids"]]
        place = int(np.argmax(lengths))
        if lengths[place] + specials + stride >= max_length:
            raise ValueError(
                f"the question {part[place].text!r:.60} has {lengths[place]} tokens, which leaves no room for its "
                f"context in max_length={max_length} (windows share {stride}): choose a larger one, or shorten it"
            )
        found = text_to_ids(
            tokenizer,
            [one.text for one in part],
            [one.context for one in part],
            truncation="only_second",
            max_length=max_length,
            stride=stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_attention_mask=False,
        )
        own = found.get("token_type_ids")
        for row, number in enumerate(found["overflow_to_sample_mapping"]):
            inside = np.array([side == 1 for side in found.sequence_ids(row)])
            first, count = int(inside.argmax()), int(inside.sum())
            offsets = np.array(found["offset_mapping"][row], np.int32)[first : first + count]
            ids.append(np.asarray(found["input_ids"][row], np.int64))
            types.append(np.asarray(own[row] if own and any(own[row]) else inside, np.int64))
            labels.append(_tokens(spans[begin + number], first, offsets))
            made.append(Window(part[number], first, offsets))
    return ids, types, np.array(labels, np.int64).reshape(-1, 2), made


def _tokens(span, first: int, offsets: np.ndarray) -> tuple[int, int]:
    """The tokens of a window that cover these characters."""
    start, end = map(int, span)
    if start == UNLABELLED:
        return UNLABELLED, UNLABELLED
    if start == end or not len(offsets) or start < offsets[0, 0] or end > offsets[-1, 1]:
        return 0, 0
    begin, last = int((offsets[:, 1] <= start).sum()), int((offsets[:, 0] < end).sum()) - 1
    return (first + begin, first + last) if begin <= last else (0, 0)


def inside(logits, input_ids, attention_mask, token_type_ids, tokenizer):
    """Logits (B, n, 2) with `AWAY` outside of the context; the first token stays, for "no answer".

    A text alone, or one whose types are not known, is all context.
    """
    real = attention_mask.bool()
    for name in ("cls", "sep", "bos", "eos", "pad"):
        if (special := getattr(tokenizer, f"{name}_token_id")) is not None:
            real = real & (input_ids != special)
    second = torch.zeros_like(real) if token_type_ids is None else token_type_ids == 1
    real = real & (second | ~second.any(1, keepdim=True))
    real[:, 0] = True
    return logits.masked_fill(~real.unsqueeze(-1), AWAY)


def best_spans(logits) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(N, n, 2) -> the best sum of a start and an end logit (N,), its tokens (N, 2), and the sum of "no answer" (N,).

    A span begins at or before its end and has at most 30 tokens; the first token belongs to none.
    """
    logits = logits.double()
    starts, ends = logits[..., 0].clone(), logits[..., 1]
    starts[:, 0] = 3 * AWAY
    best, spans = torch.full_like(starts[:, 0], 6 * AWAY), torch.zeros(len(logits), 2, dtype=torch.long)
    for length in range(min(LONGEST, logits.shape[1])):
        sums, places = (starts[:, : starts.shape[1] - length] + ends[:, length:]).max(1)
        better = sums > best
        best = torch.where(better, sums, best)
        spans[better] = torch.stack([places, places + length], 1)[better]
    return best, spans, logits[:, 0].sum(-1)


@dataclass(frozen=True)
class Found:
    """What a model says of each question, of Q.

    spans : (Q, 2) characters of the best span      scores : (Q,) probability of its start times that of its end
    gap   : (Q,) by how much the sum of "no answer" is above that of the best span
    none  : (Q,) probability of "no answer", in the window where that is least likely
    """

    questions: list[Question]
    spans: np.ndarray
    scores: np.ndarray
    gap: np.ndarray
    none: np.ndarray

    def chosen(self, threshold: float = 0.0) -> np.ndarray:
        """(Q, 2) characters: the best span, or (0, 0) where "no answer" is above it by more than the threshold."""
        return np.where((self.gap > threshold)[:, None], 0, self.spans)

    def texts(self, threshold: float = np.inf) -> list[str]:
        """What is `chosen`, "" for no answer; by default the best spans."""
        return [one.context[start:end] for one, (start, end) in zip(self.questions, self.chosen(threshold))]


def answers(logits, asked: list[Window]) -> Found:
    """The best span of each question over all of its windows. logits : (N, n, 2), a row for each window."""
    best, spans, none = best_spans(logits)
    starts, ends = logits.double().softmax(1).unbind(-1)
    row = torch.arange(len(logits))
    share = (starts[row, spans[:, 0]] * ends[row, spans[:, 1]]).numpy()
    empty, best, none = (starts[:, 0] * ends[:, 0]).numpy(), best.numpy(), none.numpy()
    groups: list[list[int]] = []
    for place, window in enumerate(asked):
        if place and window.question is asked[place - 1].question:
            groups[-1].append(place)
        else:
            groups.append([place])
    made = []
    for places in groups:
        top = max(places, key=best.__getitem__)
        window, (start, end) = asked[top], spans[top].tolist()
        covered = window.offsets[start - window.first : end - window.first + 1]
        characters = _trimmed(window.question.context, covered) if best[top] > AWAY and len(covered) else (0, 0)
        gap = none[places].min() - best[top] if characters != (0, 0) else np.inf
        made.append((window.question, characters, share[top], gap, empty[places].min()))
    asked_once, characters, scores, gaps, nones = zip(*made)
    return Found(list(asked_once), np.array(characters), np.array(scores), np.array(gaps), np.array(nones))


def _trimmed(context: str, offsets: np.ndarray) -> tuple[int, int]:
    """The characters of these tokens; the space that some tokenizers count to a word is no part of an answer."""
    start, end = int(offsets[0, 0]), int(offsets[-1, 1])
    text = context[start:end]
    return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())


# ---- scores ----------------------------------------------------------------------------------------------------------
def normalised(answer: str) -> str:
    """As SQuAD's scripts compare answers: lower case; no punctuation, no articles, single spaces."""
    bare = "".join(char for char in answer.lower() if char not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def exact(said: str, right: str) -> float:
    """1 where both are the same once `normalised`."""
    return float(normalised(said) == normalised(right))


def overlap(said: str, right: str) -> float:
    """F1 of the words in common; where one of the two is empty, whether both are."""
    one, other = normalised(said).split(), normalised(right).split()
    if not one or not other:
        return float(one == other)
    common = (Counter(one) & Counter(other)).total()
    return 2 * common / (len(one) + len(other))


def measured(said: list[str], asked: list[Question]) -> tuple[np.ndarray, np.ndarray]:
    """(Q,) F1 and (Q,) exact match, the best over the answers of each question (Rajpurkar et al. 2016, 2018).

    As in the script of SQuAD 2.0, answers that are empty once normalised do not count, and a question that is left
    without any asks for "".
    """
    rights = [[right for right in one.answers if normalised(right)] or [""] for one in asked]
    return tuple(
        np.array([max(score(text, right) for right in some) for text, some in zip(said, rights)])
        for score in (overlap, exact)
    )


def threshold(found: Found) -> float:
    """By how much "no answer" must be above the best span, for the highest mean F1 on these questions.

    `NEVER` where no question is without an answer, as in SQuAD 1.1. Of equal thresholds the one nearest to 0.
    """
    if all(one.answers for one in found.questions):
        return NEVER
    texts = found.texts()
    gain = measured(texts, found.questions)[0] - measured([""] * len(texts), found.questions)[0]
    order = np.argsort(found.gap, kind="stable")
    order = order[np.isfinite(found.gap[order])]
    rising = found.gap[order]
    totals = np.concatenate([[0.0], gain[order].cumsum()])  # of the first k answered
    lower, upper = np.concatenate([[-np.inf], rising]), np.concatenate([rising, [np.inf]])
    best = np.flatnonzero((lower < upper) & (totals >= totals[lower < upper].max() - 1e-9))
    low, high = min(zip(lower[best], upper[best]), key=lambda ends: max(ends[0], -ends[1], 0))  # nearest to 0
    if low <= 0 < high:
        return 0.0
    low, high = (high - 2 if np.isinf(low) else low), (low + 2 if np.isinf(high) else high)
    return float((low + high) / 2)

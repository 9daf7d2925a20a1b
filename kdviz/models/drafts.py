"""Speculative decoding: a small model drafts, the large one checks; what is written is the large one's, word by word.

A drafted token x is accepted with probability min(1, p(x)/q(x)), p the large model's distribution and q the draft's;
the first one that is refused is drawn again from max(p - q, 0), normalised. So every token is distributed as p, and a
place is accepted with probability Σ min(p, q), which is 1 minus the total variation. Leviathan et al. 2023, Algorithm
1; Chen et al. 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from kdviz.data.language import marks
from kdviz.models.writing import ids_of_prompts, shares_of, token_at


@dataclass(frozen=True)
class Drafted:
    """What was written with a draft, and how it went, a row for each of K calls of the large model.

    texts    : one for each prompt
    accepted : (K, ahead) 1 where a drafted token was accepted, 0 where not, NaN where none was looked at
    expected : (K, ahead) Σ min(p, q) at these places, which is the probability of that
    written  : (K,) tokens that a call brought: those accepted, and one of the large model's own
    """

    texts: list[str]
    accepted: np.ndarray
    expected: np.ndarray
    written: np.ndarray


@torch.inference_mode()
def write_with_draft(
    model, draft, prompts: Sequence[str], tokens: int = 64, *, ahead: int = 4, temperature: float = 1.0, seed: int = 0
) -> Drafted:
    """What `model` writes after each prompt, with `ahead` tokens at a time drafted by another language model.

    temperature, seed, tokens, prompts : as in `kdviz.models.writing.write`; the texts are other draws of the same
    Texts are written one by one and read again in whole at each call: what is counted is calls, not seconds. Raises
    ValueError for models of different tokenizers, for ahead < 1, and for what `write` refuses.
    """
    if model.tokenizer_sha256 != draft.tokenizer_sha256:
        raise ValueError(
            f"{draft.name!r} has another tokenizer than {model.name!r}: a draft must write the same tokens"
        )
    if ahead < 1:
        raise ValueError(f"ahead={ahead}: draft 1 token or more")
    rows = ids_of_prompts(model, prompts, tokens, temperature)
    ids_of_prompts(draft, prompts, tokens, temperature)
    states = [(one, one.training) for one in (model, draft)]
    texts, calls = [], []
    try:
        for one in (model, draft):
            one.eval()
        for number, ids in enumerate(rows):
            draws = np.random.default_rng((seed, number))
            made = _write(model, draft, ids, tokens, ahead, temperature, draws, calls)
            texts.append(model.tokenizer.decode(made, skip_special_tokens=True))
    finally:
        for one, training in states:
            one.train(training)
    table = np.full((2, len(calls), ahead), np.nan)
    for row, (looked_at, _) in enumerate(calls):
        for place, pair in enumerate(looked_at):
            table[:, row, place] = pair
    return Drafted(texts, *table, np.array([count for _, count in calls]))


def _write(model, draft, ids: list[int], tokens: int, ahead: int, temperature: float, draws, calls: list) -> list[int]:
    """One text, as ids. Appends to `calls` ((accepted, Σ min(p, q)) of each place looked at, tokens it brought)."""
    end, made = set(marks(model.tokenizer)[1]), []
    while len(made) < tokens and not (made and made[-1] in end):
        drafted, q = [], []
        while len(drafted) < min(ahead, tokens - len(made)) and not (drafted and drafted[-1] in end):
            q.append(_after(draft, [*ids, *made, *drafted], temperature)[-1])
            drafted.append(token_at(q[-1], draws.random()))
        p, looked_at, new = _after(model, [*ids, *made, *drafted], temperature), [], []
        p = p[len(ids) + len(made) - 1 :]  # of the first drafted token, and so on; the last is of what follows them
        for place, token in enumerate(drafted):
            taken = draws.random() * q[place][token] < p[place][token]
            looked_at.append((float(taken), float(torch.minimum(p[place], q[place]).sum())))
            new.append(token if taken else token_at((p[place] - q[place]).clamp(min=0), draws.random()))
            if not taken:
                break
        else:
            if new[-1] not in end and len(made) + len(new) < tokens:
                new.append(token_at(p[-1], draws.random()))
        made += new
        calls.append((looked_at, len(new)))
    return made


def _after(model, ids: list[int], temperature: float) -> torch.Tensor:
    """(n, V) float64 probabilities of the next token after each."""
    read = torch.tensor([ids], device=model.device)
    return shares_of(model(read, torch.ones_like(read), want={"logits"}).logits[0], temperature).cpu()

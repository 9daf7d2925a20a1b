"""Language models write: one token after the other, each drawn from what the model says at the last position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from kdviz.data.kinds import kind_of
from kdviz.data.language import marks
from kdviz.states import text_to_ids

BATCH = 64  # prompts that are written on together


def completions(model, prompts: list[str], tokens: int = 64):
    """A DataFrame with each "text" and the "completion" that the model finds likeliest, token by token."""
    import pandas as pd

    return pd.DataFrame({"text": prompts, "completion": write(model, prompts, tokens, temperature=0)})


def write(
    model, prompts: Sequence[str], tokens: int = 64, *, temperature: float = 1.0, seed: int = 0, keep: bool = True
) -> list[str]:
    """What a language model writes after each prompt, until its mark of the end or for so many tokens.

    prompts     : texts; "" begins a text of its own
    temperature : the logits are divided by it; 0 takes the likeliest token
    seed        : of the draws. Those of a prompt follow from the seed and its place alone, whatever is written beside
    keep        : keep keys and values of what was read; False reads everything again for each token, to the same end
    Raises ValueError for a model that does not write, and where prompt and tokens are more than it can read.
    """
    ids = ids_of_prompts(model, prompts, tokens, temperature)
    made = write_ids(model, ids, tokens, temperature=temperature, seeds=[(seed, n) for n in range(len(ids))], keep=keep)
    return [model.tokenizer.decode(row, skip_special_tokens=True) for row in made]


def ids_of_prompts(model, prompts: Sequence[str], tokens: int, temperature: float) -> list[list[int]]:
    """The prompts as ids, each with the mark of the beginning; refuses what `write` refuses."""
    if not kind_of(model.task_kind).writes:
        raise ValueError(f"{model.name!r} answers as in {model.task_kind}: load or build it with language modelling")
    for place, prompt in enumerate(prompts):
        if not isinstance(prompt, str):
            raise TypeError(f"prompt {place} is {prompt!r:.40}: pass a list of texts")
    begin, _ = marks(model.tokenizer)
    plain = {"add_special_tokens": False, "return_attention_mask": False, "return_token_type_ids": False}
    ids = [[*begin, *row] for row in text_to_ids(model.tokenizer, list(prompts), **plain)["input_ids"]]
    _check(model, ids, tokens, temperature)
    return ids


def _check(model, prompts: Sequence[Sequence[int]], tokens: int, temperature: float) -> None:
    if temperature < 0 or tokens < 1:
        raise ValueError(f"temperature={temperature}, tokens={tokens}: pass 0 or more, and 1 or more")
    longest = max(map(len, prompts), default=1)
    if min(map(len, prompts), default=1) < 1:
        raise ValueError("a prompt is empty, and the tokenizer has no mark for the beginning: write its first word")
    if longest + tokens > model.max_length:
        most = f"{model.name!r} reads at most {model.max_length}"
        raise ValueError(f"a prompt of {longest} tokens and {tokens} to write, but {most}: write fewer, or cut it")


@torch.inference_mode()
def write_ids(
    model, prompts: Sequence[Sequence[int]], tokens: int, *, temperature=1.0, seeds: Sequence, keep: bool = True
) -> list[list[int]]:
    """`write` of ids to ids, the mark of the end included where it was written. seeds : numbers for each prompt."""
    _check(model, prompts, tokens, temperature)
    draws = [np.random.default_rng(seed).random(tokens) for seed in seeds]
    _, end = marks(model.tokenizer)
    order, made = np.argsort([len(prompt) for prompt in prompts], kind="stable"), [[] for _ in prompts]
    training = model.training
    model.eval()
    try:
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            chosen = [list(prompts[row]) for row in rows], np.stack([draws[row] for row in rows])
            for row, written in zip(rows, _write(model, *chosen, temperature, end, keep)):
                made[row] = written
    finally:
        model.train(training)
    return made


@torch.inference_mode()
def beams_of(model, prompts: Sequence[Sequence[int]], tokens: int, beams: int) -> list[list[int]]:
    """What transformers' beam search finds likeliest after each prompt, ids to ids, the mark of the end included."""
    _, end = marks(model.tokenizer)
    pad, training, made = model.tokenizer.pad_token_id, model.training, []
    model.eval()
    how = {"num_beams": beams, "max_new_tokens": tokens, "do_sample": False, "eos_token_id": end or None}
    try:
        for start in range(0, len(prompts), BATCH):
            ids, mask = _padded(model, prompts[start : start + BATCH])
            out = model.network.encoder.generate(ids, attention_mask=mask, pad_token_id=pad, **how)
            made += [_ended(row, end) for row in out[:, ids.shape[1] :].tolist()]
    finally:
        model.train(training)
    return made


def _padded(model, prompts) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask (B, n), padded on the left, so that all rows go on at the same place."""
    longest, pad = max(map(len, prompts)), model.tokenizer.pad_token_id
    ids = [[pad] * (longest - len(row)) + list(row) for row in prompts]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in prompts]
    return torch.tensor(ids, device=model.device), torch.tensor(mask, device=model.device)


def _ended(row: list[int], end: list[int]) -> list[int]:
    """A row up to its first mark of the end, that included."""
    return row[: next((place for place, token in enumerate(row, start=1) if token in end), len(row))]


def _write(model, prompts, draws, temperature, end, keep) -> list[list[int]]:
    encoder, (ids, mask) = model.network.encoder, _padded(model, prompts)
    draws, written, memory = torch.from_numpy(draws).to(ids.device), [], None
    done = torch.zeros(len(prompts), dtype=torch.bool, device=ids.device)
    for step in range(draws.shape[1]):
        places = (mask.cumsum(1) - 1).clamp(min=0)
        new = 1 if memory is not None else ids.shape[1]
        read = {"input_ids": ids[:, -new:], "position_ids": places[:, -new:], "attention_mask": mask}
        out = encoder(**read, past_key_values=memory, use_cache=keep, logits_to_keep=1)
        memory = out.past_key_values if keep else None
        token = _drawn(shares_of(out.logits[:, -1], temperature), draws[:, step])
        written.append(token)
        done |= torch.isin(token, token.new_tensor(end))
        if done.all():
            break
        ids, mask = torch.cat([ids, token[:, None]], 1), torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    return [_ended(row, end) for row in torch.stack(written, 1).tolist()]


def shares_of(logits, temperature: float) -> torch.Tensor:
    """(…, V) float64 probabilities at a temperature; at 0 the likeliest token has all."""
    if temperature == 0:
        return torch.zeros_like(logits, dtype=torch.float64).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
    return (logits.double() / temperature).softmax(-1)


def token_at(shares, draw) -> int:
    """The first token whose cumulative share (V,), of the sum of all, is above a draw from [0, 1)."""
    return int(_drawn(shares[None], torch.tensor([draw], dtype=torch.float64, device=shares.device)))


def _drawn(shares, draws) -> torch.Tensor:
    """`token_at` of rows: (B, V) shares and (B,) draws -> (B,) tokens."""
    grown = shares.cumsum(-1)
    return torch.searchsorted(grown, (draws * grown[:, -1])[:, None], right=True)[:, 0].clamp(max=shares.shape[-1] - 1)

"""What figures are drawn from: one or two States of one sentence, their tokens, and the layers that face each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from kdviz.relations import layer_map
from kdviz.states import States
from kdviz.figures import theme


@dataclass(frozen=True)
class Panel:
    """One picture among its neighbours: its heading, its role (which fixes the colour), and its hover name."""

    name: str
    role: str       # "teacher" | "student" | "model" | "difference"


def one_sentence(states, sentence: int = 0) -> list[States]:
    """One or two States of the same sentence, teacher first, or a ValueError that says what does not fit."""
    models = [states] if isinstance(states, States) else list(states)
    if not 1 <= len(models) <= 2 or not all(isinstance(model, States) for model in models):
        raise ValueError(
            f"a figure takes the States of one model or of two, got {[type(model).__name__ for model in models]}: "
            "kd.encode([teacher, student], text) gives them"
        )
    models = [model.sentence(sentence) for model in models]
    for model in models:
        if not torch.isfinite(model.hidden).all():
            bad = int((~torch.isfinite(model.hidden)).sum())
            raise ValueError(f"{bad} of {model.hidden.numel()} hidden values of {model.name!r} are NaN or infinite")
    if len(models) == 2 and models[0].tokens != models[1].tokens:
        first, second = (list(model.tokens[0]) for model in models)
        raise ValueError(
            f"{models[0].name!r} and {models[1].name!r} cut the text differently: {len(first)} tokens {first[:6]} "
            f"against {len(second)} tokens {second[:6]}; compare models that share a tokenizer, on the same text"
        )
    return models


def tokens_of(models: list[States]) -> list[str]:
    return list(models[0].tokens[0])


def token_index(models: list[States], token: int | str) -> int:
    """The place of a token given by its place or by its text (its first occurrence)."""
    tokens = tokens_of(models)
    if isinstance(token, str):
        if token not in tokens:
            raise ValueError(f"{token!r} is not a token of this sentence; its tokens are {tokens}")
        return tokens.index(token)
    if not 0 <= token < len(tokens):
        raise ValueError(f"token {token} of a sentence with {len(tokens)} tokens: choose 0 to {len(tokens) - 1}")
    return int(token)


def matched_layers(models: list[States]) -> list[tuple[int, ...]]:
    """Layers that face each other, one tuple a step: ``(l,)`` for one model, (teacher layer, student layer) for two."""
    if len(models) == 1:
        return [(layer,) for layer in range(models[0].layers + 1)]
    return list(zip(*layer_map(models[0].layers, models[1].layers), strict=True))


def layer_label(layers: tuple[int, ...]) -> str:
    """``"3"``, or ``"6↔2"`` when the two models call the matched layers by different numbers."""
    return str(layers[0]) if len(set(layers)) == 1 else "↔".join(map(str, layers))


def layer_prefix(layers: list[tuple[int, ...]]) -> str:
    """What stands before a layer's label on a slider."""
    return "layer " if all(len(set(pair)) == 1 for pair in layers) else "layer (teacher ↔ student) "


def panels_of(models: list[States]) -> list[Panel]:
    """A panel for each model and, for two, one for their difference."""
    panels = [Panel(model.name if model.role in ("model", model.name) else f"{model.role} · {model.name}", model.role)
              for model in models]
    if len(models) == 2:
        first, second = ((m.role for m in models) if models[0].role != models[1].role else (m.name for m in models))
        panels.append(Panel(f"{second} − {first}", "difference"))
    return panels


def beside(per_model: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays of one or two models and, for two, second minus first."""
    return per_model if len(per_model) == 1 else [*per_model, per_model[1] - per_model[0]]


def notes_of(models: list[States]) -> tuple[str, ...]:
    """What the models' States say of their text, each remark once."""
    return tuple(dict.fromkeys(note for model in models for note in model.notes))


def words(models: list[States], most: int = theme.MOST_TOKENS) -> tuple[list[str], tuple[str, ...]]:
    """The tokens to show and all notes: those of the States and the one about tokens that did not fit."""
    kept, note = theme.cut(tokens_of(models), most)
    return kept, (*notes_of(models), *note)

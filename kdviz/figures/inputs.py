"""What figures are drawn from: one or two States of one sentence, their tokens, and the layers that face each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from kdviz import relations
from kdviz.figures import theme
from kdviz.states import States


@dataclass(frozen=True)
class Panel:
    """One picture among its neighbours: its heading, and its role, which fixes the colour."""

    name: str
    role: str  # "teacher" | "student" | "model" | "difference"


def one_sentence(states, sentence: int = 0, *, attentions: bool = False, other_tokens: bool = False) -> list[States]:
    """One or two States of the same sentence, teacher first, or a ValueError that says what does not fit or lacks.

    other_tokens : whether two models may cut the sentence differently
    """
    models = [states] if isinstance(states, States) else list(states)
    if not 1 <= len(models) <= 2 or not all(isinstance(model, States) for model in models):
        raise ValueError(
            f"a figure takes the States of one model or of two, got {[type(model).__name__ for model in models]}: "
            "kd.encode([teacher, student], text) gives them"
        )
    models = [model.sentence(sentence) for model in models]
    for model in models:
        if bad := int((~torch.isfinite(model.hidden)).sum()):
            raise ValueError(f"{bad} of {model.hidden.numel()} hidden values of {model.name!r} are NaN or infinite")
        if attentions and model.attentions is None:
            raise ValueError(f"{model.name!r} came without attentions: pass attentions=True to kd.encode")
    if len({model.texts if other_tokens else model.tokens for model in models}) > 1:
        first, second = (list(model.tokens[0]) for model in models)
        raise ValueError(
            f"{models[0].name!r} and {models[1].name!r} cut the text differently: {len(first)} tokens {first[:6]} "
            f"against {len(second)} tokens {second[:6]}; compare models that share a tokenizer, on the same text"
        )
    return models


def token_index(models: list[States], token: int | str) -> int:
    """The place of a token given by its place or by its text (its first occurrence)."""
    tokens = models[0].tokens[0]
    if isinstance(token, str):
        if token not in tokens:
            raise ValueError(f"{token!r} is not a token of this sentence; its tokens are {list(tokens)}")
        return tokens.index(token)
    if not 0 <= token < len(tokens):
        raise ValueError(f"token {token} of a sentence with {len(tokens)} tokens: choose 0 to {len(tokens) - 1}")
    return int(token)


def matched_layers(models: list[States]) -> list[tuple[int, ...]]:
    """Layers that face each other, one tuple a step: ``(l,)`` for one model, (teacher layer, student layer) for two.

    Which they are, the student's training said (`States.layer_map`); else `relations.layer_map` chooses. A map is of
    no use here when the first model is not the student's teacher, or when each layer was compared with all.
    """
    if len(models) == 1:
        return [(layer,) for layer in range(models[0].layers + 1)]
    teacher, student = models
    trained = student.layer_map if teacher.role == "teacher" else None
    if trained is None or len(trained[0]) != len(trained[1]) or max(trained[0]) > teacher.layers:
        trained = relations.layer_map(teacher.layers, student.layers)
    return list(zip(*trained, strict=True))


def facing_layers(groups: list[list[States]]) -> list[list[tuple[int, ...]]]:
    """`matched_layers` for each group of States that share tokens; two groups of one model each face each other."""
    if len(groups) == 2 and all(len(group) == 1 for group in groups):
        pairs = matched_layers([group[0] for group in groups])
        return [[(pair[place],) for pair in pairs] for place in range(2)]
    return [matched_layers(group) for group in groups]


def layer_label(layers: tuple[int, ...]) -> str:
    """``"3"``, or ``"6↔2"`` when the two models call the matched layers by different numbers."""
    return str(layers[0]) if len(set(layers)) == 1 else "↔".join(map(str, layers))


def layer_steps(layers: list[tuple[int, ...]]) -> dict:
    """The slider's steps of `heatmaps.figure` for these layers, the last one on screen at first."""
    same = all(len(set(pair)) == 1 for pair in layers)
    prefix = "layer " if same else "layer (teacher ↔ student) "
    return {"steps": [layer_label(pair) for pair in layers], "step_prefix": prefix, "start": len(layers) - 1}


def panels_of(models: list[States]) -> list[Panel]:
    """A panel for each model and, for two, one for their difference."""
    panels = []
    for model in models:
        known = model.role in ("model", model.name)
        panels.append(Panel(model.name if known else f"{model.role} · {model.name}", model.role))
    if len(models) == 2:
        first, second = (m.role for m in models) if models[0].role != models[1].role else (m.name for m in models)
        panels.append(Panel(f"{second} − {first}", "difference"))
    return panels


def beside(per_model: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays of one or two models and, for two, second minus first."""
    return per_model if len(per_model) == 1 else [*per_model, per_model[1] - per_model[0]]


def words(models: list[States], most: int = theme.MOST_TOKENS) -> tuple[list[str], tuple[str, ...]]:
    """The tokens to show, and all notes once: those of the States and the one about tokens that did not fit."""
    kept, note = theme.cut(models[0].tokens[0], most)
    return kept, (*dict.fromkeys(note for model in models for note in model.notes), *note)


# ---- how an alt text speaks of them --------------------------------------------------------------------------------


def spoken(tokens: list[str]) -> str:
    """ "3 tokens (a b c)"."""
    return f"{len(tokens)} tokens ({' '.join(map(theme.visible, tokens))})"


def named(models: list[States]) -> str:
    """ "teacher minilm and student small"."""
    return " and ".join(f"{model.role} {model.name}" for model in models)

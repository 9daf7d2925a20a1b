"""Explorers: ipywidgets around figures, for what changes the data: a new sentence, another model, another vertex."""

from __future__ import annotations

import importlib

# public name -> module that holds it
_HOMES = {
    "attention": "bertviz",
    "word_relations": "sentences",
    "layer_relations": "sentences",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"kdviz.explore has no explorer {name!r}; it offers {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

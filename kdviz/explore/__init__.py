"""Explorers: ipywidgets around figures, for what changes the data: a new sentence, another model, another vertex."""

from __future__ import annotations

from kdviz.lazy import lazy

# public name -> module that holds it
__getattr__, __dir__, __all__ = lazy(__name__, {
    "attention": "bertviz",
    "word_relations": "sentences",
    "layer_relations": "sentences",
})

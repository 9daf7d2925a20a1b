"""Figures: arrays in, plotly figures out.

What changes the picture (layer, view, token) lives inside the figure and works with no kernel; what changes the
data (a new sentence, another model) lives in `kdviz.explore`. Every figure is a plain ``plotly.graph_objects.Figure``
whose ``layout.meta["alt"]`` says in a sentence what is seen.
"""

from __future__ import annotations

import importlib

# public name -> module that holds it. No module may carry the name of a figure: importing it would put the module
# in the figure's place.
_HOMES = {
    "attention": "heads",
    "checkpoint_search": "samples",
    "curves": "samples",
    "disagreement": "rewriting",
    "factor_shapes": "factors",
    "growing_teacher": "schedules",
    "landscape": "slices",
    "layer_attention": "attention_layers",
    "layer_path": "layers",
    "layer_relation": "layers",
    "logit_path": "schedules",
    "memorised": "samples",
    "picked_copies": "picks",
    "picked_share": "picks",
    "probe_accuracy": "attention_layers",
    "replay": "timelapse",
    "rewrites": "rewriting",
    "sample_weights": "samples",
    "save": "saving",
    "schedule": "schedules",
    "soft_targets": "soft",
    "table": "tables",
    "theme": "theme",
    "word_angles": "words",
    "word_relation": "words",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"kdviz.figures has no figure {name!r}; it offers {', '.join(__all__)}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    value = module if _HOMES[name] == name else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

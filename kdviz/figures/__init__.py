"""Figures: arrays in, plotly figures out.

What changes the picture (layer, view, token) lives inside the figure and works with no kernel; what changes the
data (a new sentence, another model) lives in `kdviz.explore`. Every figure is a plain ``plotly.graph_objects.Figure``
whose ``layout.meta["alt"]`` says in a sentence what is seen.
"""

from __future__ import annotations

from kdviz.lazy import lazy

# public name -> module that holds it. No module may carry the name of a figure: importing it would put the module
# in the figure's place.
__getattr__, __dir__, __all__ = lazy(__name__, {
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
    "tradeoff": "costs",
    "word_angles": "words",
    "word_relation": "words",
})

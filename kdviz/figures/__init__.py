"""Figures: arrays in, plotly figures out.

What changes the picture (layer, view, token) lives inside the figure and works with no kernel; what changes the
data (a new sentence, another model) lives in `kdviz.explore`. Every figure is a plain ``plotly.graph_objects.Figure``
whose ``layout.meta["alt"]`` says in a sentence what is seen.
"""

from __future__ import annotations

from kdviz.lazy import attach_stub

# No module may carry the name of a figure: importing it would put the module in the figure's place.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

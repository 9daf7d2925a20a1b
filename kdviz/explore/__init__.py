"""Explorers: ipywidgets around figures, for what changes the data: a new sentence, another model, another vertex."""

from __future__ import annotations

from kdviz.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

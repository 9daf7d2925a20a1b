"""Distillation methods, one paper a file; a name is loaded when first used."""

from __future__ import annotations

from kdviz.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

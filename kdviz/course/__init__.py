"""The course beside the library: checks of exercises, claims, recorded results, pictures of one lesson."""

from __future__ import annotations

from kdviz.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

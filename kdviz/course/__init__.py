"""The course beside the library: checks of the exercises, claims, recorded results, how lessons are run and handed out."""

from __future__ import annotations

from kdviz.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {"check": "check", "recorded": "results"})

"""Pictures that one lesson needs for its story. Readers find them as ``kd.figures.<name>``, beside those of all."""

from __future__ import annotations

from kdviz.lazy import attach_stub

# No module may carry the name of a figure: importing it would put the module in the figure's place.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

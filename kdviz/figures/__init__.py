"""Figures: arrays in, plotly figures out.

What changes the picture (layer, view, token) lives inside the figure and works with no kernel; what changes the
data (a new sentence, another model) lives in `kdviz.explore`. Every figure is a plain ``plotly.graph_objects.Figure``
whose ``layout.meta["alt"]`` says in a sentence what is seen. A notebook keeps a still of it too (still.py).
"""

from __future__ import annotations

import importlib

from kdviz.figures import still as _still  # noqa: F401 - it tells plotly what notebooks keep beside a figure
from kdviz.lazy import attach_stub

# No module may carry the name of a figure: importing it would put the module in the figure's place.
_find, _names, _own = attach_stub(__name__, __file__)
# Pictures that one lesson needs stand in the course, which lies above this room. A reader finds them here all the same:
# this menu asks for them by name, and no module of the room imports the course.
_course = importlib.import_module("kdviz.course.figures")
__all__ = sorted([*_own, *_course.__all__])


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"{__name__} has no name {name!r}; it offers {', '.join(__all__)}")
    return _find(name) if name in _own else getattr(_course, name)


def __dir__() -> list[str]:
    return sorted({*_names(), *_course.__all__})

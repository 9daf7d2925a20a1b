"""Packages whose names are loaded when first used (PEP 562).

``import kdviz`` costs milliseconds, and who only wants the losses never waits for a model library.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable


def lazy(package: str, homes: dict[str, str]) -> tuple[Callable, Callable, list[str]]:
    """The ``__getattr__``, ``__dir__`` and ``__all__`` of a package.

    homes : public name -> module of the package that holds it; a name equal to its module's is the module itself
    """
    names = sorted(homes)

    def find(name: str):
        if name not in homes:
            raise AttributeError(f"{package} has no name {name!r}; it offers {', '.join(names)}")
        home = homes[name]
        module = importlib.import_module(f"{package}.{home}")
        value = module if home == name else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return find, lambda: sorted({*vars(sys.modules[package]), *names}), names

"""Packages whose names are loaded when first used: ``import kdviz`` costs milliseconds.

Names and the modules that hold them stand in the ``.pyi`` file beside a package's ``__init__.py``, where editors and
type checkers read them too: ``kd.distill`` is completed and explained before anything is loaded.
"""

from __future__ import annotations

import lazy_loader


def attach_stub(package: str, file: str):
    """The ``__getattr__``, ``__dir__`` and ``__all__`` of a package; a wrong name is answered with the right ones."""
    find, names, public = lazy_loader.attach_stub(package, file)

    def find_or_offer(name: str):
        if name not in public:
            raise AttributeError(f"{package} has no name {name!r}; it offers {', '.join(public)}")
        return find(name)

    return find_or_offer, names, public

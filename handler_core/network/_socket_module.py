"""Socket modules: ``socket``, and modules with its names.

``gevent.socket`` and ``eventlet.green.socket`` are such modules. A function that takes one waits
only through it, so the other tasks of that model run meanwhile. The model's modules ``ssl`` and
``select`` are in the same package.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["sibling_module"]


def sibling_module(module: ModuleType, name: str) -> ModuleType:
    """Return the module ``name`` in the same package: ``gevent.ssl`` for ``gevent.socket``."""
    package = module.__name__.rpartition(".")[0]
    return importlib.import_module(f"{package}.{name}" if package else name)

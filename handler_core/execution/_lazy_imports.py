"""Names of a package that are imported when they are first used.

Many processes only look a handler up. They should not pay for sockets, TLS or logging. So the
``__init__`` of a package imports at once only what a look-up needs. For the rest, this module makes
the ``__getattr__`` and ``__dir__`` of :pep:`562`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for the ``__init__`` of ``package``.

    Args:
        package: the package's ``__name__``.
        modules: the module that has the names, relative to ``package`` with a leading dot, and
            the names, separated by spaces.
    """
    module_of = {name: module for module, names in modules.items() for name in names.split()}

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(module_of[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *module_of})

    return get, names

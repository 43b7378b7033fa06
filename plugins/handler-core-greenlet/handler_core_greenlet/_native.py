"""The standard library's modules, without the patches of gevent and eventlet.

These libraries replace functions and classes of the standard library, in the modules themselves.
An event loop and its greenlets need the originals. For a patched lock, local storage or
``get_ident``, each greenlet is a thread. But all greenlets of an OS thread share its loop. A
patched socket waits in the hub of the other library. So in a patched process this module imports
the modules again, for this package alone.
"""

from __future__ import annotations

import _thread
import importlib
import socket
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, ModuleType
from typing import Any

__all__ = ["allocate_lock", "get_ident", "local", "threads_are_green", "unpatched"]


def threads_are_green() -> bool:
    """Return True in a process whose threads are greenlets, because a library has patched it."""
    return not isinstance(_thread.start_new_thread, BuiltinFunctionType)


def unpatched(name: str) -> ModuleType:
    """Return a module of the standard library that has no patches.

    Args:
        name: one of the modules that the libraries patch and this package uses.
    """
    assert name in _PATCHED
    if socket.socket.__module__ == "socket" and not threads_are_green():
        return importlib.import_module(name)
    if name not in _imported_again:
        patched = {name: sys.modules.pop(name, None) for name in _PATCHED}
        sys.modules.update(_imported_again)
        try:
            importlib.import_module(name)
        finally:
            for each, module in patched.items():
                again = sys.modules.pop(each, None)
                if again is not None:
                    _imported_again[each] = again
                if module is not None:
                    sys.modules[each] = module
    return _imported_again[name]


#: What :func:`unpatched` returns, and what it needs. ``ssl`` imports ``socket``, and so on.
_PATCHED = ("_thread", "queue", "select", "selectors", "socket", "ssl")

_imported_again: dict[str, ModuleType] = {}

_native_thread = unpatched("_thread")

allocate_lock: Callable[[], Any] = _native_thread.allocate_lock
get_ident: Callable[[], int] = _native_thread.get_ident
local: Callable[[], Any] = _native_thread._local

"""The standard library's modules, without the patches of gevent and eventlet.

These libraries replace functions and classes of the standard library, in the modules themselves.
An event loop and its greenlets need the originals. For a patched lock, local storage or
``get_ident``, each greenlet is a thread. But all greenlets of an OS thread share its loop. A
patched socket waits in the hub of the other library. So in a patched process this module imports
the modules again, for this package alone.
"""

from __future__ import annotations

import _thread
import contextvars
import importlib
import socket
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from handler_core.execution import TaskThread

__all__ = [
    "allocate_lock",
    "get_ident",
    "local",
    "start_os_thread",
    "threads_are_green",
    "unpatched",
]


def threads_are_green() -> bool:
    """Return True in a process whose threads are greenlets, because a library has patched it."""
    return _is_green(_thread.start_new_thread)


def start_os_thread(func: Callable[[], object], name: str) -> None:
    """Run ``func`` in a daemon thread of the operating system, in an empty context."""
    # The thread outlives the caller, and must not keep the caller's context alive.
    context = contextvars.Context()
    if threads_are_green():
        context.run(_native_thread.start_new_thread, func, ())
    else:
        context.run(TaskThread(func, name=name).start)


def unpatched(name: str) -> ModuleType:
    """Return a module of the standard library that has no patches.

    Args:
        name: one of the modules that the libraries patch and this package uses.
    """
    assert name in _PATCHED
    if not (threads_are_green() or _is_green(socket.socket)):
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


def _is_green(patched: Any) -> bool:
    """Return True for what gevent or eventlet has put in the place of an original.

    A debugger may have put something of its own there, and its threads are no greenlets.
    """
    return bool(patched.__module__.startswith(("gevent.", "eventlet.")))


#: What :func:`unpatched` returns, and what it needs. ``ssl`` imports ``socket``, and so on.
_PATCHED = ("_thread", "queue", "select", "selectors", "socket", "ssl", "time")

_imported_again: dict[str, ModuleType] = {}

_native_thread = unpatched("_thread")

allocate_lock: Callable[[], Any] = _native_thread.allocate_lock
get_ident: Callable[[], int] = _native_thread.get_ident
local: Callable[[], Any] = _native_thread._local

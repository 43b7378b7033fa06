"""The standard library's ``select`` module, unpatched.

gevent and eventlet replace functions of the module ``select``. A second instance of the C module
has the kernel's own ``poll`` and ``epoll`` in any process.
"""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

__all__ = ["new_instance", "unpatched_select"]


def new_instance(name: str) -> ModuleType:
    """Return a second instance of a C module of the standard library, which nobody has patched."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


unpatched_select: Any = new_instance("select")

if not hasattr(unpatched_select, "poll"):
    raise ImportError(
        "handler-core waits for sockets by the system call poll, which this platform lacks: "
        "on Windows, run the program in WSL"
    )

"""The standard library's ``select`` module, unpatched.

gevent and eventlet replace functions of the module ``select``. A second instance of the C module
has the kernel's own ``poll`` and ``epoll`` in any process.
"""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

__all__ = ["unpatched_select"]


def _new_instance(name: str) -> ModuleType:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


unpatched_select: Any = _new_instance("select")

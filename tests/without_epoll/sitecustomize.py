"""Hides ``epoll`` from the process, as on macOS and the BSDs.

Put this folder in front of ``PYTHONPATH``. Then no instance of the module ``select`` has ``epoll``,
whoever imports it. ``HIDE_EPOLL=handler_core`` leaves it in the first instance, which is
everybody's, for a library that takes Linux for granted (trio), and hides it from handler-core
alone, which makes an instance of its own.
"""

from __future__ import annotations

import importlib.machinery
import os
import select
import sys
from types import ModuleType
from typing import Any


class _Loader:
    """Loads the module without the names of ``epoll``."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module: ModuleType = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        hide(module)


class _Finder:
    """Finds the module ``select``, and no other."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if name != "select":
            return None
        for finder in sys.meta_path:
            spec = None if finder is _Finder else finder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


def hide(module: ModuleType) -> None:
    for name in [name for name in vars(module) if name.upper().startswith("EPOLL")]:
        delattr(module, name)


sys.meta_path.insert(0, _Finder)
if select.__spec__ is not None:
    select.__spec__.loader = _Loader(select.__spec__.loader)  # type: ignore[assignment]
if os.environ.get("HIDE_EPOLL") != "handler_core":
    hide(select)

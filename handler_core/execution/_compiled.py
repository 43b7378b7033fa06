"""Which build of the hot modules runs: the compiled one, or the Python source.

The hot modules are those in which a request spends its time (:data:`HOT`). A wheel for one platform
has each of them twice: as Python source, and compiled from that source by Cython, with the ``.pxd``
file beside it for what only C needs to know. Python imports the compiled file if both are there. A
wheel for any platform has the source only. The results are the same. gevent builds its own modules
in this way.

What Python cannot say is in modules of Cython alone (:data:`NATIVE`). Who imports one of them does
without it where it is missing.

This module makes Python import the source if the environment variable ``HANDLER_CORE_PURE`` is set
to something other than ``0``. It does so too where the compiled code cannot run: without the GIL,
since the compiled code takes no lock where the GIL keeps other threads out, and in a second
interpreter of the process.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from types import FunctionType, ModuleType

__all__ = ["HOT", "MODULES", "NATIVE", "VARIABLE", "build", "reason"]

VARIABLE = "HANDLER_CORE_PURE"

#: Every module that is compiled. ``hatch_build.py`` compiles exactly these.
HOT = (
    "handler_core.execution._failure",
    "handler_core.execution._mailbox",
    "handler_core.execution._result_core",
    "handler_core.execution._run_items",
    "handler_core.network._lock_turns",
)

#: Every module that has no Python source. These are for Linux.
NATIVE = (
    "handler_core.execution._quick_construction",
    "handler_core.network._native_calls",
)

#: All that a compiled build has on this platform.
MODULES = (*HOT, *NATIVE) if sys.platform == "linux" else HOT


class _SourceFinder:
    """Finds the source of a hot module, and no native one."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in NATIVE:
            raise ModuleNotFoundError(f"{name} is for the compiled build", name=name)
        if name not in HOT or not path:
            return None
        return FileFinder(path[0], (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(name)


def build() -> str:
    """Return which build runs here: ``"compiled"`` or ``"Python source"``."""
    from handler_core.execution._run_items import run_items

    return "Python source" if isinstance(run_items, FunctionType) else "compiled"


def reason() -> str:
    """Return why the Python source runs, as the second half of a sentence."""
    return _reason or "no compiled build of it is here"


def _why_not_compiled() -> str:
    """Return why a compiled build may not be used; an empty string if it may, or is not here."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return "this Python runs without the GIL"
    if os.environ.get(VARIABLE, "0") not in ("", "0"):
        return f"{VARIABLE} asks for it"
    root = __file__.removesuffix(os.path.join("handler_core", "execution", "_compiled.py"))
    files = [root + name.replace(".", os.sep) + EXTENSION_SUFFIXES[0] for name in MODULES]
    found = [os.path.exists(file) for file in files]
    if any(found) and not all(found):  # the modules of one build know each other's memory layout
        return f"{files[found.index(False)]} is missing, and other compiled modules are there"
    try:
        importlib.import_module(HOT[0])
    except ImportError as error:  # in a second interpreter of the process, for example
        return f"its compiled build cannot be loaded ({error})"
    return ""


_reason = _why_not_compiled()
if _reason:
    sys.meta_path.insert(0, _SourceFinder())

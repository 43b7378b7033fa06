"""Which build of the hot modules runs: the compiled one, or the Python source.

The hot modules are those in which a request spends its time (:data:`HOT`). A wheel for one platform
has each of them twice: as Python source, and compiled from that source by Cython, with the ``.pxd``
file beside it for what only C needs to know. Python imports the compiled file if both are there. A
wheel for any platform has the source only. The results are the same. gevent builds its own modules
in this way.

This module makes Python import the source in two cases: the environment variable
``HANDLER_CORE_PURE`` is set to something other than ``0``, or the process runs without the GIL. The
compiled code takes no lock where the GIL keeps other threads out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from types import FunctionType, ModuleType

__all__ = ["HOT", "VARIABLE", "build", "runs_with_gil"]

VARIABLE = "HANDLER_CORE_PURE"

#: Every module that is compiled. ``hatch_build.py`` compiles exactly these.
HOT = (
    "handler_core.execution._failure",
    "handler_core.execution._mailbox",
    "handler_core.execution._result_core",
    "handler_core.execution._run_items",
)


class _SourceFinder:
    """Finds the source of a hot module."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in HOT or not path:
            return None
        return FileFinder(path[0], (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(name)


def runs_with_gil() -> bool:
    """Return True if this process has a GIL, as all before Python 3.13 have."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def build() -> str:
    """Return which build runs here: ``"compiled"`` or ``"Python source"``."""
    from handler_core.execution._run_items import run_items

    return "Python source" if isinstance(run_items, FunctionType) else "compiled"


if not runs_with_gil() or os.environ.get(VARIABLE, "0") not in ("", "0"):
    sys.meta_path.insert(0, _SourceFinder())

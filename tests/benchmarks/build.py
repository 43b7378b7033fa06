"""Which build of handler-core is measured: a compiled one, or the Python source."""

from __future__ import annotations

from handler_core.execution._compiled import VARIABLE, build

__all__ = ["PURE", "which_build"]

#: What makes a process run the Python source, in its environment.
PURE = {VARIABLE: "1"}


def which_build() -> str:
    """Return what the processes run that are not told to run the Python source."""
    return build()

"""Which build of handler-core is measured: a compiled one, or the Python source."""

from __future__ import annotations

__all__ = ["PURE", "which_build"]

#: What makes a process run the Python source, in its environment.
PURE = {"HANDLER_CORE_PURE": "1"}


def which_build() -> str:
    """Return what the processes run that are not told to run the Python source."""
    return "Python source"

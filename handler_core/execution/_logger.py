"""The logger ``handler_core``.

It is asked for where there is something to log, and when a handler starts, but not when a module is
loaded: ``logging`` and what it imports cost a new process more than all modules of handler-core
that a look-up needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["logger"]


def logger() -> Logger:
    """Return the logger to which everything in handler-core logs."""
    import logging

    return logging.getLogger("handler_core")

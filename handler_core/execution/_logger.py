"""The logger ``handler_core``.

It is imported when there is something to log and when a handler starts, never when a module is
loaded. ``logging`` and its imports cost a new process more than all modules of handler-core that a
look-up needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["logger"]


def logger() -> Logger:
    """Return the logger that all of handler-core logs to."""
    import logging

    return logging.getLogger("handler_core")

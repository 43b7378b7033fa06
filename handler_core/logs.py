"""The logger ``handler_core``.

It is asked for where there is something to log, and not when a module is loaded: the package
``logging`` and what it needs take three milliseconds to import, and most programs that look a
handler up never have anything to log.
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

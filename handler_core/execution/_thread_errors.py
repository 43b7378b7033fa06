"""What happens to an error that no caller hears of."""

from __future__ import annotations

import threading

__all__ = ["report_error"]


def report_error(error: BaseException) -> None:
    """Do with an error what a thread does with one that its function has raised."""
    args = (type(error), error, error.__traceback__, threading.current_thread())
    threading.excepthook(threading.ExceptHookArgs(args))

"""The greenlet of a task, and whether it was killed.

A worker outlives what a callback raises, but it ends if it is killed from outside. Both arrive in
the worker as exceptions, so its greenlet notes that it was killed.
"""

from __future__ import annotations

from typing import Any

import greenlet  # type: ignore[import-untyped]

__all__ = ["TaskGreenlet"]


class TaskGreenlet(greenlet.greenlet):  # type: ignore[misc]
    """The greenlet of a task.

    It tells a kill by another greenlet from an exception that the task itself has raised.
    """

    #: True once another greenlet has killed it.
    killed = False

    def throw(self, *exception: Any) -> Any:
        """Raise an exception in this greenlet; by default ``GreenletExit``."""
        kind = exception[0] if exception else greenlet.GreenletExit
        if isinstance(kind, greenlet.GreenletExit) or (
            isinstance(kind, type) and issubclass(kind, greenlet.GreenletExit)
        ):
            self.killed = True
        return super().throw(*exception)

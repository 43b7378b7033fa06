"""The greenlet of a task, and who has killed it.

A worker outlives what a callback raises, but it ends if it is killed from outside. Both arrive in
the worker as exceptions, so its greenlet notes which of them is a kill.
"""

from __future__ import annotations

from typing import Any

import gevent  # type: ignore[import-untyped]

__all__ = ["TaskGreenlet"]


class TaskGreenlet(gevent.Greenlet):  # type: ignore[misc]
    """The greenlet of a task.

    It tells a kill by another greenlet from an exception that the task itself has raised.
    """

    #: The exception that another greenlet has killed it with.
    killed_by: object = None

    #: The exception that it has killed itself with. It counts as raised by the task, though the hub
    #: throws it.
    _own: object = None

    def throw(self, *exception: Any) -> Any:
        """Raise an exception in this greenlet now; by default ``GreenletExit``."""
        kind = exception[0] if exception else gevent.GreenletExit
        if isinstance(kind, type) and issubclass(kind, gevent.GreenletExit):
            exception = (kind(), *exception[1:])
        if isinstance(exception[0], gevent.GreenletExit) and exception[0] is not self._own:
            self.killed_by = exception[0]
        return super().throw(*exception)

    def kill(
        self, exception: Any = gevent.GreenletExit, block: bool = True, timeout: float | None = None
    ) -> None:
        """Have the hub raise an exception in this greenlet soon."""
        if isinstance(exception, type):
            exception = exception()
        if gevent.getcurrent() is self:
            self._own = exception
        else:
            self.killed_by = exception
        super().kill(exception, block, timeout)

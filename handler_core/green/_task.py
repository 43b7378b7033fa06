"""A spawned greenlet, as an object to wait for."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from handler_core.execution._joins import Joinable, joining
from handler_core.execution._result import AsyncResult
from handler_core.execution._result_handler import ResultHandler
from handler_core.green._fork import FreezableTask, task_of
from handler_core.green._hub import Hub

__all__ = ["GreenTask", "TaskRun"]


class TaskHandler(ResultHandler, Protocol):
    """What a task needs of its handler."""

    def current_task(self) -> Hashable:
        """Return the current greenlet."""


class GreenTask(Joinable):
    """A function that a greenlet of a hub runs. Any thread may wait for its end.

    It ends with its hub, if not before: then its greenlet never goes on.

    Args:
        handler: the handler of the task.
        hub: the hub of the greenlet.
        func: the function.
        args: its positional arguments.
        kwargs: its keyword arguments.
        if_never_begun: called if the greenlet is killed before it begins, and the hub goes on.
    """

    def __init__(
        self,
        handler: TaskHandler,
        hub: Hub,
        func: Callable[..., object],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        if_never_begun: Callable[[], object] | None = None,
    ) -> None:
        self._handler = handler
        self._hub = hub
        self._ended: AsyncResult[None] = AsyncResult(handler)
        self._call = func, args, kwargs
        self._if_never_begun = if_never_begun
        #: What the greenlet calls. It is gone when the greenlet is.
        self.greenlets_run: Callable[[], TaskRun | None] = _nothing

    def run(self) -> None:
        """Call the function. Only the greenlet does this."""
        func, args, kwargs = self._call
        del self._call
        try:
            func(*args, **kwargs)
        finally:
            self._ended.set()

    def never_begin(self) -> None:
        """End, since the greenlet was killed before it began. Any thread may call this."""
        self._ended.set()
        if self._if_never_begun is not None and not self._hub.has_ended():
            self._if_never_begun()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the task has ended, for ``timeout`` seconds at the most.

        Raises:
            RuntimeError: the task itself has called this, or one that the task waits for by its own
                ``join``. Or the hub itself has called this, and it cannot wait.
        """
        caller = task_of(self._handler.current_task())
        with joining(caller.task if isinstance(caller, TaskRun) else None, self, timeout):
            if not self._has_ended() and self._hub.wake_at_end(self):
                self._ended.wait(timeout)

    def is_alive(self) -> bool:
        """Return True while the task has not ended.

        In a forked child, a task of the parent counts as ended.
        """
        return not self._has_ended()

    def wake(self) -> None:
        """End, since the hub has ended. Any thread may call this."""
        self._ended.set()

    def _has_ended(self) -> bool:
        if self._ended.ready() or self._hub.has_ended():
            return True
        run = self.greenlets_run()
        return run is not None and run.is_frozen()


class TaskRun(FreezableTask):
    """What the greenlet of a task calls, once.

    If the greenlet is killed before that, its library drops this object, and tells nobody.
    """

    __slots__ = ("__weakref__", "task")

    def __init__(self, task: GreenTask) -> None:
        super().__init__(task.run)
        self.task = task
        task.greenlets_run = weakref.ref(self)

    def __del__(self) -> None:
        if self.has_not_begun():
            self.task.never_begin()


def _nothing() -> None:
    return None

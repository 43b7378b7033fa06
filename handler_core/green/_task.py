"""A spawned greenlet, as an object to wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handler_core.execution._result import AsyncResult, ResultHandler
from handler_core.green._fork import FreezableTask

__all__ = ["GreenTask"]


class GreenTask:
    """A function that a greenlet runs. Any thread may wait for its end."""

    def __init__(
        self,
        handler: ResultHandler,
        func: Callable[..., object],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self._ended: AsyncResult[None] = AsyncResult(handler)
        self._call = func, args, kwargs
        #: What the task's greenlet runs.
        self.run = FreezableTask(self._run)

    def _run(self) -> None:
        func, args, kwargs = self._call
        del self._call
        try:
            func(*args, **kwargs)
        finally:
            self._ended.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the task has ended, for ``timeout`` seconds at the most.

        Raises:
            RuntimeError: the hub itself has called this, and it cannot wait.
        """
        if self.is_alive():
            self._ended.wait(timeout)

    def is_alive(self) -> bool:
        """Return True while the task has not ended.

        In a forked child, a task of the parent counts as ended.
        """
        return not (self._ended.ready() or self.run.is_frozen())

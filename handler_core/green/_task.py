"""A greenlet that was spawned, for those who wait for its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handler_core.execution._result import AsyncResult, ResultHandler

__all__ = ["GreenTask"]


class GreenTask:
    """A spawned greenlet, for whoever wants to wait for its end, from any thread."""

    def __init__(
        self,
        handler: ResultHandler,
        func: Callable[..., object],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self._ended: AsyncResult[None] = AsyncResult(handler)
        self._call = func, args, kwargs

    def run(self) -> None:
        """Call the function: what the greenlet does."""
        func, args, kwargs = self._call
        del self._call
        try:
            func(*args, **kwargs)
        finally:
            self._ended.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the task has ended, for ``timeout`` seconds at the most.

        Raises:
            RuntimeError: called in the hub itself, which cannot wait.
        """
        self._ended.wait(timeout)

    def is_alive(self) -> bool:
        """Return True while the task has not ended."""
        return not self._ended.ready()

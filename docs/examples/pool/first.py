"""pool as a concurrency model of handler-core: tasks are work items of a thread pool."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from handler_core import (
    AsyncResult,
    Handler,
    HandlerTimeoutError,
    hookimpl,
    inherit_hook,
    poll_select,
)
from handler_core.execution import Joinable, joining

__all__ = ["PoolTimeoutError", "SequentialPoolHandler"]

POOL = ThreadPoolExecutor(max_workers=10_000)


class PoolTimeoutError(HandlerTimeoutError):
    """A wait was over before what it waited for had come."""


def report_error(future: Future[None]) -> None:
    """Say what a task has raised, as a thread does: nobody will ask for its outcome."""
    error = future.exception()
    if error is not None:
        args = (type(error), error, error.__traceback__, threading.current_thread())
        threading.excepthook(threading.ExceptHookArgs(args))


class Task(Joinable):
    """What ``spawn`` returns. A task that joins itself is refused: it would wait for ever."""

    _running = threading.local()

    def __init__(self, func: Callable[[], object]) -> None:
        self._func = func
        self._future = POOL.submit(self._run)
        self._future.add_done_callback(report_error)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the task has ended, for ``timeout`` seconds at the most."""
        with joining(getattr(self._running, "task", None), self, timeout):
            wait([self._future], timeout)

    def is_alive(self) -> bool:
        """Return True while the task has not ended."""
        return not self._future.done()

    def _run(self) -> None:
        self._running.task = self
        try:
            self._func()
        finally:
            del self._running.task, self._func


class SequentialPoolHandler(Handler):
    """Runs callbacks, and whatever is spawned, on the threads of one pool."""

    name = "pool"
    timeout_exception = PoolTimeoutError

    start = inherit_hook(Handler.start)
    stop = inherit_hook(Handler.stop)
    dispatch_callback = inherit_hook(Handler.dispatch_callback)

    @hookimpl
    def select(
        self,
        rlist: Sequence[Any],
        wlist: Sequence[Any],
        xlist: Sequence[Any],
        timeout: float | None,
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Wait for descriptors, as ``select.select`` does."""
        return poll_select(rlist, wlist, xlist, timeout)

    @hookimpl
    def callback_object(self) -> AsyncResult[Any]:
        """Return a new, pending result."""
        return AsyncResult(self)

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> Task:
        """Run ``func(*args, **kwargs)`` on a thread of the pool."""
        return Task(functools.partial(func, *args, **kwargs))

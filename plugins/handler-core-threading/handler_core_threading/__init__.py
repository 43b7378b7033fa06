"""Threads as a concurrency model: each task is a thread, and each wait blocks it.

In a process that gevent or eventlet has patched, ``threading``, ``socket`` and ``select`` are
green, and so is this handler. The patching must come first, as both libraries ask for it. The
module ``_green_threads`` has what such a process needs besides.
"""

from __future__ import annotations

import _thread
import time
from collections.abc import Callable, Sequence
from typing import Any

import handler_core
from handler_core import Handler, HandlerTimeoutError, hookimpl, inherit_hook, poll_select
from handler_core.execution import TaskThread, Waiter
from handler_core.network import LONGEST_TURN, SHORTEST_SLEEP

__all__ = ["AsyncResult", "KazooTimeoutError", "SequentialThreadingHandler"]


class KazooTimeoutError(HandlerTimeoutError):
    """A wait timed out. The name is kazoo's."""


class AsyncResult(handler_core.AsyncResult[Any]):
    """The result of a threading handler. Without a handler, a wait for it blocks the thread."""

    __slots__ = ()


class SequentialThreadingHandler(Handler):
    """Runs callbacks on two daemon threads, which start when they have something to run."""

    name = "threading"
    timeout_exception = KazooTimeoutError

    def __init__(self) -> None:
        super().__init__()
        # A debugger may have a function of its own there, and its threads are no greenlets.
        if _thread.start_new_thread.__module__.startswith(("gevent.", "eventlet.")):
            self.cooperative = True
            self._gave_way_at = time.monotonic()
            #: The last worker that was started.
            self._worker: Any = None

    @property
    def connection_class(self) -> type:  # type: ignore[override]
        """The mixin class for the sockets of connections without TLS."""
        from handler_core.network import Connection, ThreadConnection

        return Connection if self.cooperative else ThreadConnection

    @hookimpl
    def start(self) -> None:
        """Begin to run callbacks; see :meth:`handler_core.Handler.start`."""
        if self.cooperative:
            from handler_core_threading._green_hub import make_hub

            make_hub()
        super().start()

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
        """Wait for descriptors; see :meth:`handler_core.Handler.select`."""
        return poll_select(rlist, wlist, xlist, timeout)

    @hookimpl
    def callback_object(self) -> AsyncResult:
        """Return a new, pending result."""
        return AsyncResult(self)

    def new_waiter(self) -> Waiter:
        """Return a waiter for this thread.

        Raises:
            RuntimeError: the hub of a patched process calls this, as a signal handler may.
        """
        if not self.cooperative:
            return super().new_waiter()
        from handler_core_threading._green_hub import new_waiter

        return new_waiter()

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> TaskThread:
        """Run ``func(*args, **kwargs)`` in a daemon thread, which never keeps the program alive."""
        thread: TaskThread
        if self.cooperative:
            from handler_core_threading._green_threads import GreenThread

            thread = GreenThread(func, args, kwargs)
        else:
            thread = TaskThread(func, args, kwargs)
        thread.start()
        return thread

    def spawn_worker(
        self, run: Callable[[], object], if_never_begun: Callable[[], object]
    ) -> TaskThread:
        """Run a worker in a thread."""
        thread = self.spawn(run)
        if self.cooperative:
            self._worker = thread
        return thread

    def watch_home(self, waiter: Waiter) -> bool:
        """Return False if the workers' hub has ended, in a patched process.

        Nothing else in that hub waits any more, so nobody is to be woken when it ends.
        """
        return not self.cooperative or self._worker is None or not self._worker.hub.has_ended()

    def give_way(self) -> None:
        """Let other tasks run, in a patched process, where nothing else interrupts a task."""
        if time.monotonic() - self._gave_way_at > LONGEST_TURN:
            time.sleep(SHORTEST_SLEEP)
            self._gave_way_at = time.monotonic()

    def freeze_inherited_tasks(self) -> None:
        """Let the tasks of the parent process stand still, for ever."""
        if self.cooperative:
            from handler_core_threading._green_threads import freeze_inherited_threads

            freeze_inherited_threads()


AsyncResult.detached = SequentialThreadingHandler()

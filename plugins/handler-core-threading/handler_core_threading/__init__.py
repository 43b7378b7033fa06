"""Threads as a concurrency model: each task a thread, each wait a wait of the thread.

In a process that gevent or eventlet has patched, ``threading``, ``socket`` and ``select`` are
green, and so is this handler. Let the patching come first, as both ask for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import handler_core
from handler_core import Handler, HandlerTimeoutError, hookimpl, poll_select

__all__ = ["AsyncResult", "KazooTimeoutError", "SequentialThreadingHandler"]


class KazooTimeoutError(HandlerTimeoutError):
    """A wait was over before what it waited for had come. The name is kazoo's."""


class AsyncResult(handler_core.AsyncResult[Any]):
    """The result of a threading handler; without a handler, one whose waits block the thread."""

    __slots__ = ()


class SequentialThreadingHandler(Handler):
    """Runs callbacks on two daemon threads, which start when there is something to run."""

    name = "threading"
    timeout_exception = KazooTimeoutError

    @hookimpl
    def start(self) -> None:
        """Begin to run callbacks."""
        super().start()

    @hookimpl
    def stop(self) -> None:
        """Run what was dispatched, then end."""
        super().stop()

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

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        """Queue a callback to run."""
        super().dispatch_callback(callback)

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> threading.Thread:
        """Run ``func(*args, **kwargs)`` in a daemon thread, which never keeps the program alive."""
        thread = threading.Thread(target=func, args=args, kwargs=kwargs, daemon=True)
        thread.start()
        return thread


AsyncResult.detached = SequentialThreadingHandler()

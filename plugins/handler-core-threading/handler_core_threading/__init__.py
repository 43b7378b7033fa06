"""Threads as a concurrency model: each task a thread, each wait a wait of the thread.

In a process that gevent or eventlet has patched, ``threading``, ``socket`` and ``select`` are
green, and so is this handler. Let the patching come first, as both ask for it.
"""

from __future__ import annotations

import _thread
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType
from typing import Any

import handler_core
from handler_core import Handler, HandlerTimeoutError, hookimpl, inherit_hook, poll_select
from handler_core.green import GreenletTasks, renew_epoll
from handler_core.network import LONGEST_TURN, SHORTEST_SLEEP

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

    def __init__(self) -> None:
        super().__init__()
        #: The tasks, in a process where `threading` is patched and they are greenlets.
        self._tasks: GreenletTasks | None = None
        if not isinstance(_thread.start_new_thread, BuiltinFunctionType):
            self._tasks = GreenletTasks()
            self.cooperative = True
            self._gave_way_at = time.monotonic()

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
        """Wait for descriptors; see :meth:`handler_core.Handler.select`."""
        return poll_select(rlist, wlist, xlist, timeout)

    @hookimpl
    def callback_object(self) -> AsyncResult:
        """Return a new, pending result."""
        return AsyncResult(self)

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> threading.Thread:
        """Run ``func(*args, **kwargs)`` in a daemon thread, which never keeps the program alive."""
        thread_class: type[threading.Thread] = threading.Thread
        if self._tasks is not None:
            thread_class = _GreenThread
            func = _leaving_a_trace(self._tasks.tracked(func))
        thread = thread_class(target=func, args=args, kwargs=kwargs, daemon=True)
        thread.start()
        return thread

    def give_way(self) -> None:
        """Let other tasks run, in a process where nobody interrupts them."""
        if time.monotonic() - self._gave_way_at > LONGEST_TURN:
            time.sleep(SHORTEST_SLEEP)
            self._gave_way_at = time.monotonic()

    def is_kill(self, exception: BaseException) -> bool:
        """Return True if the worker was killed by this exception, from outside."""
        return self._tasks is not None and self._tasks.is_exit(exception)

    def end_inherited_tasks(self) -> None:
        """End the tasks of the parent process. Called in a forked child, inside ``fork``."""
        if self._tasks is not None:
            _renew_hub()
            self._tasks.end_inherited(lambda resume: _thread.start_new_thread(resume, ()))


def _renew_hub() -> None:
    """In a child of a process that eventlet has patched: leave the parent's ``epoll`` to it.

    gevent does this by itself.
    """
    hubs = sys.modules.get("eventlet.hubs")
    if hubs is not None:
        renew_epoll(getattr(hubs._threadlocal, "hub", None))


class _GreenThread(threading.Thread):
    """A thread in a patched process.

    On Python 3.13 eventlet's ``join`` raises where its time is over, and should return.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._over = threading.Event()

    def run(self) -> None:
        """Do what a thread does, and say that it is over."""
        try:
            super().run()
        finally:
            self._over.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended, for ``timeout`` seconds at the most."""
        if timeout is None or self is threading.current_thread() or self._over.wait(timeout):
            super().join()


def _leaving_a_trace(func: Callable[..., object]) -> Callable[..., None]:
    def run(*args: Any, **kwargs: Any) -> None:
        # `Thread.start` waits for its thread to begin. If this one forked before the caller has
        # gone on, the caller would go on in the child too.
        time.sleep(0)
        func(*args, **kwargs)
        # A forked child has forgotten the threads of its parent. One that is ended there would
        # fail to find itself among the living, but for this.
        threading.current_thread()

    return run


AsyncResult.detached = SequentialThreadingHandler()

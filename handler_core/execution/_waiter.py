"""How a caller waits, and how it is woken.

Every blocking call in handler-core waits the same way. It makes a waiter, stores it where the
waking side finds it, and parks. The waking side takes the waiter out and wakes it. So each waiter
is found once and woken once: there is no polling and no broadcast. The idea is that of trio's
parking lot. A model supplies the waiter of its tasks, for example of a greenlet; the waiter of a
thread is here.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from handler_core.execution._fork import this_process

__all__ = ["ThreadWaiter", "Waiter", "Waker"]


class Waker(Protocol):
    """Wakes one caller."""

    def wake(self) -> None:
        """Let the caller go on. From any thread.

        A second call does no harm, nor does a call after the caller has given up.
        """


class Waiter(Waker, Protocol):
    """Parks one caller, for one wait."""

    def park(self, timeout: float | None = None) -> bool:
        """Block the caller until it is woken. Other tasks go on.

        Args:
            timeout: seconds; ``None`` waits for ever. It never returns early.

        Returns:
            True if it was woken, False if the time is over. A wake that comes before the park is
            not lost.
        """

    def is_lost(self) -> bool:
        """Return True if the caller can never go on.

        Its hub has ended, or it is one of the parent process in a forked child. What is handed over
        to one caller only, such as a lock, goes to the next one then.
        """


class ThreadWaiter:
    """Parks a thread, on a lock that is held until :meth:`wake` releases it.

    A lock is the cheapest object that CPython can block a thread on. ``threading.Event`` makes
    three objects around one.

    Args:
        new_lock: makes the lock. The default is ``threading.Lock``, looked up at each use: in a
            process that gevent or eventlet has patched, a "thread" is a greenlet, and this lock
            parks it. A green model that parks an OS thread gives the original ``allocate_lock``.
    """

    __slots__ = ("__weakref__", "_generation", "_lock")

    def __init__(self, new_lock: Callable[[], Any] | None = None) -> None:
        self._generation = this_process.generation
        self._lock: Any = threading.Lock() if new_lock is None else new_lock()
        self._lock.acquire()

    def park(self, timeout: float | None = None) -> bool:
        """Block this thread until :meth:`wake`, for ``timeout`` seconds at the most.

        Raises:
            RuntimeError: the interpreter is ending, so that no other thread runs, and there is no
                timeout. Only a finalizer gets there.
        """
        if timeout is None:
            if not sys.is_finalizing():
                self._lock.acquire()
            elif not self._lock.acquire(False):
                raise RuntimeError(
                    "the interpreter is ending, and no other thread can end this wait: wait "
                    "before, in a function that atexit.register() was given"
                )
            return True
        deadline = time.monotonic() + timeout
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return bool(self._lock.acquire(False))
            if self._lock.acquire(True, min(remaining, threading.TIMEOUT_MAX)):
                return True

    def wake(self) -> None:
        """Let the parked thread go on."""
        try:  # noqa: SIM105 - `contextlib.suppress` would slow down each hand-over
            self._lock.release()
        except RuntimeError:  # it was woken before
            pass

    def is_lost(self) -> bool:
        """Return True in a forked child, for a thread of the parent: it was not copied."""
        return self._generation != this_process.generation

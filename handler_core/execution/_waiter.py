"""How a caller waits, and how it is woken.

Everything in handler-core that blocks, blocks in one way: it makes a waiter, leaves it where
whoever has the news will find it, and parks. Waking is by hand-over, not by polling and not by
broadcast: each waiter is found once and woken once. The shape is that of trio's parking lot; what
parks (a thread, a greenlet) is the model's business, and is all that the model has to say.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["ThreadWaiter", "Waiter", "Waker"]


class Waker(Protocol):
    """What wakes one caller."""

    def wake(self) -> None:
        """Let the caller go on. From any thread.

        A second call, or one after the caller has given up, does no harm.
        """


class Waiter(Waker, Protocol):
    """One caller that waits once."""

    def park(self, timeout: float | None = None) -> bool:
        """Block the caller, and nobody else, until it is woken.

        Args:
            timeout: seconds; ``None`` waits for ever. Never returns early.

        Returns:
            True if it was woken, False if the time was over. A wake that came before the park
            is not lost.
        """


class ThreadWaiter:
    """Parks a thread, on a lock that is held until :meth:`wake` releases it.

    A lock is the cheapest thing that CPython can block a thread on: ``threading.Event`` builds
    three objects around one.

    Args:
        new_lock: makes the lock. The default is looked up in ``threading`` at each use, so that in
            a process that gevent or eventlet has patched it is what that process calls a thread
            which waits. A green model has callers that are threads of the operating system, and
            gives the original ``allocate_lock``.
    """

    __slots__ = ("__weakref__", "_lock")

    def __init__(self, new_lock: Callable[[], Any] | None = None) -> None:
        self._lock: Any = threading.Lock() if new_lock is None else new_lock()
        self._lock.acquire()

    def park(self, timeout: float | None = None) -> bool:
        """Block this thread until :meth:`wake`, for ``timeout`` seconds at the most."""
        if timeout is None:
            self._lock.acquire()
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
        try:  # noqa: SIM105 - the speed of a hand-over is that of this line
            self._lock.release()
        except RuntimeError:  # nobody waits: it was woken before
            pass

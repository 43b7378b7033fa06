"""Events, locks and conditions for tasks that are not threads.

They are built on waiters (:class:`handler_core.Waiter`) alone. So they work in every model that can
park and wake a task, and also between its tasks and OS threads. The primitives of gevent and
eventlet work within one thread only. Each has a guard, which is held for a few instructions and
never during a wait. A lock is handed over to the task that has waited longest.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Any

from handler_core.execution._native_lock import NativeRLock
from handler_core.execution._waiter import Waiter

__all__ = ["Condition", "Event", "Lock", "RLock"]


class Event:
    """An event with the methods of ``threading.Event``."""

    def __init__(self, new_waiter: Callable[[], Waiter]) -> None:
        self._new_waiter = new_waiter
        self._guard = NativeRLock()
        self._set = False
        self._waiters: deque[Waiter] = deque()

    def is_set(self) -> bool:
        """Return True if the event is set."""
        return self._set

    def set(self) -> None:
        """Set the event, and wake all tasks that wait for it."""
        with self._guard:
            self._set = True
            waiters = list(self._waiters)
            self._waiters.clear()  # and not replaced: a wait whose time is over may look into it
        for waiter in waiters:
            waiter.wake()

    def clear(self) -> None:
        """Unset the event."""
        with self._guard:
            self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is set, for ``timeout`` seconds at the most; return True if it is.

        Raises:
            RuntimeError: the wait would block the thread that runs the event loop.
        """
        if self._set:
            return True
        if timeout is not None and not timeout > 0:
            return False
        waiter = self._new_waiter()
        with self._guard:
            self._waiters.append(waiter)
        # In this order: a signal handler of this very thread, which the guard does not exclude, may
        # set the event at any point.
        if self._set:
            _withdraw(self._guard, self._waiters, waiter)
            return True
        woken = False
        try:
            woken = waiter.park(timeout)
        finally:
            if not woken:
                woken = not _withdraw(self._guard, self._waiters, waiter)
        return woken


class Lock:
    """A lock with the methods of ``threading.Lock``."""

    def __init__(self, new_waiter: Callable[[], Waiter]) -> None:
        self._new_waiter = new_waiter
        self._guard = NativeRLock()
        self._locked = False
        self._waiters: deque[Waiter] = deque()

    def locked(self) -> bool:
        """Return True if a task holds the lock."""
        return self._locked

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; return True if it was taken.

        Args:
            blocking: False does not wait.
            timeout: for how long to wait, in seconds; -1 is for ever.

        Raises:
            ValueError: a timeout without blocking, or another negative one.
            RuntimeError: the wait would block the thread that runs the event loop.
        """
        seconds = _lock_timeout(blocking, timeout)
        with self._guard:
            if not self._locked:
                self._locked = True
                return True
        if seconds == 0:
            return False
        waiter = self._new_waiter()
        with self._guard:
            if not self._locked:
                self._locked = True
                return True
            self._waiters.append(waiter)
        try:
            if waiter.park(seconds):
                return True
        except BaseException:
            if not _withdraw(self._guard, self._waiters, waiter):
                self.release()  # this task got the lock and is being ended
            raise
        return not _withdraw(self._guard, self._waiters, waiter)

    def release(self) -> None:
        """Give the lock back, or hand it over to the task that has waited longest.

        Raises:
            RuntimeError: no task holds the lock.
        """
        with self._guard:
            if not self._locked:
                raise RuntimeError("release unlocked lock")
            waiter = _next_waiter(self._waiters)
            if waiter is None:
                self._locked = False
                return
        waiter.wake()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


class RLock:
    """A lock with the methods of ``threading.RLock``: its owner may take it again."""

    def __init__(
        self, new_waiter: Callable[[], Waiter], current_task: Callable[[], Hashable]
    ) -> None:
        self._lock = Lock(new_waiter)
        self._current_task = current_task
        self._owner: Hashable = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock. Its owner takes it once more; see :meth:`Lock.acquire`."""
        task = self._current_task()
        if self._owner == task:
            _lock_timeout(blocking, timeout)
            self._count += 1
            return True
        if not self._lock.acquire(blocking, timeout):
            return False
        self._owner = task
        self._count = 1
        return True

    def release(self) -> None:
        """Give the lock back, once.

        Raises:
            RuntimeError: the caller does not hold it.
        """
        if self._owner != self._current_task():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


class Condition:
    """A condition with the methods of ``threading.Condition``.

    Args:
        lock: a native lock. It is not held during a wait.
        new_waiter: returns a waiter for the caller.
    """

    def __init__(self, lock: Any, new_waiter: Callable[[], Waiter]) -> None:
        self._lock = lock
        self._new_waiter = new_waiter
        self._waiters: deque[Waiter] = deque()

    def wait(self, timeout: float | None = None) -> bool:
        """Give the lock back until a ``notify``, for ``timeout`` seconds at the most.

        Returns:
            False if the time is over.

        Raises:
            RuntimeError: the wait would block the thread that runs the event loop.
        """
        waiter = self._new_waiter()
        self._waiters.append(waiter)
        woken = False
        self._lock.release()
        try:
            woken = waiter.park(timeout)
        finally:
            self._lock.acquire()
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not woken:
                # A `notify` found this waiter just as its time was over, or as its task was
                # ended. The next one gets the notification.
                self.notify()
        return woken

    def notify(self, n: int = 1) -> None:
        """Wake ``n`` of the waiting tasks. The caller holds the lock."""
        for _ in range(n):
            waiter = _next_waiter(self._waiters)
            if waiter is None:
                return
            waiter.wake()

    def notify_all(self) -> None:
        """Wake all waiting tasks. The caller holds the lock."""
        self.notify(len(self._waiters))

    def __enter__(self) -> bool:
        return bool(self._lock.acquire())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()


def _lock_timeout(blocking: bool, timeout: float) -> float | None:
    """Return the seconds to wait, None for ever, from the two arguments of ``acquire``."""
    if not blocking:
        if timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        return 0
    if timeout == -1:
        return None
    if math.isnan(timeout) or timeout < 0:
        raise ValueError("timeout value must be a non-negative number")
    return timeout


def _next_waiter(waiters: deque[Waiter]) -> Waiter | None:
    """Take out the one that has waited longest and can still go on; return None without one."""
    while waiters:
        waiter = waiters.popleft()
        if not waiter.is_lost():
            return waiter
    return None


def _withdraw(guard: NativeRLock, waiters: deque[Waiter], waiter: Waiter) -> bool:
    """Take a waiter back; return False if a waking side has found it: it counts as woken."""
    with guard:
        if waiter in waiters:
            waiters.remove(waiter)
            return True
        return False

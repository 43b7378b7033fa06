"""A loop's watch on one descriptor, which outlives the wait that began it.

A client waits for the same descriptor again and again. To add a reader to a loop and to remove it
takes longer than to answer a request. So the reader stays in the loop from wait to wait. The watch
removes it when the descriptor is readable and no greenlet waits for it, because the loop would
otherwise turn for nothing, and before the descriptor is closed. The timer of a wait stays in the
loop too. The next wait mostly ends later, and a timer that goes off too early is set again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from handler_core.green import GreenWaiter

__all__ = ["DescriptorWatch"]


class _WatchingHub(Protocol):
    """What a watch needs of its hub."""

    def is_mine(self) -> bool:
        """Return True in the thread that runs the loop."""

    def has_ended(self) -> bool:
        """Return True if the loop has ended, or its thread."""

    def is_forked(self) -> bool:
        """Return True in a forked child, where the loop is the parent's."""

    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        """Have the loop call ``func``. Any thread may call this."""

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        """Have the loop call ``func`` in so many seconds; return a function that cancels it."""

    def add_reader(self, fd: int, func: Callable[[], object]) -> Callable[[], None]:
        """Have the loop call ``func`` while ``fd`` is readable; return a function that ends it."""


class DescriptorWatch:
    """One descriptor in one loop, for one greenlet at a time.

    Only the loop's thread uses it, except for :meth:`end`.
    """

    def __init__(self, hub: _WatchingHub, fd: int) -> None:
        #: The hub of the loop that watches.
        self.hub = hub
        self._fd = fd
        self._stop_reading: Callable[[], None] | None = None
        self._waiter: GreenWaiter | None = None
        # When the wait is over, and when the timer goes off, by `time.monotonic`.
        self._deadline: float | None = None
        self._timer_at = 0.0
        self._cancel_timer: Callable[[], None] | None = None

    def wait(self, waiter: GreenWaiter, timeout: float | None) -> None:
        """Park until the descriptor is readable, for ``timeout`` seconds at the most."""
        if self._stop_reading is None:
            self._stop_reading = self.hub.add_reader(self._fd, self._readable)
        self._waiter = waiter
        self._deadline = None
        if timeout is not None:
            self._deadline = time.monotonic() + timeout
            if self._cancel_timer is None or self._timer_at > self._deadline:
                self._set_timer(self._deadline, timeout)
        try:
            waiter.park()
        finally:
            self._waiter = None

    def end(self, func: Callable[[], object]) -> None:
        """Stop watching, and then call ``func``. Any thread may call this."""
        if self.hub.is_mine():
            self._stop()
            func()
        elif self.hub.has_ended() or self.hub.is_forked():
            func()  # no loop of this process watches
        else:
            self.hub.call_soon_threadsafe(lambda: self.end(func))

    def _stop(self) -> None:
        if self._cancel_timer is not None:
            self._cancel_timer()
            self._cancel_timer = None
        if self._stop_reading is not None:
            self._stop_reading()
            self._stop_reading = None

    def _readable(self) -> None:
        if self._waiter is not None:
            self._waiter.wake_at_once()
        elif self._stop_reading is not None:
            self._stop_reading()
            self._stop_reading = None

    def _set_timer(self, at: float, seconds: float) -> None:
        if self._cancel_timer is not None:
            self._cancel_timer()
        self._timer_at = at
        self._cancel_timer = self.hub.call_later(seconds, self._time_over)

    def _time_over(self) -> None:
        self._cancel_timer = None
        if self._waiter is None or self._deadline is None:
            return
        remaining = self._deadline - time.monotonic()
        if remaining > 0:
            self._set_timer(self._deadline, remaining)
        else:
            self._waiter.wake_at_once()

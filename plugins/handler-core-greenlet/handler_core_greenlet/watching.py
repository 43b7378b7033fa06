"""Watching one descriptor again and again.

To have a loop watch a descriptor, and watch it no more, takes longer than to answer a request over
it, and a client waits for the same one each time. So the registration outlives the wait. It ends
when the descriptor turns out to be readable while nobody waits for it, or else the loop would turn
for nothing; or when the descriptor is about to be closed. The timer of the wait stays too: the next
wait ends later, mostly, and a timer that goes off too early is set again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from handler_core.green import GreenWaiter
    from handler_core_greenlet.hub import LoopHub

__all__ = ["LoopWatch"]


class LoopWatch:
    """One descriptor in one loop, for one greenlet at a time. To be used in the loop's thread."""

    def __init__(self, hub: LoopHub, fd: int) -> None:
        #: The hub whose loop it is.
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
        """Watch it no more, and call ``func`` when that is so. From any thread."""
        if self.hub.is_mine():
            self._stop()
            func()
        elif self.hub.has_ended() or self.hub.is_forked():
            func()  # nobody watches
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

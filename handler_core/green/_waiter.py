"""How a greenlet waits, and how it is woken.

A greenlet parks by switching to its hub. The hub runs other greenlets and switches back when the
waiter is woken or its time is over. The waiter knows its hub, so any thread can wake it: it asks
that hub to resume the greenlet, by the thread-safe way if the caller is in another thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from handler_core.green._fork import is_frozen

__all__ = ["GreenWaiter"]


class _ParkingHub(Protocol):
    """What a waiter needs of its hub."""

    parked_at: float

    @property
    def resumes(self) -> bool:
        """False once the program has destroyed the hub."""

    def switch(self) -> None:
        """Switch to the hub; return when it switches back to this greenlet."""

    def has_ended(self) -> bool:
        """Return True if the hub has ended."""

    def call(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. Any thread may call this."""

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` in so many seconds; return a function that cancels it."""


class GreenWaiter:
    """Parks a greenlet."""

    __slots__ = ("__weakref__", "_greenlet", "_hub", "_parked", "_woken")

    def __init__(self, hub: _ParkingHub, greenlet: Any) -> None:
        self._hub = hub
        self._greenlet = greenlet
        self._woken = False
        self._parked = False

    def park(self, timeout: float | None = None) -> bool:
        """Let the hub run until :meth:`wake`, for ``timeout`` seconds at the most."""
        hub = self._hub
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._woken:
            cancel = None
            if deadline is not None:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                cancel = hub.call_later(remaining, self._resume)
            self._parked = True
            try:
                hub.switch()
            finally:
                self._parked = False
                if cancel is not None:
                    cancel()
        hub.parked_at = time.monotonic()
        return self._woken

    def wake(self) -> None:
        """Let the parked greenlet go on. Any thread may call this."""
        self._woken = True
        self._hub.call(self._resume)

    def wake_at_once(self) -> None:
        """Switch to the parked greenlet now. Only the hub itself may call this.

        It saves the turn of the hub that :meth:`wake` takes.
        """
        self._woken = True
        self._resume()

    def is_lost(self) -> bool:
        """Return True if the hub never resumes the greenlet.

        The hub has ended, or the greenlet is one of the parent process in a forked child.
        """
        # If the program has destroyed the hub, the main greenlet goes on in the next one.
        greenlet = self._greenlet
        return is_frozen(greenlet) or (
            self._hub.has_ended() and (self._hub.resumes or greenlet.parent is not None)
        )

    def _resume(self) -> None:
        # The hub calls this. A greenlet that has not parked here waits elsewhere, or runs: a
        # switch would disturb it.
        if self._parked and (self._hub.resumes or self._greenlet.parent is None):
            self._greenlet.switch()

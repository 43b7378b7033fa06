"""How a greenlet waits, and how it is woken."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["GreenWaiter"]


class _ParkingHub(Protocol):
    """What a waiter needs of its hub."""

    parked_at: float

    def switch(self) -> None:
        """Switch to the hub, until it switches back to this greenlet."""

    def call(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. From any thread."""

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` in so many seconds; return what cancels that."""


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
        """Let the parked greenlet go on."""
        self._woken = True
        self._hub.call(self._resume)

    def wake_at_once(self) -> None:
        """Let the parked greenlet go on. In its hub, which is not even to take another turn."""
        self._woken = True
        self._resume()

    def _resume(self) -> None:
        # In the hub. Whoever is not parked here is elsewhere, and not to be disturbed.
        if self._parked:
            self._greenlet.switch()

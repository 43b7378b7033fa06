"""The end of a hub, and the waiters that hear of it.

A hub ends with its thread, or earlier: a program may destroy a hub, or close a loop. Then the
greenlets of the hub never go on, and a wait for one of them would last for ever.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

from handler_core.execution._waiter import Waker

__all__ = ["HubEnd"]


class HubEnd:
    """The end of one hub. All methods are safe from any thread.

    Args:
        thread_local: local storage that belongs to the hub. The hub ends when the thread that
            makes this object ends.
    """

    def __init__(self, thread_local: Any) -> None:
        # The list has the one lasting reference to the waiters, until the end. A thread that adds a
        # waiter has another one meanwhile. So nobody adds a waiter while the others are woken, and
        # that needs no lock, which a fork could leave taken.
        self._ahead = [_Waiters()]
        thread_local.end = _ThreadEnd(self.come)

    def come(self) -> None:
        """End the hub: wake the waiters. A second call does nothing."""
        self._ahead.clear()

    def has_come(self) -> bool:
        """Return True if the hub has ended."""
        return not self._ahead

    def watch(self, waiter: Waker) -> bool:
        """Wake ``waiter`` at the end; return False if the hub has ended already.

        The waiter is not kept alive.
        """
        try:
            waiters = self._ahead[0]
        except IndexError:
            return False
        waiters.add(waiter)
        return True


class _Waiters:
    """Wakes waiters when it is freed."""

    __slots__ = ("_waiters", "add")

    def __init__(self) -> None:
        self._waiters: weakref.WeakSet[Waker] = weakref.WeakSet()
        self.add = self._waiters.add

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # As the interpreter ends, the modules are gone, and no caller waits.
        if not is_finalizing():
            for waiter in self._waiters:
                waiter.wake()


class _ThreadEnd:
    """Calls a function when it is freed. In a thread's local storage, that is when it ends."""

    __slots__ = ("_func",)

    def __init__(self, func: Callable[[], object]) -> None:
        self._func = func

    def __del__(self) -> None:
        self._func()

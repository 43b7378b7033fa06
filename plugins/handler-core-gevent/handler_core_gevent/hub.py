"""gevent's hub, as handler-core uses it.

**Waking from another thread** is ``run_callback_threadsafe``. But a hub that has nothing to wait
for ends its loop and raises ``LoopExit`` in the main greenlet, and that somebody in another thread
is about to wake a greenlet is nothing that it knows of. An ``async`` watcher is what says so: each
hub has one, and it is started as long as a greenlet is parked here, and not longer: a program in
which everybody waits for something else still gets its ``LoopExit``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent  # type: ignore[import-untyped]
import gevent.hub  # type: ignore[import-untyped]
from gevent import monkey
from gevent._hub_local import get_hub_if_exists  # type: ignore[import-untyped]

from handler_core.green import Hub

__all__ = ["GeventHub", "TaskGreenlet"]

_READ = 1

_native_ident = monkey.get_original("_thread", "get_ident")
_native_local = monkey.get_original("_thread", "_local")


class TaskGreenlet(gevent.Greenlet):  # type: ignore[misc]
    """The greenlet of a task. It knows a kill from an exception of the task's own."""

    #: What somebody else has killed it with.
    killed_by: object = None

    #: What it has killed itself with: an exception of its own, though it comes from the hub.
    _own: object = None

    def throw(self, *exception: Any) -> Any:
        """Raise an exception in this greenlet, now; without one, ``GreenletExit``."""
        kind = exception[0] if exception else gevent.GreenletExit
        if isinstance(kind, type) and issubclass(kind, gevent.GreenletExit):
            exception = (kind(), *exception[1:])
        if isinstance(exception[0], gevent.GreenletExit) and exception[0] is not self._own:
            self.killed_by = exception[0]
        return super().throw(*exception)

    def kill(
        self, exception: Any = gevent.GreenletExit, block: bool = True, timeout: float | None = None
    ) -> None:
        """Have an exception raised in this greenlet, soon."""
        if isinstance(exception, type):
            exception = exception()
        if gevent.getcurrent() is self:
            self._own = exception
        else:
            self.killed_by = exception
        super().kill(exception, block, timeout)


class GeventHub(Hub):
    """The hub of one thread."""

    title = "gevent hub"

    def __init__(self, library: Any) -> None:
        super().__init__(_native_local)
        self._library = library
        self._somebody_is_parked = library.loop.async_()
        self._parked = 0

    @classmethod
    def current(cls, make: bool) -> GeventHub | None:
        """Return the hub of this thread; None in one that has none, but for the main thread."""
        library = get_hub_if_exists()
        if library is None:
            if not make and _native_ident() != gevent.hub.MAIN_THREAD_IDENT:
                return None
            library = gevent.get_hub()
        hub: GeventHub | None = getattr(library, "handler_core", None)
        if hub is None:
            hub = library.handler_core = cls(library)
        return hub

    def may_park(self, greenlet: Any) -> bool:
        """Return False for the greenlet that runs the hub."""
        return greenlet is not self._library

    def is_mine(self) -> bool:
        """Return True in the thread of this hub."""
        return get_hub_if_exists() is self._library

    def has_ended(self) -> bool:
        """Return True if the hub's thread has ended, or somebody has destroyed the hub."""
        return self._library.loop is None or super().has_ended()

    def spawn(self, func: Callable[[], object]) -> None:
        """Run ``func`` in a new greenlet. In the hub's thread."""
        TaskGreenlet.spawn(func)

    def call_soon(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. In the hub's thread."""
        self._library.loop.run_callback(func)

    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. From any thread, and it wakes at once."""
        loop = self._library.loop
        if loop is not None:  # else the hub is destroyed, and its greenlets with it
            loop.run_callback_threadsafe(func)

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` in so many seconds; return what cancels that."""
        timer = self._library.loop.timer(seconds)
        timer.start(func, update=True)  # else the time would count from the loop's last turn
        cancel: Callable[[], None] = timer.close
        return cancel

    def add_reader(self, fd: int, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` while ``fd`` is readable; return what ends that."""
        watcher = self._library.loop.io(fd, _READ)
        watcher.start(func)
        end: Callable[[], None] = watcher.close
        return end

    def switch(self) -> None:
        """Switch to the hub, until it switches back to this greenlet."""
        if not self._parked:
            self._somebody_is_parked.start(_nothing)
        self._parked += 1
        try:
            self._library.switch()
        finally:
            self._parked -= 1
            if not self._parked:
                self._somebody_is_parked.stop()


def _nothing() -> None:
    """Be called."""

"""gevent's hub, as handler-core uses it.

Another thread wakes the hub by gevent's ``run_callback_threadsafe``. But a hub that has nothing to
wait for ends its loop and raises ``LoopExit`` in the main greenlet. It does not know that another
thread is about to wake a greenlet. So each hub has an ``async`` watcher, which keeps the loop
running. The watcher is active only while a greenlet is parked by handler-core. A program in which
every greenlet waits for something else still gets its ``LoopExit``.

gevent closes a socket in the next turn of its hub, and resumes who waits for it then. It does not
wake the hub for that if another thread has closed the socket. So :func:`wake_other_hubs` does.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import gevent  # type: ignore[import-untyped]
import gevent.hub  # type: ignore[import-untyped]
from gevent import monkey
from gevent._hub_local import get_hub_if_exists  # type: ignore[import-untyped]

from handler_core.green import Hub, is_frozen, stop_frozen_watchers
from handler_core_gevent._task_greenlet import TaskGreenlet

__all__ = ["GeventHub", "wake_other_hubs"]

_READ = 1

_native_ident = monkey.get_original("_thread", "get_ident")
_native_local = monkey.get_original("_thread", "_local")

# The hubs of all threads, by their `id`. A thread may add one while another reads them.
_hubs: weakref.WeakValueDictionary[int, GeventHub] = weakref.WeakValueDictionary()


class GeventHub(Hub):
    """gevent's hub of one thread."""

    title = "gevent hub"

    def __init__(self, library: Any) -> None:
        super().__init__(_native_local)
        self._library = library
        self._keep_alive = library.loop.async_()
        self._parked: set[Any] = set()
        self._turn_is_due = False
        self._announce_destroy()
        _hubs[id(self)] = self

    @classmethod
    def current(cls, make: bool) -> GeventHub | None:
        """Return the hub of this thread, or None if it has none.

        The main thread gets a hub if it has none. Other threads do if ``make`` is true.
        """
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
        """Return True for any greenlet but the one that runs the hub."""
        return greenlet is not self._library

    def is_mine(self) -> bool:
        """Return True in the thread of this hub."""
        return get_hub_if_exists() is self._library

    def has_ended(self) -> bool:
        """Return True if the hub's thread has ended, or the program has destroyed the hub."""
        return self._library.loop is None or super().has_ended()

    def _announce_destroy(self) -> None:
        """Hear of ``destroy()``. gevent has no hook for that."""
        destroy = self._library.destroy

        @functools.wraps(destroy)
        def destroy_and_tell(*args: Any, **kwargs: Any) -> None:
            destroy(*args, **kwargs)
            self.resumes = False
            self.end()

        self._library.destroy = destroy_and_tell

    def spawn(self, func: Callable[[], object]) -> None:
        """Run ``func`` in a new greenlet. Only the hub's thread calls this."""
        TaskGreenlet.spawn(func)

    def call_soon(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. Only the hub's thread calls this."""
        self._library.loop.run_callback(func)

    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``, and wake it at once. Any thread may call this."""
        loop = self._library.loop
        if loop is not None:  # a destroyed hub has no greenlet left to wake
            loop.run_callback_threadsafe(func)

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` in so many seconds; return a function that cancels it."""
        timer = self._library.loop.timer(seconds)
        timer.start(func, update=True)  # or the time would count from the loop's last turn
        cancel: Callable[[], None] = timer.close
        return cancel

    def add_reader(self, fd: int, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` while ``fd`` is readable; return a function that ends it."""
        watcher = self._library.loop.io(fd, _READ)
        watcher.start(func)
        end: Callable[[], None] = watcher.close
        return end

    def take_turn(self) -> None:
        """Have the hub take a turn. Any thread may call this.

        A hub that never runs again gets one callback by this, however often it is called.
        """
        if not self._turn_is_due and not self.has_ended():
            self._turn_is_due = True
            self.call_soon_threadsafe(self._turn_is_taken)

    def _turn_is_taken(self) -> None:
        self._turn_is_due = False

    def switch(self) -> None:
        """Switch to the hub; return when it switches back to this greenlet."""
        current = gevent.getcurrent()
        if not self._parked:
            self._keep_alive.start(_do_nothing)
        self._parked.add(current)
        try:
            self._library.switch()
        finally:
            self._parked.discard(current)
            if not self._parked:
                self._keep_alive.stop()

    def leave_frozen(self) -> None:
        """Wait for nothing more that only frozen greenlets wait for, from the next turn on."""
        self._library.loop.run_callback(self._leave_frozen_now)

    def _leave_frozen_now(self) -> None:
        stop_frozen_watchers(self._library.loop)
        self._parked = {greenlet for greenlet in self._parked if not is_frozen(greenlet)}
        if not self._parked:
            self._keep_alive.stop()


def wake_other_hubs(_: int) -> Callable[[], None] | None:
    """Return what has the hubs of other threads take a turn, since a socket was closed here.

    See ``watch_closed_descriptors``.
    """
    others = [hub for each in _hubs.valuerefs() if (hub := each()) is not None]
    others = [hub for hub in others if not hub.is_mine()]
    if not others:
        return None

    def wake_all() -> None:
        for hub in others:
            hub.take_turn()

    return wake_all


def _do_nothing() -> None:
    """Be the callback of the watcher, which nothing triggers."""

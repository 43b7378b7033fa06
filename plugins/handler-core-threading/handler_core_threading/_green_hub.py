"""How the threads of a process that gevent or eventlet has patched wait for each other.

Such a thread is a greenlet, and waits while the hub of the library runs. The green locks of the
libraries would do, but for handlers of ``signal.signal``. A signal handler may run in the hub
itself, in the midst of the hub's sleep, and an eventlet hub does not notice what it does. A gevent
hub that has nothing else to wait for ends each wait with a ``LoopExit``, though a signal may come.

Only a patched process imports this module.
"""

from __future__ import annotations

import _socket
import _thread
import functools
import importlib
import time
from collections.abc import Callable
from typing import Any

from handler_core.green import GreenWaiter, tell_at_abort

__all__ = ["call_in_hub", "current_hub", "in_hub", "make_hub", "new_waiter"]

# In seconds. A longer wait has several timers: epoll counts milliseconds in a C int.
_LONGEST_TIMER = 86400.0


class _GeventHub:
    """gevent's hub of the current thread."""

    def __init__(self, gevent: Any) -> None:
        self.parked_at = time.monotonic()
        self._library = gevent.get_hub()
        self.greenlet = self._library

    def has_ended(self) -> bool:
        return self._library.loop is None

    @property
    def resumes(self) -> bool:
        return not self.has_ended()

    def switch(self) -> None:
        # The watcher keeps the loop running. Nothing ever triggers it.
        watcher = self._library.loop.async_()
        watcher.start(_current_greenlet().switch)
        try:
            self._library.switch()
        finally:
            watcher.close()

    def call(self, func: Callable[[], object]) -> None:
        loop = self._library.loop
        if loop is not None:  # a destroyed hub has no greenlet left to wake
            loop.run_callback_threadsafe(func)

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        timer = self._library.loop.timer(min(seconds, _LONGEST_TIMER))
        timer.start(func, update=True)  # or the time would count from the loop's last turn
        cancel: Callable[[], None] = timer.close
        return cancel


class _EventletHub:
    """eventlet's hub of the current thread."""

    def __init__(self, eventlet: Any) -> None:
        self.parked_at = time.monotonic()
        self._library = library = eventlet.hubs.get_hub()
        life: _Life | None = getattr(library, "handler_core_life", None)
        if life is None or life.has_ended:
            life = library.handler_core_life = _Life()
            tell_at_abort(library, life)
        self._life = life
        anchor = getattr(library, "handler_core_anchor", None)
        if anchor is None or not anchor.holds():
            library.handler_core_anchor = _Anchor(library)

    def has_ended(self) -> bool:
        return self._life.has_ended

    @property
    def resumes(self) -> bool:
        return not self.has_ended()

    @property
    def greenlet(self) -> Any:
        # eventlet runs the hub in a new greenlet when the last one has ended.
        return self._library.greenlet

    def switch(self) -> None:
        self._library.switch()

    def call(self, func: Callable[[], object]) -> None:
        self._library.schedule_call_global(0, func)
        if _current_greenlet() is self.greenlet:
            self._wake()

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        timer = self._library.schedule_call_global(min(seconds, _LONGEST_TIMER), func)
        cancel: Callable[[], None] = timer.cancel
        return cancel

    def _wake(self) -> None:
        """Have the hub turn once more. A signal handler calls this, in the hub.

        The hub may be asleep, or about to sleep, until a descriptor is ready. So it gets one that
        is. The kernel adds it to the ``epoll`` in which the hub sleeps.
        """
        library = self._library
        ready, other_end = _socket.socketpair()
        other_end.close()

        def answer(_: object) -> None:
            library.remove(listener)
            ready.close()

        library.mark_as_reopened(ready.fileno())
        listener = library.add(library.READ, ready.fileno(), answer, answer, None)


class _Life:
    """The time of an eventlet hub up to its next ``abort()``. The hub may run again afterwards."""

    has_ended = False

    def hub_aborted(self) -> None:
        """End."""
        self.has_ended = True


class _Anchor:
    """A descriptor that is never ready.

    An eventlet hub that has no descriptor sleeps by the clock, and nothing that it gets meanwhile
    wakes it.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        self._sockets = _socket.socketpair()
        self._fd = self._sockets[0].fileno()
        library.mark_as_reopened(self._fd)
        self._listener = library.add(library.READ, self._fd, _do_nothing, _do_nothing, None)

    def holds(self) -> bool:
        """Return False if the hub has dropped it, because its descriptor was closed."""
        return self._library.listeners[self._library.READ].get(self._fd) is self._listener


@functools.cache
def _hub_class() -> Callable[[], _GeventHub | _EventletHub]:
    """Return what makes the hub of the library that has patched the process."""
    name, _, _ = _thread.start_new_thread.__module__.partition(".")
    library = importlib.import_module(name)
    return lambda: _GeventHub(library) if name == "gevent" else _EventletHub(library)


@functools.cache
def _greenlet() -> Any:
    return importlib.import_module("greenlet")


def _current_greenlet() -> Any:
    return _greenlet().getcurrent()


def new_waiter() -> GreenWaiter:
    """Return a waiter for the current thread.

    Raises:
        RuntimeError: the caller is the hub, which runs all threads. A signal handler may be.
    """
    hub = current_hub()
    current = _current_greenlet()
    if current is hub.greenlet:
        raise RuntimeError(
            "this would block the hub, which runs all threads of a patched process: call it in a "
            "thread of its own, with handler.spawn(...)"
        )
    return GreenWaiter(hub, current)


def in_hub() -> bool:
    """Return True if the caller is the hub. A signal handler may be."""
    return _current_greenlet() is current_hub().greenlet


def current_hub() -> _GeventHub | _EventletHub:
    """Return the hub of the current thread. It is made if there is none."""
    return _hub_class()()


def make_hub() -> None:
    """Make the hub of the current thread now. A signal handler cannot, in the midst of this."""
    current_hub()


def call_in_hub(func: Callable[[], object]) -> None:
    """Have the hub call ``func``, and wake the hub at once. A signal handler may call this."""
    current_hub().call(func)


def _do_nothing(_: object) -> None:
    """Be called for a descriptor that is never ready, or that was closed."""
